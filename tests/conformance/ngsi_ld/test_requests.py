"""Headers, representations, errors (NGSI-LD 1.9.1 6.3)."""

from __future__ import annotations

import pytest
from ngsi_ld_client import Client, Reply

CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
OTHER = "https://example.org/context.jsonld"
REL = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
SHOP = {"id": "urn:x:1", "type": "Shop", "power": {"type": "Property", "value": 5}}


@pytest.fixture
async def filled(client: Client) -> Client:
    assert (await client.post("/entities", SHOP)).status == 201
    return client


async def test_6_3_4_content_length_is_needed(client: Client) -> None:
    reply = await client.call("POST", "/entities", SHOP, content_length="")
    assert (reply.status, reply.body) == (411, b"")


@pytest.mark.parametrize("kind", ["text/plain", "", "application/merge-patch+json"])
async def test_6_3_4_content_type_is_json(client: Client, kind: str) -> None:
    reply = await client.call("POST", "/entities", SHOP, content_type=kind)
    assert (reply.status, reply.body) == (415, b"")


async def test_6_3_4_merge_patch_is_json_for_patch(filled: Client) -> None:
    kind = "application/merge-patch+json"
    reply = await filled.call("PATCH", "/entities/urn:x:1/attrs", {"power": 6}, content_type=kind)
    assert reply.status == 204


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ("application/ld+json, application/json", "application/json"),
        ("application/json;q=0.5, application/ld+json;q=0.9", "application/ld+json"),
        ("text/html, application/geo+json", "application/geo+json"),
        ("application/json;q=0, */*;q=0.1", "application/ld+json"),
    ],
)
async def test_6_3_4_accept(filled: Client, accept: str, kind: str) -> None:
    for target in ("/entities?type=Shop", "/entities/urn:x:1"):
        reply = await filled.get(target, accept=accept)
        assert (reply.status, reply.header("content-type")) == (200, kind)


async def test_6_3_4_nothing_acceptable(filled: Client) -> None:
    reply = await filled.get("/entities?type=Shop", accept="text/html")
    assert reply.error == (406, "urn:hansa:error:not_acceptable")
    assert reply.json["supported"] == [
        "application/json",
        "application/ld+json",
        "application/geo+json",
    ]
    reply = await filled.get("/types", accept="application/geo+json")
    assert reply.status == 406
    assert reply.json["supported"] == ["application/json", "application/ld+json"]


async def test_6_3_5_context_of_json_comes_by_link(client: Client) -> None:
    link = f"<{OTHER}>; {REL}"
    shop = {"id": "urn:x:2", "type": "Winkel", "vermogen": 5}
    assert (await client.post("/entities", shop, link=link)).status == 201
    plain = await client.get("/entities/urn:x:2")
    assert plain.json["https://example.org/power"] == {"type": "Property", "value": 5}
    reply = await client.get("/entities?type=Winkel&q=vermogen==5", link=link)
    assert reply.json[0]["vermogen"] == {"type": "Property", "value": 5}
    assert f"<{OTHER}>; {REL}" in str(reply.header("link"))
    linked = await client.get("/entities/urn:x:2", link=link, accept="application/ld+json")
    assert linked.json["@context"] == [OTHER, CORE]
    assert linked.header("link") is None


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({**SHOP, "@context": CORE}, {}),
        (SHOP, {"content_type": "application/ld+json"}),
        (
            {**SHOP, "@context": CORE},
            {"content_type": "application/ld+json", "link": f"<{CORE}>; {REL}"},
        ),
        (SHOP, {"link": f"<{CORE}>; {REL}, <{OTHER}>; {REL}"}),
    ],
)
async def test_6_3_5_context_in_the_wrong_place(
    client: Client, body: object, headers: dict[str, str]
) -> None:
    assert (await client.post("/entities", body, **headers)).error == (400, "BadRequestData")
    listed = await client.post("/entityOperations/upsert", [body], **headers)
    assert listed.error == (400, "BadRequestData")


async def test_6_3_5_unknown_context(client: Client) -> None:
    link = f"<https://example.org/never.jsonld>; {REL}"
    assert (await client.get("/entities?type=A", link=link)).error == (504, "LdContextNotAvailable")


