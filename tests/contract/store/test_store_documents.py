"""Documents: put, insert, delete, versions, find, count."""

from __future__ import annotations

import msgspec
import pytest
from store_notes import NOTE, Note

from hansa.kernel import Code, HansaError
from hansa.kernel.store import Database, Kind, Store, Tx
from hansa.kernel.store.rows import BODY_BYTES_MAX


@pytest.fixture
def store(database: Database) -> Store:
    return database.store("north")


async def _put(store: Store, *notes: Note) -> None:
    await store.write(lambda tx: [tx.put(NOTE, note) for note in notes])


async def _ids(store: Store, where: dict[str, str] | None = None, **more: object) -> list[str]:
    found = await store.read(lambda tx: tx.find(NOTE, where, **more))  # type: ignore[arg-type]
    return [note.id for note in found]


async def test_a_document_is_read_as_it_was_put(store: Store) -> None:
    note = Note("a", "open", "zoë", ("x", "y"), "Grachtengordel \N{SNOWMAN} \0 end")
    await _put(store, note)
    assert await store.read(lambda tx: tx.get(NOTE, "a")) == note
    assert await store.read(lambda tx: tx.get(NOTE, "b")) is None


async def test_versions_count_the_puts(store: Store) -> None:
    assert await store.read(lambda tx: tx.version(NOTE, "a")) is None
    assert await store.write(lambda tx: tx.put(NOTE, Note("a"))) == 1
    assert await store.write(lambda tx: tx.put(NOTE, Note("a"))) == 2
    assert await store.write(lambda tx: tx.put(NOTE, Note("a"), expected_version=2)) == 3
    assert await store.read(lambda tx: tx.version(NOTE, "a")) == 3


@pytest.mark.parametrize("expected", [0, 2])
async def test_a_put_with_another_version_is_refused(store: Store, expected: int) -> None:
    await _put(store, Note("a", "open"))
    with pytest.raises(HansaError) as refused:
        await store.write(lambda tx: tx.put(NOTE, Note("a", "shut"), expected_version=expected))
    assert refused.value.code is Code.precondition_failed
    assert refused.value.facts == {"found": 1, "expected": expected}
    assert await _ids(store, {"state": "open"}) == ["a"]


async def test_version_0_means_not_there_yet(store: Store) -> None:
    assert await store.write(lambda tx: tx.put(NOTE, Note("a"), expected_version=0)) == 1
    with pytest.raises(HansaError) as refused:
        await store.write(lambda tx: tx.put(NOTE, Note("b"), expected_version=1))
    assert refused.value.code is Code.precondition_failed


async def test_a_transaction_changes_what_it_read_as_often_as_it_likes(store: Store) -> None:
    await _put(store, Note("a", "open"), Note("b", "open"))

    def job(tx: Tx) -> tuple[int, int, bool, bool, int]:
        assert tx.get(NOTE, "a") == Note("a", "open")
        assert tx.get(NOTE, "b") == Note("b", "open")
        versions = tx.put(NOTE, Note("a", "shut")), tx.put(NOTE, Note("a", "lost"))
        gone = tx.delete(NOTE, "b"), tx.delete(NOTE, "b")
        return *versions, *gone, tx.put(NOTE, Note("b", "new"), expected_version=0)

    assert await store.write(job) == (2, 3, True, False, 1)
    assert await _ids(store, {"state": "open"}) == await _ids(store, {"state": "shut"}) == []
    assert await _ids(store, {"state": "lost"}) == ["a"]
    assert await _ids(store, {"state": "new"}) == ["b"]


async def test_what_is_often_read_is_what_was_put_last(store: Store) -> None:
    kind = Kind("often", Note, lambda note: note.id, often=True)
    for state in ("open", "shut", "open"):
        await store.write(lambda tx, state=state: tx.put(kind, Note("a", state)))  # type: ignore[misc]
        found = [await store.read(lambda tx: tx.get(kind, "a")) for _ in range(2)]
        assert found == [Note("a", state)] * 2
    assert found[0] is found[1]


async def test_an_insert_does_not_replace(store: Store) -> None:
    await store.write(lambda tx: tx.insert(NOTE, Note("a", "open")))
    with pytest.raises(HansaError) as refused:
        await store.write(lambda tx: tx.insert(NOTE, Note("a", "shut")))
    assert refused.value.code is Code.already_exists
    assert await store.read(lambda tx: tx.get(NOTE, "a")) == Note("a", "open")


async def test_a_job_may_go_on_after_a_taken_key(store: Store) -> None:
    await _put(store, Note("a", "open"))

    def insert_or_shut(tx: Tx) -> None:
        try:
            tx.insert(NOTE, Note("a"))
        except HansaError:
            tx.put(NOTE, Note("a", "shut"))

    await store.write(insert_or_shut)
    assert await _ids(store, {"state": "shut"}) == ["a"]


async def test_a_deleted_document_is_gone_from_every_index(store: Store) -> None:
    await _put(store, Note("a", "open", "ann", ("x", "y")), Note("b", "open"))
    assert await store.write(lambda tx: tx.delete(NOTE, "a")) is True
    assert await store.write(lambda tx: tx.delete(NOTE, "a")) is False
    assert await _ids(store) == ["b"]
    for where in ({"state": "open"}, {"owner": "ann"}, {"tag": "x"}):
        assert "a" not in await _ids(store, where)
    assert await store.read(lambda tx: tx.count(NOTE, {"state": "open"})) == 1
    assert await store.read(lambda tx: tx.count(NOTE, {"owner": "ann", "tag": "x"})) == 0
    await _put(store, Note("a", "shut"))
    assert await store.read(lambda tx: tx.version(NOTE, "a")) == 1


