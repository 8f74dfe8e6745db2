"""Negotiations, approvals, agreements, transfers: what the pages show, do and refuse."""

from __future__ import annotations

import re

import pages_serve
import pytest
from pages_client import Client
from pages_source import FakeSource

from hansa.kernel import FixedClock

HOME = "/console/delft-west"
ASK = f"{HOME}/negotiations/n-ask"


def source(client: Client) -> FakeSource:
    found: FakeSource = client.app.state.source
    return found


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


async def test_a_negotiation_is_a_talk_of_two_named_sides(client: Client) -> None:
    page = (await client.get(f"{HOME}/negotiations/n-1")).text
    assert page.count('class="said sent"') == 3
    assert page.count('class="said received"') == 3
    assert "Delft Ost agrees and sends the agreement." in page
    assert "<code>ContractAgreementMessage</code>" in page
    assert "&#34;@type&#34;: &#34;ContractAgreementMessage&#34;" in page
    words = plain(page)
    assert "Both sides: is here." in words
    assert "before: 1 Jan 2027, 00:00 CET" in words
    assert "now: 1 Nov 2026, 00:00 CET" in words


async def test_a_message_on_its_way_shows_its_tries_and_what_can_be_done(client: Client) -> None:
    words = plain((await client.get(f"{HOME}/negotiations/n-2")).text)
    assert "on its way, 4 tries so far" in words
    assert "localhost:7712 does not answer (connection refused)." in words
    assert "We: goes here next, the message is on its way." in words
    assert "Send again now" in words
    assert "Approve" not in words
    done = await client.post(f"{HOME}/negotiations/n-2/retry", {})
    assert done.headers["location"] == f"{HOME}/negotiations/n-2?done=retry"
    assert source(client).sent == [{"retry": "n-2"}]


async def test_a_refusal_says_who_why_and_what_to_do(client: Client) -> None:
    page = (await client.get(f"{HOME}/negotiations/n-refused")).text
    words = plain(page)
    assert "Delft Ost ended the negotiation: The terms differ from those published." in words
    assert "Ask again under the published terms" in words
    assert "terms_altered" in words
    assert f'href="{HOME}/datasets/urn%3Auuid%3Ad-east"' in page
    again = await client.post(f"{HOME}/negotiations/n-refused/replay", {})
    assert again.headers["location"] == f"{HOME}/negotiations/n-3?done=replay"


@pytest.mark.parametrize(
    ("path", "there", "not_there"),
    [
        ("/negotiations/n-ask", {"agree", "counter", "terminate"}, {"accept", "verify", "retry"}),
        ("/negotiations/n-offer", {"accept", "counter", "terminate"}, {"agree", "replay"}),
        ("/negotiations/n-1", {"replay"}, {"agree", "accept", "terminate", "retry"}),
        ("/transfers/t-1", {"suspend", "complete", "terminate"}, {"resume", "start"}),
        ("/transfers/t-ask", {"start", "terminate"}, {"suspend", "resume"}),
        ("/transfers/t-push", {"terminate"}, {"resume", "suspend"}),
        ("/transfers/t-done", set(), {"terminate", "suspend", "start", "resume"}),
    ],
)
async def test_only_what_the_view_allows_is_offered(
    client: Client, path: str, there: set[str], not_there: set[str]
) -> None:
    page = (await client.get(HOME + path)).text
    found = set(re.findall(rf'(?:action|href)="{HOME}{path}/([a-z]+)"', page))
    assert found == there
    assert not found & not_there


@pytest.mark.parametrize("key", ["agree", "accept", "verify", "finalize"])
async def test_each_answer_is_given_and_said(client: Client, key: str) -> None:
    done = await client.post(f"{ASK}/{key}", {})
    assert done.headers["location"] == f"{ASK}?done={key}"
    shown = await client.get(done.headers["location"])
    assert 'class="notice good"' in shown.text
    assert "n-ask" in source(client).done


async def test_a_refusal_of_ours_needs_a_reason(client: Client) -> None:
    missing = await client.post(f"{ASK}/terminate", {})
    assert missing.status == 400
    assert "The reason is missing" in missing.text
    assert "n-ask" not in source(client).ended
    await client.post(f"{ASK}/terminate", {"reason": "Not for research"})
    assert source(client).ended["n-ask"] == "Not for research"