async def test_6_3_6_link_or_embedded_context(filled: Client) -> None:
    reply = await filled.get("/entities/urn:x:1")
    assert reply.header("link") == f"<{CORE}>; {REL}"
    assert "@context" not in reply.json
    reply = await filled.get("/entities?type=Shop", accept="application/ld+json")
    assert reply.json[0]["@context"] == CORE
    assert reply.header("link") is None
    assert (await filled.get("/entities/urn:x:9")).header("link") is None


async def test_6_3_6_geojson_context(filled: Client) -> None:
    reply = await filled.get("/entities?type=Shop", accept="application/geo+json")
    assert reply.json["type"] == "FeatureCollection"
    assert reply.json["@context"] == CORE
    (feature,) = reply.json["features"]
    assert feature == {
        "id": "urn:x:1",
        "type": "Feature",
        "geometry": None,
        "properties": {"type": "Shop", "power": {"type": "Property", "value": 5}},
    }
    bare = await filled.get("/entities/urn:x:1", accept="application/geo+json", prefer="body=json")
    assert "@context" not in bare.json
    assert bare.header("link") == f"<{CORE}>; {REL}"


@pytest.mark.parametrize(
    ("method", "target", "status", "name"),
    [
        ("GET", "/entities?type=Shop&foo=1", 400, "InvalidRequest"),
        ("GET", "/entities?type=Shop&type=Shop", 400, "InvalidRequest"),
        ("GET", "/entities?type=Shop&options=fast", 400, "InvalidRequest"),
        ("GET", "/entities?type=Shop&format=fast", 400, "InvalidRequest"),
        ("GET", "/entities?type=Shop&count=yes", 400, "InvalidRequest"),
        ("GET", "/entities?type=Shop&after=xyz", 400, "InvalidRequest"),
        ("GET", "/entities?type=Shop&q=%FF", 400, "InvalidRequest"),
        ("GET", "/entities", 400, "BadRequestData"),
        ("GET", "/entities?id=urn:x:1", 400, "BadRequestData"),
        ("GET", "/entities?type=Shop&id=shop", 400, "BadRequestData"),
        ("GET", "/entities?type=(A", 400, "BadRequestData"),
        ("GET", "/entities?type=Shop&limit=0", 400, "BadRequestData"),
        ("GET", "/entities?type=Shop&limit=1001", 400, "BadRequestData"),
        ("GET", "/entities?type=Shop&limit=x", 400, "BadRequestData"),
        ("GET", "/entities?type=Shop&offset=-1", 400, "BadRequestData"),
        ("GET", "/entities?q=power%3E%3E5", 400, "BadRequestData"),
        ("GET", "/entities?q=power==bad", 400, "BadRequestData"),
        ("GET", "/entities?q=", 400, "BadRequestData"),
        ("GET", "/entities?georel=near", 400, "BadRequestData"),
        ("GET", "/entities?type=A&geometry=Point", 400, "BadRequestData"),
        ("GET", "/entities?georel=on&geometry=Point&coordinates=[1,2]", 400, "BadRequestData"),
        ("GET", "/entities?georel=within&geometry=Point&coordinates=[1]", 400, "BadRequestData"),
        ("GET", "/entities?georel=within&geometry=Point&coordinates=x", 400, "BadRequestData"),
        (
            "GET",
            "/entities?georel=near;maxDistance==0&geometry=Point&coordinates=[1,2]",
            400,
            "BadRequestData",
        ),
        ("GET", "/entities?type=A&attrs=a&pick=b", 400, "BadRequestData"),
        ("GET", "/entities?type=A&pick=a&omit=a", 400, "BadRequestData"),
        ("GET", "/entities?type=A&pick=", 400, "BadRequestData"),
        ("GET", "/entities?type=A&orderBy=a;up", 400, "BadRequestData"),
        ("GET", "/entities?type=A&geometryProperty=b", 400, "BadRequestData"),
        ("GET", "/entities/shop", 400, "BadRequestData"),
        ("GET", "/entities/urn:x:9", 404, "ResourceNotFound"),
        ("GET", "/nowhere", 404, "ResourceNotFound"),
        ("GET", "/types/Never", 404, "ResourceNotFound"),
        ("GET", "/attributes/never", 404, "ResourceNotFound"),
        ("DELETE", "/entities/urn:x:9", 404, "ResourceNotFound"),
        ("PUT", "/entities", 400, "BadRequestData"),
        ("PATCH", "/entities/", 400, "BadRequestData"),
        ("GET", "/temporal/entities?type=A", 400, "BadRequestData"),
        ("GET", "/temporal/entities?type=A&timerel=on&timeAt=x", 400, "BadRequestData"),
        ("GET", "/temporal/entities?type=A&timerel=after", 400, "BadRequestData"),
        ("GET", "/temporal/entities?type=A&timerel=after&timeAt=today", 400, "BadRequestData"),
        (
            "GET",
            "/temporal/entities?type=A&timerel=between&timeAt=2026-01-01T00:00:00Z",
            400,
            "BadRequestData",
        ),
        (
            "GET",
            "/temporal/entities?type=A&timerel=after&timeAt=2026-01-01T00:00:00Z&timeproperty=x",
            400,
            "InvalidRequest",
        ),
        ("GET", "/temporal/entities/urn:x:1?timeAt=2026-01-01T00:00:00Z", 400, "BadRequestData"),
        ("GET", "/temporal/entities/urn:x:1?lastN=0", 400, "BadRequestData"),
    ],
)
async def test_6_3_2_errors(
    filled: Client, method: str, target: str, status: int, name: str
) -> None:
    assert (await filled.call(method, target)).error == (status, name)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "Shop"}, "id"),
        ({"id": 5, "type": "Shop"}, "id"),
        ({"id": "urn:x:" + "y" * 1000, "type": "Shop"}, "id"),
        ({"id": "urn:x:2"}, "type"),
        ({"id": "urn:x:2", "type": []}, "type"),
        ({"id": "urn:x:2", "type": "a b"}, "a b"),
        ({"id": "urn:x:2", "type": "@id"}, "@id"),
        ({"id": "urn:x:2", "type": "Shop", "power": None}, "power.value"),
        ({"id": "urn:x:2", "type": "Shop", "power": {"type": "Property"}}, "power.value"),
        ({"id": "urn:x:2", "type": "Shop", "power": {"type": "Thing", "value": 1}}, "power.type"),
        ({"id": "urn:x:2", "type": "Shop", "power": {"kW": 1}}, "power.type"),
        ({"id": "urn:x:2", "type": "Shop", "power": {"value": "urn:ngsi-ld:null"}}, "power.value"),
        ({"id": "urn:x:2", "type": "Shop", "a": {"value": 1, "observedAt": "now"}}, "a.observedAt"),
        (
            {
                "id": "urn:x:2",
                "type": "Shop",
                "a": {"value": 1, "observedAt": "2026-01-01T00:00:00"},
            },
            "a.observedAt",
        ),
        ({"id": "urn:x:2", "type": "Shop", "a": {"value": 1, "unitCode": 5}}, "a.unitCode"),
        ({"id": "urn:x:2", "type": "Shop", "a": {"value": 1, "datasetId": "d"}}, "a.datasetId"),
        ({"id": "urn:x:2", "type": "Shop", "a": {"object": "shop"}}, "a.object"),
        ({"id": "urn:x:2", "type": "Shop", "a": {"languageMap": {"nl": 5}}}, "a.languageMap.nl"),
        ({"id": "urn:x:2", "type": "Shop", "a": {"vocab": 5}}, "a.vocab"),
        ({"id": "urn:x:2", "type": "Shop", "a": {"valueList": 5}}, "a.valueList"),
        ({"id": "urn:x:2", "type": "Shop", "location": 5}, "location"),
        (
            {
                "id": "urn:x:2",
                "type": "Shop",
                "location": {"type": "Point", "coordinates": [500, 1]},
            },
            "location.value",
        ),
        (
            {
                "id": "urn:x:2",
                "type": "Shop",
                "location": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [2, 2]]]},
            },
            "location.value",
        ),
        ({"id": "urn:x:2", "type": "Shop", "a": [{"value": 1}, {"value": 2}]}, "a"),
        (
            {"id": "urn:x:2", "type": "Shop", "a": 1, "ngsi-ld:default-context/a": 2},
            "ngsi-ld:default-context/a",
        ),
        ([], None),
        ("x", None),
    ],
)
async def test_5_2_4_bad_entities(client: Client, body: object, field: str | None) -> None:
    reply = await client.post("/entities", body)
    assert reply.error == (400, "BadRequestData")
    assert reply.json.get("field") == field


