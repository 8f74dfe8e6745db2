"""Operations about the node, its space and its members."""

from __future__ import annotations

from typing import Any

from hansa.client import (
    JoinRequest,
    Member,
    MembershipInfo,
    NodeInfo,
    Overview,
    Page,
    SignInLink,
    Template,
)
from hansa.node.api.bodies import Join, Reason
from hansa.node.api.operation import Call, Operation, P, get, post
from hansa.node.management import Management


async def _refuse(m: Management, c: Call) -> Any:
    return await m.refuse_request(*c.one, reason=c.body.reason)


async def _suspend(m: Management, c: Call) -> Any:
    return await m.suspend_member(*c.one, reason=c.body.reason)


async def _join(m: Management, c: Call) -> Any:
    body: Join = c.body
    return await m.join(*c.at, authority_url=body.authority_url, message=body.message)


OPERATIONS: tuple[Operation, ...] = (
    get("/node", "The node and its participants", lambda m, c: m.node(c.caller), NodeInfo),
    get(
        "/templates",
        "Policy templates in plain words",
        lambda m, c: m.templates(c.caller),
        Page[Template],
    ),
    post(
        "/sign-in-links",
        "Make a one-time sign-in link",
        lambda m, c: m.sign_in_link(c.caller),
        SignInLink,
    ),
    get(
        f"{P}/overview",
        "State, counts, flows, membership",
        lambda m, c: m.overview(*c.at),
        Overview,
    ),
    get(f"{P}/members", "Members of the space", lambda m, c: m.members(*c.at), Page[Member]),
    get(
        f"{P}/join-requests",
        "Requests to join",
        lambda m, c: m.join_requests(*c.at),
        Page[JoinRequest],
    ),
    post(
        f"{P}/join-requests/{{id}}/approve",
        "Take a participant in",
        lambda m, c: m.approve_request(*c.one),
        JoinRequest,
    ),
    post(f"{P}/join-requests/{{id}}/refuse", "Turn a request down", _refuse, JoinRequest, Reason),
    post(f"{P}/members/{{id}}/suspend", "Suspend a member", _suspend, Member, Reason),
    post(
        f"{P}/members/{{id}}/reinstate",
        "End a suspension",
        lambda m, c: m.reinstate_member(*c.one),
        Member,
    ),
    post(f"{P}/join", "Ask an authority for membership", _join, MembershipInfo, Join),
)
