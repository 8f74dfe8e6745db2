"""What is pushed is at each moment a part of the filtered copy, and in the end all of it.

Writes, deletions, changed terms and crashes in any order; after a crash the feed goes on from a
place that may be an older one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from broker_copy import filtered
from broker_strategies import History, histories, scopes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.broker import MIGRATIONS, Broker, Query, Slice, sqlite_functions
from hansa.dataplane.feed import Feed
from hansa.kernel import CountingIds, FixedClock
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.node.feeding import BrokerEntities
from hansa.policy import Scope

Json = dict[str, Any]
Run = Callable[[Awaitable[Any]], Any]
Fresh = Callable[[], Broker]
ALL = Slice(limit=1_000)
_clock = FixedClock()
_names = count()


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run  # type: ignore[misc]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Iterator[Fresh]:
    """Give what makes an empty broker."""
    path: Path = tmp_path_factory.mktemp("feed") / "state.sqlite"
    database = SqliteDatabase.open(path, MIGRATIONS, clock=_clock, functions=sqlite_functions)

    def make() -> Broker:
        store = database.store(f"p{next(_names)}")
        return Broker(store, clock=_clock, ids=CountingIds(), contexts=ContextRegistry())

    yield make
    run(database.close())


class _IdleError(Exception):
    pass


class Consumer:
    """What somebody has who follows the notifications, and checks each one on its way."""

    def __init__(self, broker: Broker, fresh: Fresh) -> None:
        self.broker, self.fresh = broker, fresh
        self.world: dict[str, History] = {}
        self.scope = Scope.nothing()
        self.mirror: dict[str, Json] = {}
        self.seen: set[str] = set()
        self.ever: set[str] = set()
        self.places: list[str] = [""]

    async def visible(self) -> dict[str, Json]:
        """Give the filtered copy: another broker that holds only what the scope lets through."""
        copy = self.fresh()
        entities = [one.current for one in filtered(self.world.values(), self.scope)]
        await copy.upsert([one for one in entities if len(one) > 2])
        page = await copy.query(Scope.everything(), Query(), ALL)
        found = [orjson.loads(item) for item in page.items]
        return {one["id"]: one for one in found}

    async def follow(self) -> None:
        """Take all notifications there are."""
        feed = Feed("urn:uuid:flow", BrokerEntities(self.broker), _clock)

        async def idle(*_: object) -> None:
            raise _IdleError

        feed._wait = idle  # type: ignore[method-assign]

        class Right:
            async def scope(_: Right) -> Scope:  # noqa: N805
                return self.scope

        expected = await self.visible()
        try:
            async for item in feed.items(self.places[-1], Right()):  # type: ignore[arg-type]
                if item.body is not None:
                    self.take(orjson.loads(item.body), expected)
                self.places.append(item.position)
        except _IdleError:
            pass
        assert sorted_parts(self.mirror) == sorted_parts(expected)

    def take(self, notification: Json, expected: dict[str, Json]) -> None:
        for entity in notification["data"]:
            if "deletedAt" in entity:
                assert entity["id"] in self.ever, "an entity is told as gone that was never told"
                assert entity["id"] not in expected
                assert set(entity) == {"id", "type", "deletedAt"}
            else:
                assert sorted_parts({"": entity}) == sorted_parts({"": expected[entity["id"]]})
        if notification["id"] in self.seen:
            return
        self.seen.add(notification["id"])
        for entity in notification["data"]:
            self.mirror.pop(entity["id"], None)
            if "deletedAt" not in entity:
                self.mirror[entity["id"]] = entity
                self.ever.add(entity["id"])


def sorted_parts(entities: dict[str, Json]) -> dict[str, Json]:
    """Leave the order of types and of instances out of the comparison."""

    def part(value: Any) -> Any:
        if isinstance(value, list) and all(isinstance(one, dict | str) for one in value):
            return sorted(value, key=lambda one: orjson.dumps(one, option=orjson.OPT_SORT_KEYS))
        return value

    return {
        key: {name: part(value) for name, value in entity.items()}
        for key, entity in entities.items()
    }


_steps = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 4).flatmap(histories)),
    st.tuples(st.just("write"), st.integers(0, 4).flatmap(histories)),
    st.tuples(st.just("delete"), st.integers(0, 4)),
    st.tuples(st.just("terms"), scopes),
    st.tuples(st.just("follow"), st.none()),
    st.tuples(st.just("crash"), st.integers(1, 6)),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(scope=scopes, steps=st.lists(_steps, min_size=3, max_size=14))
def test_what_is_pushed_is_the_filtered_copy(
    fresh: Fresh, run: Run, scope: Scope, steps: Sequence[tuple[str, Any]]
) -> None:
    async def play() -> None:
        broker = fresh()
        consumer = Consumer(broker, fresh)
        consumer.scope = scope
        for what, told in steps:
            if what == "write" and len(told.current) > 2:
                consumer.world[told.current["id"]] = History(told.current, {})
                written = await broker.upsert([told.current])
                assert not written.failed
            elif what == "delete":
                for zone in ("north", "south"):
                    consumer.world.pop(f"urn:ngsi-ld:{zone}:{told}", None)
                    await broker.delete([f"urn:ngsi-ld:{zone}:{told}"])
            elif what == "terms":
                consumer.scope = told
            elif what == "follow":
                await consumer.follow()
            elif what == "crash":
                consumer.places = consumer.places[: max(1, len(consumer.places) - told)]
        await consumer.follow()

    run(play())


def test_a_repeat_is_marked_as_one_until_it_shows_something_else(run: Run, fresh: Fresh) -> None:
    """A try that was not acknowledged is rendered anew, in a round and at an instant of its own."""

    async def told(broker: Broker) -> tuple[bytes, bytes]:
        feed = Feed("urn:uuid:flow", BrokerEntities(broker), _clock)

        class Right:
            async def scope(_: Right) -> Scope:  # noqa: N805
                return Scope.everything()

        items = feed.items("", Right())  # type: ignore[arg-type]
        item = await anext(items)
        await items.aclose()
        assert item.body is not None
        return item.mark, item.body

    async def check() -> None:
        broker = fresh()
        mark = {"id": "urn:ngsi-ld:Mark:1", "type": "Mark"}
        await broker.upsert([{**mark, "of": {"type": "Property", "value": 1}}])
        first = await told(broker)
        _clock.move(60)
        again = await told(broker)
        assert again[0] == first[0]
        assert again[1] != first[1], "it says when it was told"
        await broker.upsert([{**mark, "of": {"type": "Property", "value": 2}}])
        assert (await told(broker))[0] != first[0]

    run(check())
