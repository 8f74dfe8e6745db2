"""Notifications of NGSI-LD 1.9.1 (5.3.1), written and read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from hansa.kernel import Code, HansaError, iso
from hansa.kernel.jsonld import CORE_CONTEXT_URL

LINK = (
    f'<{CORE_CONTEXT_URL}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
)
"""The Link header under which names in a notification are read (6.3.6)."""
MEDIA_TYPE = "application/json"
ENTITIES_MAX = 1_000
_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """Of a rendered entity: its id, and its type as it stands in JSON."""

    id: str
    type: msgspec.Raw


class Notification(msgspec.Struct, frozen=True):
    """A notification that was received: entities as they are now, and ids of those gone."""

    id: str
    entities: list[dict[str, Any]]
    gone: list[str]


class _Wire(msgspec.Struct):
    id: str
    type: str
    data: list[dict[str, Any]]


head_of = msgspec.json.Decoder(Head).decode
"""Read the head of a rendered entity."""
_read = msgspec.json.Decoder(_Wire).decode


def write_gone(identifier: str, kind: bytes, at: datetime) -> bytes:
    """Write an entity that does not exist any more for the reader (4.8 `deletedAt`, 5.8.6).

    Nothing else is told: not whether it was deleted or only left what the reader may see.
    """
    return b'{"id":%b,"type":%b,"deletedAt":%b}' % (_encode(identifier), kind, _encode(iso(at)))


def write_notification(
    identifier: str, subscription: str, at: datetime, items: Sequence[bytes]
) -> bytes:
    """Write a notification about rendered entities."""
    return b'{"id":%b,"type":"Notification","subscriptionId":%b,"notifiedAt":%b,"data":[%b]}' % (
        _encode(identifier),
        _encode(subscription),
        _encode(iso(at)),
        b",".join(items),
    )


def write_message(notification: bytes) -> bytes:
    """Write the payload of an MQTT message: what would be headers, and the notification (7.2)."""
    metadata = {"Content-Type": MEDIA_TYPE, "Link": LINK}
    return b'{"metadata":%b,"body":%b}' % (_encode(metadata), notification)


def read_notification(body: bytes) -> Notification:
    """Read a notification; HansaError invalid_json, invalid_field or too_complex."""
    try:
        found = _read(body)
    except msgspec.ValidationError as error:
        raise HansaError(
            Code.invalid_field, "This is no NGSI-LD notification.", str(error), permanent=True
        ) from error
    except msgspec.DecodeError as error:
        raise HansaError(
            Code.invalid_json, "The notification is not valid JSON.", permanent=True
        ) from error
    if found.type != "Notification" or not found.id:
        raise HansaError(
            Code.invalid_field, "`type` must be Notification, and an `id` be there.", field="type"
        )
    if len(found.data) > ENTITIES_MAX:
        raise HansaError(
            Code.too_complex,
            "The notification has too many entities.",
            f"At most {ENTITIES_MAX} are taken at once.",
            limit=ENTITIES_MAX,
        )
    gone = [str(entity.get("id", "")) for entity in found.data if "deletedAt" in entity]
    entities = [entity for entity in found.data if "deletedAt" not in entity]
    return Notification(found.id, entities, gone)
