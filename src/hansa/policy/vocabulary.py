"""The words of ODRL and of the Hansa profile: names, actions, operators, left operands.

Names are compared as full IRIs (`ex:count` is not `odrl:count`). Short names are read only where
the wire defines them: DSP 2025-1 writes plain ODRL terms, EDC writes `inForceDate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

ODRL = "http://www.w3.org/ns/odrl/2/"
XSD = "http://www.w3.org/2001/XMLSchema#"
EDC = "https://w3id.org/edc/v0.0.1/ns/"
GEOSPARQL = "http://www.opengis.net/ont/geosparql#"
PROFILE_IRI = "https://w3id.org/hansa/odrl/1"
HANSA = PROFILE_IRI + "#"

PREFIXES: Mapping[str, str] = {
    "odrl": ODRL,
    "xsd": XSD,
    "edc": EDC,
    "geo": GEOSPARQL,
    "hansa": HANSA,
}
"""Prefixes that may be used undeclared; a policy's own context cannot bend them."""

KNOWN_CONTEXTS = frozenset(
    {
        "https://w3id.org/dspace/2025/1/context.jsonld",
        "https://w3id.org/dspace/2025/1/odrl-profile.jsonld",
        "http://www.w3.org/ns/odrl.jsonld",
        "https://www.w3.org/ns/odrl.jsonld",
        "https://w3id.org/edc/dspace/v0.0.1",
        "https://w3id.org/edc/connector/management/v0.0.1",
    }
)
KNOWN_PROFILES = frozenset(
    {PROFILE_IRI, HANSA, ODRL + "core", ODRL, "https://w3id.org/dspace/2025/1/odrl-profile.jsonld"}
)

LOGICAL = ("and", "or", "xone", "andSequence")
OPERATORS = (
    *("eq", "neq", "lt", "lteq", "gt", "gteq"),
    *("isA", "hasPart", "isPartOf", "isAnyOf", "isAllOf", "isNoneOf"),
)
OPERATOR_ALIASES: Mapping[str, str] = {"term-lteq": "lteq"}

_USE = """
acceptTracking aggregate annotate anonymize archive attribute compensate concurrentUse delete
derive digitize distribute ensureExclusivity execute grantUse include index inform install modify
move nextPolicy obtainConsent play present print read reproduce reviewPolicy stream synchronize
textToSpeech transform translate uninstall watermark
""".split()

INCLUDED_IN: Mapping[str, str | None] = {
    "use": None,
    "transfer": None,
    **dict.fromkeys(_USE, "use"),
    "give": "transfer",
    "sell": "transfer",
    "display": "play",
    "extract": "reproduce",
}
"""Action to the action that includes it (ODRL 2.2 Vocabulary 3.14); the roots have none."""

ACTION_ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("write", "writeTo", "append", "appendTo"), "modify"),
    "copy": "reproduce",
    "pay": "compensate",
    "export": "transform",
    "license": "grantUse",
}

PREVENTABLE_ACTIONS = frozenset({"use", "read"})
"""What a prohibition may name: only these acts pass our own door, so only these can be stopped."""

LEFT_OPERANDS = frozenset(
    """
absolutePosition absoluteSize absoluteSpatialPosition absoluteTemporalPosition count dateTime
delayPeriod deliveryChannel elapsedTime event fileFormat industry language media meteredTime
payAmount percentage product purpose recipient relativePosition relativeSize
relativeSpatialPosition relativeTemporalPosition resolution spatial spatialCoordinates
systemDevice timeInterval unitOfCount version virtualLocation
""".split()
)
"""Left operands of ODRL 2.2; a plain one of these is read as the ODRL term."""


def requests_of(action: str) -> frozenset[str]:
    """Give the actions that a rule for `action` is about: itself and what it includes."""
    return frozenset(name for name in INCLUDED_IN if action in _chain(name))


def overlapping(action: str) -> frozenset[str]:
    """Give the actions whose class overlaps that of `action`: included in it or including it."""
    return requests_of(action) | frozenset(_chain(action))


def _chain(action: str) -> tuple[str, ...]:
    chain = [action]
    while (wider := INCLUDED_IN[chain[-1]]) is not None:
        chain.append(wider)
    return tuple(chain)


class ValueKind(StrEnum):
    """What a right operand must be."""

    instant = "instant"
    words = "words"
    dids = "dids"
    membership = "membership"
    names = "names"
    area = "area"
    duration = "duration"
    number = "number"


class Operand(msgspec.Struct, frozen=True, kw_only=True):
    """A left operand that Hansa enforces; `scoping` ones cut data and never decide activation."""

    iri: str
    name: str
    label: str
    value: ValueKind
    operators: tuple[str, ...]
    scoping: bool = False
    definition: str = ""


