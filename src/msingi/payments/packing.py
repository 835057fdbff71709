"""A decided row in three forms at once: canonical for the chain, and as PostgreSQL's binary COPY takes it.

Encoding each column by the driver would cost more than deciding the order. The chain never hashes the COPY form: a
proof must not depend on PostgreSQL's wire format. Tests hold both forms against `chain.encode` and against what the
database then says.
"""

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct as Layout
from uuid import UUID

from msingi.payments import chain

JOURNAL = (
    *("shard", "seq", "id", "kind", "debit", "credit", "amount", "debit_after", "credit_after", "status", "reason"),
    *(
        "body_hash",
        "at",
        "timeout_s",
        "linked",
        "debit_before",
        "credit_before",
        "pending_id",
        "currency",
        "code",
        "permit",
    ),
)
IDS = ("id", "shard", "seq", "at")
REMARKS = ("shard", "seq", "reference", "payer", "payee")
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_2000_US = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000-01-01
_ROW = Layout(">hihiqi16sihiqiqiqiqiqihihi32siqiii?iqiq")
_ID = Layout(">hi16sihiqiq")
_REMARK = Layout(">hihiq")
_NULL = (-1).to_bytes(4, signed=True)
_NO_ID = bytes(16)
_SIXTEEN = (16).to_bytes(4)


def packed(
    shard: int,
    seq: int,
    id_: UUID,
    kind: int,
    pending: UUID | None,
    debit: int,
    credit: int,
    amount: int,
    debit_after: int,
    credit_after: int,
    currency: str,
    code: str,
    status: int,
    reason: int,
    body: bytes,
    at_us: int,
    permit: str,
    timeout_s: int,
    linked: bool,
    debit_before: int,
    credit_before: int,
) -> tuple[bytes, bytes, bytes]:
    """A row's canonical form, its COPY form for the journal, and that of its entry in the id directory."""
    raw, since_2000, said = id_.bytes, at_us - _2000_US, permit.encode()
    words, copied_words = _words(currency, code)
    leaf = (
        chain.FIXED.pack(
            *(3, shard, seq, raw, kind, pending.bytes if pending is not None else _NO_ID, debit, credit, amount),
            *(debit_after, credit_after, status, reason, body, at_us, timeout_s, linked, debit_before, credit_before),
        )
        + words
        + len(said).to_bytes(2)
        + said
    )
    # fmt: off
    row = _ROW.pack(
        21, 2, shard, 8, seq, 16, raw, 2, kind, 8, debit, 8, credit, 8, amount, 8, debit_after, 8, credit_after,
        2, status, 2, reason, 32, body, 8, since_2000, 4, timeout_s, 1, linked,
        8, debit_before, 8, credit_before,
    ) + (_NULL if pending is None else _SIXTEEN + pending.bytes) + copied_words + len(said).to_bytes(4) + said
    # fmt: on
    return leaf, row, _ID.pack(4, 16, raw, 2, shard, 8, seq, 8, since_2000)


@lru_cache(maxsize=4_096)
def _words(currency: str, code: str) -> tuple[bytes, bytes]:
    texts = currency.encode(), code.encode()
    return (
        b"".join(len(text).to_bytes(2) + text for text in texts),
        b"".join(len(text).to_bytes(4) + text for text in texts),
    )


def remark(row: tuple[int, int, str, str, str]) -> bytes:
    """The COPY form of the words that travel with a transfer, given in the order of REMARKS."""
    shard, seq, *words = row
    texts = [word.encode() for word in words]
    return _REMARK.pack(5, 2, shard, 8, seq) + b"".join(len(text).to_bytes(4) + text for text in texts)


def stream(rows: Iterable[bytes]) -> bytes:
    """Rows as one binary COPY stream."""
    return b"".join((_HEADER, *rows, _TRAILER))
