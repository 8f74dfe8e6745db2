"""Another city's answer passes through this node's origin, and must never act there."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.types import Message

from hansa.dataplane import FetchedAnswer
from hansa.identity import Caller
from hansa.node.api import Api

PAGE = b"<script>fetch('/api/v1/node')</script>"
PATH = "/api/v1/participants/east/transfers/urn:uuid:1/data/entities"


class Operated:
    """Stand where the management stands: the operator asks, a provider answers with a page."""

    def __getattr__(self, name: str) -> Any:
        return None

    async def authenticate(self, request: Any) -> Caller:
        return Caller(did="did:web:localhost", kind="operator", name="operator")

    async def fetch(self, *asked: Any) -> FetchedAnswer:
        headers = {"content-type": "text/html", "content-disposition": "inline", "etag": '"1"'}
        return FetchedAnswer(200, headers, PAGE)


async def test_a_page_of_another_city_gets_no_rights_of_ours() -> None:
    management: Any = Operated()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": PATH, "headers": [], "query_string": b""}
    await Starlette(routes=Api(management).routes())(scope, receive, send)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], sent[1]["body"]) == (200, PAGE)
    assert (headers[b"content-type"], headers[b"etag"]) == (b"text/html", b'"1"')
    policy = headers[b"content-security-policy"]
    assert b"sandbox;" in policy
    assert b"default-src 'none'" in policy
    assert headers[b"content-disposition"] == b"attachment"
