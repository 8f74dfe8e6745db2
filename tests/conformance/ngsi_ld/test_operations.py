"""The operations over HTTP (NGSI-LD 1.9.1 6.4-6.6, 6.14-6.19, 6.25-6.28)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from ngsi_ld_client import ROOT, Client
from starlette.requests import Request

from hansa.broker import Access, Broker, app
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.policy import Cut, Scope


def shop(number: int, **attributes: Any) -> dict[str, Any]:
    return {"id": f"urn:x:{number}", "type": "Shop", **attributes}


def measured(value: float, hour: int) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": f"2026-01-01T0{hour}:00:00Z"}


@pytest.fixture
async def five(client: Client) -> Client:
    await client.post(
        "/entityOperations/upsert",
        [shop(n, power=measured(n, 0), name=f"Shop {n}") for n in range(5)],
    )
    return client


def next_link(link: str | None) -> str | None:
    """Give the target of rel=next below the root."""
    found = re.search(r'<([^>]+)>; rel="next"; type="application/json"', link or "")
    return found[1].removeprefix(ROOT) if found else None


async def test_6_4_3_1_create(client: Client) -> None:
    reply = await client.post("/entities", shop(1, power=5))
    assert (reply.status, reply.body) == (201, b"")
    assert reply.header("location") == f"{ROOT}/entities/urn:x:1"
    assert (await client.post("/entities", shop(1))).error == (409, "AlreadyExists")
    assert (await client.post("/entities?local=true", shop(2))).status == 201


async def test_6_4_3_2_pages_by_link(five: Client) -> None:
    target: str | None = "/entities?type=Shop&limit=2&count=true&options=keyValues"
    found: list[str] = []
    pages = 0
    while target:
        reply = await five.get(target)
        assert reply.header("ngsild-results-count") == "5"
        found += [entity["id"] for entity in reply.json]
        target = next_link(reply.header("link"))
        pages += 1
    assert (pages, found) == (3, [f"urn:x:{n}" for n in range(5)])


async def test_6_3_10_offset_pages_have_both_neighbours(five: Client) -> None:
    reply = await five.get("/entities?type=Shop&limit=2&offset=2")
    assert [entity["id"] for entity in reply.json] == ["urn:x:2", "urn:x:3"]
    link = str(reply.header("link"))
    assert f'<{ROOT}/entities?type=Shop&limit=2&offset=0>; rel="prev"' in link
    assert "offset=4" in str(next_link(link))
    ordered = await five.get("/entities?type=Shop&limit=2&orderBy=power;desc")
    assert [entity["id"] for entity in ordered.json] == ["urn:x:4", "urn:x:3"]
    assert next_link(ordered.header("link")) == (
        "/entities?type=Shop&orderBy=power%3Bdesc&limit=2&offset=2"
    )


async def test_6_4_3_2_only_a_count(five: Client) -> None:
    reply = await five.get("/entities?type=Shop&limit=0&count=true")
    assert (reply.json, reply.header("ngsild-results-count")) == ([], "5")
    assert next_link(reply.header("link")) is None


async def test_6_4_3_2_filters(five: Client) -> None:
    async def ids(query: str) -> list[str]:
        return [entity["id"][6:] for entity in (await five.get(f"/entities?{query}")).json]

    assert await ids("q=power>2") == ["3", "4"]
    named = quote('name=="Shop 2"')
    assert await ids(f"q={named}") == ["2"]
    assert await ids("type=Shop&id=urn:x:3,urn:x:1") == ["1", "3"]
    assert await ids("attrs=never") == []
    assert await ids("type=*&local=true") == ["0", "1", "2", "3", "4"]
    assert await ids("type=Shop&pick=id") == ["0", "1", "2", "3", "4"]


async def test_6_3_7_projections_and_forms(five: Client) -> None:
    one = "/entities/urn:x:1?"
    normalized = {"id": "urn:x:1", "type": "Shop", "power": measured(1, 0)}
    assert (await five.get(one + "attrs=power")).json == normalized
    assert (await five.get(one + "pick=power")).json == {"power": measured(1, 0)}
    assert (await five.get(one + "pick=id|power")).json.keys() == {"id", "power"}
    assert (await five.get(one + "omit=name,type")).json.keys() == {"id", "power"}
    simple = {"id": "urn:x:1", "type": "Shop", "power": 1, "name": "Shop 1"}
    for form in ("options=keyValues", "options=simplified", "format=simplified"):
        assert (await five.get(one + form)).json == simple
    assert (await five.get(one + "options=keyValues&format=normalized&attrs=power")).json == (
        normalized
    )
    assert (await five.get(one + "format=concise")).json["name"] == "Shop 1"
    times = (await five.get(one + "options=sysAttrs")).json
    assert times["createdAt"] == times["power"]["modifiedAt"] == "2026-01-01T12:00:00Z"
    assert (await five.get(one + "attrs=never")).error == (404, "ResourceNotFound")
    assert (await five.get(one + "type=Cafe")).error == (404, "ResourceNotFound")


async def test_ids_may_hold_anything_a_uri_may(client: Client) -> None:
    identifier = "https://example.org/shop/1?x=ä#y"
    assert (
        await client.post("/entities", {"id": identifier, "type": "Shop", "a": 1})
    ).status == 201
    path = f"/entities/{quote(identifier, safe='')}"
    assert (await client.get(path)).json["id"] == identifier
    assert (await client.call("DELETE", path)).status == 204


async def test_6_5_3_2_delete(five: Client) -> None:
    reply = await five.call("DELETE", "/entities/urn:x:1")
    assert (reply.status, reply.body, reply.header("content-length")) == (204, b"", None)
    assert (await five.get("/entities/urn:x:1")).error == (404, "ResourceNotFound")


async def test_6_6_3_attributes(five: Client) -> None:
    attrs = "/entities/urn:x:1/attrs"
    assert (await five.call("PATCH", attrs, {"power": 9})).status == 204
    reply = await five.call("PATCH", attrs, {"power": 8, "never": 1})
    assert reply.status == 207
    assert reply.json["updated"] == [expand("power")]
    assert [one["attributeName"] for one in reply.json["notUpdated"]] == [expand("never")]
    assert (await five.post(attrs, {"voltage": 230})).status == 204
    simple = (await five.get("/entities/urn:x:1?format=simplified")).json
    assert (simple["power"], simple["voltage"]) == (8, 230)
    missing = await five.call("PATCH", "/entities/urn:x:9/attrs", {"power": 9})
    assert missing.error == (404, "ResourceNotFound")
    assert (await five.post("/entities/urn:x:9/attrs", {"a": 1})).error[0] == 404
    other = await five.call("PATCH", attrs, {"id": "urn:x:2", "power": 9})
    assert other.error == (400, "BadRequestData")


async def test_6_14_3_1_batch_create(five: Client) -> None:
    reply = await five.post("/entityOperations/create", [shop(8), shop(9)])
    assert (reply.status, reply.json) == (201, ["urn:x:8", "urn:x:9"])
    reply = await five.post("/entityOperations/create", [shop(1), shop(10), {"id": "x"}])
    assert reply.status == 207
    assert reply.json["success"] == ["urn:x:10"]
    errors = {
        one["entityId"]: one["error"]["type"].rpartition("/")[2] for one in reply.json["errors"]
    }
    assert errors == {"urn:x:1": "AlreadyExists", "x": "BadRequestData"}


async def test_6_15_3_1_batch_upsert(five: Client) -> None:
    reply = await five.post("/entityOperations/upsert", [shop(1, a=1), shop(7, a=1)])
    assert (reply.status, reply.json) == (201, ["urn:x:7"])
    assert (await five.get("/entities/urn:x:1?format=simplified")).json.keys() == {
        "id",
        "type",
        "a",
    }
    reply = await five.post("/entityOperations/upsert?options=update", [shop(2, a=1)])
    assert (reply.status, reply.body) == (204, b"")
    assert (await five.get("/entities/urn:x:2?format=simplified")).json.keys() == {
        *("id", "type", "a", "power", "name")
    }
    bad = await five.post("/entityOperations/upsert?options=merge", [shop(2)])
    assert bad.error == (400, "InvalidRequest")
    for body in ([], {}, [shop(n) for n in range(1001)]):
        reply = await five.post("/entityOperations/upsert", body)
        assert (reply.error, reply.json["limit"]) == ((400, "BadRequestData"), 1000)


async def test_batches_carry_a_context_each(client: Client) -> None:
    own = {"@context": {"macht": "https://example.org/power"}, "macht": 1}
    plain = {"@context": [], "macht": 2}
    reply = await client.post(
        "/entityOperations/upsert",
        [shop(1, **own), shop(2, **plain)],
        content_type="application/ld+json",
    )
    assert reply.status == 201
    assert "https://example.org/power" in (await client.get("/entities/urn:x:1")).json
    assert "macht" in (await client.get("/entities/urn:x:2")).json


async def test_6_17_3_1_batch_delete(five: Client) -> None:
    assert (await five.post("/entityOperations/delete", ["urn:x:1"])).status == 204
    reply = await five.post("/entityOperations/delete", ["urn:x:1", "urn:x:2"])
    assert (reply.status, reply.json["success"]) == (207, ["urn:x:2"])
    assert reply.json["errors"][0]["error"]["status"] == 404
    assert (await five.post("/entityOperations/delete", ["x"])).error == (400, "BadRequestData")


async def test_6_18_3_2_temporal_query(five: Client) -> None:
    for hour in (1, 2, 3):
        await five.call("PATCH", "/entities/urn:x:1/attrs", {"power": measured(hour, hour)})
    after = "timerel=after&timeAt=2026-01-01T01:00:00Z"
    reply = await five.get(f"/temporal/entities?type=Shop&{after}&attrs=power")
    assert reply.status == 200
    assert reply.json == [
        {"id": "urn:x:1", "type": "Shop", "power": [measured(h, h) for h in (1, 2, 3)]}
    ]
    between = "timerel=between&timeAt=2026-01-01T00:00:00Z&endTimeAt=2026-01-01T02:00:00Z"
    for form in ("options=temporalValues", "format=temporalValues", "options=keyValues"):
        reply = await five.get(f"/temporal/entities?id=urn:x:1&type=Shop&{between}&{form}&lastN=1")
        assert reply.json[0]["power"] == {
            "type": "Property",
            "values": [[1, "2026-01-01T01:00:00Z"]],
        }
    before = "timerel=before&timeAt=2026-01-01T01:00:00Z"
    reply = await five.get(f"/temporal/entities?type=Shop&{before}&limit=2&count=true")
    assert reply.header("ngsild-results-count") == "5"
    rest = await five.get(str(next_link(reply.header("link"))))
    assert [e["id"] for e in reply.json + rest.json] == [f"urn:x:{n}" for n in range(4)]


async def test_6_19_3_1_temporal_retrieval(five: Client) -> None:
    reply = await five.get("/temporal/entities/urn:x:1?pick=id,power&options=sysAttrs")
    (moment,) = reply.json["power"]
    assert reply.json.keys() >= {"id", "power"}
    assert moment == {
        **measured(1, 0),
        "createdAt": "2026-01-01T12:00:00Z",
        "modifiedAt": "2026-01-01T12:00:00Z",
    }
    assert (await five.get("/temporal/entities/urn:x:9")).error == (404, "ResourceNotFound")


async def test_6_3_10_partial_content(five: Client, broker: Broker) -> None:
    broker._instances_max = 2
    await broker.append_history([{"id": "urn:x:1", "power": [measured(h, h) for h in range(6)]}])
    one = "/temporal/entities/urn:x:1?attrs=power&"
    reply = await five.get(one + "timerel=after&timeAt=2025-12-31T00:00:00Z")
    assert (reply.status, len(reply.json["power"])) == (206, 2)
    assert reply.header("content-range") == (
        "date-time 2025-12-31T00:00:00Z-2026-01-01T01:00:00Z/*"
    )
    reply = await five.get(one + "timerel=before&timeAt=2026-01-01T05:00:00Z&lastN=4")
    assert reply.status == 206
    assert [moment["value"] for moment in reply.json["power"]] == [3, 4]
    assert reply.header("content-range") == (
        "date-time 2026-01-01T05:00:00Z-2026-01-01T03:00:00Z/4"
    )


async def test_6_25_to_6_28_names(five: Client) -> None:
    await five.post("/entities", {"id": "urn:x:8", "type": ["Cafe", "Shop"], "seats": 5})
    listed = (await five.get("/types")).json
    assert (listed["type"], listed["typeList"]) == ("EntityTypeList", ["Cafe", "Shop"])
    details = (await five.get("/types?details=true")).json
    assert details[1] == {
        "id": expand("Shop"),
        "type": "EntityType",
        "typeName": "Shop",
        "attributeNames": ["name", "power", "seats"],
    }
    info = (await five.get("/types/Shop")).json
    assert (info["type"], info["entityCount"]) == ("EntityTypeInfo", 6)
    assert info["attributeDetails"][0]["attributeTypes"] == ["Property"]
    attributes = (await five.get("/attributes")).json
    assert attributes["attributeList"] == ["name", "power", "seats"]
    one = (await five.get("/attributes/seats", accept="application/ld+json")).json
    assert (one["attributeCount"], one["typeNames"]) == (1, ["Cafe", "Shop"])
    assert "@context" in one


# -- a governed view ------------------------------------------------------------------------------


def governed(broker: Broker, scope: Scope, **more: Any) -> Client:
    async def resolve(_: Request) -> Access:
        return Access(broker, scope, **more)

    return Client(app(resolve))


async def test_a_governed_view_is_read_only(five: Client, broker: Broker) -> None:
    view = governed(broker, Scope.everything())
    for method, target, body in (
        ("POST", "/entities", shop(9)),
        ("POST", "/entityOperations/upsert", [shop(1)]),
        ("PATCH", "/entities/urn:x:1/attrs", {"power": 1}),
        ("DELETE", "/entities/urn:x:1", None),
    ):
        reply = await view.call(method, target, body)
        assert reply.error == (403, "urn:hansa:error:forbidden")
    assert len((await view.get("/entities?type=Shop")).json) == 5


async def test_a_governed_view_counts_what_left(five: Client, broker: Broker) -> None:
    sent: list[tuple[int, int]] = []
    names = Scope(permits=(Cut(attributes=frozenset({expand("name")})),))
    view = governed(broker, names, on_sent=lambda *one: sent.append(one))
    page = await view.get("/entities?type=Shop&limit=3")
    entity = await view.get("/entities/urn:x:1")
    assert sent == [(3, len(page.body)), (1, len(entity.body))]
    assert entity.json.keys() == {"id", "type", "name"}
    assert (await view.get("/types/Shop")).json["attributeDetails"][0]["id"] == expand("name")
    assert (await view.get("/attributes/power")).error == (404, "ResourceNotFound")
    assert (await view.get("/entities?q=power>0")).json == []


async def test_refusals_keep_their_code_and_come_first(broker: Broker) -> None:
    async def resolve(_: Request) -> Access:
        raise HansaError(Code.token_expired, "The token has expired.", "Ask for a new one.")

    reply = await Client(app(resolve)).get("/nowhere?foo")
    assert reply.error == (401, "urn:hansa:error:token_expired")
    assert reply.header("www-authenticate") == 'Bearer, Basic realm="hansa"'


async def test_a_defect_says_nothing_of_itself(broker: Broker) -> None:
    async def resolve(_: Request) -> Access:
        raise RuntimeError("secret detail")

    reply = await Client(app(resolve)).get("/entities?type=A")
    assert reply.error == (500, "InternalError")
    assert b"secret" not in reply.body


async def test_a_long_answer_stops_when_the_right_ends(five: Client, broker: Broker) -> None:
    await broker.upsert([shop(n, text="x" * 900) for n in range(10, 400)])
    asked = 0

    def still_valid() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise HansaError(Code.agreement_ended, "The agreement has ended.")

    sent: list[tuple[int, int]] = []
    view = governed(
        broker, Scope.everything(), still_valid=still_valid, on_sent=lambda *one: sent.append(one)
    )
    reply = await view.get("/entities?type=Shop&limit=1000")
    assert int(str(reply.header("content-length"))) > 2 * len(reply.body) > 0
    ((entities, size),) = sent
    assert size == len(reply.body)
    assert 0 < entities < 200
