"""Contract negotiation and transfer process of the Dataspace Protocol 2025-1, both roles."""

from hansa.exchange.http import routes
from hansa.exchange.kinds import AGREEMENTS, MESSAGES, NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    DECISIONS,
    Agreement,
    AgreementState,
    Change,
    ContractNegotiation,
    DataAddress,
    Decide,
    ExchangeLimits,
    LogEntry,
    NegotiationState,
    Pending,
    Role,
    Sending,
    Step,
    TransferProcess,
    TransferState,
)
from hansa.exchange.policies import same_terms
from hansa.exchange.ports import (
    DataPlane,
    Decider,
    Identity,
    OfferedDataset,
    Offers,
    Opened,
    Parties,
    Ports,
)
from hansa.exchange.service import Exchange, register
from hansa.exchange.state import NEGOTIATION, TRANSFER, Message, states_markdown

__all__ = [
    "AGREEMENTS",
    "Agreement",
    "AgreementState",
    "Change",
    "ContractNegotiation",
    "DataAddress",
    "DataPlane",
    "DECISIONS",
    "Decide",
    "Decider",
    "Exchange",
    "ExchangeLimits",
    "Identity",
    "LogEntry",
    "MESSAGES",
    "Message",
    "NEGOTIATION",
    "NEGOTIATIONS",
    "NegotiationState",
    "OfferedDataset",
    "Offers",
    "Opened",
    "Parties",
    "Pending",
    "Ports",
    "Role",
    "Sending",
    "Step",
    "TRANSFER",
    "TRANSFERS",
    "TransferProcess",
    "TransferState",
    "register",
    "routes",
    "same_terms",
    "states_markdown",
]
