"""NGSI-LD 1.9.1 on the wire: entities in and out."""

from hansa.broker.wire_ngsi_ld_1_9.entity import (
    entity_id,
    read_attributes,
    read_entity,
    read_evolution,
)
from hansa.broker.wire_ngsi_ld_1_9.names import Names
from hansa.broker.wire_ngsi_ld_1_9.view import NORMALIZED, SIMPLIFIED, View

__all__ = [
    "NORMALIZED",
    "SIMPLIFIED",
    "Names",
    "View",
    "entity_id",
    "read_attributes",
    "read_entity",
    "read_evolution",
]
