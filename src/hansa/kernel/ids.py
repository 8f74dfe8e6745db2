"""Identifiers and secrets, injected: tests give their own."""

from __future__ import annotations

import os
import secrets
import time
import uuid
from typing import Protocol


class Ids(Protocol):
    """What makes identifiers and secrets."""

    def new(self) -> str:
        """Give an identifier that sorts by the time it was made (26 to 36 characters)."""
        ...

    def uuid(self) -> str:
        """Give a random UUID without prefix."""
        ...

    def token(self, size_bytes: int = 32) -> str:
        """Give an unguessable URL-safe secret of `size_bytes` random bytes."""
        ...


class SystemIds:
    """Identifiers from the machine's clock and its source of randomness."""

    def __init__(self) -> None:
        self._last_ms = 0
        self._sequence = 0

    def new(self) -> str:
        """Give a UUID of version 7 (RFC 9562 5.7): sorts by creation, also within a millisecond."""
        now_ms = time.time_ns() // 1_000_000
        if now_ms <= self._last_ms:
            self._sequence += 1
            if self._sequence > 0xFFF:
                self._last_ms += 1
                self._sequence = 0
        else:
            self._last_ms, self._sequence = now_ms, 0
        value = self._last_ms << 80 | 0x7 << 76 | self._sequence << 64
        value |= 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def uuid(self) -> str:
        """Give a random UUID (version 4)."""
        return str(uuid.uuid4())

    def token(self, size_bytes: int = 32) -> str:
        """Give an unguessable URL-safe secret."""
        return secrets.token_urlsafe(size_bytes)


class CountingIds:
    """Identifiers for tests: 000001, 000002, ..."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        """Give the next number, zero-padded so that it sorts."""
        self._count += 1
        return f"{self._count:06d}"

    def uuid(self) -> str:
        """Give a UUID made of the next number."""
        return f"00000000-0000-4000-8000-{int(self.new()):012d}"

    def token(self, size_bytes: int = 32) -> str:
        """Give a readable stand-in for a secret."""
        return f"token-{self.new()}"
