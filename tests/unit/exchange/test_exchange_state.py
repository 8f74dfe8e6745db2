"""The tables are the specification's, and the page that shows them is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hansa.exchange import states_markdown
from hansa.exchange.model import Pending, Role
from hansa.exchange.state import (
    NEGOTIATION,
    TERMINATIONS,
    TRANSFER,
    Machine,
    Message,
    Verdict,
    judge,
)

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_page_is_current() -> None:
    page = ROOT / "docs/reference/state-machines.md"
    assert page.read_text().startswith(states_markdown()), "run `make docs`"


def _rows(machine: Machine) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for arrow in machine.transitions:
        letter = "C" if arrow.sender is Role.consumer else "P"
        found.setdefault(arrow.source, {}).setdefault(arrow.target, set()).add(letter)
    return found


def _read(cell_from: str, cell_to: str) -> tuple[str, dict[str, set[str]]]:
    targets: dict[str, set[str]] = {}
    for part in re.finditer(r"((?:[A-Z]{4,}(?:, )?)+) \(([^)]*)\)", cell_to):
        who = {"C", "P"} if part[2] == "either" else set(part[2].split(", "))
        for name in part[1].split(", "):
            targets[name] = who
    return "START" if cell_from == "start" else cell_from, targets


def test_the_tables_are_those_of_the_specification(shared: Path) -> None:
    text = (shared / "facts/dataspace-protocol.md").read_text()
    section = text.split("## 6. State machines", 1)[1].split("Consequences", 1)[0]
    expected: tuple[dict[str, dict[str, set[str]]], ...] = ({}, {})
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or "---" in line or "from" in cells[0]:
            continue
        for table, (source, target) in zip(expected, (cells[:2], cells[3:]), strict=True):
            if source and "terminal" not in target:
                name, targets = _read(source, target)
                table[name] = targets
    assert (_rows(NEGOTIATION), _rows(TRANSFER)) == expected


class Case:
    def __init__(
        self,
        state: str,
        role: Role = Role.consumer,
        pending: Pending | None = None,
        taken: tuple[str, ...] = (),
    ) -> None:
        self.state, self.role, self.pending, self.taken = state, role, pending, taken


@pytest.mark.parametrize("machine", [NEGOTIATION, TRANSFER], ids=lambda item: item.name)
@pytest.mark.parametrize("role", list(Role))
def test_every_message_in_every_state_is_judged_by_the_table(machine: Machine, role: Role) -> None:
    ours = {arrow.message for arrow in machine.transitions}
    for state in machine.states:
        for message in ours:
            verdict, after = judge(machine, Case(state, role), message)
            legal = machine.sends(state, message, role.other)
            if message in TERMINATIONS:
                legal = "TERMINATED"
            if state in machine.terminal:
                repeat = message in TERMINATIONS and state == "TERMINATED"
                assert verdict is (Verdict.repeat if repeat else Verdict.illegal)
            elif legal is None:
                assert (verdict, after) == (Verdict.illegal, state)
            else:
                assert (verdict, after) == (Verdict.apply, legal)


@pytest.mark.parametrize(
    ("pending", "arriving", "verdict"),
    [
        (Message.transfer_completion, Message.transfer_termination, Verdict.apply),
        (Message.transfer_termination, Message.transfer_completion, Verdict.illegal),
        (Message.transfer_completion, Message.transfer_suspension, Verdict.illegal),
        (Message.transfer_suspension, Message.transfer_completion, Verdict.apply),
        (Message.transfer_completion, Message.transfer_completion, Verdict.apply),
        (Message.transfer_termination, Message.transfer_termination, Verdict.apply),
    ],
)
def test_when_messages_cross_the_stronger_one_counts(
    pending: Message, arriving: Message, verdict: Verdict
) -> None:
    target = TRANSFER.sends("STARTED", pending, Role.consumer)
    case = Case("STARTED", pending=Pending(pending.value, str(target), "a"))
    assert judge(TRANSFER, case, arriving)[0] is verdict


def test_a_message_that_is_legal_after_ours_arrived_acknowledges_it() -> None:
    sending = Pending(Message.agreement.value, "AGREED", "a")
    case = Case("REQUESTED", Role.provider, sending)
    assert judge(NEGOTIATION, case, Message.verification) == (Verdict.apply, "VERIFIED")


def test_a_repeat_is_known_by_what_took_effect() -> None:
    taken = (Message.agreement.value,)
    case = Case("VERIFIED", Role.consumer, None, taken)
    assert judge(NEGOTIATION, case, Message.agreement)[0] is Verdict.repeat
    assert judge(NEGOTIATION, Case("VERIFIED"), Message.agreement)[0] is Verdict.illegal
