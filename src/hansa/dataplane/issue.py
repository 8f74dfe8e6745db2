"""Access and refresh tokens of a grant: what a start, a renewal and a first use make of it. Pure.

A refresh token counts until the access token that replaced it was used once: an answer that was
lost can be asked for again, and yet only one line of tokens goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from hansa.dataplane.model import TOKENS_MAX, DataAddress, Grant, GrantState, Renewal
from hansa.dataplane.tokens import digest
from hansa.kernel import Ids

ACCESS_LIFE_S = 3_600
"""How long an access token counts that can be renewed."""
_RENEWALS_MAX = 4


class Issue(msgspec.Struct, frozen=True):
    """Tokens in plain text, on their way to the consumer; never kept, never logged."""

    access: str
    refresh: str | None = None
    life_s: int | None = None

    def __repr__(self) -> str:
        return "Issue(...)"

    def address(self, endpoint: str, refresh_endpoint: str) -> DataAddress:
        """Give the address with the tokens (Data Plane Signaling 1.0, token renewal)."""
        properties: dict[str, str] = {}
        if self.refresh is not None:
            properties = {
                "refreshToken": self.refresh,
                "expiresIn": str(self.life_s),
                "refreshEndpoint": refresh_endpoint,
            }
        return DataAddress(endpoint=endpoint, authorization=self.access, properties=properties)


def issue(ids: Ids, *, renewable: bool) -> Issue:
    """Make tokens: an access token for good, or one that lasts an hour with its refresh token."""
    if not renewable:
        return Issue(ids.token(32))
    return Issue(ids.token(32), ids.token(32), ACCESS_LIFE_S)


def restarted(known: Grant, made: Issue | None, now: datetime) -> Grant:
    """Give the grant started, with one more token, if any; those of an earlier run are void."""
    if known.state is not GrantState.started:
        known = msgspec.structs.replace(known, tokens=(), lives={}, renewals=())
    started = msgspec.structs.replace(known, state=GrantState.started, reason=None)
    return started if made is None else _with(started, made, started.renewals, now)


def renewed(known: Grant, made: Issue, refresh: str, now: datetime) -> Grant:
    """Give the grant with new tokens for the refresh token with this digest, which still counts."""
    used = tuple(each for each in known.renewals if each.refresh == refresh)
    others = tuple(each for each in known.renewals if each.refresh != refresh)
    return _with(known, made, (*used, *others[-(_RENEWALS_MAX - 2) :]), now)


def used(known: Grant, access: str) -> Grant:
    """Give the grant after an access token (its digest) arrived: what it replaced is void."""
    for place, each in enumerate(known.renewals):
        if each.access == access and place:
            return msgspec.structs.replace(known, renewals=known.renewals[place:])
    return known


def _with(known: Grant, made: Issue, renewals: tuple[Renewal, ...], now: datetime) -> Grant:
    access = digest(made.access)
    paired = {each.access for each in renewals}  # a repeated renewal shows it again
    newest = known.tokens[-(TOKENS_MAX - 1) :]
    tokens = (*(each for each in known.tokens if each in paired or each in newest), access)
    lives = {token: at for token, at in known.lives.items() if token in tokens}
    if made.refresh is not None and made.life_s is not None:
        lives[access] = now + timedelta(seconds=made.life_s)
        renewals = (*renewals, Renewal(refresh=digest(made.refresh), access=access))
    return msgspec.structs.replace(
        known, tokens=tokens, lives=lives, renewals=renewals[-_RENEWALS_MAX:]
    )
