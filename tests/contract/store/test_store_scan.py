"""Scans over several indexes: what they find, where they stop, how far they look."""

from __future__ import annotations

import random

import pytest
from store_notes import NOTE, Note

from hansa.kernel.store import Condition, Database, Found, Store, scanning


@pytest.fixture
def store(database: Database) -> Store:
    return database.store("north")


async def _scan(store: Store, conditions: list[Condition], **more: object) -> Found[Note]:
    return await store.read(
        lambda tx: tx.scan(NOTE, conditions, **more)  # type: ignore[arg-type]
    )


async def _all(store: Store, conditions: list[Condition], **more: object) -> tuple[list[str], int]:
    """Follow the edges to the end: the ids that were found, and the number of pages."""
    ids: list[str] = []
    page = await _scan(store, conditions, **more)
    pages = 1
    while True:
        ids += [note.id for note in page.items]
        if page.edge is None:
            return ids, pages
        page = await _scan(store, conditions, **{**more, "after": page.edge})
        pages += 1


async def test_a_scan_finds_what_meets_every_condition(store: Store) -> None:
    chance = random.Random(7)
    notes = [
        Note(
            f"n{number:03}",
            chance.choice(["open", "shut"]),
            chance.choice([None, "zoe", "ann", "bob"]),
            tuple(chance.sample(["x", "y", "z"], chance.randint(0, 3))),
        )
        for number in range(400)
    ]
    await store.write(lambda tx: [tx.put(NOTE, note) for note in notes])
    for _ in range(60):
        owners = tuple(chance.sample(["zoe", "ann", "nobody"], chance.randint(1, 2)))
        tags = chance.sample(["x", "y", "z"], chance.randint(0, 2))
        conditions: list[Condition] = [("owner", owners), *(("tag", (tag,)) for tag in tags)]
        if chance.random() < 0.5:
            conditions.append(("state", ("open",)))
        chance.shuffle(conditions)
        backwards = chance.random() < 0.5
        expected = [
            note.id
            for note in notes
            if note.owner in owners
            and set(tags) <= set(note.tags)
            and (note.state == "open" or ("state", ("open",)) not in conditions)
        ]
        found, _ = await _all(
            store, conditions, limit=chance.randint(1, 50), newest_first=backwards
        )
        assert found == (expected[::-1] if backwards else expected), conditions


async def test_a_scan_without_conditions_lists_everything(store: Store) -> None:
    await store.write(lambda tx: [tx.put(NOTE, Note(f"n{n}")) for n in range(5)])
    assert await _all(store, [], limit=2) == (["n0", "n1", "n2", "n3", "n4"], 3)


async def test_a_value_that_can_not_be_stored_finds_nothing(store: Store) -> None:
    await store.write(lambda tx: tx.put(NOTE, Note("a")))
    for value in ("", "\0", "x" * 2_000):
        assert await _scan(store, [("state", (value,))]) == Found([], None)
    assert [n.id for n in (await _scan(store, [("state", ("", "open"))])).items] == ["a"]
    with pytest.raises(AssertionError, match="declares no index"):
        await _scan(store, [("colour", ("red",))])


async def test_conditions_that_never_meet_cost_a_bounded_number_of_looks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One page looks at so much and no more; the next goes on where it stopped."""
    monkeypatch.setattr(scanning, "LOOKS_MAX", 400)
    owned = [Note(f"{n:04}a", owner="zoe", tags=("odd",)) for n in range(999)]
    tagged = [Note(f"{n:04}b", owner="ann", tags=("even",)) for n in range(999)]
    await store.write(lambda tx: [tx.put(NOTE, note) for note in owned + tagged])
    never: list[Condition] = [("owner", ("zoe",)), ("tag", ("even",))]
    page = await _scan(store, never, limit=10)
    assert (page.items, page.edge) == ([], "0199b")
    assert await _all(store, never, limit=10) == ([], 5)


async def test_the_rarest_index_is_walked(store: Store) -> None:
    """Many notes meet two of three conditions: only the walk of the third ends soon."""
    notes = [Note(f"n{n:05}", "open", "zoe", ("x",)) for n in range(3_000)]
    notes += [Note("n00001a", "open", "zoe", ("x", "rare")), Note("n02999a", tags=("rare",))]
    await store.write(lambda tx: [tx.put(NOTE, note) for note in notes], slow=True)
    conditions: list[Condition] = [
        *(("tag", (tag,)) for tag in ("x", "rare")),
        ("state", ("open",)),
        ("owner", ("zoe",)),
    ]
    page = await _scan(store, conditions, limit=10)
    assert ([note.id for note in page.items], page.edge) == (["n00001a"], None)
