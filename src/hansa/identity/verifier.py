"""Judge credentials and presentations: signature, issuer, subject, time."""

from __future__ import annotations

from hansa.identity import wire_dcp_1_0, wire_did_1_0, wire_vcdm_2_0
from hansa.identity.model import MEMBERSHIP_CREDENTIAL, Credential, Membership
from hansa.identity.ports import TrustedIssuers
from hansa.identity.signatures import Repeated, Signatures
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.crypto import jose


class Verifier:
    """Verify what others show.

    The rules run in full each time; only the reading and the arithmetic of a signature are
    remembered.
    """

    def __init__(self, signatures: Signatures, issuers: TrustedIssuers, clock: Clock) -> None:
        self._signatures = signatures
        self._issuers = issuers
        self._clock = clock

    async def credential(self, jwt: str, *, subject: str) -> Credential:
        """Give a credential about `subject` from an issuer that is trusted for its type.

        The issuer is judged before its DID is resolved. Status is not looked at. HansaError
        token_malformed, issuer_untrusted, token_signature, membership_missing, membership_expired.
        """
        token = self._signatures.read(jwt)
        _check_typ(token, wire_vcdm_2_0.CREDENTIAL_TYP)
        found = token.said(wire_vcdm_2_0.read_credential)
        types = found.types - {"VerifiableCredential"}
        if not types or not all(self._issuers.trusts(found.issuer, each) for each in types):
            raise HansaError(
                Code.issuer_untrusted,
                "The issuer of the credential is not trusted here.",
                f"{found.issuer} is not the authority of this data space.",
                issuer=found.issuer,
            )
        await self._signatures.check_repeated(token, found.issuer, wire_did_1_0.ASSERTION)
        if found.subject != subject:
            raise HansaError(
                Code.membership_missing,
                "The credential is about someone else.",
                "Show a credential whose subject is your own DID.",
                reason="subject_mismatch",
            )
        self._check_validity(found)
        return found

    def _check_validity(self, found: Credential) -> None:
        now_s = self._clock.now().timestamp()
        early = now_s < found.valid_from.timestamp() - wire_dcp_1_0.LEEWAY_S
        if early or now_s >= found.valid_until.timestamp():
            raise HansaError(
                Code.membership_expired,
                "The credential is not valid yet." if early else "The credential has expired.",
                "Ask the authority for a new one.",
                reason="not_yet_valid" if early else "expired",
            )

    async def membership(
        self, presentation: str | None, *, holder: str, audience: str
    ) -> tuple[Credential, Membership]:
        """Give the membership that a presentation proves.

        Each credential is judged on its own; those of issuers that are not trusted count for
        nothing and are not resolved. HansaError: the reason of the first one when none counts.
        """
        if presentation is None:
            raise _no_membership("The token carries no presentation.")
        refusal: HansaError | None = None
        for jwt in await self._presented(presentation, holder, audience):
            try:
                found = await self.credential(jwt, subject=holder)
            except HansaError as error:
                if error.code not in (Code.issuer_untrusted, Code.membership_expired):
                    raise
                refusal = refusal or error
                continue
            if MEMBERSHIP_CREDENTIAL in found.types:
                return found, membership_of(found)
        raise refusal or _no_membership("The presentation holds no membership credential.")

    async def _presented(self, jwt: str, holder: str, audience: str) -> tuple[str, ...]:
        token = self._signatures.read(jwt)
        _check_typ(token, wire_vcdm_2_0.PRESENTATION_TYP)
        shown = token.said(wire_vcdm_2_0.read_presentation)
        if shown.holder != holder:
            raise HansaError(
                Code.membership_missing,
                "The presentation belongs to someone else.",
                "Its `holder` must be the sender of the token.",
                reason="holder_mismatch",
            )
        if shown.audience not in (None, audience):
            raise HansaError(
                Code.token_audience,
                "The presentation was made for someone else.",
                f"Its `aud` must be {audience}.",
                field="aud",
            )
        if shown.expires is not None:
            wire_dcp_1_0.check_time(
                self._clock.now().timestamp(),
                not_before_s=0,
                expires_s=shown.expires.timestamp(),
            )
        await self._signatures.check_repeated(token, holder, wire_did_1_0.AUTHENTICATION)
        return shown.credentials


def membership_of(credential: Credential) -> Membership:
    """Give the membership that a credential states; HansaError when it has no status entry."""
    if credential.status is None:
        raise _no_membership("The credential has no suspension status, so it can't be checked.")
    return Membership(
        authority=credential.issuer,
        credential_id=credential.id,
        status_list=credential.status.status_list,
        status_index=credential.status.index,
        valid_until=credential.valid_until,
    )


def _check_typ(read: Repeated, expected: str) -> None:
    if read.token.typ != expected:
        raise jose.malformed(f"Its `typ` must be {expected}.", "typ", "typ")


def _no_membership(detail: str) -> HansaError:
    return HansaError(
        Code.membership_missing,
        "A membership credential is needed.",
        detail,
        next="Join the data space: hansa join URL",
    )
