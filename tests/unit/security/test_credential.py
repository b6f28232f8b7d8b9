"""Tokens and passwords: what is kept cannot be used, what is given is checked."""

from __future__ import annotations

import pytest

from muster_core.errors import InvalidInput
from muster_core.security.credential import (
    TOKEN_PREFIX,
    hash_password,
    new_token,
    password_fits,
    token_digest,
)
from muster_core.security.role import Permission, Principal, Role


def test_tokens_are_long_distinct_and_not_kept():
    found = {new_token() for _ in range(1_000)}
    assert len(found) == 1_000
    for token in found:
        assert token.startswith(TOKEN_PREFIX)
        assert len(token) >= len(TOKEN_PREFIX) + 43
        assert token.encode() not in token_digest(token)


def test_a_password_fits_its_own_hash_only():
    kept = hash_password("correct horse battery")
    assert "correct" not in kept
    assert password_fits("correct horse battery", kept)
    assert not password_fits("correct horse batterY", kept)
    assert not password_fits("correct horse battery", None)
    assert not password_fits("correct horse battery", "no hash at all")


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_password_that_is_guessed_or_only_costs_time_is_refused(password):
    with pytest.raises(InvalidInput):
        hash_password(password)


def test_members_are_a_grant_of_their_own():
    for role in Role:
        assert not Principal(name="x", role=role).allows(Permission.MEMBERS)
        assert Principal(name="x", role=role, members=True).allows(Permission.MEMBERS)
    assert not Principal(name="x", role=Role.VIEWER, members=True).allows(Permission.EDIT)


def test_a_token_is_capped_by_both_of_the_two():
    holder = Principal(name="x", role=Role.CONTRIBUTOR, members=True)
    assert holder.capped(Role.ADMINISTRATOR, members=True, token_id=1).role is Role.CONTRIBUTOR
    assert holder.capped(Role.VIEWER, members=True, token_id=1).role is Role.VIEWER
    assert not holder.capped(Role.VIEWER, members=False, token_id=1).members


def test_a_password_may_be_any_text_even_half_a_character():
    password = "half a \ud800 character"  # noqa: S105
    stored = hash_password(password)
    assert password_fits(password, stored)
    assert not password_fits("half a \ud801 character", stored)
    assert not password_fits(password, None)
