"""Every page in a real browser: no axe violation in light or dark, all of it by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pages_data as data
import pytest
from playwright.sync_api import Browser, Page

from conftest import Served, context_of, signed_in

pytestmark = pytest.mark.browser

CITY = "/console/delft-west"
PATHS = [
    CITY, f"{CITY}/members", f"{CITY}/catalogue", f"{CITY}/datasets/urn%3Auuid%3Ad-east",
    f"{CITY}/datasets/urn%3Auuid%3Ad-air", f"{CITY}/negotiations", f"{CITY}/negotiations/n-1",
    f"{CITY}/approvals", f"{CITY}/negotiations/n-2", f"{CITY}/negotiations/n-ask",
    f"{CITY}/negotiations/n-ask/counter", f"{CITY}/negotiations/n-refused",
    f"{CITY}/agreements/a-1/transfer", f"{CITY}/transfers/t-ask", f"{CITY}/transfers/t-sftp",
    f"{CITY}/agreements", f"{CITY}/agreements/a-1", f"{CITY}/transfers",
    f"{CITY}/transfers/t-1?probe=1", f"{CITY}/map", f"{CITY}/publish", f"{CITY}/policy",
    f"{CITY}/log", f"{CITY}/programs", f"{CITY}/entities/{data.HOUSES[3]['id']}", "/console",
    "/console/authority", "/console/authority/members",
]  # fmt: skip

_RUN_AXE = """async () => (await axe.run(document, {
  resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
})).violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ")).slice(0, 4).join(" | "))
"""
_SCRIPTS = """() => Object.fromEntries(performance.getEntriesByType("resource")
  .filter(e => e.name.endsWith(".js")).map(e => [e.name, e.decodedBodySize]))"""
_OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.open = true)"
_FOCUSED = """() => {
  let e = document.activeElement;
  while (e && e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
  if (!e || e === document.body) return null;
  const s = getComputedStyle(e), label = (e.closest("label") || e).getBoundingClientRect(),
    own = e.getBoundingClientRect(), r = own.height < label.height ? label : own;
  return {tag: e.tagName.toLowerCase(), text: (e.getAttribute("aria-label") || e.innerText ||
    e.name || "").trim().slice(0, 40), id: e.id,
    outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2,
    inline: s.display === "inline", width: r.width, height: r.height, href: e.href || ""};
}"""


def ready(page: Page, url: str) -> None:
    """Go to a page and wait until its islands have drawn."""
    page.goto(url)
    if url.endswith("/map"):
        page.wait_for_selector(".map-canvas[data-ready]")
        page.wait_for_selector(".map-values tbody tr")


def violations(page: Page, axe: str) -> list[str]:
    """Run axe; it is brought in by the driver, past the page's own policy."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(_RUN_AXE)
    return found


@pytest.mark.parametrize("path", PATHS)
def test_no_axe_violation_in_light_and_dark(
    page: Page, served: Served, axe: str, path: str
) -> None:
    page.emulate_media(color_scheme="light")
    ready(page, served.url + path)
    assert violations(page, axe) == []
    page.emulate_media(color_scheme="dark")
    page.evaluate(_OPEN_ALL)
    assert violations(page, axe) == []


@pytest.mark.parametrize("path", PATHS)
def test_everything_is_reached_by_keyboard(page: Page, served: Served, path: str) -> None:
    ready(page, served.url + path)
    page.evaluate("document.activeElement?.blur()")
    seen: list[dict[str, Any]] = []
    for _ in range(160):
        page.keyboard.press("Tab")
        now = page.evaluate(_FOCUSED)
        if now is None or (len(seen) > 3 and now == seen[0]):
            break
        seen.append(now)
    else:
        assert path.endswith("/map"), "the keyboard does not come around"
    assert seen[0]["text"] == "Skip to the content"
    hidden = [s for s in seen if not s["outline"]]
    assert hidden == [], "focus is not visible"
    small = [s for s in seen[1:] if not s["inline"] and min(s["width"], s["height"]) < 23.5]
    assert small == [], "targets under 24 pixels"
    links = {s["href"] for s in seen if s["tag"] == "a"}
    shown = page.eval_on_selector_all(
        "a[href]", "es => es.filter(e => e.checkVisibility()).map(e => e.href)"
    )
    missed = set(shown) - links
    assert not missed or len(seen) == 160, missed


@pytest.mark.parametrize("path", PATHS)
def test_it_fits_a_small_screen_and_loads_little(page: Page, served: Served, path: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    ready(page, served.url + path)
    page.wait_for_load_state("load")
    sizes: dict[str, int] = page.evaluate(_SCRIPTS)
    assert sizes
    if not path.endswith("/map"):
        assert 0 < sum(sizes.values()) < 100_000, sizes
    page.evaluate(_OPEN_ALL)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320


@pytest.mark.parametrize("flavour", ["empty", "much"])
def test_other_flavours_have_no_violation_either(
    browser: Browser, serve: Callable[[str], Served], axe: str, flavour: str
) -> None:
    served = serve(flavour)
    only = {
        "empty": ["/map", "/members", "/approvals"],
        "much": ["/approvals", "/negotiations/n-1", "/agreements/a-1", "/transfers/t-1"],
    }
    paths = ["", "/catalogue", "/log", *only[flavour]]
    for page in signed_in(browser, served):
        for path in [f"{CITY}{p}" for p in paths] + ["/console/authority/members"]:
            page.set_viewport_size({"width": 1280, "height": 720})
            page.goto(f"{served.url}{path}")
            assert violations(page, axe) == [], path
            page.set_viewport_size({"width": 320, "height": 640})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, path


def test_a_failure_has_no_violation_either(
    browser: Browser, serve: Callable[[str], Served], axe: str
) -> None:
    served = serve("broken")
    context = context_of(browser)
    page = context.new_page()
    page.goto(f"{served.url}/signin")
    assert violations(page, axe) == []
    page.goto(f"{served.url}/signin?token=let-me-in&to={CITY}/catalogue")
    page.wait_for_url(f"{served.url}{CITY}/catalogue")
    assert page.get_by_text("database does not answer").is_visible()
    assert violations(page, axe) == []
    context.close()


def test_the_second_step_of_publishing(page: Page, served: Served, axe: str) -> None:
    page.goto(f"{served.url}{CITY}/publish")
    file = {"name": "air-quality.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"}
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Look at it").click()
    page.wait_for_url("**/publish/*")
    page.get_by_label("Only a part of it").check()
    page.evaluate(_OPEN_ALL)
    assert violations(page, axe) == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.locator("hansa-area svg").scroll_into_view_if_needed()
    plan = page.locator("hansa-area svg").bounding_box()
    assert plan is not None
    page.mouse.move(plan["x"] + plan["width"] * 0.3, plan["y"] + plan["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(plan["x"] + plan["width"] * 0.7, plan["y"] + plan["height"] * 0.7)
    page.mouse.up()
    edges = [page.locator(f'[data-edge="{e}"]').input_value() for e in ("west", "east")]
    assert 4.3 < float(edges[0]) < float(edges[1]) < 4.4
