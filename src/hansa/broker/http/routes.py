"""Which operation stands under which path and method (NGSI-LD 1.9.1 Table 6.2-1)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from hansa.broker.errors import bad_data, not_found, not_implemented
from hansa.kernel import Code, HansaError


class Call(NamedTuple):
    """One operation and the ids in its path."""

    operation: str
    names: tuple[str, ...]


_USE_UPSERT = "Use POST /entityOperations/upsert."
_USE_LIST = "Ask again with GET /entities when something may have changed."
_HERE_ONLY = "Only local entities are kept: use /entities."
_USE_TEMPORAL = "History is written with each change: use POST /entityOperations/upsert."

# path with `*` for an id -> method -> operation; a text with a blank is a 501: "name|instead".
_TABLE: dict[tuple[str, ...], dict[str, str]] = {
    ("entities",): {
        "GET": "query",
        "POST": "create",
        "DELETE": "Purge Entities (5.6.21)|Delete by id: POST /entityOperations/delete.",
        "PUT": "missing id",
        "PATCH": "missing id",
    },
    ("entities", "*"): {
        "GET": "retrieve",
        "DELETE": "delete",
        "PUT": f"Replace Entity (5.6.18)|{_USE_UPSERT}",
        "PATCH": "Merge Entity (5.6.17)|Use PATCH /entities/{id}/attrs.",
    },
    ("entities", "*", "attrs"): {"POST": "append", "PATCH": "update"},
    ("entities", "*", "attrs", "*"): {
        "PATCH": "Partial Attribute Update (5.6.4)|Use PATCH /entities/{id}/attrs.",
        "PUT": "Replace Attribute (5.6.19)|Use PATCH /entities/{id}/attrs.",
        "DELETE": f"Delete Attribute (5.6.5)|{_USE_UPSERT}",
    },
    ("entityOperations", "create"): {"POST": "create_batch"},
    ("entityOperations", "upsert"): {"POST": "upsert_batch"},
    ("entityOperations", "delete"): {"POST": "delete_batch"},
    ("entityOperations", "update"): {"POST": f"Batch Entity Update (5.6.9)|{_USE_UPSERT}"},
    ("entityOperations", "merge"): {"POST": f"Batch Entity Merge (5.6.20)|{_USE_UPSERT}"},
    ("entityOperations", "query"): {"POST": "Query by POST (5.7.2)|Use GET /entities."},
    ("temporal", "entities"): {
        "GET": "query_temporal",
        "POST": f"Create Temporal Evolution (5.6.11)|{_USE_TEMPORAL}",
    },
    ("temporal", "entities", "*"): {
        "GET": "retrieve_temporal",
        "DELETE": "Delete Temporal Evolution (5.6.16)|There is no other operation for this yet.",
    },
    ("temporal", "entities", "*", "attrs"): {
        "POST": f"Add Attributes to a Temporal Evolution (5.6.12)|{_USE_TEMPORAL}"
    },
    ("temporal", "entities", "*", "attrs", "*"): {
        "DELETE": "Delete Attribute from a Temporal Evolution (5.6.13)|There is no other yet."
    },
    ("temporal", "entities", "*", "attrs", "*", "*"): {
        "PATCH": f"Modify an Attribute instance (5.6.14)|{_USE_TEMPORAL}",
        "DELETE": "Delete an Attribute instance (5.6.15)|There is no other operation yet.",
    },
    ("temporal", "entityOperations", "query"): {
        "POST": "Temporal Query by POST (5.7.4)|Use GET /temporal/entities."
    },
    ("types",): {"GET": "types"},
    ("types", "*"): {"GET": "type"},
    ("attributes",): {"GET": "attributes"},
    ("attributes", "*"): {"GET": "attribute"},
    ("info", "sourceIdentity"): {"GET": f"Source Identity (5.15.1)|{_HERE_ONLY}"},
}


def _later(first: str, name: str, instead: str, methods: str, *more: tuple[str, ...]) -> None:
    for path in ((first,), (first, "*"), *more):
        _TABLE[path] = dict.fromkeys(methods.split(), f"{name}|{instead}")


_ALL = "GET POST PATCH PUT DELETE"
_later("subscriptions", "Subscriptions (5.8)", _USE_LIST, _ALL)
_later("csourceRegistrations", "Context Source Registrations (5.9)", _HERE_ONLY, _ALL)
_later("csourceSubscriptions", "Context Source Subscriptions (5.11)", _HERE_ONLY, _ALL)
_later("jsonldContexts", "Hosted @contexts (5.13)", "Pin contexts in the settings.", _ALL)
_later("entityMaps", "EntityMaps (5.14)", _HERE_ONLY, _ALL, ("temporal", "entityMaps"))
_later(
    "snapshots", "Snapshots (5.16)", "Query the live entities.", _ALL, ("snapshots", "*", "clone")
)


def route(method: str, path: str) -> Call:
    """Find the operation of a path below the API's root; a trailing slash makes no difference.

    HansaError not_found for an unknown path, method_not_allowed with Allow, not_implemented with
    what to use instead.
    """
    parts = path.strip("/").split("/")
    names: tuple[str, ...] = ()
    methods = _TABLE.get(tuple(parts))
    if methods is None and len(parts) <= 6:
        for stars in _STARS:
            if len(stars) == len(parts) and all(
                s in ("*", part) for s, part in zip(stars, parts, strict=True)
            ):
                names = tuple(
                    unquote(part) for s, part in zip(stars, parts, strict=True) if s == "*"
                )
                methods = _TABLE[stars]
                break
    if methods is None:
        raise not_found(f"The resource /{path.strip('/')[:100]}")
    operation = methods.get(method)
    if operation is None:
        raise HansaError(
            Code.method_not_allowed,
            f"{method[:10]} is not allowed here.",
            f"Allowed: {', '.join(methods)}.",
            allow=", ".join(methods),
        )
    if operation == "missing id":
        raise bad_data("The id of the entity is missing in the path.", field="id")
    if "|" in operation:
        raise not_implemented(*operation.split("|"))
    return Call(operation, names)


_STARS = tuple(path for path in _TABLE if "*" in path)