async def test_other_terms_are_compared_before_they_are_sent(client: Client) -> None:
    form = (await client.get(f"{ASK}/counter")).text
    assert re.search(r'value="purpose" checked', form)
    terms = {"template": "purpose", "purpose.purpose": "research"}
    compared = await client.post(f"{ASK}/counter", {**terms, "step": "compare"})
    words = plain(compared.text)
    assert "For what planning of the energy network research" in words
    assert source(client).sent == []
    (seen,) = re.findall(r'name="seen" value="([0-9a-f]{64})"', compared.text)
    unseen = {"template": "purpose", "purpose.purpose": "planning", "seen": seen, "step": "send"}
    again = await client.post(f"{ASK}/counter", unseen)
    assert "You changed the terms after they were compared." in again.text
    assert source(client).sent == []
    done = await client.post(f"{ASK}/counter", {**terms, "seen": seen, "step": "send"})
    assert done.headers["location"] == f"{ASK}?done=counter"
    assert source(client).sent == [{"template": "purpose", "parameters": {"purpose": "research"}}]


async def test_a_problem_with_the_terms_is_shown_on_the_form(client: Client) -> None:
    wrong = await client.post(f"{ASK}/counter", {"template": "nothing"})
    assert wrong.status == 400
    assert "There are no such terms." in wrong.text
    refused = await client.post(
        f"{ASK}/counter",
        {"template": "purpose", "purpose.purpose": "unreadable", "step": "compare"},
    )
    assert refused.status == 400
    assert "The purpose is not known." in refused.text


async def test_what_waits_stands_on_home_and_on_its_page(client: Client) -> None:
    for path in ("", "/approvals"):
        page = (await client.get(HOME + path)).text
        assert f'action="{ASK}/agree"' in page
        assert f'href="{ASK}/counter"' in page
        assert f'action="{HOME}/negotiations/n-offer/accept"' in page
        assert f'action="{HOME}/transfers/t-ask/start"' in page
        words = plain(page)
        assert "left out of your terms: Only for planning." in words
        assert "added to your terms: Only for research." in words


async def test_home_says_first_that_somebody_waits(client: Client) -> None:
    words = plain((await client.get(HOME)).text)
    assert "Needs attention: 3 requests wait for your answer. All is well." in words


async def test_when_nothing_waits_the_page_says_what_will_be_here(clock: FixedClock) -> None:
    client = Client(pages_serve.app("empty", clock))
    await client.get("/signin?token=let-me-in")
    assert "Nothing waits for you." in (await client.get(f"{HOME}/approvals")).text


async def test_an_agreement_shows_its_course_and_what_is_left(client: Client) -> None:
    page = (await client.get(f"{HOME}/agreements/a-1")).text
    assert page.count('<li class="lane ') == 5
    assert page.count('class="span paused"') >= 1
    words = plain(page)
    assert "3716 requests are left of the 5000 that the contract allows." in words
    assert "Delft Ost pauses the transfer: Maintenance of the meters." in words
    assert "running from 31 Oct 2026, 14:20:00 CET" in words
    ended = plain((await client.get(f"{HOME}/agreements/a-0")).text)
    assert "Ended by Delft Ost." in ended
    assert "Reason: The end date has passed." in ended


async def test_many_transfers_are_drawn_up_to_a_bound(clock: FixedClock) -> None:
    client = Client(pages_serve.app("much", clock))
    await client.get("/signin?token=let-me-in")
    page = (await client.get(f"{HOME}/agreements/a-1")).text
    assert page.count('<li class="lane ') == 100
    assert "more transfers are in the table only" in page


