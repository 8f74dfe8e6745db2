"""Errors of the broker, and their NGSI-LD face (NGSI-LD 1.9.1 5.5.2, 5.5.3, 6.3.2)."""

from __future__ import annotations

from typing import Any

from hansa.kernel import Code, HansaError

TYPE_ROOT = "https://uri.etsi.org/ngsi-ld/errors/"

_TYPES: dict[Code, str] = {
    Code.invalid_request: "InvalidRequest",
    Code.invalid_json: "InvalidRequest",
    Code.unknown_field: "InvalidRequest",
    Code.invalid_field: "BadRequestData",
    Code.already_exists: "AlreadyExists",
    Code.conflict: "Conflict",
    Code.not_found: "ResourceNotFound",
    Code.too_complex: "TooComplexQuery",
    Code.context_unavailable: "LdContextNotAvailable",
    Code.not_implemented: "OperationNotSupported",
    Code.internal: "InternalError",
}
_SHOWN = ("field", "next", "limit", "supported", "line")


def bad_data(title: str, detail: str = "", **facts: Any) -> HansaError:
    """Give a BadRequestData: the content of the request means nothing valid (5.5.2)."""
    return HansaError(Code.invalid_field, title, detail, **facts)


def invalid_request(title: str, detail: str = "", **facts: Any) -> HansaError:
    """Give an InvalidRequest: bad JSON or parameters that do not fit the operation (5.5.2)."""
    return HansaError(Code.invalid_request, title, detail, **facts)


def not_found(what: str, **facts: Any) -> HansaError:
    """Give a ResourceNotFound; a hidden entity is told apart from a missing one by nothing."""
    return HansaError(Code.not_found, f"{what} is not here.", **facts)


def not_implemented(operation: str, instead: str) -> HansaError:
    """Give a 501 that names the operation and says what to use instead."""
    return HansaError(
        Code.not_implemented,
        f"{operation} is not implemented yet.",
        instead,
        operation=operation,
    )


def problem_details(error: HansaError) -> dict[str, Any]:
    """Give the ProblemDetails object of an error (NGSI-LD 1.9.1 5.5.3, RFC 7807).

    Codes without a type in Table 6.3.2-1 keep our own stable URN.
    """
    name = _TYPES.get(error.code)
    body: dict[str, Any] = {
        "type": TYPE_ROOT + name if name else f"urn:hansa:error:{error.code.value}",
        "title": error.title,
        "status": error.status,
    }
    if not name:
        body["code"] = error.code.value
    if error.detail:
        body["detail"] = error.detail
    body.update({fact: error.facts[fact] for fact in _SHOWN if fact in error.facts})
    return body
