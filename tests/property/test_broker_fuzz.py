"""Whatever is sent, the broker answers with the standard's error, and never with a defect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from hansa.broker import MIGRATIONS, Access, Broker, app, sqlite_functions
from hansa.kernel import CountingIds, FixedClock
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.policy import Scope

sound = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PARAMETERS = (
    "id type q georel geometry coordinates geoproperty attrs pick omit limit offset count after"
    " orderBy options format local geometryProperty timerel timeAt endTimeAt timeproperty lastN"
    " details idPattern scopeQ lang"
).split()
WORDS = (
    'urn:x:1 Shop A,B (A;B)|C power power>5 power==1..2 a[b]=="c" near;maxDistance==5 within Point'
    " a.observedAt>2026-01-01T00:00:00Z Polygon [4,52] [[[0,0],[1,0],[1,1],[0,0]]] location 0 1 20"
    " true sysAttrs keyValues temporalValues after between 2026-01-01T00:00:00Z observedAt -1 1e999"
    " name;desc"
).split()
PATHS = (
    "/entities /entities/urn:x:1 /entities/urn:x:1/attrs /temporal/entities /types /types/Shop"
    " /temporal/entities/urn:x:1 /attributes /attributes/power /entityOperations/upsert"
    " /entityOperations/create /entityOperations/delete"
).split()
texts = st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), st.text(max_size=12))
queries = st.dictionaries(st.sampled_from(PARAMETERS), texts, max_size=6)
json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63),
        st.floats(),
        texts,
        st.sampled_from(["Property", "GeoProperty", "Relationship", "VocabProperty"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    "id type value object languageMap vocab json valueList objectList observedAt"
                    " datasetId unitCode coordinates location power @context @value".split()
                ),
                st.text(max_size=6),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)
entities = st.dictionaries(
    st.sampled_from(["power", "location", "a", "ä b"]), json, max_size=3
).map(lambda attributes: {"id": "urn:x:1", "type": "Shop", **attributes})


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, runner: asyncio.Runner) -> Iterator[Any]:
    """Give the API of a broker that keeps what the examples leave behind."""
    path: Path = tmp_path_factory.mktemp("fuzz") / "state.sqlite"
    clock = FixedClock()
    database = SqliteDatabase.open(path, MIGRATIONS, clock=clock, functions=sqlite_functions)
    broker = Broker(database.store("p"), clock=clock, ids=CountingIds(), contexts=ContextRegistry())
    shop = {"id": "urn:x:1", "type": "Shop", "power": 5, "name": "x",
            "location": {"type": "Point", "coordinates": [4, 52]}}  # fmt: skip
    runner.run(broker.upsert([shop]))

    async def resolve(_: Request) -> Access:
        return Access(broker, Scope.everything(), may_write=True)

    yield app(resolve)
    runner.run(database.close())


def call(
    runner: asyncio.Runner, api: Any, method: str, path: str, query: str, body: bytes, kind: str
) -> tuple[int, bytes]:
    """Send one request; gives status and body."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
        ],
    }
    answer: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    async def run() -> None:
        await api(scope, receive, send)

    runner.run(run())
    return answer[0]["status"], b"".join(part.get("body", b"") for part in answer[1:])


def assert_answered(status: int, body: bytes) -> None:
    """Assert that an answer is none of a defect, and that an error says what it is."""
    assert status < 500 or status in (501, 504), body
    if status >= 400 and body:
        problem = orjson.loads(body)
        assert problem["title"]
        assert problem["status"] == status


@sound
@given(
    st.sampled_from(["GET", "GET", "GET", "DELETE", "PUT", "OPTIONS"]),
    st.one_of(st.sampled_from(PATHS), st.text(max_size=20).map(lambda p: "/" + quote(p))),
    queries,
)
@example("GET", "/entities", {"q": "a==\x00", "type": "A"})
@example("GET", "/entities", {"type": "A", "limit": "9" * 400})
@example("GET", "/entities", {"type": "A", "after": "=" * 22})
@example("GET", "/entities/%FF%FE", {})
@example("GET", "/entities/urn:x:%00", {})
@example("GET", "/types/%00", {})
def test_any_query_is_answered(
    runner: asyncio.Runner, api: Any, method: str, path: str, query: dict[str, str]
) -> None:
    written = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in query.items())
    assert_answered(*call(runner, api, method, path, written, b"", "application/json"))


@sound
@given(
    st.sampled_from(["POST", "PATCH"]),
    st.sampled_from(PATHS),
    st.one_of(json, entities, st.lists(entities, max_size=3)),
    st.sampled_from(["application/json", "application/ld+json"]),
)
@example("POST", "/entities", {"id": "urn:x:2", "type": "Shop", "a": "\x00"}, "application/json")
@example(
    "POST",
    "/entities",
    {"id": "urn:x:3", "type": "Shop", "a": {"value": {"\x00": 1}}},
    "application/json",
)
@example("POST", "/entities", {"id": "urn:x:4", "type": "Shop", "a": 10**400}, "application/json")
@example(
    "POST",
    "/entities",
    {"id": "urn:x:5", "type": "Shop", "@context": {"a": 5}},
    "application/ld+json",
)
def test_any_body_is_answered(
    runner: asyncio.Runner, api: Any, method: str, path: str, body: Any, kind: str
) -> None:
    import json as standard

    try:
        raw = standard.dumps(body).encode()
    except UnicodeEncodeError:
        return
    assert_answered(*call(runner, api, method, path, "", raw, kind))


@sound
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_answered(
    runner: asyncio.Runner, api: Any, query: bytes, body: bytes
) -> None:
    for method, path in (("GET", "/entities"), ("POST", "/entities")):
        text = query.decode("latin-1")
        assert_answered(*call(runner, api, method, path, text, body, "application/json"))
