"""Real customer data through the public commands: rules of every kind have exactly the expected members.

Each data set is prepared once and all of its segments are refreshed in one batch; what is expected is computed
by pandas from the same files.
"""

from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from tests.acceptance import chinook_case, complete_journey_case, northwind_case, online_retail_case
from tests.acceptance.conftest import Muster, cleared
from tests.acceptance.rule import Cases, Keys, refreshed

pytestmark = [pytest.mark.acceptance, pytest.mark.spark, pytest.mark.long]
#: Each takes a minute or more.
SETS: dict[str, ModuleType] = {
    "chinook": chinook_case,
    "complete_journey": complete_journey_case,
    "northwind": northwind_case,
    "online_retail": online_retail_case,
}


@pytest.fixture(scope="module", params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def expected(name: str, real_data: Path) -> Cases:
    found: Cases = SETS[name].cases(real_data / name)
    return found


@pytest.fixture(scope="module")
def found(
    name: str,
    workbench: Muster,
    tmp_path_factory: pytest.TempPathFactory,
    real_data: Path,
    expected: Cases,
) -> dict[str, Keys]:
    folder = tmp_path_factory.mktemp(name)
    cleared(workbench, folder)
    entries = SETS[name].catalog(real_data / name, folder)
    return refreshed(workbench, folder, entries, expected, SETS[name].AS_OF)


def test_every_segment_has_exactly_the_expected_members(
    found: dict[str, Keys], expected: Cases
) -> None:
    wrong = {
        segment: (sorted(found[segment] - keys)[:10], sorted(keys - found[segment])[:10])
        for segment, keys in expected.expected.items()
        if found[segment] != keys
    }
    assert not wrong


def test_no_expectation_is_nobody_or_everybody(name: str, expected: Cases, real_data: Path) -> None:
    customers = pq.read_metadata(real_data / name / "customers.parquet").num_rows
    sizes = {segment: len(keys) for segment, keys in expected.expected.items()}
    assert {segment for segment, size in sizes.items() if not 0 < size < customers} == set()
