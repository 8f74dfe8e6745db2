"""What an operator can see and do: one set of functions behind the API and the pages."""

from __future__ import annotations

from starlette.requests import Request

from hansa.identity import Caller, check_origin
from hansa.node.management.access import Json
from hansa.node.management.agreements import Agreements
from hansa.node.management.map import Map
from hansa.node.management.negotiations import Negotiations
from hansa.node.management.publish import Publishing
from hansa.node.management.resources import Resources
from hansa.node.management.scripts import Scripts
from hansa.node.management.space import Space
from hansa.node.management.transfers import Transfers
from hansa.node.management.webhooks import WebhookDesk

__all__ = ["Json", "Management"]


class Management(
    Space, Resources, Publishing, Map, Negotiations, Agreements, Transfers, Scripts, WebhookDesk
):
    """All of it for one node; the pages' `PageSource`."""

    async def sign_in(self, token: str) -> str | None:
        """Trade a one-time token for a session cookie value."""
        return await self.host.operators.sign_in(token)

    async def sign_out(self, cookie: str) -> None:
        """End a session."""
        await self.host.operators.sign_out(cookie)

    async def caller(self, cookie: str) -> Caller | None:
        """Give the operator behind a session cookie."""
        return await self.host.operators.caller(cookie)

    def check_origin(self, request: Request) -> None:
        """Raise HansaError forbidden unless a request comes from a page of this node."""
        check_origin(request.headers)
