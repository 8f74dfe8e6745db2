"""A scoped query equals the same query over a physically filtered copy, and over dictionaries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from broker_copy import filtered, matches
from broker_strategies import (
    History,
    queries,
    scopes,
    slices,
    sweep,
    temporal_queries,
    views,
    worlds,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.broker import (
    MIGRATIONS,
    NORMALIZED,
    Broker,
    Query,
    Slice,
    TemporalQuery,
    Term,
    View,
    dialect_of,
    sqlite_functions,
)
from hansa.kernel import Code, CountingIds, FixedClock, HansaError
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.store import Database
from hansa.kernel.store.postgres import PostgresDatabase
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.policy import Cut, Scope, filter_copy
from postgis import postgis_dsn  # noqa: F401 - a fixture

EVERYTHING = Scope.everything()
_clock = FixedClock()
_names = count()
Fresh = Callable[..., Broker]
Run = Callable[[Awaitable[Any]], Any]

sound = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
few = settings(sound, max_examples=15)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run  # type: ignore[misc]


def _brokers(database: Database) -> Fresh:
    def fresh(name: str = "") -> Broker:
        return Broker(
            database.store(name or f"p{next(_names)}"),
            clock=_clock,
            ids=CountingIds(),
            contexts=ContextRegistry(),
            dialect=dialect_of(database.backend),
        )

    return fresh


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Fresh]:
    """Give what makes an empty broker on SQLite."""
    path: Path = tmp_path_factory.mktemp("broker") / "state.sqlite"
    database = SqliteDatabase.open(path, MIGRATIONS, clock=_clock, functions=sqlite_functions)
    yield _brokers(database)
    run(database.close())


@pytest.fixture(scope="module")
def fresh_postgres(postgis_dsn: Callable[[], str], run: Run) -> Iterator[Fresh]:  # noqa: F811
    """Give what makes an empty broker on PostgreSQL."""
    database = PostgresDatabase.open(postgis_dsn(), MIGRATIONS, clock=_clock)
    yield _brokers(database)
    run(database.close())


async def fill(broker: Broker, world: list[History]) -> Broker:
    """Load a world, entity by entity, so that the order is the same in each copy."""
    for history in world:
        if len(history.current) > 2:
            written = await broker.upsert([history.current])
            assert not written.failed, written.failed
        if history.past:
            head = {name: history.current[name] for name in ("id", "type")}
            written = await broker.append_history([{**head, **history.past}])
            assert not written.failed, written.failed
    return broker


async def both(fresh: Fresh, world: list[History], scope: Scope) -> tuple[Broker, Broker]:
    """Give a broker with the whole world and one with its filtered copy."""
    return await fill(fresh(), world), await fill(fresh(), filtered(world, scope))


async def listed(broker: Broker, scope: Scope, query: Query, part: Slice, view: View) -> list[Any]:
    """Follow the pages to the end: entities and the count that each page gives."""
    found: list[Any] = []
    for _ in range(50):
        page = await broker.query(scope, query, part, view)
        found.append((page.count, [orjson.loads(item) for item in page.items]))
        if not page.next:
            return found
        part = Slice(limit=part.limit, after=page.next, count=part.count)
    raise AssertionError("the pages have no end")


async def one(ask: Awaitable[Any]) -> Any:
    """Give the answer, or the code of the error."""
    try:
        return await ask
    except HansaError as error:
        return error.code


async def check_queries(
    fresh: Fresh, world: list[History], scope: Scope, asked: list[Query], part: Slice, view: View
) -> None:
    """Ask each query of both brokers, page by page, and of the plain evaluator."""
    whole, copy = await both(fresh, world, scope)
    there = [h.current for h in filtered(world, scope) if len(h.current) > 2]
    for query in asked:
        scoped = await listed(whole, scope, query, part, view)
        assert scoped == await listed(copy, EVERYTHING, query, part, view), query
        expected = [entity["id"] for entity in there if matches(entity, query)]
        if part.count:
            assert {count for count, _ in scoped} == {len(expected)}, query
        if not query.order and not part.offset:
            assert [entity["id"] for _, page in scoped for entity in page] == expected, query
    for history in world:
        identifier = history.current["id"]
        seen = await one(whole.retrieve(scope, identifier, view))
        shown = await one(copy.retrieve(EVERYTHING, identifier, view))
        assert seen == shown or orjson.loads(seen) == orjson.loads(shown)


async def check_histories(
    fresh: Fresh,
    world: list[History],
    scope: Scope,
    queried: list[Query],
    part: Slice,
    asked: TemporalQuery,
    values: bool,
) -> None:
    """Ask for the evolution of both brokers."""
    whole, copy = await both(fresh, world, scope)

    async def pages(broker: Broker, within: Scope, query: Query) -> list[Any]:
        page = await broker.temporal(within, query, asked, part, values=values)
        rest = await broker.temporal(within, query, asked, Slice(limit=100), values=values)
        return [page.count, *map(orjson.loads, page.items), *map(orjson.loads, rest.items)]

    for query in queried:
        assert await pages(whole, scope, query) == await pages(copy, EVERYTHING, query), query
    for history in world:
        identifier = history.current["id"]
        seen = await one(whole.evolution(scope, identifier, asked))
        shown = await one(copy.evolution(EVERYTHING, identifier, asked))
        if isinstance(shown, Code):
            assert seen == shown
        else:
            assert [*map(orjson.loads, seen.items)] == [*map(orjson.loads, shown.items)]


async def check_changes(
    fresh: Fresh,
    before: list[History],
    after: list[History],
    scope: Scope,
    asked: list[Query],
    part: Slice,
    view: View,
) -> None:
    """Ask a broker that answered before each change, and one that never did."""
    name = f"p{next(_names)}"
    known = await fill(fresh(name), before)
    for query in asked:
        await listed(known, scope, query, part, view)
    for history in after:
        if len(history.current) > 2:
            await known.upsert([history.current])
        else:
            await known.delete([history.current["id"]])
        new = fresh(name)
        for query in asked:
            seen = await listed(known, scope, query, part, view)
            assert seen == await listed(new, scope, query, part, view), query


several = st.lists(queries(), min_size=1, max_size=3)
shallow = st.lists(queries(deep=False), min_size=1, max_size=3)
hours = temporal_queries()


@sound
@given(worlds(), scopes, several, slices, views)
def test_a_scoped_query_equals_the_query_over_the_filtered_copy(
    fresh: Fresh,
    run: Run,
    world: list[History],
    scope: Scope,
    asked: list[Query],
    part: Slice,
    view: View,
) -> None:
    run(check_queries(fresh, world, scope, [*asked, *sweep()], part, view))


@sound
@given(worlds(), scopes, shallow, slices, hours, st.booleans())
def test_a_scoped_history_equals_the_history_of_the_filtered_copy(
    fresh: Fresh,
    run: Run,
    world: list[History],
    scope: Scope,
    queried: list[Query],
    part: Slice,
    asked: TemporalQuery,
    values: bool,
) -> None:
    flat = [q for q in sweep() if not isinstance(q.q, Term) or not q.q.path]
    run(check_histories(fresh, world, scope, [*queried, *flat], part, asked, values))


@few
@given(worlds(), worlds(), scopes, several, slices, views)
def test_what_was_answered_before_follows_every_change(
    fresh: Fresh,
    run: Run,
    before: list[History],
    after: list[History],
    scope: Scope,
    asked: list[Query],
    part: Slice,
    view: View,
) -> None:
    run(check_changes(fresh, before, after, scope, [*asked, Query()], part, view))


@pytest.mark.postgres
@few
@given(worlds(), scopes, several, slices, views)
def test_a_scoped_query_equals_the_query_over_the_filtered_copy_on_postgres(
    fresh_postgres: Fresh,
    run: Run,
    world: list[History],
    scope: Scope,
    asked: list[Query],
    part: Slice,
    view: View,
) -> None:
    run(check_queries(fresh_postgres, world, scope, asked, part, view))


@pytest.mark.postgres
@few
@given(worlds(), scopes, shallow, slices, hours, st.booleans())
def test_a_scoped_history_equals_the_history_of_the_filtered_copy_on_postgres(
    fresh_postgres: Fresh,
    run: Run,
    world: list[History],
    scope: Scope,
    queried: list[Query],
    part: Slice,
    asked: TemporalQuery,
    values: bool,
) -> None:
    run(check_histories(fresh_postgres, world, scope, queried, part, asked, values))


@sound
@given(worlds(), scopes)
def test_names_and_counts_are_those_of_the_filtered_copy(
    fresh: Fresh, run: Run, world: list[History], scope: Scope
) -> None:
    async def check() -> None:
        whole, copy = await both(fresh, world, scope)
        assert await whole.types(scope) == await copy.types(EVERYTHING)
        assert await whole.attributes(scope) == await copy.attributes(EVERYTHING)
        seen, there = await whole.summary(scope, Cut()), await copy.summary(EVERYTHING, Cut())
        assert seen.entities_visible == there.entities_visible
        assert seen.attributes_visible == there.attributes_visible

    run(check())


@sound
@given(worlds(), scopes)
def test_the_copy_is_that_of_the_policy_room(world: list[History], scope: Scope) -> None:
    own = [h.current for h in filtered(world, scope) if len(h.current) > 2]
    theirs = filter_copy([h.current for h in world], scope)

    def flat(entity: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value[0]
            if isinstance(value, list) and len(value) == 1 and name != "type"
            else value
            for name, value in entity.items()
        }

    assert own == [flat(entity) for entity in theirs]


@few
@given(worlds(), scopes, queries(), slices)
def test_what_was_changed_and_deleted_is_as_if_it_had_been_written_so(
    fresh: Fresh, run: Run, world: list[History], scope: Scope, query: Query, part: Slice
) -> None:
    """Write other values first, delete and bring back: the result is that of a plain load."""

    async def check() -> None:
        plain = await fill(fresh(), world)
        stirred = fresh()
        for number, history in enumerate(world):
            head = {name: history.current[name] for name in ("id", "type")}
            before = {
                **head,
                "power": 77,
                "name": "old",
                "type": ["Shop", "Never"],
                "location": {"type": "Point", "coordinates": [4, 4]},
                "extra": True,
            }
            await stirred.upsert([before])
            if number % 2:
                await stirred.delete([head["id"]])
        for history in world:
            if len(history.current) > 2:
                await stirred.upsert([history.current])
            else:
                await stirred.delete([history.current["id"]])
        given = (query, part, NORMALIZED)
        assert await listed(stirred, scope, *given) == await listed(plain, scope, *given)
        assert await stirred.types(scope) == await plain.types(scope)
        assert await stirred.attributes(scope) == await plain.attributes(scope)

    run(check())
