"""Who may send a form, and where a redirect may lead."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from hansa.kernel import Code, HansaError
from hansa.web import check_same_origin, session_cookie_name
from hansa.web.session import local_path


def request(port: int = 7711, **headers: str) -> Request:
    sent = {"host": f"localhost:{port}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "server": ("localhost", port),
            "headers": [(k.encode(), v.encode()) for k, v in sent.items()],
        }
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin", "origin": "http://localhost:7711"},
        {"sec_fetch_site": "same-origin"},
        {"origin": "http://localhost:7711"},
    ],
)
def test_own_forms_pass(headers: dict[str, str]) -> None:
    check_same_origin(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:7712"},
        {"origin": "null"},
        {"origin": "https://localhost:7711"},
        {"sec_fetch_site": "same-site", "origin": "http://localhost:7711"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-origin", "origin": "http://evil.example"},
    ],
)
def test_other_forms_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(HansaError) as caught:
        check_same_origin(request(**headers))
    assert caught.value.code is Code.forbidden


def test_each_port_has_its_own_session() -> None:
    assert session_cookie_name(request(7711)) != session_cookie_name(request(7712))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/console/x?a=1", "/console/x?a=1"),
        (None, "/"),
        ("//evil.example/x", "/x"),
        ("https://evil.example/x", "/x"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_redirects_stay_on_this_node(target: str | None, path: str) -> None:
    assert local_path(target) == path
