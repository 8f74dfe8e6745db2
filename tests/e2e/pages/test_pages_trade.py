"""Trading in a real browser: answers, other terms, live talks, pushes, by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from conftest import Served, context_of, signed_in

pytestmark = pytest.mark.browser

CITY = "/console/delft-west"
_AXE = """async () => (await axe.run(document, {
  resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
})).violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ")).slice(0, 4).join(" | "))
"""
_HAPPENED = "document.body.dispatchEvent(new CustomEvent('hansaevent'))"


def quietly(browser: Browser, served: Served, **options: Any) -> Iterator[Page]:
    """Open a signed-in page on which an answer of 400 is expected, or that has no scripts."""
    context = context_of(browser, **options)
    page = context.new_page()
    page.goto(f"{served.url}/signin?token=let-me-in&to=/console")
    page.wait_for_url(f"{served.url}/console")
    yield page
    context.close()


def violations(page: Page, axe: str) -> list[str]:
    """Run axe in light and dark."""
    page.evaluate(axe)
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += page.evaluate(_AXE)
    return found


def test_approving_by_keyboard_alone(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/approvals")
        button = page.get_by_role("button", name="Approve Energy of craftsmen")
        for _ in range(60):
            page.keyboard.press("Tab")
            if button.evaluate("e => e === document.activeElement"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_text("You approved. The agreement is on its way.")).to_be_visible()
        assert fresh.app.state.source.done["n-ask"] == "ContractAgreementMessage"
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)


def test_refusing_asks_for_a_reason(browser: Browser, fresh: Served, axe: str) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/negotiations/n-ask")
        page.locator("summary", has_text="Refuse").click()
        assert violations(page, axe) == []
        page.get_by_label("Reason").fill("Not for research")
        page.get_by_role("button", name="Refuse").click()
        expect(page.get_by_text("The negotiation was ended.")).to_be_visible()
        expect(page.locator(".now-state")).to_contain_text("Ended")


def test_other_terms_are_compared_and_sent(browser: Browser, fresh: Served, axe: str) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/negotiations/n-ask")
        page.get_by_role("link", name="Propose other terms").click()
        page.locator('[name="purpose.purpose"]').select_option("research")
        page.get_by_role("button", name="Compare").click()
        row = page.locator(".compare-table tr", has_text="For what")
        expect(row.locator("del")).to_have_text("planning of the energy network")
        expect(row.locator("ins")).to_have_text("research")
        assert violations(page, axe) == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert violations(page, axe) == []
        page.get_by_role("button", name="Send these terms").click()
        expect(page.get_by_text("Your terms are on their way to the other side.")).to_be_visible()
        assert fresh.app.state.source.sent[0]["parameters"] == {"purpose": "research"}


def test_a_talk_goes_on_by_itself_and_keeps_what_is_typed(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/negotiations/n-offer")
        expect(page.locator(".said")).to_have_count(2)
        page.locator("summary", has_text="Refuse").click()
        reason = page.get_by_label("Reason")
        reason.fill("Half a sent")
        page.locator(".said summary").first.click()
        fresh.app.state.source.more["n-offer"] = "Delft Ost adds a word."
        page.evaluate(_HAPPENED)
        expect(page.locator(".said")).to_have_count(3)
        expect(page.get_by_role("status").first).to_contain_text("Delft Ost adds a word.")
        expect(reason).to_have_value("Half a sent")
        expect(page.locator(".said details").first).to_have_attribute("open", "")


def test_the_stream_itself_moves_the_page(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/negotiations/n-ask")
        expect(page.locator(".now-state")).to_contain_text("Asked")
        fresh.app.state.source.ended["n-ask"] = "Enough"
        fresh.app.state.tell()
        expect(page.locator(".now-state")).to_contain_text("Ended")


def test_a_push_asks_where_to_and_hides_the_secret(
    browser: Browser, fresh: Served, axe: str
) -> None:
    for page in quietly(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/agreements/a-1")
        page.get_by_role("link", name="Get the data").click()
        expect(page.get_by_role("textbox", name="Broker")).to_be_hidden()
        page.get_by_role("radio", name="to an MQTT broker").check()
        page.get_by_role("textbox", name="Broker").fill("mqtts://refused.example:8883")
        page.get_by_role("textbox", name="Topic").fill("city/air")
        page.locator('[name="Mqtt-PUSH.password"]').fill("s3cr3t")
        page.get_by_text("In a terminal").locator("visible=true").click()
        command = page.locator(".command").locator("visible=true")
        expect(command).to_contain_text("--property password=@-")
        assert violations(page, axe) == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.get_by_role("button", name="Ask for the data").click()
        expect(page.get_by_role("alert")).to_contain_text("This address can't be used.")
        assert "s3cr3t" not in page.content()
        expect(page.get_by_role("textbox", name="Broker")).to_have_value(
            "mqtts://refused.example:8883"
        )
        page.get_by_role("textbox", name="Broker").fill("mqtts://example.org:8883")
        page.locator('[name="Mqtt-PUSH.password"]').fill("s3cr3t")
        page.get_by_role("button", name="Ask for the data").click()
        expect(page.get_by_text("The transfer was asked for.")).to_be_visible()
        assert fresh.app.state.source.sent == [
            {
                "format": "Mqtt-PUSH",
                "address": {
                    "endpoint_type": fresh.app.state.source.sent[0]["address"]["endpoint_type"],
                    "endpoint": "mqtts://example.org:8883",
                    "properties": {"topic": "city/air", "password": "s3cr3t"},
                },
            }
        ]


def test_a_transfer_is_paused_and_completed(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/transfers/t-2")
        page.locator("summary", has_text="Pause").click()
        page.get_by_label("Reason").first.fill("Work on the line")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("The transfer is paused.")).to_be_visible()
        page.goto(f"{fresh.url}{CITY}/transfers/t-1")
        page.get_by_role("button", name="All was delivered").click()
        expect(page.get_by_text("The transfer is completed.")).to_be_visible()


def test_without_scripts_all_of_it_works(browser: Browser, fresh: Served) -> None:
    for page in quietly(browser, fresh, java_script_enabled=False):
        page.goto(f"{fresh.url}{CITY}/negotiations/n-ask/counter")
        page.locator('[name="purpose.purpose"]').select_option("research")
        page.get_by_role("button", name="Compare").click()
        page.get_by_role("button", name="Send these terms").click()
        expect(page.get_by_text("Your terms are on their way")).to_be_visible()
        page.goto(f"{fresh.url}{CITY}/approvals")
        page.get_by_role("button", name="Approve and start").click()
        expect(page.get_by_text("You approved. The transfer starts.")).to_be_visible()
        page.goto(f"{fresh.url}{CITY}/agreements/a-1")
        expect(page.locator(".lane")).to_have_count(5)
        page.get_by_text("All of it as a table").click()
        expect(page.get_by_text("Delft Ost pauses the transfer").first).to_be_visible()


def test_sharing_a_file_as_it_is_and_answering_oneself(
    browser: Browser, fresh: Served, axe: str
) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/publish")
        file = {"name": "plan.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"}
        page.set_input_files("#file", file)
        page.get_by_role("button", name="Look at it").click()
        page.get_by_role("heading", name="What Hansa understands").wait_for()
        page.get_by_text("Change how the columns are read").click()
        page.get_by_label("no2 becomes").select_option("ignore")
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_label("no2 becomes")).to_have_value("ignore")
        assert violations(page, axe) == []
        page.get_by_role("radio", name="The file as it is").check()
        expect(page.get_by_role("heading", name="What Hansa understands")).to_be_hidden()
        page.get_by_role("radio", name="you, each time").check()
        assert violations(page, axe) == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.get_by_role("button", name="Publish with these terms").click()
        expect(page.get_by_text("One file, given as it is.")).to_be_visible()
        assert fresh.app.state.source.sent[0]["approval"] == "operator"
        assert violations(page, axe) == []
        page.get_by_role("button", name="Ask me each time").click()
        expect(page.get_by_text("You answer each request for it yourself.")).to_be_visible()


def test_what_moved_while_the_page_was_on_its_way_is_shown(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        source = fresh.app.state.source

        def late(route: Route) -> None:
            source.ended["n-ask"] = "Enough"  # noqa: B023 - the loop runs once
            route.continue_()

        page.route("**/events/stream", late)
        page.goto(f"{fresh.url}{CITY}/negotiations/n-ask")
        expect(page.locator(".now-state")).to_contain_text("Ended")
