"""A real browser on the pages, over a real socket, on the made-up city."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.ports import PATIENCE_S, listening

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "web"))

import pages_serve  # noqa: E402

from hansa.kernel import FixedClock  # noqa: E402
from hansa.web.assets import Assets  # noqa: E402

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = PATIENCE_S * 1000
expect.set_options(timeout=PATIENCE_MS)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


def absent(reason: str) -> None:
    """Skip what this machine can't run; fail instead where everything must run."""
    if os.environ.get("HANSA_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (HANSA_REQUIRE_ALL=1 allows no skip)")
    pytest.skip(reason)


class Served:
    """The pages of one flavour on a port of their own."""

    def __init__(self, flavour: str) -> None:
        self.app = pages_serve.app(flavour, FixedClock(datetime(2026, 11, 20, 13, 20, tzinfo=UTC)))
        on = listening()
        self.url = f"http://localhost:{on.getsockname()[1]}"
        config = uvicorn.Config(self.app, log_level="error", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([on],), daemon=True)
        self.thread.start()
        while not self.server.started and self.thread.is_alive():
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving."""
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give Debian's Chromium, or skip with the command that brings it."""
    program = os.environ.get("HANSA_CHROMIUM") or next(
        (
            p
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (p := shutil.which(name))
        ),
        None,
    )
    if program is None:
        absent("no Chromium found: apt-get install chromium, or set HANSA_CHROMIUM")
    if not Assets().built:
        absent("the pages are not built: make pages")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Give axe-core's source, or skip with the command that brings it."""
    if not AXE.is_file():
        absent("axe-core is not installed: make pages")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """Serve the full space to tests that change nothing."""
    made = Served("full")
    yield made
    made.stop()


@pytest.fixture
def serve() -> Iterator[Callable[[str], Served]]:
    """Give what serves a flavour to one test alone."""
    made: list[Served] = []

    def start(flavour: str) -> Served:
        made.append(Served(flavour))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def fresh(serve: Callable[[str], Served]) -> Served:
    """Serve a full space of its own to a test that changes it."""
    return serve("full")


def context_of(browser: Browser, **options: object) -> BrowserContext:
    """Open a context of its own, as patient as all tests are."""
    made = browser.new_context(**{"reduced_motion": "reduce", **options})  # type: ignore[arg-type]
    made.set_default_timeout(PATIENCE_MS)
    return made


@pytest.fixture(scope="session")
def context(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    """Give a signed-in context to tests that change nothing."""
    made = context_of(browser)
    door = made.new_page()
    door.goto(f"{served.url}/signin?token=let-me-in&to=/console")
    door.wait_for_url(f"{served.url}/console")
    door.close()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, served: Served) -> Iterator[Page]:
    """Give a signed-in page; whatever the console reports as an error fails the test."""
    made = context.new_page()
    wrong = watched(made, served)
    yield made
    made.close()
    assert not wrong, wrong


def watched(page: Page, served: Served) -> list[str]:
    """Collect what goes wrong on a page: script errors, refused policy, requests that leave."""
    wrong: list[str] = []
    own = (served.url, "data:", "blob:", "about:")
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))
    return wrong


def signed_in(browser: Browser, served: Served, **options: object) -> Iterator[Page]:
    """Open a page of its own context, sign in, and watch what it does."""
    context = context_of(browser, **options)
    page = context.new_page()
    wrong = watched(page, served)
    page.goto(f"{served.url}/signin?token=let-me-in&to=/console")
    page.wait_for_url(f"{served.url}/console")
    yield page
    context.close()
    assert not wrong, wrong
