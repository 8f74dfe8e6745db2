"""The context broker of one participant (NGSI-LD 1.9.1 5.6, 5.7).

Every read takes a scope first: what the scope does not show does not exist, in lists, counts,
orders, queries, geometry, history and names alike. Only the owner passes `Scope.everything()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from hansa.broker.batch import Written, in_rounds, read_batch, refusal
from hansa.broker.errors import not_found
from hansa.broker.following import Changes
from hansa.broker.model import (
    AttributeFacts,
    EntityTypeFacts,
    Page,
    Query,
    Slice,
    Summary,
    TemporalQuery,
    TypeSelection,
)
from hansa.broker.ports import Contexts, Dialect
from hansa.broker.query import micros
from hansa.broker.store import (
    SECRET_BYTES,
    Compiled,
    Cursor,
    Mode,
    Past,
    Reading,
    Selector,
    Vocabulary,
    Writing,
    attributes_in,
    attributes_present,
    begin,
    erase,
    kinds_present,
    load,
    remembered,
    takes_long,
    types_in,
)
from hansa.broker.store_sqlite import SqliteDialect
from hansa.broker.wire_ngsi_ld_1_9 import NORMALIZED, View
from hansa.kernel import Clock, Ids
from hansa.kernel.jsonld import CORE, TermMap
from hansa.kernel.store import ReadTx, Store, Tx
from hansa.policy import Cut, Scope

MAKING = (Mode.create, Mode.replace_all, Mode.append)
SHORT_MAX = 8
"""Entities that are written on the event loop; a longer batch goes to the writer's thread."""
INSTANCES_MAX = 10_000
R = TypeVar("R")
OnChange = Callable[[frozenset[str]], None]


