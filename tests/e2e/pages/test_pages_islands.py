"""What the islands do: the map in time, a stopped layer, live parts; and life without them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import Served, context_of, signed_in

pytestmark = pytest.mark.browser

CITY = "/console/delft-west"


def open_map(page: Page, served: Served) -> None:
    """Open the map and wait until it has drawn."""
    page.goto(f"{served.url}{CITY}/map")
    page.wait_for_selector(".map-canvas[data-ready]")
    page.wait_for_selector(".map-values tbody tr")


def test_the_map_follows_the_time_slider(page: Page, served: Served) -> None:
    open_map(page, served)
    now = page.locator(".map-values tbody td").first.inner_text()
    slider = page.locator("hansa-time-slider input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#values-h")).to_contain_text("18 Nov 2026, 14:15 CET")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#values-h")).to_contain_text("19 Nov 2026, 00:15 CET")
    expect(page.locator(".map-values tbody td").first).not_to_have_text(now)
    assert "at=2026-11-18T23:15" in page.evaluate("location.hash")
    page.keyboard.press("End")
    expect(page.locator("#values-h")).to_have_text("Values now")


def test_the_legend_spreads_its_numbers_along_its_colours(page: Page, served: Served) -> None:
    open_map(page, served)
    bar = page.locator(".legend svg").first.bounding_box()
    ends = [s.bounding_box() for s in page.locator(".legend-ends").first.locator("span").all()]
    assert bar is not None
    assert ends[0] is not None
    assert ends[-1] is not None
    assert ends[-1]["x"] - ends[0]["x"] > bar["width"] * 0.8


def test_the_time_slider_spans_the_data_by_day_week_or_whole(
    browser: Browser, serve: Callable[[str], Served], axe: str
) -> None:
    served = serve("much")
    for page in signed_in(browser, served):
        open_map(page, served)
        slider = page.locator("hansa-time-slider input[type=range]")
        slider.focus()
        page.keyboard.press("Home")
        expect(page.locator("#values-h")).to_contain_text("19 Nov 2026, 14:15 CET")
        page.get_by_label("Span shown").select_option("all")
        page.keyboard.press("Escape")
        slider.focus()
        page.keyboard.press("Home")
        expect(page.locator("#values-h")).to_contain_text("20 Nov 2025, 14:15 CET")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#values-h")).to_contain_text("21 Nov 2025, 14:15 CET")
        page.get_by_label("Span shown").select_option("day")
        slider.focus()
        page.keyboard.press("Home")
        expect(page.locator("#values-h")).to_contain_text("21 Nov 2025, 00:00 CET")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#values-h")).to_contain_text("21 Nov 2025, 00:15 CET")
        page.evaluate(axe)
        assert page.evaluate("axe.run().then(r => r.violations.map(v => v.id))") == []
        page.get_by_role("button", name="Live").click()
        expect(page.locator("#values-h")).to_have_text("Values now")


def test_a_row_of_the_table_opens_its_place_and_escape_comes_back(
    page: Page, served: Served, axe: str
) -> None:
    open_map(page, served)
    row = page.locator(".map-values .place").nth(2)
    name = row.inner_text()
    row.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".map-card-title")).to_have_text(name)
    expect(row).to_have_attribute("aria-pressed", "true")
    page.evaluate(axe)
    assert page.evaluate("axe.run().then(r => r.violations.map(v => v.id))") == []
    assert page.locator(".map-card a").get_attribute("href").startswith(f"{CITY}/entities/")
    page.keyboard.press("Escape")
    expect(page.locator(".map-card")).to_have_count(0)
    expect(row).to_be_focused()


def test_the_map_tilts_and_a_view_can_be_shared(page: Page, served: Served) -> None:
    open_map(page, served)
    page.get_by_role("button", name="3D").click()
    page.wait_for_function("location.hash.includes('p=52')")
    page.get_by_role("checkbox", name="Buildings").uncheck()
    page.wait_for_function("location.hash.includes('off=buildings')")
    shared = page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(shared)
    page.wait_for_selector(".map-canvas[data-ready]")
    expect(page.get_by_role("button", name="3D")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("checkbox", name="Buildings")).not_to_be_checked()


def test_a_stopped_transfer_empties_its_layer_and_says_why(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        open_map(page, fresh)
        expect(page.locator(".layer-refusal")).to_have_count(0)
        received = page.locator(".map-values tr", has_text="received")
        expect(received).not_to_have_count(0)
        fresh.app.state.source.ended["t-1"] = "Enough"
        page.evaluate("document.body.dispatchEvent(new CustomEvent('hansaevent'))")
        expect(page.locator(".layer-refusal")).to_contain_text("Stopped.")
        expect(received).to_have_count(0)


def test_a_live_page_follows_what_happens_and_keeps_focus(browser: Browser, fresh: Served) -> None:
    for page in signed_in(browser, fresh):
        page.goto(f"{fresh.url}{CITY}/transfers")
        link = page.get_by_role("link", name="Electricity of shops").first
        link.focus()
        expect(page.locator("tbody tr").first).to_contain_text("Flowing")
        fresh.app.state.source.ended["t-1"] = "Enough"
        page.evaluate("document.body.dispatchEvent(new CustomEvent('hansaevent'))")
        expect(page.locator("tbody tr").first).to_contain_text("Stopped")
        expect(link).to_be_focused()


def test_a_node_that_goes_away_leaves_the_page_and_a_word(browser: Browser, fresh: Served) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(f"{fresh.url}/signin?token=let-me-in&to=/console")
    page.wait_for_url(f"{fresh.url}/console")
    page.goto(f"{fresh.url}{CITY}/transfers")
    fresh.stop()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('hansaevent'))")
    expect(page.locator(".connection")).to_contain_text("cannot reach the node")
    expect(page.locator("tbody tr").first).to_contain_text("Electricity of shops")
    context.close()


def test_the_chart_reads_out_values_by_keyboard(page: Page, served: Served) -> None:
    page.goto(f"{served.url}{CITY}/datasets/urn%3Auuid%3Ad-east")
    line = page.get_by_role("slider")
    line.focus()
    page.keyboard.press("Home")
    assert "18 Nov, 14:30" in (line.get_attribute("aria-valuetext") or "")
    page.keyboard.press("ArrowRight")
    assert "kW, 18 Nov, 14:45" in (line.get_attribute("aria-valuetext") or "")


def test_searching_narrows_the_results_while_typing(page: Page, served: Served) -> None:
    page.goto(f"{served.url}{CITY}/catalogue")
    page.get_by_role("searchbox").fill("air")
    expect(page.locator(".result")).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_copying_and_the_theme(browser: Browser, served: Served) -> None:
    for page in signed_in(browser, served, permissions=["clipboard-read", "clipboard-write"]):
        page.goto(f"{served.url}{CITY}/transfers/t-1")
        page.locator("hansa-copy").nth(2).get_by_role("button").click()
        page.wait_for_function(
            "navigator.clipboard.readText().then(text => text.startsWith('curl -H'))"
        )
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_without_scripts_everything_but_the_map_works(browser: Browser, fresh: Served) -> None:
    context = context_of(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{fresh.url}/signin?token=let-me-in&to=/console")
    page.wait_for_url(f"{fresh.url}/console")
    page.goto(f"{fresh.url}/console/authority/members")
    page.get_by_role("button", name="Approve Rijswijk").click()
    expect(page.get_by_text("The request was approved")).to_be_visible()
    page.goto(f"{fresh.url}{CITY}/datasets/urn%3Auuid%3Ad-air")
    page.get_by_role("button", name="Ask for it on these terms").click()
    expect(page.get_by_text("The request was sent to the provider")).to_be_visible()
    page.goto(f"{fresh.url}{CITY}/transfers/t-1")
    page.locator("summary", has_text="Stop the transfer").click()
    page.locator("details[open]").get_by_label("Reason").fill("Enough")
    page.get_by_role("button", name="Stop the transfer").click()
    expect(page.locator(".probe")).to_contain_text("transfer_ended")
    page.goto(f"{fresh.url}{CITY}/publish")
    page.set_input_files("#file", {"name": "clean.csv", "mimeType": "text/csv", "buffer": b"a\n1"})
    page.get_by_role("button", name="Look at it").click()
    page.get_by_label("Title of the dataset").fill("Air")
    page.get_by_role("button", name="Publish with these terms").click()
    expect(page.get_by_text("The dataset is published")).to_be_visible()
    page.goto(f"{fresh.url}{CITY}/map")
    expect(page.get_by_text("It needs JavaScript")).to_be_visible()
    context.close()
