import pytest

from muster_core.lake.manifest import PreparedTable, SourceFile
from muster_worker.prepare.difference import difference
from muster_worker.prepare.number import first_numbers


def listed(**versions):
    return [
        SourceFile(number=i, path=name, size=10, etag=str(version))
        for i, (name, version) in enumerate(versions.items())
    ]


def table(sources, parents=(), **fields):
    return PreparedTable(
        columns={},
        fingerprint="",
        sources=first_numbers(sources),
        files=[],
        rows=0,
        **({"left_out": {}, "parents": {"orders": list(parents)}} | fields),
    )


def test_added_rewritten_and_removed_files_are_told_apart():
    known = table(listed(a=1, b=1, c=1, d=1, e=1))
    found = difference(known, listed(a=1, b=2, c=1, e=1, f=1), {}, same_shape=True)
    assert (found.files_added, found.files_rewritten, found.files_removed) == (1, 1, 1)
    assert [f.path for f in found.added] == ["b", "f"]
    assert found.killed == [f.number for f in known.sources if f.path in "bd"]
    assert found.whole is None
    assert not found.gained


def test_a_file_of_which_rows_died_keeps_its_number_and_its_other_rows():
    def marked(file, count):
        return file.model_copy(update={"dead": f"dead {count}", "dead_rows": count})

    a, b, c = listed(a=1, b=1, c=1)
    known = table([marked(a, 2), b, c])
    found = difference(known, [marked(a, 5), marked(b, 1), c], {}, same_shape=True)
    numbers = [f.number for f in known.sources]
    assert [f.number for f in found.sources] == numbers
    assert [(d.number, d.dead, d.rows) for d in found.died] == [
        (numbers[0], "dead 5", 3),
        (numbers[1], "dead 1", 1),
    ]
    assert (found.added, found.killed, found.whole, found.files_rewritten) == ([], [], None, 0)
    # rows that refer to what died have to be looked at again
    parents = table(listed(x=1), [a])
    found = difference(parents, listed(x=1), {"orders": [marked(a, 1)]}, same_shape=True)
    assert found.whole == "rows of orders changed"


@pytest.mark.parametrize(
    ("known", "parents", "same_shape", "why"),
    [
        (None, listed(p=1), True, "new"),
        (table(listed(a=1, b=1), listed(p=1)), listed(p=1), False, "catalog changed"),
        (
            table(listed(a=1, b=1), listed(p=1), left_out=None),
            listed(p=1),
            True,
            "prepared by an earlier release",
        ),
        (table(listed(a=1, b=1), listed(p=1)), listed(p=2), True, "rows of orders changed"),
        (table(listed(a=0, b=0), listed(p=1)), listed(p=1), True, "most of it changed"),
    ],
)
def test_a_table_is_prepared_whole_for_a_reason_that_is_told(known, parents, same_shape, why):
    found = difference(known, listed(a=1, b=1), {"orders": parents}, same_shape=same_shape)
    assert found.whole == why
    assert not found.killed
    assert not found.gained


def test_a_parent_that_only_gained_files_is_no_reason_to_prepare_its_children_whole():
    known = table(listed(a=1), listed(p=1))
    found = difference(known, listed(a=1), {"orders": listed(p=1, q=1)}, same_shape=True)
    assert found.whole is None
    assert found.gained
    assert not found.added