async def test_6_3_2_bad_json_and_large_bodies(client: Client) -> None:
    assert (await client.call("POST", "/entities", raw=b"{")).error == (400, "InvalidRequest")
    assert (await client.call("POST", "/entities", raw=b"[" * 5000)).error[0] == 400
    large = {**SHOP, "x": {"type": "Property", "value": "y" * 100_000}}
    assert (await client.post("/entities", large)).error == (413, "urn:hansa:error:body_too_large")
    lying = await client.call("POST", "/entities", large, content_length="10")
    assert lying.status == 413


async def test_6_3_2_method_not_allowed(client: Client) -> None:
    reply = await client.call("PUT", "/types")
    assert reply.error == (405, "urn:hansa:error:method_not_allowed")
    assert reply.header("allow") == "GET"
    assert (await client.call("HEAD", "/entities")).status == 405


async def test_trailing_slashes_make_no_difference(filled: Client) -> None:
    for target in ("/entities/?type=Shop", "/types/", "/entities/urn:x:1/", "/attributes/"):
        assert (await filled.get(target)).status == 200
    assert (await filled.post("/entityOperations/upsert/", [SHOP])).status == 204


async def test_unknown_headers_are_ignored(filled: Client) -> None:
    headers = {"ngsild_path": "/x", "fiware_service": "delft", "x_anything": "y"}
    assert (await filled.get("/entities?type=Shop", **headers)).status == 200


