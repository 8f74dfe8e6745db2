"""The grants that are not ended, in memory, found by token, transfer and agreement."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from datetime import datetime

from hansa.dataplane.enforcement import LiveGrant, check_member
from hansa.dataplane.model import Grant, GrantState, Member
from hansa.dataplane.ports import Standing

_ENDED_MAX = 10_000


class LiveGrants:
    """An index over `LiveGrant`s; each change is one call with the grant's newest revision."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._by_token: dict[str, LiveGrant] = {}
        self._by_transfer: dict[str, LiveGrant] = {}
        self._by_agreement: defaultdict[str, set[str]] = defaultdict(set)
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_transfer)

    def by_token(self, hashed: str) -> LiveGrant | None:
        """Give the grant of a token's digest."""
        return self._by_token.get(hashed)

    def by_transfer(self, transfer_id: str) -> LiveGrant | None:
        """Give the grant of a transfer."""
        return self._by_transfer.get(transfer_id)

    def of_agreement(self, agreement_id: str) -> list[LiveGrant]:
        """Give those under an agreement."""
        return [self._by_transfer[key] for key in self._by_agreement.get(agreement_id, ())]

    def member(self, did: str) -> Member | None:
        """Give what a consumer showed last."""
        return self._members.get(did)

    def take_member(self, member: Member) -> None:
        """Note what a consumer shows now; it counts from the next check on."""
        self._members[member.did] = member

    def check_member(self, did: str, now: datetime, standing: Standing) -> None:
        """Raise HansaError 401 unless the consumer is a member in good standing."""
        check_member(did, self._members.get(did), now, standing)

    def take_up(self, grant: Grant) -> LiveGrant | None:
        """Put a grant's newest revision into memory and give it; an ended one leaves it (None).

        An older revision than the one held (answers of two commits crossed) changes nothing, and
        what ended lately is not taken up again. Whoever still holds the `LiveGrant`, as a running
        answer does, sees the change.
        """
        live = self._by_transfer.get(grant.transfer_id)
        if live is None:
            if grant.state is GrantState.ended or grant.transfer_id in self._ended:
                return None
            live = LiveGrant(grant, self._members)
            self._by_transfer[grant.transfer_id] = live
            self._by_agreement[grant.agreement_id].add(grant.transfer_id)
        elif live.grant.revision >= grant.revision:
            return live
        else:
            for token in live.grant.tokens:
                self._by_token.pop(token, None)
            live.grant = grant
        if grant.state is GrantState.ended:
            self._drop(grant)
            return None
        self._by_token.update((token, live) for token in grant.tokens)
        return live

    def _drop(self, grant: Grant) -> None:
        self._ended[grant.transfer_id] = None
        if len(self._ended) > _ENDED_MAX:
            self._ended.popitem(last=False)
        del self._by_transfer[grant.transfer_id]
        siblings = self._by_agreement[grant.agreement_id]
        siblings.discard(grant.transfer_id)
        if not siblings:
            del self._by_agreement[grant.agreement_id]
