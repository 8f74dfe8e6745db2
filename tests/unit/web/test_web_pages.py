"""Every page, every form: what they show, what they refuse."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pages_data as data
import pages_serve
import pytest
from pages_client import Client
from pages_source import FakeSource

from hansa.kernel import Code, FixedClock, HansaError
from hansa.web import render

PATHS = [
    "", "/members", "/catalogue", "/datasets/urn%3Auuid%3Ad-east", "/datasets/urn%3Auuid%3Ad-west",
    "/approvals", "/negotiations", "/negotiations/n-1", "/negotiations/n-2", "/negotiations/n-ask",
    "/negotiations/n-ask/counter", "/negotiations/n-refused", "/agreements/a-1/transfer",
    "/agreements", "/agreements/a-1",
    "/agreements/a-2", "/transfers", "/transfers/t-1", "/transfers/t-1?probe=1", "/transfers/t-2",
    "/transfers/t-ask", "/transfers/t-push", "/transfers/t-sftp", "/transfers/t-done",
    "/map", "/publish", "/policy", "/log", "/programs", f"/entities/{data.HOUSES[3]['id']}",
]  # fmt: skip
HOME = "/console/delft-west"
_COMMAND = re.compile(r'<span class="command"><code>(.*?)</code>')
_COPIED = re.compile(r'<hansa-copy text="(.*?)">')


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_has_one_heading_a_title_and_strict_headers(
    client: Client, path: str
) -> None:
    answer = await client.get(HOME + path)
    assert answer.status == 200
    assert answer.text.count("<h1") == 1
    assert re.search(r"<title>\S.* · Delft West · Hansa</title>", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert " style=" not in answer.text
    assert not re.search(r"<script(?![^>]* src=)", answer.text)
    assert not re.search(r"\son[a-z]+=", answer.text)


@pytest.mark.parametrize("flavour", ["full", "empty", "broken"])
async def test_every_command_on_a_page_can_be_pasted(clock: FixedClock, flavour: str) -> None:
    client = Client(pages_serve.app(flavour, clock))
    await client.get("/signin?token=let-me-in")
    meant = re.compile(r"hansa (doctor|.* --node delft-west) --home '/srv/my space'")
    found = 0
    for path in PATHS:
        text = (await client.get(HOME + path)).text
        shown = [html.unescape(code) for code in _COMMAND.findall(text)]
        copied = [html.unescape(code) for code in _COPIED.findall(text)]
        assert shown == copied
        assert all(meant.fullmatch(command) for command in shown), (path, shown)
        assert "hansa " not in _COPIED.sub("", _COMMAND.sub("", text)), path
        found += len(shown)
    assert found > 0


async def test_a_command_for_another_city_names_no_node_of_ours(clock: FixedClock) -> None:
    client = Client(pages_serve.app("empty", clock))
    await client.get("/signin?token=let-me-in")
    text = (await client.get("/console/authority/members")).text
    assert _COMMAND.findall(text) == ["hansa join http://localhost:7711/authority"]


@pytest.mark.parametrize("path", ["", "/members", "/log"])
async def test_an_authority_has_its_own_pages(client: Client, path: str) -> None:
    answer = await client.get(f"/console/authority{path}")
    assert answer.status == 200
    assert "/console/authority/map" not in answer.text


@pytest.mark.parametrize("path", ["", "/members", "/catalogue", "/agreements", "/map", "/log"])
async def test_an_empty_page_says_what_will_be_here(clock: FixedClock, path: str) -> None:
    client = Client(pages_serve.app("empty", clock))
    await client.get("/signin?token=let-me-in")
    answer = await client.get(HOME + path)
    assert answer.status == 200
    assert 'class="empty"' in answer.text or "Ask to join" in answer.text


async def test_a_failure_is_a_page_that_says_what_to_do(clock: FixedClock) -> None:
    client = Client(pages_serve.app("broken", clock))
    await client.get("/signin?token=let-me-in")
    answer = await client.get(HOME + "/catalogue")
    assert answer.status == 503
    assert "database does not answer" in answer.text
    assert "hansa doctor" in answer.text


async def test_without_a_session_every_page_leads_to_sign_in(clock: FixedClock) -> None:
    client = Client(pages_serve.app("full", clock))
    for path in [HOME, HOME + "/map", "/", "/console"]:
        answer = await client.get(path)
        assert answer.status == 303
        assert answer.headers["location"].startswith("/signin?to=")
    door = await client.get("/signin")
    assert door.status == 401
    assert "hansa open" in door.text


async def test_a_wrong_link_does_not_sign_in(clock: FixedClock) -> None:
    client = Client(pages_serve.app("full", clock))
    answer = await client.get("/signin?token=guess")
    assert answer.status == 401
    assert "not valid any more" in answer.text
    assert not client.cookies


async def test_the_session_cookie_is_strict_and_ends_with_sign_out(client: Client) -> None:
    (name,) = client.cookies
    assert name == "hansa_session_7799"
    answer = await client.get("/signin?token=let-me-in&to=//evil.example/x")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "url=/x" in answer.text
    assert (await client.post("/signout", {})).status == 303
    assert (await client.get(HOME)).status == 303


async def test_a_form_from_elsewhere_changes_nothing(client: Client) -> None:
    for headers in (
        {"sec-fetch-site": "same-site", "origin": "http://localhost:7712"},
        {"sec-fetch-site": "cross-site", "origin": "null"},
    ):
        answer = await client.post(
            "/console/authority/members/approve", {"request": "r-1"}, **headers
        )
        assert answer.status == 403
        assert "forbidden" in answer.text
    shown = await client.get("/console/authority/members")
    assert "Waits" in shown.text or "Requests waiting" in shown.text
    assert "Rijswijk" in shown.text.split("Members</h2>")[0].split("Requests waiting")[1]


async def test_approve_refuse_suspend_reinstate(client: Client) -> None:
    base = "/console/authority/members"
    done = await client.post(f"{base}/approve", {"request": "r-1"})
    assert done.headers["location"] == f"{base}?done=approved"
    shown = await client.get(done.headers["location"])
    assert "The request was approved" in shown.text
    refused = await client.post(f"{base}/suspend", {"did": data.EAST})
    assert refused.status == 400
    assert "The reason is missing" in refused.text
    await client.post(f"{base}/suspend", {"did": data.EAST, "reason": "Unpaid"})
    assert "Unpaid" in (await client.get(base)).text
    await client.post(f"{base}/reinstate", {"did": data.EAST})
    assert "Unpaid" not in (await client.get(base)).text


async def test_stopping_a_transfer_shows_the_refusal_at_once(client: Client) -> None:
    before = await client.get(f"{HOME}/transfers/t-1?probe=1")
    assert "97 entities" in before.text
    done = await client.post(f"{HOME}/transfers/t-1/terminate", {"reason": "Enough"})
    assert done.status == 303
    after = await client.get(done.headers["location"])
    assert "transfer_ended" in after.text
    assert "<strong>403</strong>" in after.text
    assert "Bearer" not in after.text


async def test_a_negotiation_leads_to_its_page(client: Client) -> None:
    done = await client.post(
        f"{HOME}/negotiate",
        {"provider_did": data.EAST, "dataset_id": "urn:uuid:d-air", "offer_id": "o-3"},
    )
    assert done.headers["location"].startswith(f"{HOME}/negotiations/n-")


async def test_an_unknown_participant_or_thing_is_a_404_page(client: Client) -> None:
    assert (await client.get("/console/nobody")).status == 404
    missing = await client.get(f"{HOME}/entities/urn:ngsi-ld:Building:nope")
    assert missing.status == 404
    assert "not_found" in missing.text


async def test_text_from_outside_is_escaped(client: Client) -> None:
    answer = await client.get(f"{HOME}/catalogue?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_only_literals_are_translated_as_markup() -> None:
    for file in (Path(render.__file__).parent / "templates").glob("*.html"):
        assert not re.search(r"[^\w.](_|gettext|ngettext)\((?![\"'])", file.read_text()), file


async def test_an_error_may_hold_percent_signs_and_markup(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise HansaError(Code.outbound_failed, "did:web:localhost%3A7730 <b>can't</b> be reached.")

    monkeypatch.setattr(FakeSource, "dataset", refuse)
    answer = await client.get(f"{HOME}/datasets/any")
    assert answer.status == 502
    assert "<h1>did:web:localhost%3A7730 &lt;b&gt;can&#39;t&lt;/b&gt;" in answer.text


async def test_ten_thousand_results_come_in_pages(clock: FixedClock) -> None:
    client = Client(pages_serve.app("much", clock))
    await client.get("/signin?token=let-me-in")
    first = await client.get(f"{HOME}/catalogue")
    assert first.text.count('class="result"') == 25
    last = await client.get(f"{HOME}/catalogue?page=999999")
    assert "Page 401 of 401" in last.text


async def test_publishing_in_two_steps_without_scripts(client: Client) -> None:
    file = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="air.csv"\r\n\r\n'
        b"a,b\n1,2\n\r\n--B--\r\n"
    )
    own = {"origin": "http://localhost:7799", "sec-fetch-site": "same-origin"}
    kind = {"content-type": "multipart/form-data; boundary=B"}
    taken = await client.send("POST", f"{HOME}/publish", file, {**own, **kind})
    assert taken.status == 303
    step = taken.headers["location"]
    shown = await client.get(step)
    assert "is not a number" in shown.text
    wrong = await client.post(step, {"title": "Air", "template": "area-period-attributes"})
    assert wrong.status == 400
    assert "Attributes is missing" in wrong.text
    assert 'value="Air"' in wrong.text
    broken = await client.post(f"{step}/try", {"mapping": "{"})
    assert "not a JSON object" in broken.text
    done = await client.post(step, {"title": "Air", "template": "members-read"})
    assert done.status == 200
    assert "“Air” is published" in done.text
    assert (await client.get(step)).status == 404


async def test_the_theme_is_remembered(client: Client) -> None:
    done = await client.post("/theme", {"theme": "dark"}, referer=f"http://localhost:7799{HOME}")
    assert done.headers["location"] == HOME
    shown = await client.get(f"{HOME}/catalogue?subject=energy")
    assert 'data-theme="dark"' in shown.text


async def test_a_tile_server_is_let_through_on_the_map_only(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = data.map_layers(data.quarter(client.app.state.source.now), stopped=None)
    spec["tiles"] = {"url": "https://tiles.example/{z}/{x}/{y}.png", "attribution": "Example"}
    monkeypatch.setattr(data, "map_layers", lambda now, stopped: spec)
    shown = await client.get(f"{HOME}/map")
    assert (
        "img-src 'self' data: blob: https://tiles.example;"
        in (shown.headers["content-security-policy"])
    )
    home = await client.get(HOME)
    assert "tiles.example" not in home.headers["content-security-policy"]