LATER = [
    ("GET", "/subscriptions"),
    ("POST", "/subscriptions/"),
    ("DELETE", "/subscriptions/urn:s:1"),
    ("POST", "/csourceRegistrations"),
    ("GET", "/csourceSubscriptions/urn:s:1"),
    ("GET", "/jsonldContexts"),
    ("POST", "/entityMaps"),
    ("GET", "/temporal/entityMaps"),
    ("POST", "/snapshots/urn:s:1/clone"),
    ("GET", "/info/sourceIdentity"),
    ("DELETE", "/entities?type=Shop"),
    ("PUT", "/entities/urn:x:1"),
    ("PATCH", "/entities/urn:x:1"),
    ("PATCH", "/entities/urn:x:1/attrs/power"),
    ("PUT", "/entities/urn:x:1/attrs/power"),
    ("DELETE", "/entities/urn:x:1/attrs/power"),
    ("POST", "/entityOperations/update"),
    ("POST", "/entityOperations/merge"),
    ("POST", "/entityOperations/query"),
    ("POST", "/temporal/entities"),
    ("DELETE", "/temporal/entities/urn:x:1"),
    ("POST", "/temporal/entities/urn:x:1/attrs"),
    ("DELETE", "/temporal/entities/urn:x:1/attrs/power"),
    ("PATCH", "/temporal/entities/urn:x:1/attrs/power/urn:i:1"),
    ("POST", "/temporal/entityOperations/query"),
    ("GET", "/entities?type=Shop&idPattern=.*"),
    ("GET", "/entities?type=Shop&scopeQ=/a"),
    ("GET", "/entities?type=Shop&join=inline"),
    ("GET", "/entities?q=a~=b"),
    ("GET", "/entities?q=a%7Bb%7D"),
    ("GET", "/entities?type=Shop&orderBy=location;dist-asc"),
    (
        "GET",
        "/temporal/entities?type=A&timerel=after&timeAt=2026-01-01T00:00:00Z&aggrMethods=sum",
    ),
]


@pytest.mark.parametrize(("method", "target"), LATER)
async def test_what_is_not_there_says_so(filled: Client, method: str, target: str) -> None:
    reply: Reply = await filled.call(method, target)
    assert reply.error == (501, "OperationNotSupported")
    assert reply.json["title"].endswith(" is not implemented yet.")
    assert len(reply.json["detail"]) > 10
