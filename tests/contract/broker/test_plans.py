"""Costs that stay flat: SQLite looks things up by index, and never goes through all entities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from shops import EVERYTHING, box, near, point, shop, types, urn

from hansa.broker import MIGRATIONS, Broker, Query, Slice, TemporalQuery, View, sqlite_functions
from hansa.broker.query import parse_q
from hansa.kernel import CountingIds, FixedClock
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.kernel.store.sqlite import SqliteDatabase, SqliteReadTx
from hansa.policy import Area, Cut, Scope

GOVERNED = Scope(
    permits=(
        Cut(
            types=frozenset({expand("Shop")}),
            attributes=frozenset({expand("power")}),
            area=Area("POLYGON((0 0, 4 0, 4 4, 0 4, 0 0))", (0.0, 0.0, 4.0, 4.0)),
        ),
    )
)
POWER = parse_q("power>995", expand)
SHOPS = types("Shop")


@pytest.fixture
async def broker(tmp_path: Path) -> Any:
    """Give a broker with a thousand shops and some of other types."""
    clock = FixedClock()
    database = SqliteDatabase.open(
        tmp_path / "x.sqlite", MIGRATIONS, clock=clock, functions=sqlite_functions
    )
    made = Broker(database.store("p"), clock=clock, ids=CountingIds(), contexts=ContextRegistry())
    await made.upsert([shop(n, power=n, location=point(n / 100, 1)) for n in range(1000)])
    await made.upsert([{"id": f"urn:x:{n}", "type": "Cafe", "power": n} for n in range(50)])
    yield made
    await database.close()


@contextmanager
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, list[str]]]]:
    """Note each statement with its plan."""
    found: list[tuple[str, list[str]]] = []
    run = SqliteReadTx.execute

    def noted(self: SqliteReadTx, text: str, parameters: Any = ()) -> Any:
        plan = self.connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()
        found.append((text, [row[3] for row in plan]))
        return run(self, text, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteReadTx, "execute", noted)
        yield found


def assert_narrow(found: list[tuple[str, list[str]]]) -> None:
    """Assert that no step goes through a whole table of entities, attributes or values."""
    assert found
    for text, plan in found:
        for step in plan:
            assert not step.startswith("SCAN") or _PIECE.match(step), (step, text)
            assert "AUTOMATIC" not in step, (step, text)


_PIECE = re.compile(
    r"SCAN (\(|CONSTANT|json_each|narrowed|bounded|branch\d|b VIRTUAL TABLE INDEX 2:\w)"
)
"""What may be gone through: results of a lookup, and the R*Tree by its dimensions."""


CASES: dict[str, tuple[Scope, Query, Slice, View]] = {
    "page": (EVERYTHING, Query(types=SHOPS), Slice(), View()),
    "all types": (EVERYTHING, Query(), Slice(), View()),
    "value": (EVERYTHING, Query(types=SHOPS, q=POWER), Slice(), View()),
    "broad value": (EVERYTHING, Query(types=SHOPS, q=parse_q("power>1", expand)), Slice(), View()),
    "unequal": (EVERYTHING, Query(types=SHOPS, q=parse_q("power!=1", expand)), Slice(), View()),
    "counted": (EVERYTHING, Query(types=SHOPS, q=POWER), Slice(count=True), View()),
    "time": (
        EVERYTHING,
        Query(q=parse_q("power.observedAt>2026-01-01T00:00:00Z", expand)),
        Slice(),
        View(),
    ),
    "place": (EVERYTHING, Query(geo=near("near;maxDistance==9000", point(1, 1))), Slice(), View()),
    "ids": (EVERYTHING, Query(ids=(urn(1), urn(2))), Slice(), View()),
    "fragments": (EVERYTHING, Query(types=SHOPS), Slice(), View(only=frozenset({expand("power")}))),
    "governed": (GOVERNED, Query(types=SHOPS), Slice(count=True), View()),
    "governed value": (GOVERNED, Query(types=SHOPS, q=POWER), Slice(count=True), View()),
    "governed place": (GOVERNED, Query(geo=near("within", box(0, 0, 1, 2))), Slice(), View()),
}


@pytest.mark.parametrize("case", CASES)
async def test_queries_are_looked_up(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    scope, query, part, view = CASES[case]
    with seen(monkeypatch) as found:
        await broker.query(scope, query, part, view)
    assert_narrow(found)


async def test_a_page_runs_along_the_index_of_its_kind(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen(monkeypatch) as found:
        await broker.query(EVERYTHING, Query(types=SHOPS))
    plan = found[-1][1]
    assert plan == ["SEARCH e USING INDEX broker_entity_kind (p=? AND k=?)"]
    assert len(found) == 2


async def test_a_rare_value_comes_from_its_index(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen(monkeypatch) as found:
        await broker.query(EVERYTHING, Query(types=SHOPS, q=POWER))
    steps = "\n".join(found[-1][1])
    assert "broker_number_value (p=? AND a=? AND path=? AND c=? AND k=? AND v>?)" in steps


async def test_a_count_by_type_reads_counters_only(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scope in (EVERYTHING, Scope(permits=(Cut(types=frozenset({expand("Shop")})),))):
        with seen(monkeypatch) as found:
            page = await broker.query(scope, Query(types=SHOPS), Slice(limit=0, count=True))
        assert page.count == 1000
        assert all("broker_entity" not in text for text, _ in found)


async def test_retrieval_and_history_are_looked_up(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen(monkeypatch) as found:
        await broker.retrieve(EVERYTHING, urn(5))
        await broker.retrieve(GOVERNED, urn(5))
        await broker.evolution(EVERYTHING, urn(5), TemporalQuery(start=0, last=3))
        await broker.temporal(GOVERNED, Query(types=SHOPS), TemporalQuery(start=0))
    assert_narrow([one for one in found if "SELECT DISTINCT a" not in one[0]])
    history = [step for _, plan in found for step in plan if "SEARCH h" in step]
    assert history
    assert all("PRIMARY KEY (p=? AND n=? AND a=?" in step for step in history)
