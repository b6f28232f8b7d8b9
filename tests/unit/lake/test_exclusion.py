"""Who is in a holdout, and who is known again after having been erased."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from muster_core.lake.exclusion import in_holdout
from muster_core.security.erasure import (
    SealedErasure,
    keyed_digest,
    new_pepper,
    open_erased,
    open_key,
    open_pepper,
    place_of,
    seal_customer,
)
from muster_core.security.secret import SecretUnreadable, new_key, read_keys

KEYS = pa.array([f"C{n:06d}" for n in range(100_000)])


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.99])
def test_a_holdout_has_about_its_share(share):
    found = in_holdout(KEYS, share=share, name="spring").mean()
    assert abs(found - share) < 5 * np.sqrt(share * (1 - share) / len(KEYS))


def test_holdouts_of_other_names_have_nothing_in_common_and_larger_ones_hold_the_smaller():
    one = in_holdout(KEYS, share=0.3, name="spring")
    other = in_holdout(KEYS, share=0.3, name="spring2")
    assert abs((one & other).mean() - 0.09) < 0.005
    assert (in_holdout(KEYS, share=0.4, name="spring") | ~one).all()


def test_a_holdout_is_the_same_in_every_release():
    found = in_holdout(KEYS.slice(0, 40), share=0.25, name="crm")
    assert np.flatnonzero(found).tolist() == [4, 6, 7, 10, 11, 22, 25, 30, 33, 36, 38]


def test_an_erased_customer_is_known_again_and_cannot_be_read():
    # longer than what a sealed text could hold by chance
    key = "customer-1"
    ring = read_keys(new_key(), source="test")
    pepper = new_pepper(ring)
    digest = keyed_digest(open_pepper(pepper, ring), key)
    place, customer = seal_customer(ring, digest, key)
    sealed = SealedErasure(id=1, digest=digest, place=place, pepper=pepper)
    (found,) = open_erased([sealed], lambda: ring)
    assert found.is_key(key)
    assert not found.is_key("customer-2")
    assert found.place == place_of(key)
    assert open_key(customer, ring, digest) == key
    assert key not in f"{sealed} {found} {place} {customer}"
    other = read_keys(new_key(), source="test")
    with pytest.raises(SecretUnreadable):
        open_erased([sealed], lambda: other)
    assert open_erased([], lambda: other) == []
