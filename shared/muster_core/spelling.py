"""The names that come near one that does not exist, for hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

#: Comparing costs the product of the lengths; a longer name is no typing error.
_LONGEST = 100


def name_hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the names that `name` may have been meant for, as a question; `otherwise` where none is near."""
    near = nearest_names(name, sorted(known))
    return f"Did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else otherwise


def nearest_names(
    name: str, known: Iterable[str], *, count: int = 3, alike: float = 0.5
) -> list[str]:
    """Return at most `count` of the `known` names most like `name`, the nearest first; case is ignored.

    `alike` is how like it they are at least: 1 is the same.
    """
    by_fold = {k.casefold(): k for k in known}
    close = get_close_matches(name[:_LONGEST].casefold(), by_fold, n=count, cutoff=alike)
    return [by_fold[fold] for fold in close]
