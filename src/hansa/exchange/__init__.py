"""Contract negotiation and transfer process of the Dataspace Protocol 2025-1, both roles."""

from hansa.exchange.http import routes
from hansa.exchange.kinds import AGREEMENTS, MESSAGES, NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    Agreement,
    AgreementState,
    Change,
    ContractNegotiation,
    DataAddress,
    Decide,
    ExchangeLimits,
    LogEntry,
    NegotiationRequest,
    NegotiationState,
    Pending,
    Role,
    TransferProcess,
    TransferState,
)
from hansa.exchange.policies import same_terms
from hansa.exchange.ports import (
    DataPlane,
    Identity,
    Negotiator,
    OfferedDataset,
    Offers,
    Parties,
    Ports,
)
from hansa.exchange.service import PULL_FORMATS, Exchange, register
from hansa.exchange.state import NEGOTIATION, TRANSFER, Message, states_markdown

__all__ = [
    "AGREEMENTS",
    "Agreement",
    "AgreementState",
    "Change",
    "ContractNegotiation",
    "DataAddress",
    "DataPlane",
    "Decide",
    "Exchange",
    "ExchangeLimits",
    "Identity",
    "LogEntry",
    "MESSAGES",
    "Message",
    "NEGOTIATION",
    "NEGOTIATIONS",
    "NegotiationRequest",
    "NegotiationState",
    "Negotiator",
    "OfferedDataset",
    "Offers",
    "PULL_FORMATS",
    "Parties",
    "Pending",
    "Ports",
    "Role",
    "TRANSFER",
    "TRANSFERS",
    "TransferProcess",
    "TransferState",
    "register",
    "routes",
    "same_terms",
    "states_markdown",
]
