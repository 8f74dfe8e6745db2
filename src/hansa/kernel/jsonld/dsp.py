"""The two roads through a Dataspace Protocol message's JSON-LD.

Fast road: the message names the protocol's context as a string in a list and uses plain terms; it
is read as it stands. Full road: anything else is expanded with the JSON-LD algorithm (PyLD, loaded
when first needed) and compacted to the same plain terms. Both end in the same dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hansa.kernel.errors import Code, HansaError

DSP_CONTEXT_URL = "https://w3id.org/dspace/2025/1/context.jsonld"
ODRL_PROFILE_URL = "https://w3id.org/dspace/2025/1/odrl-profile.jsonld"
DSPACE = "https://w3id.org/dspace/2025/1/"
ODRL = "http://www.w3.org/ns/odrl/2/"
DCAT = "http://www.w3.org/ns/dcat#"
DCT = "http://purl.org/dc/terms/"

_RELATIVE = "https://relative.invalid/"
DEPTH_MAX = 32
MEMBERS_MAX = 20_000
CONTEXTS_MAX = 8

_MESSAGES = """
CatalogRequestMessage CatalogError DatasetRequestMessage ContractRequestMessage
ContractOfferMessage ContractAgreementMessage ContractAgreementVerificationMessage
ContractNegotiationEventMessage ContractNegotiationTerminationMessage ContractNegotiation
ContractNegotiationError TransferRequestMessage TransferStartMessage TransferCompletionMessage
TransferTerminationMessage TransferSuspensionMessage TransferError TransferProcess DataAddress
EndpointProperty ACCEPTED FINALIZED REQUESTED STARTED COMPLETED SUSPENDED TERMINATED OFFERED
AGREED VERIFIED
""".split()
_IDS = ("providerPid", "consumerPid", "agreementId", "offer", "agreement", "participantId")
_WORDS = ("state", "eventType", "endpointType")
_LITERALS = ("callbackAddress", "code", "timestamp", "dataAddress", "endpoint", "name", "value")
_SETS = ("filter", "reason", "endpointProperties")
_ODRL_NAMES = """
Policy Rule Agreement Offer Set Asset Permission Prohibition Duty Constraint use eq gt gteq lt
lteq neq isA hasPart isPartOf isAllOf isAnyOf isNoneOf or xone and andSequence rightOperand
""".split()
_ODRL_IDS = ("profile", "target", "assignee", "assigner")
_ODRL_SETS = ("permission", "prohibition", "obligation", "duty", "constraint", "hasPolicy")
_ODRL_WORDS = ("action", "operator", "leftOperand")


def dsp_context() -> dict[str, Any]:
    """Give a context with the protocol's terms, flat: what DSP 2025-1 messages expand to."""
    terms: dict[str, Any] = {
        "dspace": DSPACE,
        "odrl": ODRL,
        "dcat": DCAT,
        "dct": DCT,
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }
    terms.update({name: DSPACE + name for name in (*_MESSAGES, *_LITERALS)})
    terms.update({name: {"@id": DSPACE + name, "@type": "@id"} for name in _IDS})
    terms.update({name: {"@id": DSPACE + name, "@type": "@vocab"} for name in _WORDS})
    terms.update({name: {"@id": DSPACE + name, "@container": "@set"} for name in _SETS})
    terms.update({name: ODRL + name for name in _ODRL_NAMES})
    terms.update({name: {"@id": ODRL + name, "@type": "@id"} for name in _ODRL_IDS})
    terms.update(
        {name: {"@id": ODRL + name, "@type": "@id", "@container": "@set"} for name in _ODRL_SETS}
    )
    terms.update({name: {"@id": ODRL + name, "@type": "@vocab"} for name in _ODRL_WORDS})
    for name in ("Catalog", "Dataset", "Distribution", "DataService"):
        terms[name] = DCAT + name
    for name in ("service", "catalog", "dataset", "distribution"):
        terms[name] = {"@id": DCAT + name, "@container": "@set"}
    for name in ("endpointURL", "endpointDescription", "accessService", "servesDataset"):
        terms[name] = DCAT + name
    terms["format"] = {"@id": DCT + "format", "@type": "@vocab"}
    return terms


def is_plain(document: Mapping[str, Any]) -> bool:
    """Say whether the fast road applies: the context by URL in a list, plain types."""
    context = document.get("@context")
    kind = document.get("@type")
    return (
        isinstance(context, list)
        and DSP_CONTEXT_URL in context
        and all(isinstance(item, str) for item in context)
        and isinstance(kind, str)
        and ":" not in kind
    )


def check_full_road(document: Mapping[str, Any]) -> None:
    """Refuse what the JSON-LD algorithm would work on for too long: HansaError too_complex.

    It recurses, and processes every context again for each node that carries one: 2 MB of such
    nodes take half a minute. Protocol messages have one context and a handful of levels.
    """
    level: list[Any] = [document]
    members = contexts = 0
    for _ in range(DEPTH_MAX):
        members += sum(len(node) for node in level)
        contexts += sum("@context" in node for node in level if isinstance(node, Mapping))
        if members > MEMBERS_MAX or contexts > CONTEXTS_MAX:
            break
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, Mapping) else node)
            if isinstance(item, Mapping | list)
        ]
        if not level:
            return
    raise HansaError(
        Code.too_complex,
        "The message is too complex to be expanded as JSON-LD.",
        f"Write it in the protocol's compact form with `@context`: [{DSP_CONTEXT_URL!r}], or with"
        f" at most {DEPTH_MAX} levels, {MEMBERS_MAX} members and {CONTEXTS_MAX} contexts.",
        field="@context",
        status=400,
    )


def to_dsp_compact(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the message in the protocol's plain terms, by whichever road.

    HansaError invalid_request when the document is no JSON-LD that can be read offline,
    too_complex as `check_full_road`. The full road is slow: take it in a thread.
    """
    if is_plain(document):
        return dict(document)
    check_full_road(document)
    from pyld import jsonld

    flat = {"@context": dsp_context()}

    def load(url: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if url not in (DSP_CONTEXT_URL, ODRL_PROFILE_URL):
            raise HansaError(
                Code.context_unavailable,
                f"The context {url} is not known here.",
                f"Use {DSP_CONTEXT_URL}.",
                field="@context",
                status=400,
            )
        return {"contextUrl": None, "documentUrl": url, "document": flat}

    options = {"documentLoader": load, "base": _RELATIVE}
    try:
        expanded = jsonld.expand(dict(document), options)
        if not expanded:
            raise HansaError(
                Code.invalid_request,
                "The message has no JSON-LD context, so its members mean nothing.",
                f"Add `@context`: [{DSP_CONTEXT_URL!r}].",
                field="@context",
            )
        compacted: dict[str, Any] = jsonld.compact(expanded, flat, options)
    except jsonld.JsonLdError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, HansaError):
            cause = getattr(cause, "cause", None) or cause.__cause__
        if isinstance(cause, HansaError):
            raise cause from None
        raise HansaError(
            Code.invalid_request, "The message is not valid JSON-LD.", field="@context"
        ) from error
    plain: dict[str, Any] = _without_base(compacted)
    plain["@context"] = [DSP_CONTEXT_URL]
    return plain


def _without_base(value: Any) -> Any:
    """Give back relative names as they were written: the fast road never resolves them."""
    if isinstance(value, str):
        return value.removeprefix(_RELATIVE)
    if isinstance(value, list):
        return [_without_base(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_base(item) for name, item in value.items()}
    return value
