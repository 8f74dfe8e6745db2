"""Moving data under an agreement: grants and enforcement, received access, usage."""

from hansa.dataplane.access import AccessStore
from hansa.dataplane.consumer import Consumer, StreamedAnswer
from hansa.dataplane.enforcement import Enforcement
from hansa.dataplane.model import (
    ENDPOINT_TYPE,
    Access,
    DataAddress,
    FetchedAnswer,
    GoverningAgreement,
    Grant,
    GrantState,
    TransferUsage,
)
from hansa.dataplane.ports import AgreementSource, Client, Sealer, Standing
from hansa.dataplane.service import Grants
from hansa.dataplane.usage import UsageLedger

__all__ = [
    "ENDPOINT_TYPE",
    "Access",
    "AccessStore",
    "AgreementSource",
    "Client",
    "Consumer",
    "DataAddress",
    "Enforcement",
    "FetchedAnswer",
    "GoverningAgreement",
    "Grant",
    "GrantState",
    "Grants",
    "Sealer",
    "Standing",
    "StreamedAnswer",
    "TransferUsage",
    "UsageLedger",
]
