"""The authority's side of a data space, and a member's: joining, credentials, status."""

from hansa.trust.anchors import Anchors
from hansa.trust.authority import MACHINE as AUTHORITY_MACHINE
from hansa.trust.authority import Authority
from hansa.trust.http import authority_routes, member_routes
from hansa.trust.membership import MACHINE as MEMBER_MACHINE
from hansa.trust.membership import MembershipClient
from hansa.trust.model import (
    DirectoryEntry,
    JoinRequest,
    Member,
    MembershipView,
    MemberState,
    RequestState,
)
from hansa.trust.ports import OnChange
from hansa.trust.register import Register
from hansa.trust.status import StatusHolder
from hansa.trust.wire_join_1 import CONTEXT

__all__ = [
    "AUTHORITY_MACHINE",
    "CONTEXT",
    "MEMBER_MACHINE",
    "Anchors",
    "Authority",
    "DirectoryEntry",
    "JoinRequest",
    "Member",
    "MemberState",
    "MembershipClient",
    "MembershipView",
    "OnChange",
    "Register",
    "RequestState",
    "StatusHolder",
    "authority_routes",
    "member_routes",
]
