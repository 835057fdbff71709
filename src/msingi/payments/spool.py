"""A body that arrives slowly and is large: kept aside, sealed under a key of the moment, until all of it is there.

So a transaction is not held open as long as somebody's line takes to send a file, memory holds little of it, and what
touches the disk (in a file without a name, gone with this program) can be read by nobody.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

IN_MEMORY = 4 * 1024 * 1024
PIECE = 64 * 1024
_TAG = 16


@asynccontextmanager
async def spooled(arriving: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """All that arrives, to be read once, in pieces, after the last of it came."""
    key = AESGCM(AESGCM.generate_key(256))
    with SpooledTemporaryFile(max_size=IN_MEMORY) as aside:
        count, rest = 0, bytearray()
        async for piece in arriving:
            rest += piece
            while len(rest) >= PIECE:
                aside.write(key.encrypt(count.to_bytes(12), bytes(rest[:PIECE]), None))
                del rest[:PIECE]
                count += 1
        aside.write(key.encrypt(count.to_bytes(12), bytes(rest), None))
        aside.seek(0)
        yield _opened(aside, key)


async def _opened(aside: IO[bytes], key: AESGCM) -> AsyncIterator[bytes]:
    count = 0
    while sealed := aside.read(PIECE + _TAG):
        yield key.decrypt(count.to_bytes(12), sealed, None)
        count += 1