async def test_a_changed_document_moves_between_indexes(store: Store) -> None:
    await _put(store, Note("a", "open", "ann", ("x", "y")))
    await _put(store, Note("a", "shut", None, ("y", "z")))
    assert await _ids(store, {"state": "open"}) == []
    assert await _ids(store, {"owner": "ann"}) == []
    assert await _ids(store, {"tag": "x"}) == []
    assert await _ids(store, {"tag": "y"}) == ["a"]
    assert await _ids(store, {"tag": "z", "state": "shut"}) == ["a"]


async def test_several_indexes_are_joined_by_and(store: Store) -> None:
    await _put(
        store,
        Note("a", "open", "ann", ("x",)),
        Note("b", "open", "bob", ("x",)),
        Note("c", "shut", "ann", ("x", "y")),
        Note("d", "open", "ann", ("y", "y")),
    )
    assert await _ids(store, {"state": "open", "owner": "ann"}) == ["a", "d"]
    assert await _ids(store, {"owner": "ann", "tag": "x"}) == ["a", "c"]
    assert await _ids(store, {"owner": "ann", "tag": "x", "state": "shut"}) == ["c"]
    assert await _ids(store, {"owner": "cid", "tag": "x"}) == []
    for where, count in (
        (None, 4),
        ({"tag": "x"}, 3),
        ({"state": "open", "owner": "ann"}, 2),
        ({"tag": "q"}, 0),
    ):
        assert await store.read(lambda tx, w=where: tx.count(NOTE, w)) == count  # type: ignore[misc]


async def test_pages_follow_each_other_in_both_directions(store: Store) -> None:
    keys = [f"{number:03d}" for number in range(25)]
    await _put(store, *(Note(key, "open" if number % 2 else "shut") for number, key in
                        enumerate(keys)))  # fmt: skip
    for where, expected in ((None, keys), ({"state": "open"}, keys[1::2])):
        for newest_first in (False, True):
            seen: list[str] = []
            while page := await _ids(
                store, where, limit=4, newest_first=newest_first, after=seen[-1] if seen else None
            ):
                assert len(page) <= 4
                seen.extend(page)
            assert seen == (expected[::-1] if newest_first else expected)


async def test_a_cursor_need_not_be_there_any_more(store: Store) -> None:
    await _put(store, Note("a"), Note("c"), Note("e"))
    assert await _ids(store, after="b") == ["c", "e"]
    assert await _ids(store, {"state": "open"}, after="d", newest_first=True) == ["c", "a"]
    assert await _ids(store, limit=0) == []


async def test_keys_list_in_order_of_code_points(store: Store) -> None:
    keys = ["B", "a", "é", "z", "\N{SNOWMAN}", "\U0001f600", "\uffee", "_", "a-b", "ab", "a b"]
    await _put(store, *(Note(key) for key in keys))
    assert await _ids(store) == sorted(keys, key=lambda key: key.encode())
    assert await _ids(store, {"state": "open"}, newest_first=True) == sorted(
        keys, key=lambda key: key.encode(), reverse=True
    )


async def test_kinds_are_apart(store: Store) -> None:
    other = Kind("other", Note, lambda note: note.id, {"state": lambda note: note.state})
    await _put(store, Note("a", "open"))
    await store.write(lambda tx: tx.put(other, Note("a", "shut")))
    assert await store.read(lambda tx: tx.find(other, {"state": "open"})) == []
    assert await store.write(lambda tx: tx.delete(other, "a"))
    assert await _ids(store, {"state": "open"}) == ["a"]


async def test_an_index_that_is_not_declared_is_a_programming_error(store: Store) -> None:
    with pytest.raises(AssertionError, match="declares no index 'text'"):
        await store.read(lambda tx: tx.find(NOTE, {"text": "x"}))
    with pytest.raises(AssertionError, match="at most 10000"):
        await store.read(lambda tx: tx.find(NOTE, limit=10_001))


@pytest.mark.parametrize("key", ["", "nul\0", "\ud800", "k" * 513, "\N{SNOWMAN}" * 171])
async def test_a_key_that_not_every_database_takes_is_refused(store: Store, key: str) -> None:
    with pytest.raises(HansaError) as refused:
        await _put(store, Note(key))
    assert refused.value.code is Code.invalid_field
    assert refused.value.facts["field"] == "key"
    assert await store.read(lambda tx: tx.get(NOTE, key)) is None
    assert await store.read(lambda tx: tx.version(NOTE, key)) is None
    assert await store.write(lambda tx: tx.delete(NOTE, key)) is False
    assert await _ids(store, after=key) == []


async def test_the_longest_key_and_value_fit(store: Store) -> None:
    key, value = "\N{SNOWMAN}" * 170, "v" * 1024
    await _put(store, Note(key, value, value, (value,)))
    assert await _ids(store, {"state": value, "owner": value, "tag": value}) == [key]
    with pytest.raises(HansaError) as refused:
        await _put(store, Note("b", "v" * 1025))
    assert refused.value.facts["field"] == "state"
    assert await _ids(store, {"state": "v" * 1025}) == []
    assert await store.read(lambda tx: tx.count(NOTE, {"state": "nul\0"})) == 0


async def test_a_document_over_the_limit_is_refused(store: Store) -> None:
    with pytest.raises(HansaError) as refused:
        await _put(store, Note("a", text="x" * BODY_BYTES_MAX))
    assert refused.value.code is Code.body_too_large


async def test_a_document_of_an_older_program_is_read(store: Store) -> None:
    class Older(msgspec.Struct, frozen=True):
        id: str
        gone: int

    await store.write(lambda tx: tx.put(Kind("note", Older, lambda old: old.id), Older("a", 1)))
    assert await store.read(lambda tx: tx.get(NOTE, "a")) == Note("a")
