"""The kernel's own tables, and the order in which rooms' migrations are applied.

`record` holds documents under a row number with a unique key beside it: bodies of a few kilobytes
inside a keyed B-tree would leave four rows to a page. `indexed` keeps the pairs that stand in
`record_index`, so that a change touches only the pairs that changed. `action.ready` is the later of
`due` and the end of a lease: one index answers both "what can be worked" and "when next".
Instants are microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store.ports import Migration

VERSIONS = "CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version INT NOT NULL)"
"""One row per room: the version that its tables have."""

_SQLITE = (
    """CREATE TABLE record (
        id INTEGER PRIMARY KEY,
        participant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
        version INTEGER NOT NULL, indexed BLOB NOT NULL, body BLOB NOT NULL,
        UNIQUE (participant, kind, key)
    ) STRICT""",
    """CREATE TABLE record_index (
        participant TEXT NOT NULL, kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,
        key TEXT NOT NULL, record INTEGER NOT NULL,
        PRIMARY KEY (participant, kind, field, value, key)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE remembered (
        participant TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, expires INTEGER NOT NULL,
        PRIMARY KEY (participant, scope, key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX remembered_expires ON remembered (participant, expires)",
    """CREATE TABLE action (
        participant TEXT NOT NULL, id TEXT NOT NULL,
        machine TEXT NOT NULL, process TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
        due INTEGER NOT NULL, ready INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, error TEXT, dead INTEGER NOT NULL DEFAULT 0,
        lease_owner TEXT, lease_until INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (participant, id)
    ) STRICT""",
    "CREATE INDEX action_ready ON action (ready) WHERE dead = 0",
    "CREATE INDEX action_process ON action (participant, machine, process, id) WHERE dead = 0",
    "CREATE INDEX action_owner ON action (lease_owner) WHERE lease_owner IS NOT NULL",
)
_POSTGRES = (
    """CREATE TABLE record (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        participant TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C" NOT NULL,
        version BIGINT NOT NULL, indexed BYTEA NOT NULL, body BYTEA NOT NULL,
        UNIQUE (participant, kind, key)
    )""",
    """CREATE TABLE record_index (
        participant TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL,
        field TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C" NOT NULL, record BIGINT NOT NULL,
        PRIMARY KEY (participant, kind, field, value, key)
    )""",
    """CREATE TABLE remembered (
        participant TEXT COLLATE "C" NOT NULL, scope TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C" NOT NULL, expires BIGINT NOT NULL,
        PRIMARY KEY (participant, scope, key)
    )""",
    "CREATE INDEX remembered_expires ON remembered (participant, expires)",
    """CREATE TABLE action (
        participant TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL,
        machine TEXT COLLATE "C" NOT NULL, process TEXT COLLATE "C" NOT NULL, name TEXT NOT NULL,
        body BYTEA NOT NULL, due BIGINT NOT NULL, ready BIGINT NOT NULL,
        attempts INT NOT NULL DEFAULT 0, error TEXT, dead INT NOT NULL DEFAULT 0,
        lease_owner TEXT, lease_until BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (participant, id)
    )""",
    "CREATE INDEX action_ready ON action (ready) WHERE dead = 0",
    "CREATE INDEX action_process ON action (participant, machine, process, id) WHERE dead = 0",
    "CREATE INDEX action_owner ON action (lease_owner) WHERE lease_owner IS NOT NULL",
)

KERNEL = (Migration("kernel", 1, sqlite=_SQLITE, postgres=_POSTGRES),)
"""The migrations of the store itself; applied before those of any room."""


def steps(present: Mapping[str, int], migrations: Sequence[Migration]) -> list[Migration]:
    """Give the migrations still to apply, the kernel's first, then room by room by version.

    HansaError state_version when a room's tables are newer than this program knows: it was
    written by a later Hansa, and to guess at it could lose data.
    """
    ordered = [*KERNEL, *sorted(migrations, key=lambda step: (step.room, step.version))]
    missing: list[Migration] = []
    for room, group in groupby(ordered, key=lambda step: step.room):
        of_room = list(group)
        numbers = [step.version for step in of_room]
        assert numbers == list(range(1, len(numbers) + 1)), f"gap in migrations of {room!r}"
        version = present.get(room, 0)
        if version > numbers[-1]:
            raise HansaError(
                Code.state_version,
                "The state was written by a newer Hansa.",
                f"Its {room} tables have version {version}; this program knows {numbers[-1]}.",
                room=room,
                found=version,
                known=numbers[-1],
                next="Install the newer Hansa again: pip install --upgrade hansa",
            )
        missing.extend(of_room[version:])
    return missing