class Broker:
    """Entities of one participant: write them, and read them within a scope."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        ids: Ids,
        contexts: Contexts,
        dialect: Dialect | None = None,
        instances_max: int = INSTANCES_MAX,
    ) -> None:
        """`instances_max` bounds what one entity brings into a temporal answer (6.3.10)."""
        self.contexts = contexts
        self._store = store
        self._clock = clock
        self._instances_max = instances_max
        self._ids = ids
        self._dialect = dialect or SqliteDialect()
        self._selector = Selector(self._dialect)
        self._vocabulary: Vocabulary | None = None
        self._cursor: Cursor | None = None
        self._compiled = Compiled(self._dialect)
        self._listeners: list[OnChange] = []
        self.changes = Changes(self._look, self._transact, self._dialect)

    # -- writing ----------------------------------------------------------------------------------

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Call `listener` with the ids of changed entities after each commit; gives the undo."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def create(self, entities: Iterable[Any], *, terms: TermMap = CORE) -> Written:
        """Create entities (5.6.1, 5.6.7); one that is there already fails with already_exists."""
        return await self.write(entities, Mode.create, terms=terms)

    async def upsert(
        self, entities: Iterable[Any], *, replace: bool = True, terms: TermMap = CORE
    ) -> Written:
        """Create or change entities (5.6.8); `replace` removes attributes that are left out."""
        return await self.write(entities, Mode.replace_all if replace else Mode.append, terms=terms)

    async def write(
        self, entities: Iterable[Any], mode: Mode, *, terms: TermMap | Sequence[TermMap] = CORE
    ) -> Written:
        """Write a batch; entities that can't be read fail alone, the others are written.

        `terms` says under which context names are read: one for all, or one for each entity.
        """
        listed = list(entities)
        long = len(listed) > SHORT_MAX
        reading = partial(read_batch, listed, terms, typed=mode in MAKING)
        drafts, failed = await asyncio.to_thread(reading) if long else reading()
        result = Written(failed=failed)
        if drafts:
            outcome = await self._write(lambda writing: in_rounds(writing, drafts, mode), slow=long)
            result.created, result.changed = outcome.created, outcome.changed
            result.ignored = outcome.ignored
            for identifier in outcome.refused:
                result.failed.append((identifier, refusal(identifier, mode)))
            self._tell(outcome.created + outcome.changed)
        return result

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete entities (5.6.6); their history stays. Gives the ids that were there."""
        gone = await self._write(lambda writing: writing.delete(list(dict.fromkeys(ids))))
        self._tell(gone)
        return gone

    async def forget(self, limit: int = 500) -> int:
        """Erase up to `limit` of all entities, with history and ids; give how many those were.

        Call it until it gives 0. Names of types and attributes stay.
        """
        now = micros(self._clock.now())

        def job(tx: Tx, vocabulary: Vocabulary) -> tuple[int, list[str]]:
            found = remembered(tx, self._dialect, vocabulary.p, limit)
            writing = Writing(tx, self._dialect, vocabulary, now)
            gone = writing.delete([identifier for _, identifier, kind in found if kind > 0])
            erase(tx, self._dialect, vocabulary.p, [number for number, _, _ in found])
            return len(found), gone

        count, gone = await self._transact(job, slow=True)
        self._tell(gone)
        return count

    def _tell(self, ids: Sequence[str]) -> None:
        if ids:
            changed = frozenset(ids)
            for listener in list(self._listeners):
                listener(changed)

    async def _write(self, job: Callable[[Writing], R], *, slow: bool = False) -> R:
        now = micros(self._clock.now())

        def run(tx: Tx, vocabulary: Vocabulary) -> tuple[R, Vocabulary]:
            writing = Writing(tx, self._dialect, vocabulary, now)
            return job(writing), writing.vocabulary

        result, vocabulary = await self._transact(run, slow=slow)
        self._vocabulary = vocabulary
        return result

    async def _transact(self, job: Callable[[Tx, Vocabulary], R], *, slow: bool = False) -> R:
        secret = self._ids.token(SECRET_BYTES).encode()[:SECRET_BYTES].ljust(SECRET_BYTES, b".")

        def run(tx: Tx) -> R:
            return job(tx, begin(tx, self._dialect, self._vocabulary, secret))

        return await self._store.write(run, slow=slow)

    # -- reading ----------------------------------------------------------------------------------

    async def query(
        self, scope: Scope, query: Query, part: Slice | None = None, view: View = NORMALIZED
    ) -> Page:
        """List the entities that match (5.7.2), as far as they exist in the scope."""
        sliced = part or Slice()

        def job(reading: Reading) -> Page:
            selection = self._compiled.selection(reading.vocabulary, scope, query)
            cursor = self._sealed(reading.vocabulary)
            after = cursor.open(sliced.after) if sliced.after else 0
            items: list[bytes] = []
            last = None
            if sliced.limit:
                items, last = reading.page(selection, sliced, after, view)
            count = reading.count(selection) if sliced.count else None
            following = None
            if last is not None:
                following = "" if query.order else cursor.seal(last)
            return Page(items, count, following)

        empty = Page([], 0 if sliced.count else None)
        return await self._read(job, empty, slow=takes_long(scope, query, sliced))

    async def retrieve(
        self,
        scope: Scope,
        identifier: str,
        view: View = NORMALIZED,
        *,
        existing: tuple[str, ...] = (),
        types: TypeSelection | None = None,
    ) -> bytes:
        """Give one entity (5.7.1); HansaError not_found when it does not exist in the scope."""
        query = Query(ids=(identifier,), existing=existing, types=types)

        def job(reading: Reading) -> bytes | None:
            selection = self._compiled.selection(reading.vocabulary, scope, query)
            items, _ = reading.page(selection, _ONE, 0, view)
            return items[0] if items else None

        found = await self._read(job, None)
        if found is None:
            raise not_found(f"The entity {identifier}")
        return found

    async def temporal(
        self,
        scope: Scope,
        query: Query,
        asked: TemporalQuery,
        part: Slice | None = None,
        view: View = NORMALIZED,
        *,
        values: bool = False,
    ) -> Page:
        """List the evolution of entities (5.7.4); deleted ones too, as far as they have history."""
        sliced = part or Slice()

        def job(reading: Reading) -> Page:
            past = self._past(reading, scope, query.types, asked)
            selection = past.selection(query)
            cursor = self._sealed(reading.vocabulary)
            after = cursor.open(sliced.after) if sliced.after else 0
            items: list[bytes] = []
            last = cut = None
            if sliced.limit:
                items, last, cut = past.page(selection, sliced, after, view, values=values)
            count = reading.count(selection) if sliced.count else None
            span = (cut.start, cut.end) if cut else None
            return Page(items, count, cursor.seal(last) if last is not None else None, span)

        return await self._read(job, Page([], 0 if sliced.count else None), slow=True)

    async def evolution(
        self,
        scope: Scope,
        identifier: str,
        asked: TemporalQuery,
        view: View = NORMALIZED,
        *,
        values: bool = False,
    ) -> Page:
        """Give the evolution of one entity (5.7.3), a page of one.

        An entity that has a history, but none in the interval, is shown without attributes.
        HansaError not_found when nothing of it exists in the scope.
        """
        query = Query(ids=(identifier,))

        def job(reading: Reading) -> Page:
            past = self._past(reading, scope, None, asked)
            items, _, cut = past.page(past.selection(query), _ONE, 0, view, values=values)
            if not items:
                ever = self._past(reading, scope, None, TemporalQuery())
                items = ever.shell(ever.selection(query), view)
            return Page(items, None, None, (cut.start, cut.end) if cut else None)

        found = await self._read(job, Page([]), slow=True)
        if not found.items:
            raise not_found(f"The entity {identifier}")
        return found

    def _past(
        self,
        reading: Reading,
        scope: Scope,
        types: TypeSelection | None,
        asked: TemporalQuery,
    ) -> Past:
        world = self._compiled.world(reading.vocabulary, scope, types, deleted=True)
        return Past(reading, world, asked, self._instances_max)

    async def append_history(self, evolutions: Iterable[Any], *, terms: TermMap = CORE) -> Written:
        """Add to the history without touching what is current (4.5.6).

        Each item is an entity in temporal representation: attributes are lists of instances. An
        entity that is not known needs a `type` and then has a history only.
        """
        reading = partial(read_batch, list(evolutions), terms, history=True)
        drafts, failed = await asyncio.to_thread(reading)
        result = Written(failed=failed)
        if drafts:
            unknown = await self._write(lambda writing: writing.append_history(drafts), slow=True)
            result.failed += [(one, not_found(f"The entity {one}")) for one in unknown]
            result.changed = [draft.id for draft in drafts if draft.id not in unknown]
            self._tell(result.changed)
        return result

    async def types(self, scope: Scope, iri: str | None = None) -> list[EntityTypeFacts]:
        """Give the types that exist in the scope (5.7.5-5.7.7), or the one that is asked for."""
        selection = TypeSelection((frozenset((iri,)),)) if iri else None

        def job(reading: Reading) -> list[EntityTypeFacts]:
            world = self._compiled.world(reading.vocabulary, scope, selection)
            return types_in(reading, world, iri)

        return await self._read(job, [], slow=not scope.unrestricted)

    async def attributes(self, scope: Scope, iri: str | None = None) -> list[AttributeFacts]:
        """Give the attributes that exist in the scope (5.7.8-5.7.10), or the one asked for."""

        def job(reading: Reading) -> list[AttributeFacts]:
            return attributes_in(
                reading, self._compiled.world(reading.vocabulary, scope, None), iri
            )

        return await self._read(job, [], slow=not scope.unrestricted)

    async def summary(self, scope: Scope, selection: Cut) -> Summary:
        """Say what of a selection the scope shows and what it cuts away."""
        chosen = Scope(permits=(selection,))

        def job(reading: Reading) -> Summary:
            totals = []
            for asked in (scope, chosen):
                world = self._compiled.world(reading.vocabulary, asked, None)
                entities = sum(kinds_present(reading, world).values())
                names = {name for name, *_ in attributes_present(reading, world)}
                totals.append((entities, names))
            (visible, shown), (total, present) = totals
            return Summary(
                entities_visible=visible,
                entities_total=total,
                attributes_visible=tuple(sorted(shown)),
                attributes_withheld=tuple(sorted(present - shown)),
            )

        nothing = Summary(
            entities_visible=0, entities_total=0, attributes_visible=(), attributes_withheld=()
        )
        return await self._read(job, nothing, slow=True)

    async def _read(self, job: Callable[[Reading], R], empty: R, *, slow: bool = False) -> R:
        """Run a read; `empty` is the answer as long as nothing was ever written."""

        def run(tx: ReadTx) -> R:
            found = load(tx, self._dialect, self._vocabulary)
            if found is None:
                return empty
            self._vocabulary, changes = found
            now_s = self._clock.monotonic_s()
            return job(Reading(tx, self._dialect, self._vocabulary, changes, self._selector, now_s))

        return await self._store.read(run, slow=slow)

    async def _look(
        self, job: Callable[[ReadTx, Vocabulary], R], empty: R, *, slow: bool = False
    ) -> R:
        return await self._read(
            lambda reading: job(reading.tx, reading.vocabulary), empty, slow=slow
        )

    def _sealed(self, vocabulary: Vocabulary) -> Cursor:
        if self._cursor is None:
            self._cursor = Cursor(vocabulary.secret)
        return self._cursor


_ONE = Slice(limit=1)
