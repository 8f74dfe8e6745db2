"""Keys, signatures and secrets at rest."""

from hansa.kernel.crypto import jose
from hansa.kernel.crypto.key_ring import KeyRing, KeyState, PublishedKey
from hansa.kernel.crypto.keys import PublicKey, SigningKey, b64url, b64url_bytes
from hansa.kernel.crypto.sealer import Sealer

__all__ = [
    "KeyRing",
    "KeyState",
    "PublicKey",
    "PublishedKey",
    "Sealer",
    "SigningKey",
    "b64url",
    "b64url_bytes",
    "jose",
]