_ORDERED = ("lt", "lteq", "gt", "gteq")
_CLOCK = (*_ORDERED, "eq", "neq")

_TABLE = (
    Operand(
        iri=ODRL + "dateTime",
        name="odrl:dateTime",
        label="Date and time of use",
        value=ValueKind.instant,
        operators=_CLOCK,
        definition="The clock at the moment of use.",
    ),
    Operand(
        iri=EDC + "inForceDate",
        name="edc:inForceDate",
        label="Contract in force",
        value=ValueKind.instant,
        operators=_CLOCK,
        definition="EDC's name for the clock; read with instants only, never written.",
    ),
    Operand(
        iri=ODRL + "count",
        name="odrl:count",
        label="Number of uses",
        value=ValueKind.number,
        operators=("lteq", "lt"),
        definition="How many times the data have been used under the agreement, this use "
        "included. Only in permissions.",
    ),
    Operand(
        iri=ODRL + "purpose",
        name="odrl:purpose",
        label="Purpose",
        value=ValueKind.words,
        operators=("eq", "neq", "isAnyOf", "isNoneOf"),
        definition="The purpose that the consumer declares.",
    ),
    Operand(
        iri=ODRL + "recipient",
        name="odrl:recipient",
        label="Recipient",
        value=ValueKind.dids,
        operators=("eq", "isAnyOf"),
        definition="The participant (a DID) that receives the data.",
    ),
    Operand(
        iri=HANSA + "membership",
        name="hansa:membership",
        label="Membership",
        value=ValueKind.membership,
        operators=("eq",),
        definition="The state of the consumer's membership in the data space: `active`.",
    ),
    Operand(
        iri=HANSA + "role",
        name="hansa:role",
        label="Role",
        value=ValueKind.words,
        operators=("isAnyOf",),
        definition="A role that the authority gave the consumer.",
    ),
    Operand(
        iri=HANSA + "observationTime",
        name="hansa:observationTime",
        label="Observation time",
        value=ValueKind.instant,
        operators=(*_ORDERED, "eq"),
        scoping=True,
        definition="When a value was observed (NGSI-LD `observedAt`). A value without an "
        "observation time is a static description and is let through.",
    ),
    Operand(
        iri=HANSA + "area",
        name="hansa:area",
        label="Area",
        value=ValueKind.area,
        operators=("isPartOf",),
        scoping=True,
        definition="The place of an entity (NGSI-LD `location`), which must be covered by the "
        "polygon, boundary included.",
    ),
    Operand(
        iri=HANSA + "attribute",
        name="hansa:attribute",
        label="Attribute",
        value=ValueKind.names,
        operators=("eq", "isAnyOf"),
        scoping=True,
        definition="The name of an attribute, short or as an IRI.",
    ),
    Operand(
        iri=HANSA + "entityType",
        name="hansa:entityType",
        label="Entity type",
        value=ValueKind.names,
        operators=("eq", "isAnyOf"),
        scoping=True,
        definition="The type of an entity, short or as an IRI.",
    ),
    Operand(
        iri=HANSA + "dataAge",
        name="hansa:dataAge",
        label="Age of the data",
        value=ValueKind.duration,
        operators=_ORDERED,
        scoping=True,
        definition="The time between the observation of a value and its use. A value without an "
        "observation time has no age and is let through.",
    ),
)

OPERANDS: Mapping[str, Operand] = {operand.iri: operand for operand in _TABLE}
"""Every left operand that Hansa enforces, by IRI. All others are refused."""

DATE_TIME = ODRL + "dateTime"
IN_FORCE_DATE = EDC + "inForceDate"
COUNT = ODRL + "count"
PURPOSE = ODRL + "purpose"
RECIPIENT = ODRL + "recipient"
MEMBERSHIP = HANSA + "membership"
ROLE = HANSA + "role"
OBSERVATION_TIME = HANSA + "observationTime"
AREA = HANSA + "area"
ATTRIBUTE = HANSA + "attribute"
ENTITY_TYPE = HANSA + "entityType"
DATA_AGE = HANSA + "dataAge"


def expand_term(text: str, prefixes: Mapping[str, str]) -> str | None:
    """Give the IRI of a CURIE or IRI; None for a plain word, which only its place can resolve."""
    head, colon, tail = text.partition(":")
    if not colon:
        return None
    if not tail.startswith("//") and head in prefixes:
        return prefixes[head] + tail
    return text


def odrl_name(text: str, prefixes: Mapping[str, str] = PREFIXES) -> str:
    """Give the plain ODRL name of a term; a term of another vocabulary comes back as its IRI."""
    iri = expand_term(text, prefixes)
    if iri is None:
        return text
    return iri.removeprefix(ODRL)
