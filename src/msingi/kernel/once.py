"""Claim before act: one key, one intention, one receipt, however often the request arrives."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.errors import Conflict, DifferentContent, Refusal

Q = sql.load(__name__)


def content_hash(content: Any) -> bytes:
    """SHA-256 over the content in a form that does not depend on the order of its members."""
    raw = content if isinstance(content, bytes) else msgspec.json.encode(content, order="sorted")
    return hashlib.sha256(raw).digest()


async def claim(tx: Tx, room: str, key: str, content: Any) -> bytes | None:
    """Claim `key` for `content`: None for the first, the first receipt for a repetition.

    A second claim waits until the first transaction has ended, so that two never act at once. As the first statement
    of a transaction it costs no round trip of its own.
    Raises DifferentContent if the key came with other content, Conflict if its act left no receipt.
    """
    full, mine = f"{room}:{key}", content_hash(content)
    if full in tx.claims:
        first, receipt = tx.claims[full], tx.receipts.get(full)
    else:
        if await tx.first(Q.claim, full, mine):
            tx.claims[full] = mine
            return None
        row = await tx.row(Q.claimed, full)
        first, receipt = (row["content_hash"], row["receipt"]) if row else (b"", None)
    found = _repetition(key, mine, first, receipt)
    tx.repeated = True  # nothing is done again, so this transaction owes no leaf and keeps nothing
    return found


def _repetition(key: str, mine: bytes, first: bytes, receipt: bytes | None) -> bytes:
    if receipt is None:
        raise Conflict("An act with this key is under way or left no receipt.", key=key)
    if first != mine:
        raise DifferentContent(key=key)
    return bytes(receipt)


async def claim_many(tx: Tx, room: str, wanted: Mapping[str, Any]) -> dict[str, bytes | Refusal | None]:
    """Claim many keys for their contents in two round trips: for each None, its first receipt, or the refusal.

    The transaction does not count as repeated: release the permits of what is not done again.
    """
    hashes = {f"{room}:{key}": content_hash(content) for key, content in wanted.items()}
    rows = await tx.rows(Q.claim_many, list(hashes), list(hashes.values()))
    fresh = {row["key"] for row in rows}
    tx.claims.update((key, hashes[key]) for key in fresh)
    known = {row["key"]: row for row in await tx.rows(Q.claimed_many, list(hashes.keys() - fresh))}
    told: dict[str, bytes | Refusal | None] = {}
    for key in wanted:
        full = f"{room}:{key}"
        row = known.get(full)
        try:
            old = (row["content_hash"], row["receipt"]) if row else (b"", None)
            told[key] = None if full in fresh else _repetition(key, hashes[full], *old)
        except Refusal as refusal:
            told[key] = refusal
    return told


async def settle(tx: Tx, room: str, key: str, receipt: bytes) -> None:
    """Keep `receipt` for all who repeat `key`; it is written with the commit."""
    tx.receipts[f"{room}:{key}"] = receipt
