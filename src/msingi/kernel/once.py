"""Claim before act: one key, one intention, one receipt, however often the request arrives."""

import hashlib
from typing import Any

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.errors import Conflict, DifferentContent

Q = sql.load(__name__)


def content_hash(content: Any) -> bytes:
    """SHA-256 over the content in a form that does not depend on the order of its members."""
    raw = content if isinstance(content, bytes) else msgspec.json.encode(content, order="sorted")
    return hashlib.sha256(raw).digest()


async def claim(tx: Tx, room: str, key: str, content: Any) -> bytes | None:
    """Claim `key` for `content`: None for the first, the first receipt for a repetition.

    A second claim waits until the first transaction has ended, so that two never act at once.
    Raises DifferentContent if the key came with other content, Conflict if its act left no receipt.
    """
    full, mine = f"{room}:{key}", content_hash(content)
    if await tx.value(Q.claim, full, mine) is not None:
        return None
    first = await tx.row(Q.claimed, full)
    if first is None or first["receipt"] is None:
        raise Conflict("An act with this key is under way or left no receipt.", key=key)
    if first["content_hash"] != mine:
        raise DifferentContent(key=key)
    tx.repeated = True  # nothing is done again, so this transaction owes no leaf
    return bytes(first["receipt"])


async def settle(tx: Tx, room: str, key: str, receipt: bytes) -> None:
    """Keep `receipt` for all who repeat `key`."""
    await tx.do(Q.settle, f"{room}:{key}", receipt)
