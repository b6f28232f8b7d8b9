"""What is not imported although it is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _WithoutPandas(MetaPathFinder):
    """Says of pandas that it is not there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Leave every other module to the finders behind.

        Raises:
            ModuleNotFoundError: pandas is asked for.
        """
        if fullname == "pandas":
            raise ModuleNotFoundError("Muster leaves pandas out of this process.", name=fullname)


def leave_pandas_out() -> None:
    """Let pandas be missing from this process, unless something has imported it before.

    PyArrow imports pandas, where it is installed, for the first array it makes of NumPy's: half a second and 40 MB
    for nothing, since nothing of Muster uses it. It is installed for PySpark's client, so a process that drives
    the engine needs it.
    """
    if not any(isinstance(finder, _WithoutPandas) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WithoutPandas())
