"""Who decides for a participant: a script, else its operator, else its policy.

A script rehearses a counterparty: it says what our side does in which state, whatever policy would
say. It is kept under a subject, the id of a dataset or offer (for its negotiations) or of an
agreement (for its transfers), as a list of steps:

    {"on": "OFFERED", "role": "provider", "do": "refuse", "after_s": 0.5, "times": 1,
     "code": "changed_mind", "reason": "Rehearsal.", "terms": {...}}

`on` is a state, or ERROR for an error of the data plane; `do` a kind of `hansa.exchange.Decide`.
Of several steps on the same state the first serves as often as its `times` say, in each process,
then the next; after the last one the usual course is taken. `terms` are those of `offer` and
`request`; without them the terms on the table are repeated.

For the management API: `put_script(subject, steps) -> Script`, `script(subject) -> Script`,
`delete_script(subject)`, `scripts() -> list[Script]`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from hansa.catalogue import Catalogue, Dataset
from hansa.exchange import (
    DECISIONS,
    ContractNegotiation,
    Decide,
    NegotiationState,
    Role,
    Step,
    TransferState,
)
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.store import Kind, Store
from hansa.node.adapters import declared_purpose
from hansa.policy import CompiledPolicy, Cut, Usage, compile_policy

ERROR = "ERROR"
_STATES = frozenset({*NegotiationState, *TransferState, ERROR} - {"START"})
_STEPS_MAX = 50
_SCRIPTS_MAX = 1_000
_SUBJECT_CHARACTERS_MAX = 512
_AFTER_S_MAX = 3_600.0
_TIMES_MAX = 1_000
_POLICIES_MAX = 256


class ScriptStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a script: `on` entering a state, `do` something. `role` None: on either side."""

    on: str
    do: str
    role: Role | None = None
    after_s: float = 0.0
    times: int = 1
    terms: dict[str, Any] | None = None
    code: str = ""
    reason: str = ""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What our side does in the processes of one subject."""

    subject: str
    steps: tuple[ScriptStep, ...]
    modified: datetime


SCRIPTS = Kind("node_script", Script, key=lambda script: script.subject)


class Deciding:
    """The decider of a participant. Call `load` before the first decision."""

    def __init__(self, store: Store, catalogue: Catalogue, did: str, clock: Clock) -> None:
        self._store = store
        self._catalogue = catalogue
        self._did = did
        self._clock = clock
        self._scripts: dict[str, Script] = {}
        self._policies: dict[tuple[bytes, str, Cut], CompiledPolicy] = {}

    async def load(self) -> None:
        """Read the scripts."""
        found = await self._store.read(lambda tx: tx.find(SCRIPTS, limit=_SCRIPTS_MAX))
        self._scripts = {script.subject: script for script in found}

    async def decide(self, step: Step) -> Decide:
        """Follow the script of the process; else answer an offer by approval or policy.

        Whatever else may be asked takes its usual course.
        """
        scripted = self._scripted(step) if self._scripts else None
        if scripted is not None:
            return scripted
        process = step.process
        if not isinstance(process, ContractNegotiation) or step.published is None:
            return Decide.follow()
        dataset = await self._catalogue.get(process.dataset_id)
        if dataset.approval == "operator":
            return Decide.wait()
        return self._by_policy(step, process, dataset)

    # -- policy ----------------------------------------------------------------------------------

    def _by_policy(self, step: Step, process: ContractNegotiation, dataset: Dataset) -> Decide:
        """Agree to an unaltered offer that is active or will be; else refuse, saying why."""
        if step.altered:
            return Decide.refuse(
                "terms_altered",
                "The terms are not those that were offered. Accept them as they are.",
            )
        agreement = {
            **(step.published or {}),
            "@type": "Agreement",
            "target": dataset.id,
            "assigner": self._did,
            "assignee": process.counterparty,
        }
        policy = self._compiled(agreement, dataset)
        decision = policy.decide(
            Usage(
                action="read",
                target=dataset.id,
                assignee=process.counterparty,
                purpose=declared_purpose(agreement),
                now=self._clock.now(),
                count=1,
            )
        )
        if decision.permitted or decision.expires_at is not None:
            return Decide.agree()
        reasons = "; ".join(reason.message for reason in decision.reasons)
        return Decide.refuse(decision.code, reasons or "The offer permits nothing any more.")

    def _compiled(self, agreement: dict[str, Any], dataset: Dataset) -> CompiledPolicy:
        """Compile an agreement to be, unless the same counterparty had the same one of late."""
        selection = dataset.selection.cut()
        key = (msgspec.json.encode(agreement), dataset.id, selection)
        policy = self._policies.get(key)
        if policy is None:
            if len(self._policies) >= _POLICIES_MAX:
                self._policies.clear()
            policy = compile_policy(agreement, target=dataset.id, selection=selection)
            self._policies[key] = policy
        return policy

    # -- scripts ---------------------------------------------------------------------------------

    def _scripted(self, step: Step) -> Decide | None:
        """Give what the script of a process says about a state that it enters for the n-th time."""
        process = step.process
        if isinstance(process, ContractNegotiation):
            script = self._scripts.get(process.offer_id) or self._scripts.get(process.dataset_id)
        else:
            script = self._scripts.get(process.agreement_id)
        if script is None:
            return None
        state = ERROR if step.error is not None else process.state.value
        count = process.entered.get(state, 1)
        for line in script.steps:
            if line.on != state or line.role not in (None, process.role):
                continue
            if count <= line.times:
                return Decide(
                    kind=line.do,  # type: ignore[arg-type] # checked when it was put
                    code=line.code,
                    reason=line.reason,
                    terms=line.terms,
                    after_s=line.after_s,
                )
            count -= line.times
        return None

    async def put_script(self, subject: str, steps: list[dict[str, Any]]) -> Script:
        """Keep the script of a subject, in place of the one before.

        HansaError invalid_field names the step and the member; too_many_requests never: at most
        1,000 scripts of 50 steps are kept (invalid_field).
        """
        if not 0 < len(subject) <= _SUBJECT_CHARACTERS_MAX:
            raise _invalid("subject", f"It has 1 to {_SUBJECT_CHARACTERS_MAX} characters.")
        if len(steps) > _STEPS_MAX:
            raise _invalid("steps", f"A script has at most {_STEPS_MAX} steps.")
        if subject not in self._scripts and len(self._scripts) >= _SCRIPTS_MAX:
            raise _invalid("subject", f"There are {_SCRIPTS_MAX} scripts. Delete one first.")
        read = tuple(_step(index, step) for index, step in enumerate(steps))
        script = Script(subject=subject, steps=read, modified=self._clock.now())
        await self._store.write(lambda tx: tx.put(SCRIPTS, script))
        self._scripts[subject] = script
        return script

    async def script(self, subject: str) -> Script:
        """Give the script of a subject; HansaError not_found."""
        found = self._scripts.get(subject)
        if found is None:
            raise HansaError(Code.not_found, "There is no such script.", "Check the subject.")
        return found

    async def delete_script(self, subject: str) -> None:
        """Forget the script of a subject; HansaError not_found."""
        await self.script(subject)
        await self._store.write(lambda tx: tx.delete(SCRIPTS, subject))
        self._scripts.pop(subject, None)

    async def scripts(self) -> list[Script]:
        """List all scripts, by subject."""
        return [self._scripts[subject] for subject in sorted(self._scripts)]


def _step(index: int, given: dict[str, Any]) -> ScriptStep:
    try:
        step = msgspec.convert(given, ScriptStep)
    except msgspec.ValidationError as error:
        raise _invalid(f"steps[{index}]", f"{error}.") from error
    if step.on not in _STATES:
        raise _invalid(f"steps[{index}].on", f"It is one of: {', '.join(sorted(_STATES))}.")
    if step.do not in DECISIONS:
        raise _invalid(f"steps[{index}].do", f"It is one of: {', '.join(DECISIONS)}.")
    if not 0 <= step.after_s <= _AFTER_S_MAX:
        raise _invalid(f"steps[{index}].after_s", f"It is 0 to {_AFTER_S_MAX:.0f} seconds.")
    if not 1 <= step.times <= _TIMES_MAX:
        raise _invalid(f"steps[{index}].times", f"It is 1 to {_TIMES_MAX}.")
    return step


def _invalid(field: str, detail: str) -> HansaError:
    return HansaError(Code.invalid_field, "The script cannot be kept.", detail, field=field)
