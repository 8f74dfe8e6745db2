"""The session cookie, the theme cookie, and the check that a form is our own.

Cookies of `localhost` are shared by all ports, so the session cookie carries the port in its
name: three nodes on one machine keep three sessions. For the same reason `SameSite=Strict` alone
does not part them, and every state-changing request is checked for its origin.
"""

from __future__ import annotations

from typing import Literal, cast
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from hansa.kernel import Code, HansaError

THEME_COOKIE = "hansa_theme"
Theme = Literal["auto", "light", "dark"]
_SESSION_S = 12 * 3600
_THEME_S = 365 * 86_400


def session_cookie_name(connection: HTTPConnection) -> str:
    """Give the name of the session cookie of the node behind a request."""
    url = connection.url
    port = url.port or (443 if url.scheme in ("https", "wss") else 80)
    return f"hansa_session_{port}"


def session_cookie(connection: HTTPConnection) -> str | None:
    """Give the session cookie's value; None when there is none."""
    cookies = connection.cookies
    return cookies.get(session_cookie_name(connection)) if cookies else None


def set_session(request: Request, response: Response, value: str) -> None:
    """Hand out a session: not readable by scripts, never sent from another site."""
    response.set_cookie(
        session_cookie_name(request),
        value,
        max_age=_SESSION_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def clear_session(request: Request, response: Response) -> None:
    """Take the session back."""
    response.delete_cookie(session_cookie_name(request), httponly=True, samesite="strict")


def theme_of(request: Request) -> Theme:
    """Give the chosen theme; `auto` follows the system."""
    value = request.cookies.get(THEME_COOKIE, "auto")
    return cast(Theme, value) if value in ("auto", "light", "dark") else "auto"


def set_theme(response: Response, theme: str) -> None:
    """Remember the theme for a year."""
    value = theme if theme in ("light", "dark") else "auto"
    response.set_cookie(THEME_COOKIE, value, max_age=_THEME_S, samesite="lax")


def check_same_origin(request: Request) -> None:
    """Raise HansaError forbidden unless a request comes from a page of this very node.

    `Sec-Fetch-Site` must be `same-origin` when the browser sends it (another port of the same
    host is `same-site`); else `Origin` must be our own. A request with neither is refused.
    """
    own = f"{request.url.scheme}://{request.url.netloc}"
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    fits = site == "same-origin" if site else origin is not None and origin == own
    if origin not in (None, own):
        fits = False
    if not fits:
        raise HansaError(
            Code.forbidden,
            "This form was not sent from a page of this node.",
            "Open the page again on this node and send the form from there.",
        )


def local_path(target: str | None, fallback: str = "/") -> str:
    """Give a path on this node to go back to; anything else gives the fallback."""
    if not target:
        return fallback
    parts = urlsplit(target)
    path = parts.path or "/"
    if not path.startswith("/") or path.startswith("//") or "\\" in path:
        return fallback
    return f"{path}?{parts.query}" if parts.query else path
