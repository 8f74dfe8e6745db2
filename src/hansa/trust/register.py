"""The authority's own register: who is a member, and the bits of its status list."""

from __future__ import annotations

from hansa.identity import MEMBERSHIP_CREDENTIAL, Membership
from hansa.kernel import Code, HansaError
from hansa.kernel.store import Kind, ReadTx, Store
from hansa.trust import wire_bitstring_1_0 as bitstring
from hansa.trust.model import JoinRequest, Member, MemberState
from hansa.trust.ports import OnChange

MEMBER: Kind[Member] = Kind(
    "member",
    Member,
    lambda each: each.did,
    {"state": lambda each: each.state.value, "status_index": lambda each: str(each.status_index)},
)
REQUEST: Kind[JoinRequest] = Kind(
    "join-request",
    JoinRequest,
    lambda each: each.id,
    {"did": lambda each: each.did, "state": lambda each: each.state.value},
)
LIST_NAME = "1"
_PAGE = 1_000


class Register:
    """What an authority knows of itself (`StatusChecker`, `TrustedIssuers`).

    It trusts its own membership credentials and nobody else's. Bits follow the members' states.
    """

    def __init__(self, store: Store, did: str, url: str) -> None:
        self.did = did
        self.status_list = f"{url}/trust/status/{LIST_NAME}"
        self.bits = bytearray(bitstring.BITS_MIN // 8)
        self.version = 0
        self._store = store
        self._listeners: list[OnChange] = []

    async def load(self) -> None:
        """Read who is suspended."""

        def job(tx: ReadTx) -> list[int]:
            where, after, found = {"state": MemberState.suspended.value}, "", list[int]()
            while page := tx.find(MEMBER, where, after=after or None, limit=_PAGE):
                found += [member.status_index for member in page]
                after = page[-1].did
            return found

        for index in await self._store.read(job):
            bitstring.put(self.bits, index, True)
        self.version += 1

    def apply(self, member: Member) -> None:
        """Bring the member's bit in line with its state, and tell who wants to know."""
        bitstring.put(self.bits, member.status_index, member.state is not MemberState.active)
        self.version += 1
        for listener in self._listeners:
            listener()

    def on_change(self, listener: OnChange) -> None:
        """Register what is called when a member was suspended or reinstated."""
        self._listeners.append(listener)

    def trusts(self, issuer: str, credential_type: str) -> bool:
        """Say whether this is a membership credential of our own."""
        return issuer == self.did and credential_type == MEMBERSHIP_CREDENTIAL

    def is_authority(self, did: str) -> bool:
        """Say whether this is us."""
        return did == self.did

    def check(self, membership: Membership) -> None:
        """Raise HansaError membership_suspended, or status_unavailable for a list not ours."""
        fits = membership.status_list == self.status_list and membership.authority == self.did
        if not fits or membership.status_index >= len(self.bits) * 8:
            raise HansaError(
                Code.status_unavailable,
                "The status of the membership can't be checked.",
                "Its credential names a status list that is not ours.",
                reason="unknown_list",
            )
        if bitstring.is_set(self.bits, membership.status_index):
            raise suspended()


def suspended() -> HansaError:
    """Give the error for a suspended member."""
    return HansaError(
        Code.membership_suspended,
        "The membership is suspended.",
        "The authority of the data space can say why and reinstate it.",
    )
