"""Other programs: added with a secret that is shown once, tested, removed."""

from __future__ import annotations

import pages_serve
from pages_client import Client

from hansa.kernel import FixedClock

PAGE = "/console/delft-west/programs"


async def test_a_secret_is_shown_once(client: Client) -> None:
    made = await client.post(PAGE, {"url": "https://example.org/b", "events": "transfer"})
    assert made.status == 200
    assert "whsec_c2VjcmV0" in made.text
    assert "<td>transfers</td>" in made.text
    assert "whsec_" not in (await client.get(PAGE)).text


async def test_an_address_that_may_not_be_called_is_refused_on_the_form(client: Client) -> None:
    refused = await client.post(PAGE, {"url": "http://127.0.0.1/x"})
    assert refused.status == 502
    assert "This address may not be called." in refused.text
    assert 'value="http://127.0.0.1/x"' in refused.text
    assert (await client.post(PAGE, {})).status == 400


async def test_a_test_says_what_came_of_it_and_a_hook_is_removed(client: Client) -> None:
    (hook,) = client.app.state.source.hooks
    tested = await client.post(f"{PAGE}/test", {"hook": hook["id"]})
    assert "It answered 500." in tested.text
    assert "The address does not answer in time." in tested.text
    done = await client.post(f"{PAGE}/remove", {"hook": hook["id"]})
    assert done.headers["location"] == f"{PAGE}?done=webhook-removed"
    assert client.app.state.source.hooks == []


async def test_without_one_the_page_says_what_it_is_for(clock: FixedClock) -> None:
    client = Client(pages_serve.app("empty", clock))
    await client.get("/signin?token=let-me-in")
    assert "No program is told yet." in (await client.get(PAGE)).text