async def test_getting_the_data_asks_how(client: Client) -> None:
    page = (await client.get(f"{HOME}/agreements/a-1/transfer")).text
    assert page.count('name="format"') == 5
    secrets = re.findall(r'<input name="([^"]+)" type="password" value=""', page)
    assert secrets == [
        "HttpData-PUSH.authorization", "NgsiLd-PUSH.authorization", "Mqtt-PUSH.password",
        "Sftp-PUSH.password",
    ]  # fmt: skip
    done = await client.post(f"{HOME}/agreements/a-1/transfer", {"format": "HttpData-PULL"})
    assert done.status == 303
    assert source(client).sent == [{"format": "HttpData-PULL", "address": None}]


async def test_a_secret_is_never_shown_again(client: Client) -> None:
    sent = {
        "format": "HttpData-PUSH",
        "HttpData-PUSH.to": "address",
        "HttpData-PUSH.endpoint": "https://refused.example/in",
        "HttpData-PUSH.authorization": "s3cr3t-token",
    }
    page = await client.post(f"{HOME}/agreements/a-1/transfer", sent)
    assert page.status == 400
    assert "This address can&#39;t be used." in page.text
    assert 'value="https://refused.example/in"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert "s3cr3t-token" not in page.text


async def test_a_transfer_shows_how_far_it_is_and_what_is_wrong(client: Client) -> None:
    words = plain((await client.get(f"{HOME}/transfers/t-sftp")).text)
    assert "6.41 GB of 10 GB (64.1 %)" in words
    assert "84 MB/s" in words
    assert "sftp.example.org refused the password." in words
    assert "Sent once, as a file to an SFTP server" in words
    paused = plain((await client.get(f"{HOME}/transfers/t-push")).text)
    assert "Delft Ost paused it." in paused
    assert "Only Delft Ost can resume it." in paused
    assert "went wrong" not in paused
    done = plain((await client.get(f"{HOME}/transfers/t-done")).text)
    assert "sha- 256:" in done or "sha-256" in done.replace(" ", "")


async def test_a_push_past_the_node_shows_what_the_provider_says(client: Client) -> None:
    page = (await client.get(f"{HOME}/transfers/t-mqtt")).text
    words = plain(page)
    assert "past this node. Delft Ost says how far it is:" in words
    assert "34 kB" in words
    assert "Delft Ost says: The broker &lt;b&gt;refused&lt;/b&gt; the connection" in words
    assert "<b>refused" not in page
    assert "3 tries so far." in words
    assert "every 3s" in page
    silent = plain((await client.get(f"{HOME}/transfers/t-untold")).text)
    assert "Delft Ost does not tell how far it is." in silent
    assert "Volume" not in silent


async def test_pausing_needs_a_reason_and_completing_none(client: Client) -> None:
    path = f"{HOME}/transfers/t-2"
    assert (await client.post(f"{path}/suspend", {})).status == 400
    done = await client.post(f"{path}/suspend", {"reason": "Work on the line"})
    assert done.headers["location"] == f"{path}?done=suspend"
    assert source(client).sent == [{"suspend": "t-2", "reason": "Work on the line"}]
    for key in ("start", "resume", "complete", "retry"):
        done = await client.post(f"{path}/{key}", {})
        assert done.headers["location"] == f"{path}?done={key}"


@pytest.mark.parametrize("path", ["/negotiations/nope", "/negotiations/nope/counter",
                                  "/agreements/nope", "/agreements/nope/transfer",
                                  "/transfers/nope"])  # fmt: skip
async def test_what_is_not_here_is_a_404_page(client: Client, path: str) -> None:
    answer = await client.get(HOME + path)
    assert answer.status == 404
    assert "This does not exist here." in answer.text


async def upload(client: Client, name: str) -> str:
    file = (
        f'--B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        "a,b\n1,2\n\r\n--B--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=B",
               "origin": "http://localhost:7799", "sec-fetch-site": "same-origin"}  # fmt: skip
    taken = await client.send("POST", f"{HOME}/publish", file.encode(), headers)
    return taken.headers["location"]


