"""Secrets at rest: AES-256-GCM under a key derived from the node's secret."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hansa.kernel.errors import Code, HansaError

SECRET_BYTES_MIN = 32
_NONCE_BYTES = 12


class Sealer:
    """Encrypt and authenticate small secrets; each purpose has a key of its own.

    `secret` is the node's secret (at least 32 bytes). The key of a purpose is HKDF-SHA256 of it, so
    that what was sealed for one purpose can't be opened for another.
    """

    def __init__(self, secret: bytes, purpose: str) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise HansaError(
                Code.settings_invalid,
                "The node's secret is too short.",
                f"It must have at least {SECRET_BYTES_MIN} bytes: make a new one.",
                field="secret",
            )
        info = f"hansa/{purpose}/1".encode()
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Give nonce, ciphertext and tag; `context` is authenticated, not hidden."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Give what was sealed; HansaError settings_invalid when secret or context differ."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, context)
        except (InvalidTag, ValueError) as error:
            raise HansaError(
                Code.settings_invalid,
                "A stored secret can't be opened with this node's secret.",
                "Give the secret that the state was written with; a changed state is refused.",
                field="secret",
            ) from error
