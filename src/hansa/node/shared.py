"""What all participants of a node share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hansa.broker import Dialect
from hansa.identity import DidResolver, Identity
from hansa.kernel import Clock, Ids
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.outbound import OutboundClient
from hansa.kernel.settings import Settings
from hansa.kernel.store import Store
from hansa.node.adapters import Gate


@dataclass(frozen=True)
class Shared:
    """The node's own; `folder` is the node's, `store_of` gives a store by its name."""

    settings: Settings
    folder: Path
    secret: bytes
    clock: Clock
    ids: Ids
    client: OutboundClient
    resolver: DidResolver
    contexts: ContextRegistry
    dialect: Dialect
    store_of: Callable[[str], Store]
    gate: Callable[[Identity], Gate] = Gate
