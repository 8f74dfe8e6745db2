"""The broker's schema, step by step, for both adapters."""

from __future__ import annotations

from hansa.broker import store_sqlite
from hansa.kernel.store import Migration

MIGRATIONS = (Migration("broker", 1, sqlite=store_sqlite.SCHEMA, postgres=()),)
