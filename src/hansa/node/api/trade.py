"""Operations about negotiations, agreements and transfers."""

from __future__ import annotations

from typing import Any

from hansa.client import (
    Agreement,
    Approval,
    Draft,
    Moment,
    Negotiation,
    Page,
)
from hansa.node.api import bodies
from hansa.node.api.operation import WAIT_S, WAIT_S_MAX, Call, Operation, P, get, post
from hansa.node.management import Management

LIST = ("limit", "after", "state", "role", "counterparty", "dataset")
WAIT = ("wait", "since", "timeout_s")


def waiting(c: Call) -> dict[str, Any]:
    """Give what a long poll waits for: a state or several, or any change since an instant."""
    states = frozenset(filter(None, (c.text("wait") or "").split(",")))
    timeout_s = c.number("timeout_s", WAIT_S, most=WAIT_S_MAX)
    return {"wait": states, "since": c.text("since"), "timeout_s": timeout_s}


async def _negotiate(m: Management, c: Call) -> Any:
    body: bodies.Negotiate = c.body
    return await m.negotiate(
        *c.at,
        provider_did=body.provider_did,
        dataset_id=body.dataset_id,
        offer_id=body.offer_id or "",
        offer=body.offer,
        counterparty_url=body.counterparty_url,
    )


async def _offer(m: Management, c: Call) -> Any:
    body: bodies.MakeOffer = c.body
    return await m.offer(
        *c.at,
        consumer_did=body.consumer_did,
        dataset_id=body.dataset_id,
        offer_id=body.offer_id,
        counterparty_url=body.counterparty_url,
    )


async def _counter(m: Management, c: Call) -> Any:
    body: bodies.Counter = c.body
    return await m.counter(
        *c.one, offer=body.offer, template=body.template, parameters=body.parameters
    )


async def _draft(m: Management, c: Call) -> Any:
    body: bodies.TermsDraft = c.body
    return await m.draft_terms(*c.one, template=body.template, parameters=body.parameters)


async def _terminate_negotiation(m: Management, c: Call) -> Any:
    return await m.terminate_negotiation(*c.one, reason=c.body.reason)


async def _end_agreement(m: Management, c: Call) -> Any:
    return await m.end_agreement(*c.one, reason=c.body.reason)


async def _terms(m: Management, c: Call) -> Any:
    body: bodies.TermsDraft = c.body
    return await m.terms(*c.at, template=body.template, parameters=body.parameters)


async def _import(m: Management, c: Call) -> Any:
    body: bodies.ImportAgreement = c.body
    return await m.import_agreement(
        *c.at,
        agreement=body.agreement,
        role=body.role,
        counterparty=body.counterparty,
        dataset_id=body.dataset_id,
        counterparty_url=body.counterparty_url,
    )


_N, _A = f"{P}/negotiations", f"{P}/agreements"
NEGOTIATIONS: tuple[Operation, ...] = (
    post(
        f"{P}/terms",
        "Say what a filled template means, in plain words and as ODRL",
        _terms,
        Draft,
        bodies.TermsDraft,
    ),
    get(
        _N,
        "Contract negotiations, newest first",
        lambda m, c: m.negotiations(*c.at, **c.page("state", "role", "counterparty", "dataset")),
        Page[Negotiation],
        *LIST,
    ),
    post(
        _N,
        "Ask for a dataset under an offer, or under terms of our own",
        _negotiate,
        Negotiation,
        bodies.Negotiate,
        once=True,
    ),
    post(
        f"{_N}/offers",
        "Offer a dataset to who has not asked",
        _offer,
        Negotiation,
        bodies.MakeOffer,
        once=True,
    ),
    get(
        f"{_N}/{{id}}",
        "One negotiation with its messages; waits for a state or a change if asked",
        lambda m, c: m.negotiation(*c.one, **waiting(c)),
        Negotiation,
        *WAIT,
    ),
    post(
        f"{_N}/{{id}}/counter",
        "Answer with other terms",
        _counter,
        Negotiation,
        bodies.Counter,
    ),
    post(
        f"{_N}/{{id}}/draft",
        "Say in plain words what other terms would mean; sends nothing",
        _draft,
        Draft,
        bodies.TermsDraft,
    ),
    post(
        f"{_N}/{{id}}/accept",
        "Accept the provider's offer, as consumer",
        lambda m, c: m.accept(*c.one),
        Negotiation,
    ),
    post(
        f"{_N}/{{id}}/agree",
        "Agree to the terms on the table, as provider",
        lambda m, c: m.agree(*c.one),
        Negotiation,
    ),
    post(
        f"{_N}/{{id}}/verify",
        "Confirm the agreement, as consumer",
        lambda m, c: m.verify(*c.one),
        Negotiation,
    ),
    post(
        f"{_N}/{{id}}/finalize",
        "Conclude the contract, as provider",
        lambda m, c: m.finalize(*c.one),
        Negotiation,
    ),
    post(
        f"{_N}/{{id}}/retry",
        "Send the message that is on its way now",
        lambda m, c: m.retry_negotiation(*c.one),
        Negotiation,
    ),
    post(
        f"{_N}/{{id}}/adopt",
        "Take over the state that the counterparty shows, when both sides disagree",
        lambda m, c: m.adopt_negotiation(*c.one),
        Negotiation,
    ),
    post(
        f"{_N}/{{id}}/terminate",
        "End a negotiation",
        _terminate_negotiation,
        Negotiation,
        bodies.Reason,
    ),
    post(
        f"{_N}/{{id}}/replay",
        "Begin a new negotiation on the same terms",
        lambda m, c: m.replay_negotiation(*c.one),
        Negotiation,
        once=True,
    ),
    get(
        f"{P}/approvals",
        "What waits for the operator",
        lambda m, c: m.approvals(*c.at),
        Page[Approval],
    ),
)
AGREEMENTS: tuple[Operation, ...] = (
    get(
        _A,
        "Agreements of both roles, newest first",
        lambda m, c: m.agreements(*c.at, **c.page("state", "role", "counterparty", "dataset")),
        Page[Agreement],
        *LIST,
    ),
    post(
        f"{_A}/import",
        "Take in an agreement that was concluded elsewhere",
        _import,
        Agreement,
        bodies.ImportAgreement,
    ),
    get(
        f"{_A}/{{id}}",
        "One agreement, its use and what it cuts",
        lambda m, c: m.agreement(*c.one),
        Agreement,
    ),
    get(
        f"{_A}/{{id}}/timeline",
        "All that happened under an agreement, oldest first",
        lambda m, c: m.timeline(*c.one),
        Page[Moment],
    ),
    post(f"{_A}/{{id}}/end", "End an agreement", _end_agreement, Agreement, bodies.Reason),
)
