"""Columns that a segment puts out, in the files of its exports."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.integration.exporter.related import orders_of
from tests.integration.exporter.test_exporter import manifest_of, run
from tests.integration.exporter.world import AS_OF

from muster_core.errors import InvalidInput

pytestmark = pytest.mark.integration
NOTES = {"table": "orders", "column": "note", "as": "notes"}


def test_columns_of_the_segment_follow_those_of_the_export(world):
    project = [{"column": "age", "as": "years"}, {"column": "email"}]
    version = world.publish("vip", project=project)
    columns = [{"column": "email", "as": "mail"}]
    world.export(columns=columns, format="parquet")
    world.queue("crm", "vip", version)

    (done,) = run(world)

    assert done.state == "delivered"
    folder = world.folder("crm", "vip", version)
    found = pq.read_table(folder / "part-00000.parquet")
    expected = world.members("vip", version, ["id", "email", "age"])
    assert found.equals(expected.rename_columns(["id", "mail", "years"]))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [(c["name"], c["type"]) for c in manifest["columns"]] == [
        ("id", "text"),
        ("mail", "text"),
        ("years", "integer"),
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_values_of_related_rows_are_lists_newest_first_over_several_files(world, form):
    version = world.publish("vip", project=[NOTES])
    world.export(columns=["notes"], format=form, rows_per_file=300)
    world.queue("crm", "vip", version)

    (done,) = run(world)

    assert done.state == "delivered"
    folder = world.folder("crm", "vip", version)
    manifest = manifest_of(folder)
    assert [c.type for c in manifest.columns] == ["text", "array<text>"]
    assert len(manifest.files) > 1
    found: list[Any] = []
    for file in manifest.files:
        if form == "parquet":
            found += pq.read_table(folder / file.name)["notes"].to_pylist()
        else:
            rows = csv.reader(io.StringIO((folder / file.name).read_bytes().decode()))
            found += [json.loads(row[1]) for row in list(rows)[1:]]
    expected = [
        [note for _, at, note in orders_of(int(ordinal), AS_OF) if at <= AS_OF]
        for mask in world.masks["vip", version]
        for ordinal in np.flatnonzero(mask)
    ]
    assert found == expected


def test_a_version_is_delivered_with_the_columns_it_was_evaluated_with(world):
    first = world.publish("vip", project=[{"column": "age", "as": "years"}])
    world.export(columns=["years"])
    world.publish("vip")
    world.queue("crm", "vip", first)

    (done,) = run(world)

    assert done.state == "delivered"
    text = (world.folder("crm", "vip", first) / "part-00000.csv").read_text()
    assert text.splitlines()[0] == '"id","years"'


def test_an_export_of_a_column_that_one_segment_does_not_put_out_is_refused(world):
    world.publish("vip", project=[{"column": "age", "as": "years"}])
    world.publish("other")
    with pytest.raises(InvalidInput) as refused:
        world.export(segments=["vip", "other"], columns=["years"])
    (problem,) = refused.value.problems
    assert problem.message == "export `crm`: not every segment puts out `years`: other does not"
    assert problem.hint is None
