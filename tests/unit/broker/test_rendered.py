"""What is kept of answers is found by its version only, and bounded."""

from __future__ import annotations

from hansa.broker.store.rendered import ENTRY_BYTES, Rendered


def test_only_the_very_version_is_given() -> None:
    kept: Rendered[bytes] = Rendered(10_000)
    kept.put((1, 2), 7, b"old", 3)
    assert kept.get((1, 2), 7) == b"old"
    assert kept.get((1, 2), 8) is None
    assert kept.get((1, 3), 7) is None
    kept.put((1, 2), 8, b"new", 3)
    assert kept.get((1, 2), 7) is None
    assert kept.get((1, 2), 8) == b"new"


def test_the_oldest_is_forgotten_when_there_is_no_room() -> None:
    kept: Rendered[bytes] = Rendered(10 * (ENTRY_BYTES + 100))
    for number in range(11):
        kept.put((number,), 0, b"", 100)
    assert kept.get((0,), 0) is None
    assert all(kept.get((number,), 0) is not None for number in range(1, 11))


def test_what_is_replaced_makes_room() -> None:
    kept: Rendered[bytes] = Rendered(10 * (ENTRY_BYTES + 100))
    for number in range(10):
        kept.put((number,), 0, b"", 100)
    for version in range(100):
        kept.put((3,), version, b"", 100)
    assert all(kept.get((number,), 0) is not None for number in range(10) if number != 3)


def test_what_is_large_is_not_kept() -> None:
    kept: Rendered[bytes] = Rendered(8_000)
    kept.put((1,), 0, b"", 10)
    kept.put((1,), 1, b"", 2_000)
    assert kept.get((1,), 0) is None
    assert kept.get((1,), 1) is None
