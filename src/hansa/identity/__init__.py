"""Keys, DIDs, credentials, the wallet, and the one function from request headers to caller."""

from hansa.identity import wire_vcdm_2_0 as vcdm
from hansa.identity.did_web import base_url_of, did_of
from hansa.identity.http import routes
from hansa.identity.model import (
    AUTHORITY_ROLE,
    MEMBERSHIP_CREDENTIAL,
    Caller,
    Credential,
    DidDocument,
    Membership,
    Service,
    StoredCredential,
)
from hansa.identity.operators import Operators, check_origin
from hansa.identity.ports import LocalDocuments, StatusChecker, TrustedIssuers
from hansa.identity.resolver import DidResolver
from hansa.identity.service import Identity
from hansa.identity.signatures import Signatures
from hansa.identity.verifier import Verifier
from hansa.identity.wallet import Wallet, membership_in
from hansa.identity.wire_did_1_0 import write as document_json

__all__ = [
    "AUTHORITY_ROLE",
    "MEMBERSHIP_CREDENTIAL",
    "Caller",
    "Credential",
    "DidDocument",
    "DidResolver",
    "Identity",
    "LocalDocuments",
    "Membership",
    "Operators",
    "Service",
    "Signatures",
    "StatusChecker",
    "StoredCredential",
    "TrustedIssuers",
    "Verifier",
    "Wallet",
    "base_url_of",
    "check_origin",
    "did_of",
    "document_json",
    "membership_in",
    "routes",
    "vcdm",
]
