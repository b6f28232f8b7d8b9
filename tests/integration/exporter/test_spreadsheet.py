"""Hostile cells opened in a real spreadsheet: LibreOffice finds no formula in what Muster writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from muster_core.exports.document import Format
from muster_core.exports.private import write_private
from muster_core.exports.writer import RowFeed

pytestmark = [pytest.mark.integration, pytest.mark.long]

#: H21 to H32 of the design's hostile inputs, by their number there; NUL and invalid UTF-8 as they reach a file.
HOSTILE = {
    "H21": '=1+2";=1+2',
    "H21 plain": "=1+2",
    "H22": "=cmd|'/c calc'!A1",
    "H23": "@SUM(1+1)*cmd",
    "H24": "+1-555-0100",
    "H25": "-5",
    "H26 tab": "\t=1",
    "H26 return": "\r=1",
    "H26 line": "\n=1",
    "H27": " =1",
    "H28": "\N{FULLWIDTH EQUALS SIGN}1+1",
    "H29": "\N{ZERO WIDTH NO-BREAK SPACE}=1",
    "H30": "=1\x00+1",
    "H31 large": "=" + "1+" * 500_000 + "1",
    "H31 quoted": 'a"b,c;d\r\n=1+1',
    "H32": "\N{REPLACEMENT CHARACTER}=1",
    "marked": "'=1+1",
    "link": '=HYPERLINK("http://127.0.0.1/","x")',
}
_FORMULA = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}formula"
_ROW = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}table-row"
#: Comma, double quote, UTF-8, from the first line on.
_FILTER = "CSV:44,34,76,1"


@pytest.fixture(scope="module")
def office() -> str:
    found = shutil.which("soffice") or shutil.which("libreoffice")
    if found is None:
        pytest.skip("LibreOffice is not installed (Debian: libreoffice-calc-nogui)")
    return found


def opened(office: str, folder: Path, *, raw: bool) -> list[str]:
    """Let LibreOffice open a CSV file of the hostile cells, and return the formulas it found."""
    folder.mkdir()
    path = folder / "hostile.csv"
    names, values = list(HOSTILE), list(HOSTILE.values())
    table = pa.table({"name": names, "note": values, "number": [-5] * len(names)})
    write_private(path, table.schema, RowFeed(table.to_batches()).read(), form=Format.CSV, raw=raw)
    subprocess.run(
        [
            office,
            f"-env:UserInstallation=file://{folder}/profile",
            "--headless",
            f"--infilter={_FILTER}",
            "--convert-to",
            "fods",
            "--outdir",
            str(folder),
            str(path),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    tree = ET.parse(folder / "hostile.fods")  # noqa: S314 - LibreOffice's own, of this test
    assert len(list(tree.iter(_ROW))) >= len(HOSTILE)
    return [cell.attrib[_FORMULA] for cell in tree.iter() if _FORMULA in cell.attrib]


def test_no_hostile_cell_is_a_formula(office, tmp_path):
    assert opened(office, tmp_path / "neutralised", raw=False) == []


def test_the_same_cells_would_be_formulas_if_they_were_written_as_they_are(office, tmp_path):
    assert len(opened(office, tmp_path / "raw", raw=True)) >= 2
