"""Who is calling: the result of the one function from request headers to caller."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A membership credential that was checked: who issued it and where its status stands.

    `status_list` is the URL of the authority's status list and `status_index` the bit in it.
    """

    authority: str
    credential_id: str
    status_list: str
    status_index: int
    valid_until: datetime


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated party. `did` is its participant id; the operator's is the node's own."""

    did: str
    kind: str  # "participant" or "operator"
    name: str = ""
    roles: frozenset[str] = frozenset()
    membership: Membership | None = None
