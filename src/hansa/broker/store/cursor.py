"""Where a page ended, as a token that tells its holder nothing.

Row numbers would tell how many entities lie between two visible ones, so they are encrypted with
the participant's own secret.
"""

from __future__ import annotations

import base64
import binascii
import threading

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hansa.broker.errors import invalid_request

SECRET_BYTES = 16
_MARK = b"hansa p1"


class Cursor:
    """Seal and open row numbers with one secret."""

    def __init__(self, secret: bytes) -> None:
        # One block with a fixed mark in it: nothing repeats and nothing can be put together.
        cipher = Cipher(algorithms.AES(secret), modes.ECB())  # noqa: S305
        self._lock = threading.Lock()
        self._sealing = cipher.encryptor()
        self._opening = cipher.decryptor()

    def seal(self, n: int) -> str:
        """Give the token of a row number."""
        with self._lock:
            block = self._sealing.update(n.to_bytes(8, "big") + _MARK)
        return base64.urlsafe_b64encode(block).rstrip(b"=").decode()

    def open(self, token: str) -> int:
        """Give the row number of a token; HansaError invalid_request when it is not one of ours."""
        try:
            block = base64.urlsafe_b64decode(token + "==")
        except (ValueError, binascii.Error):
            block = b""
        with self._lock:
            clear = self._opening.update(block) if len(block) == 16 else b""
        if clear[8:] != _MARK:
            raise invalid_request(
                "`after` is not a place in this list.",
                "Take the URL from the Link header of the page before.",
                field="after",
            )
        return int.from_bytes(clear[:8], "big")
