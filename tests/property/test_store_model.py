"""The store against a model of it: a dictionary per participant, any operations in any order."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.store import Kind, Tx
from hansa.kernel.store.sqlite import SqliteDatabase


class Doc(msgspec.Struct, frozen=True):
    """A document for the test."""

    id: str
    state: str | None
    tags: tuple[str, ...]


DOC = Kind("doc", Doc, lambda doc: doc.id, {"state": lambda doc: doc.state,
                                            "tag": lambda doc: doc.tags})  # fmt: skip

PARTICIPANTS = st.sampled_from(["north", "south"])
KEYS = st.sampled_from(["a", "b", "ab", "é", "Z", "\N{SNOWMAN}", "\U0001f600"])
WORDS = st.sampled_from(["x", "y", "z"])
DOCS = st.builds(Doc, id=KEYS, state=st.none() | WORDS, tags=st.lists(WORDS, max_size=3).map(tuple))
WHERE = st.fixed_dictionaries({}, optional={"state": WORDS, "tag": WORDS})


def _matches(doc: Doc, where: dict[str, str]) -> bool:
    return ("state" not in where or doc.state == where["state"]) and (
        "tag" not in where or where["tag"] in doc.tags
    )


class StoreMachine(RuleBasedStateMachine):
    """Does the same to the store and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._clock = FixedClock()
        self._path = Path(self._folder.name) / "hansa.sqlite"
        self._database = SqliteDatabase.open(self._path, clock=self._clock)
        self._model: dict[str, dict[str, tuple[int, Doc]]] = {"north": {}, "south": {}}
        self._noted: dict[tuple[str, str], float] = {}

    def teardown(self) -> None:
        self._runner.run(self._database.close())
        self._runner.close()
        self._folder.cleanup()

    def _write(self, participant: str, *jobs: Any) -> list[Any]:
        store = self._database.store(participant)

        async def together() -> list[Any]:
            return await asyncio.gather(*(store.write(job) for job in jobs), return_exceptions=True)

        return self._runner.run(together())

    def _read(self, participant: str, job: Any) -> Any:
        return self._runner.run(self._database.store(participant).read(job))

    @rule(participant=PARTICIPANTS, doc=DOCS, expected=st.none() | st.integers(0, 3))
    def put(self, participant: str, doc: Doc, expected: int | None) -> None:
        rows = self._model[participant]
        version = rows[doc.id][0] if doc.id in rows else 0
        [answer] = self._write(participant, lambda tx: tx.put(DOC, doc, expected_version=expected))
        if expected is not None and expected != version:
            assert isinstance(answer, HansaError)
            assert answer.code is Code.precondition_failed
        else:
            assert answer == version + 1
            rows[doc.id] = (version + 1, doc)

    @rule(participant=PARTICIPANTS, doc=DOCS)
    def insert(self, participant: str, doc: Doc) -> None:
        [answer] = self._write(participant, lambda tx: tx.insert(DOC, doc))
        if doc.id in self._model[participant]:
            assert isinstance(answer, HansaError)
            assert answer.code is Code.already_exists
        else:
            assert answer is None
            self._model[participant][doc.id] = (1, doc)

    @rule(participant=PARTICIPANTS, key=KEYS)
    def delete(self, participant: str, key: str) -> None:
        [answer] = self._write(participant, lambda tx: tx.delete(DOC, key))
        assert answer is (self._model[participant].pop(key, None) is not None)

    @rule(
        participant=PARTICIPANTS, docs=st.lists(DOCS, min_size=1, max_size=4), fails=st.booleans()
    )
    def put_several_and_maybe_fail(self, participant: str, docs: list[Doc], fails: bool) -> None:
        def job(tx: Tx) -> None:
            for doc in docs:
                tx.put(DOC, doc)
            if fails:
                raise LookupError

        def other(tx: Tx) -> int:
            return tx.put(DOC, docs[0])

        rows = self._model[participant]
        [first, second] = self._write(participant, job, other)
        for doc in [*(docs if not fails else []), docs[0]]:
            rows[doc.id] = (rows[doc.id][0] + 1 if doc.id in rows else 1, doc)
        assert isinstance(first, LookupError) is fails
        assert second == rows[docs[0].id][0]

    @rule(participant=PARTICIPANTS, key=KEYS, life_s=st.integers(1, 20))
    def remember(self, participant: str, key: str, life_s: int) -> None:
        from datetime import timedelta

        now_s, expires = self._clock.monotonic_s(), self._clock.now() + timedelta(seconds=life_s)
        [answer] = self._write(participant, lambda tx: tx.remember("jti", key, expires))
        fresh = self._noted.get((participant, key), 0) <= now_s
        assert answer is fresh
        if fresh:
            self._noted[(participant, key)] = now_s + life_s

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds: int) -> None:
        self._clock.move(seconds)

    @rule()
    def reopen(self) -> None:
        self._runner.run(self._database.close())
        self._database = SqliteDatabase.open(self._path, clock=self._clock)

    @rule(
        participant=PARTICIPANTS,
        where=WHERE,
        after=st.none() | KEYS,
        limit=st.integers(0, 5),
        newest_first=st.booleans(),
    )
    def find(
        self,
        participant: str,
        where: dict[str, str],
        after: str | None,
        limit: int,
        newest_first: bool,
    ) -> None:
        def after_cursor(key: str) -> bool:
            if after is None:
                return True
            mine, cursor = key.encode(), after.encode()
            return mine < cursor if newest_first else mine > cursor

        matching = [doc for _, doc in self._model[participant].values() if _matches(doc, where)]
        expected = sorted(
            (doc for doc in matching if after_cursor(doc.id)),
            key=lambda doc: doc.id.encode(),
            reverse=newest_first,
        )[:limit]
        found = self._read(
            participant,
            lambda tx: tx.find(DOC, where, after=after, limit=limit, newest_first=newest_first),
        )
        assert found == expected
        assert self._read(participant, lambda tx: tx.count(DOC, where)) == len(matching)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        for participant, model in self._model.items():
            rows = self._read(
                participant,
                lambda tx: {doc.id: (tx.version(DOC, doc.id), doc) for doc in tx.find(DOC)},
            )
            assert rows == model
            pairs = sum((doc.state is not None) + len(set(doc.tags)) for _, doc in model.values())
            sql = "SELECT count(*) FROM record_index WHERE participant = ?"
            assert self._read(participant, lambda tx: tx.execute(sql, (participant,))) == [  # noqa: B023
                (pairs,)
            ]


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
