"""What the register of processing reads of the database about itself: walls and size; no row about anybody."""

from msingi.kernel import sql
from msingi.kernel.db import Tx

Q = sql.load(__name__)


async def unwalled(tx: Tx) -> int:
    """How many tables that name a person stand without row-level security."""
    return await tx.value(Q.unwalled)


async def size_bytes(tx: Tx) -> int:
    """The size of the database."""
    return await tx.value(Q.size_bytes)


async def destructions(tx: Tx) -> int:
    """How many certificates of destruction there are."""
    return await tx.value(Q.destructions)
