"""Turns a template and its facts into an answer: Jinja, gettext, security headers.

Jinja is loaded with the first page: a node that shows none never pays for it.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse

from hansa.kernel import Clock, iso
from hansa.kernel.commands import parted, pasteable
from hansa.web import words
from hansa.web.assets import Assets
from hansa.web.model import DONE, event_path, event_tone, state_of
from hansa.web.session import theme_of
from hansa.web.shapes import area_sketch, box_wkt, period_sketch, sample_sketch

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent
_PRETTY_MAX = 20_000
Pasteable = Callable[[str], str]


def translations() -> gettext.NullTranslations:
    """Give the English catalogue; further languages stand beside it as `locale/<tag>`."""
    return gettext.translation("hansa", _HERE / "locale", languages=["en"], fallback=True)


@cache
def environment() -> Environment:
    """Give the template environment: autoescape on, undefined names are errors. Built once."""
    from jinja2 import (
        Environment,
        FileSystemLoader,
        StrictUndefined,
        pass_context,
        select_autoescape,
    )

    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = translations()
    install = getattr(env, "install_gettext_callables")  # noqa: B009 - added by the extension
    install(catalogue.gettext, catalogue.ngettext, newstyle=True)
    env.filters.update(
        when=pass_context(words.when),
        ago=pass_context(words.ago),
        day=pass_context(words.day),
        last_day=pass_context(words.last_day),
        number=words.number,
        size=words.size,
        span=words.span,
        value=words.value_text,
        breakable=words.breakable,
        short=words.short_id,
        seg=lambda text: quote(str(text), safe=""),
        tail=words.tail,
        clock=pass_context(words.clock_time),
        moment=pass_context(words.moment),
        plain_error=words.plain_error,
        flow_error=words.flow_error,
        pretty=pretty,
    )
    env.globals.update(
        said=catalogue.gettext,  # text that a page is given: `_` is for literals, it trusts them
        state_of=state_of,
        event_tone=event_tone,
        event_path=event_path,
        area_sketch=area_sketch,
        capitalised=lambda text: text[:1].upper() + text[1:],
        parted=parted,
        sample_sketch=sample_sketch,
        box_wkt=box_wkt,
        period=lambda start, end, now: period_sketch(words.instant(start), words.instant(end), now),
    )
    return env


def pretty(value: object) -> str:
    """Write JSON for people: indented, at most 20,000 signs."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return text if len(text) <= _PRETTY_MAX else text[:_PRETTY_MAX] + "\n…"


def security_headers(tiles_url: str | None = None) -> dict[str, str]:
    """Give the headers of every page: no inline script or style, no request leaves the node.

    A tile server is a setting; only its origin is let through, and only on the map.
    """
    tiles = ""
    if tiles_url:
        parts = urlsplit(tiles_url)
        if parts.scheme in ("http", "https") and parts.netloc:
            tiles = f" {parts.scheme}://{parts.netloc.replace('{', '').replace('}', '')}"
    return {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
            f"img-src 'self' data: blob:{tiles}; connect-src 'self'{tiles}; "
            "worker-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'; manifest-src 'self'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


class Renderer:
    """Renders pages with the facts that every page needs.

    `pasteable` completes the commands that a page prints, for the terminal of this very node.
    """

    def __init__(
        self, clock: Clock, assets: Assets | None = None, pasteable: Pasteable = pasteable
    ) -> None:
        self._clock = clock
        self._pasteable = pasteable
        self.assets = assets or Assets()

    def now(self) -> datetime:
        """Give the present instant."""
        return self._clock.now()

    def page(
        self,
        request: Request,
        template: str,
        facts: dict[str, Any],
        *,
        status: int = 200,
        zone: str = "",
        tiles_url: str | None = None,
    ) -> HTMLResponse:
        """Render one page; `zone` is the IANA name in which its times are written."""
        now = self._clock.now()
        shown = {
            "request": request,
            "theme": theme_of(request),
            "assets": self.assets,
            "zone": words.zone_of(zone),
            "zone_name": zone or "UTC",
            "now": now,
            "pasteable": self._pasteable,
            "now_iso": iso(now),
            "done": DONE.get(request.query_params.get("done", "")),
            "me": {},
            **facts,
        }
        islands = (f"src/{island}.ts" for island in facts.get("islands", ()))
        shown["entries"] = ("src/app.ts", *islands)
        html = environment().get_template(template).render(shown)
        return HTMLResponse(html, status_code=status, headers=security_headers(tiles_url))