async def test_a_file_that_cannot_be_read_is_shared_as_it_is(client: Client) -> None:
    step = await upload(client, "drawing.exe")
    shown = await client.get(step)
    assert shown.status == 200
    assert "Hansa can't read this file so:" in shown.text
    assert re.search(r'name="as" value="file" checked', shown.text)
    form = {"as": "file", "title": "Drawing", "template": "members-read", "approval": "operator"}
    done = await client.post(step, form)
    assert done.headers["location"].startswith(f"{HOME}/datasets/urn%3Auuid%3Afile")
    (sent,) = source(client).sent
    assert (sent["publish_file"], sent["name"], sent["approval"]) == (
        "Drawing",
        "drawing.exe",
        "operator",
    )
    page = plain((await client.get(done.headers["location"])).text)
    assert "One file, given as it is." in page
    assert "application/zip" in page
    assert "9f2c41d0" in page
    assert "Sent once, as a file to an SFTP server" in page
    assert "A sample" not in page


async def test_terms_that_cut_data_are_refused_for_a_file_with_the_reason(client: Client) -> None:
    step = await upload(client, "plan.csv")
    assert re.search(r'name="as" value="rows" checked', (await client.get(step)).text)
    form = {
        "as": "file",
        "title": "Plan",
        "template": "area-period-attributes",
        "area-period-attributes.attributes": "no2",
    }
    refused = await client.post(step, form)
    assert refused.status == 422
    assert "A file can&#39;t be cut." in refused.text
    assert re.search(r'name="as" value="file" checked', refused.text)


async def test_who_answers_requests_is_chosen_when_publishing_and_later(client: Client) -> None:
    step = await upload(client, "clean.csv")
    await client.post(step, {"title": "Air", "template": "members-read", "approval": "operator"})
    assert source(client).sent == [{"publish": "Air", "approval": "operator"}]
    own = f"{HOME}/datasets/urn%3Auuid%3Ad-west"
    assert "The terms answer requests for it by themselves." in (await client.get(own)).text
    done = await client.post(
        f"{HOME}/datasets/approval", {"dataset": "urn:uuid:d-west", "approval": "operator"}
    )
    assert done.headers["location"] == f"{own}?done=asks-operator"
    assert "You answer each request for it yourself." in (await client.get(own)).text
    other = await client.get(f"{HOME}/datasets/urn%3Auuid%3Ad-east")
    assert "Ask me each time" not in other.text


async def test_what_came_whole_can_be_downloaded(client: Client) -> None:
    page = (await client.get(f"{HOME}/transfers/t-done")).text
    assert 'href="/api/v1/participants/delft-west/transfers/t-done/file" download="' in page
    assert "shops.ndjson" in page
    assert " download=" not in (await client.get(f"{HOME}/transfers/t-2")).text


async def test_a_live_page_does_not_ask_the_provider_again_and_again(client: Client) -> None:
    page = (await client.get(f"{HOME}/transfers/t-1?probe=1")).text
    assert "97 entities" in page
    assert f'hx-get="{HOME}/transfers/t-1"' in page


async def test_columns_are_changed_in_a_table(client: Client) -> None:
    step = await upload(client, "clean.csv")
    page = (await client.get(step)).text
    assert 'name="column.1.unit_code" value="GQ"' in page
    assert "Nitrogen dioxide (µg/m³)" in page
    fields = dict(re.findall(r'name="((?:column\.|mapping_shown)[^"]*)"[^>]*value="([^"]*)"', page))
    (text,) = re.findall(r'<textarea name="mapping"[^>]*>([^<]*)<', page)
    fields["mapping"] = text.replace("&#34;", '"')
    fields |= {"column.1.kind": "property", "column.1.value": "number", "entity_type": "Air"}
    tried = await client.post(f"{step}/try", {**fields, "column.1.title": "NO2"})
    assert 'name="column.1.title" value="NO2"' in tried.text
    form = {**fields, "title": "Air", "template": "members-read", "column.1.attribute": "nitrogen"}
    assert (await client.post(step, form)).status == 303
    assert source(client).mapping["columns"][1]["attribute"] == "nitrogen"
    assert source(client).mapping["entity_type"] == "Air"


async def test_a_very_long_talk_is_folded(clock: FixedClock) -> None:
    client = Client(pages_serve.app("much", clock))
    await client.get("/signin?token=let-me-in")
    page = (await client.get(f"{HOME}/negotiations/n-1")).text
    assert "64 earlier messages" in page
    assert page.count('class="said-raw"') == 60
