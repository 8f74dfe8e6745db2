"""What is excused as a loss of EDC's, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.interop.edc.losses import lost_by_edc

from hansa.exchange import ContractNegotiation, LogEntry, NegotiationState, Role
from hansa.exchange.model import Pending

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ours(state: str, **members: Any) -> ContractNegotiation:
    return ContractNegotiation(
        id="urn:p",
        role=Role.provider,
        counterparty="did:web:edc",
        callback="http://edc/dsp",
        consumer_pid="urn:c",
        provider_pid="urn:p",
        dataset_id="d",
        state=NegotiationState(state),
        offer={},
        created=NOW,
        modified=NOW,
        **members,
    )


def sent(*types: str) -> list[LogEntry]:
    return [
        LogEntry(id=name, process="urn:p", direction="sent", at=NOW, type=name, body={})
        for name in types
    ]


AGREEMENT, FINAL = "ContractAgreementMessage", "ContractNegotiationEventMessage"
REFUSED = "The counterparty answered 409: 409: Cannot process"


@pytest.mark.parametrize(
    ("theirs", "mine", "messages", "excused"),
    [
        ("REQUESTING", None, (), True),
        ("TERMINATED", None, (), False),
        ("REQUESTED", ours("AGREED"), (AGREEMENT,), True),
        ("VERIFIED", ours("FINALIZED"), (AGREEMENT, FINAL), True),
        ("REQUESTED", ours("FINALIZED"), (AGREEMENT, FINAL), False),
        ("REQUESTED", ours("REQUESTED"), (), False),
        (
            "REQUESTED",
            ours("REQUESTED", pending=Pending(AGREEMENT, "AGREED", "a")),
            (AGREEMENT,),
            False,
        ),
        ("TERMINATED", ours("TERMINATED", reason=(REFUSED,)), (AGREEMENT,), True),
        ("TERMINATED", ours("TERMINATED", reason=("not_found",)), (AGREEMENT,), False),
        ("TERMINATED", ours("TERMINATED", error="The counterparty answered 400"), (), False),
    ],
)
def test_only_edcs_own_races_are_excused(
    theirs: str, mine: ContractNegotiation | None, messages: tuple[str, ...], excused: bool
) -> None:
    detail = {"state": theirs, "errorDetail": "409 in what we said counts for nothing"}
    assert (lost_by_edc(detail, mine, sent(*messages)) is not None) is excused
