"""A new file of the lake, being written, wherever the lake is."""

from __future__ import annotations

from muster_core.lake.disk import Output as DiskOutput
from muster_core.lake.failure import LakeOutput

Output = DiskOutput | LakeOutput
