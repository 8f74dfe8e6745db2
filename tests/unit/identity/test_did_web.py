"""A URL and its did:web say the same, and odd ones are refused."""

from __future__ import annotations

import pytest

from hansa.identity import base_url_of, did_of
from hansa.identity.did_web import document_url_of
from hansa.kernel import Code, HansaError


@pytest.mark.parametrize(
    ("url", "did", "document"),
    [
        (
            "http://localhost:7711/delft-north",
            "did:web:localhost%3A7711:delft-north",
            "http://localhost:7711/delft-north/did.json",
        ),
        (
            "https://space.example/a/b",
            "did:web:space.example:a:b",
            "https://space.example/a/b/did.json",
        ),
        (
            "https://space.example",
            "did:web:space.example",
            "https://space.example/.well-known/did.json",
        ),
    ],
)
def test_a_url_becomes_a_did_and_back(url: str, did: str, document: str) -> None:
    assert did_of(url) == did_of(f"{url}/") == did
    assert base_url_of(did, allow_loopback=True) == url
    assert document_url_of(did, allow_loopback=True) == document


def test_plain_http_needs_localhost_and_the_permission() -> None:
    assert base_url_of("did:web:localhost%3A1:a").startswith("https://")
    assert base_url_of("did:web:x.example%3A1:a", allow_loopback=True).startswith("https://")
    assert base_url_of("did:web:localhost.example:a", allow_loopback=True).startswith("https://")


@pytest.mark.parametrize(
    "did",
    [
        "did:key:z6Mk",
        "did:web:",
        "did:web:localhost%253A7711:a",
        "did:web:localhost:7711:a..b/c",
        "did:web:127.0.0.1%3A7711:a",
        "did:web:10.0.0.1:a",
        "did:web:2130706433:a",
        "did:web:%5B%3A%3A1%5D:a",
        "did:web:localhost%3A0:a",
        "did:web:localhost%3A99999:a",
        "did:web:localhost%3A:a",
        "did:web:localhost%3A7711:..",
        "did:web:localhost%3A7711:a%2Fb",
        "did:web:localhost%3A7711:a/b",
        "did:web:localhost%3A7711::b",
        "did:web:user@host:a",
        "did:web:-x.example:a",
        "did:web:x.example:a?b",
        "did:web:x.example:a#b",
        "did:web:x.example:" + "a" * 300,
    ],
)
def test_odd_dids_are_refused(did: str) -> None:
    with pytest.raises(HansaError) as caught:
        base_url_of(did, allow_loopback=True)
    assert caught.value.code is Code.did_unresolvable


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example/a",
        "http://127.0.0.1/a",
        "http://[::1]/a",
        "http://user@x.example/a",
        "https://x.example/a?b=c",
        "https://x.example/a#b",
        "https://x.example/a%2Fb",
        "https://x.example:port/a",
        "x",
        "https://x.example/" + "a" * 300,
    ],
)
def test_urls_that_carry_no_did_are_refused(url: str) -> None:
    with pytest.raises(HansaError) as caught:
        did_of(url)
    assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, "url")
