"""A batch of the ledger: what the book has decided together, and what is written together."""

from typing import Any
from uuid import UUID

from msgspec import Struct, field

from msingi.kernel.errors import Refusal
from msingi.payments.model import Hold, Outcome
from msingi.payments.packing import packed

Ending = Outcome | Refusal  # DifferentContent from the writer; what the gate stops ends with its own reason


class Batch(Struct):
    """A decided batch: journal rows and what must be written with them.

    `rows` are in the order of chain.COLUMNS, with the instant in microseconds; `leaves`, `copies` and `ids` are the
    same rows as `packing.packed` gives them.

    `endings` answers the orders in their order; `state` holds the changed accounts as columns (id, posted, reserved,
    spent, day, last seq), sorted by id; `remarks` are rows of payments.remittance. `held` are the holds that begin with
    this batch, `released` the ids of those that end with it.
    """

    first_seq: int
    at_us: int
    prev: bytes = b""
    next_seq: int = 0
    root: bytes = b""
    head: bytes = b""
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    copies: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    dirty: set[int] = field(default_factory=set)
    state: tuple[list[int], ...] = ([], [], [], [], [], [])
    remarks: list[tuple[int, int, str, str, str]] = field(default_factory=list)
    held: dict[UUID, Hold] = field(default_factory=dict)
    released: set[UUID] = field(default_factory=set)
    posted: int = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Take a row, in all its forms."""
        leaf, copied, listed = packed(*row)
        self.rows.append(row)
        self.leaves.append(leaf)
        self.copies.append(copied)
        self.ids.append(listed)

    def cut(self, rows: int, remarks: int, posted: int) -> int:
        """Take rows and remarks away again, back to these counts; how many rows went."""
        cut = len(self.rows) - rows
        for column in (self.rows, self.leaves, self.copies, self.ids):
            del column[rows:]
        del self.remarks[remarks:], self.endings[len(self.endings) - cut :]
        self.posted = posted
        return cut
