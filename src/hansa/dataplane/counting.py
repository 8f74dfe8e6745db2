"""Number the uses of agreements that limit them, without a commit per use.

Numbers are taken from a block that was written down as used before the first of it is given out. A
crash loses the rest of the block and never gives a number twice; a stop in good order gives the
rest back. Blocks shrink towards the limit, so that little can be lost of what is left.
"""

from __future__ import annotations

import asyncio

import msgspec

from hansa.kernel.store import Kind, Store, Tx

BLOCK_MAX = 100
"""Most uses of one block: what a crash can lose."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many uses of an agreement were given out, or are in a block that was begun."""

    agreement_id: str
    used: int


COUNTED: Kind[Counted] = Kind(
    name="dataplane_counted", type=Counted, key=lambda counted: counted.agreement_id
)


class _Block:
    """The numbers after `used` up to `end` are ours to give out."""

    __slots__ = ("end", "lock", "used")

    def __init__(self, used: int) -> None:
        self.used = used
        self.end = used
        self.lock = asyncio.Lock()


def block_size(left: int) -> int:
    """Give how many uses to reserve at once when so many are left."""
    return min(BLOCK_MAX, left // 10 + 1, left)


class Counts:
    """The counted uses of one participant's agreements."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blocks: dict[str, _Block] = {}

    async def used(self, agreement_id: str) -> int:
        """Give how many uses were made; after a crash, the rest of its block with them."""
        return (await self._block(agreement_id)).used

    async def take(self, agreement_id: str, limit: int) -> int:
        """Count one use and give its number, from 1; `limit` + 1 when that many were made.

        Durable before it returns; costs I/O only when a block is begun. HansaError unavailable
        when the block can't be written: then nothing was counted.
        """
        block = await self._block(agreement_id)
        while block.used < limit:
            if block.used < block.end:
                block.used += 1
                return block.used
            async with block.lock:
                if block.used == block.end:
                    await self._reserve(agreement_id, block, limit)
        return limit + 1

    async def give_back(self) -> None:
        """Write down what was used in fact. Called with the stop of the node."""
        for agreement_id, block in list(self._blocks.items()):
            async with block.lock:
                rest, block.end = block.end, block.used
                if rest > block.used:
                    await self._correct(agreement_id, rest, block.used)

    async def _block(self, agreement_id: str) -> _Block:
        block = self._blocks.get(agreement_id)
        if block is None:
            kept = await self._store.read(lambda tx: tx.get(COUNTED, agreement_id))
            made = _Block(0 if kept is None else kept.used)
            block = self._blocks.setdefault(agreement_id, made)
        return block

    async def _reserve(self, agreement_id: str, block: _Block, limit: int) -> None:
        def job(tx: Tx) -> tuple[int, int]:
            kept = tx.get(COUNTED, agreement_id)
            begin = 0 if kept is None else kept.used
            end = begin + block_size(max(0, limit - begin))
            if end > begin:
                tx.put(COUNTED, Counted(agreement_id=agreement_id, used=end))
            return begin, end

        block.used, block.end = await self._store.write(job)

    async def _correct(self, agreement_id: str, reserved: int, used: int) -> None:
        def job(tx: Tx) -> None:
            kept = tx.get(COUNTED, agreement_id)
            if kept is not None and kept.used == reserved:
                tx.put(COUNTED, Counted(agreement_id=agreement_id, used=used))

        await self._store.write(job)
