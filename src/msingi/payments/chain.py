"""The batch chain: what a journal row is as bytes, and how rows become a root and roots become a chain.

A row's canonical form, big-endian, in this order and with nothing between:

| bytes | field |
|---|---|
| 1 | version, 3 |
| 2 | shard |
| 8 | seq |
| 16 | id |
| 1 | kind |
| 16 | pending_id, or zeros |
| 8 each | debit, credit, amount, debit_after, credit_after (two's complement) |
| 1 | status |
| 2 | reason |
| 32 | body_hash |
| 8 | at, microseconds since 1970-01-01 UTC |
| 4 | timeout in seconds |
| 1 | 1 if the row is linked to the next one, else 0 |
| 8 each | debit_before, credit_before: the seq of the row before in either account, or 0 |
| 2 + n each | currency, code, permit: length, then UTF-8 |

A batch's root is the Merkle tree hash (RFC 6962, section 2.1) over the canonical forms of all its rows, rejections
included. The transparency log holds the root; the chain's head is SHA-256 over the layout of `head`.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from struct import Struct as Layout
from typing import Any

from msingi.kernel.log.leaf import tree_hash

COLUMNS = (
    "shard",
    "seq",
    "id",
    "kind",
    "pending_id",
    "debit",
    "credit",
    "amount",
    "debit_after",
    "credit_after",
    "currency",
    "code",
    "status",
    "reason",
    "body_hash",
    "at",
    "permit",
    "timeout_s",
    "linked",
    "debit_before",
    "credit_before",
)
GENESIS = bytes(32)
FIXED = Layout(">BHQ16sB16sqqqqqBH32sqi?qq")
_HEAD = Layout(">HQI")
_NO_ID = bytes(16)


def encode(row: Sequence[Any], at_us: int) -> bytes:
    """The canonical bytes of a journal row, given in the order of COLUMNS; `at_us` is its instant."""
    # fmt: off
    (
        shard, seq, id_, kind, pending, debit, credit, amount, debit_after, credit_after,
        currency, code, status, reason, body, _, permit, timeout_s, linked,
        debit_before, credit_before,
    ) = row
    fixed = FIXED.pack(
        3, shard, seq, id_.bytes, kind, pending.bytes if pending is not None else _NO_ID,
        debit, credit, amount, debit_after, credit_after, status, reason, body, at_us,
        timeout_s, linked, debit_before, credit_before,
    )
    # fmt: on
    return fixed + _words(currency, code, permit)


@lru_cache(maxsize=50_000)
def _words(*texts: str) -> bytes:
    parts = [text.encode() for text in texts]
    return b"".join(len(part).to_bytes(2) + part for part in parts)


def root(rows: Sequence[bytes]) -> bytes:
    """The RFC 6962 tree hash over at least one canonical row: 32 bytes."""
    return tree_hash(rows)


def head(prev: bytes, shard: int, first_seq: int, n: int, batch_root: bytes) -> bytes:
    """The head of the chain after a batch: SHA-256(prev | shard (2) | first_seq (8) | n (4) | root)."""
    return sha256(prev + _HEAD.pack(shard, first_seq, n) + batch_root).digest()
