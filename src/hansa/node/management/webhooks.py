"""Webhooks: who is told what happens."""

from __future__ import annotations

from hansa.identity import Caller
from hansa.node.management import views
from hansa.node.management.access import Access, Json, given
from hansa.node.webhooks import Hook


class WebhookDesk(Access):
    """What an operator does with webhooks."""

    async def webhooks(self, caller: Caller, participant: str) -> Json:
        """List the receivers, oldest first."""
        p = self.participant(caller, participant)
        return {"items": [_view(hook, waiting) for hook, waiting in await p.webhooks.list()]}

    async def add_webhook(
        self,
        caller: Caller,
        participant: str,
        *,
        url: str,
        events: tuple[str, ...],
        secret: str | None,
    ) -> Json:
        """Add a receiver; its secret is shown this once."""
        p = self.participant(caller, participant)
        with given("url"):
            hook, key = await p.webhooks.add(url, events, secret)
        return {**_view(hook, 0), "secret": key}

    async def remove_webhook(self, caller: Caller, participant: str, hook_id: str) -> Json:
        """Forget a receiver."""
        p = self.participant(caller, participant)
        return _view(await p.webhooks.remove(hook_id), 0)

    async def test_webhook(self, caller: Caller, participant: str, hook_id: str) -> Json:
        """Send a test event now: `{ok, status, error, ms}`."""
        return await self.participant(caller, participant).webhooks.test(hook_id)


def _view(hook: Hook, waiting: int) -> Json:
    return {
        "id": hook.id,
        "url": hook.shown_url,
        "events": list(hook.events),
        "state": hook.state,
        "delivered": hook.delivered,
        "waiting": waiting,
        "attempts": hook.attempts,
        "last_at": views.moment(hook.last_at),
        "failing_since": views.moment(hook.failing_since),
        "error": hook.error,
        "created": views.moment(hook.created),
    }
