import random

from muster_core.lake.manifest import SourceFile
from muster_worker.prepare.number import GAP, first_numbers, next_numbers


def listed(*names, number=0):
    """Return files of these names; a digit at the end tells versions of one path apart."""
    return [SourceFile(number=number, path=n.rstrip("0123456789"), size=1, etag=n) for n in names]


def renumbered(files, known, dead=()):
    found = next_numbers(files, known, dead)
    assert found is not None
    return found


def paths(files):
    return [f.path for f in sorted(files, key=lambda f: f.number)]


def test_known_files_keep_their_numbers_and_new_ones_stand_between_them():
    known = first_numbers(listed("b", "d", "f"))
    found = renumbered(listed("a", "b", "c", "d", "e", "f", "g"), known)
    assert paths(found) == list("abcdefg")
    assert [f.number for f in found if f.path in "bdf"] == [f.number for f in known]


def test_a_rewritten_file_takes_another_number_at_the_same_place():
    known = first_numbers(listed("a", "b", "c"))
    found = renumbered(listed("a", "b2", "c"), known)
    assert paths(found) == list("abc")
    assert found[1].number != known[1].number
    assert found[0] == known[0]


def test_numbers_of_rows_that_are_still_in_the_store_are_not_given_out():
    known = first_numbers(listed("a", "c"))
    free = renumbered(listed("a", "b", "c"), known)[1].number
    found = renumbered(listed("a", "b", "c"), known, [free])
    assert found[1].number not in (free, *(f.number for f in known))
    assert paths(found) == list("abc")


def test_dense_numbers_of_an_earlier_release_take_further_files_at_the_end_only():
    known = [f.model_copy(update={"number": i}) for i, f in enumerate(listed("a", "b"))]
    assert renumbered(listed("a", "b", "c"), known)[2].number == 1 + GAP
    assert next_numbers(listed("a", "aa", "b"), known, []) is None


def test_files_that_follow_each_other_in_one_gap_find_numbers_for_long():
    known = first_numbers(listed("a", "z"))
    for day in range(300):
        files = [*known[:-1], SourceFile(number=0, path=f"b{day:05}", size=1, etag=""), known[-1]]
        known = renumbered(files, known)
    assert paths(known) == [f.path for f in known]


def test_any_sequence_keeps_the_order_of_paths_and_no_number_is_used_twice_at_once():
    for seed in range(50):
        rng = random.Random(seed)
        known: list[SourceFile] = []
        dead: list[int] = []
        now: dict[str, int] = {}
        for _ in range(12):
            for name in rng.sample("abcdefghijklmnop", 4):
                if name in now and rng.random() < 0.4:
                    del now[name]
                else:
                    now[name] = now.get(name, 0) + 1
            files = [SourceFile(number=9, path=n, size=v, etag="") for n, v in sorted(now.items())]
            found = next_numbers(files, known, dead)
            if found is None:  # no room at some place: the table is prepared whole
                found, known, dead = first_numbers(files), [], []
            kept = {f.number for f in found if f in known}
            dead = sorted({*dead, *(f.number for f in known)} - kept)
            assert paths(found) == sorted(now)
            assert not {f.number for f in found} & set(dead)
            assert len({f.number for f in found}) == len(found)
            known = found
