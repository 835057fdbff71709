"""What may arrive only once: assertions, proofs, requests. Their hashes are kept until they could not arrive anyway."""

import hashlib
from datetime import UTC, datetime

from msingi.kernel.db import Tx
from msingi.signin import store
from msingi.signin.errors import FlowLost, InvalidClient, InvalidProof
from msingi.signin.provider.model import Once


async def claim_once(tx: Tx, onces: tuple[Once, ...]) -> None:
    """Refuse what arrived before (RFC 7523, section 3, point 7; RFC 9449, section 11.1; RFC 9126, section 7.3)."""
    if not onces:
        return
    hashes = {_hashed(once): once for once in onces}
    known = await store.seen_before(tx, list(hashes), [_until(once) for once in hashes.values()])
    for kind in (once.what.partition("|")[0] for seen, once in hashes.items() if seen in known):
        if kind == "assertion":
            raise InvalidClient(rule="jti was used before")
        if kind == "dpop":
            raise InvalidProof(rule="jti was used before")
        raise FlowLost(rule="a request is used once")


def claim_last(tx: Tx, once: Once) -> None:
    """Refuse what arrived before as Overtaken, when the transaction ends: it costs no round trip of its own."""
    store.claim_last(tx, _hashed(once), _until(once))


def until_of(once: Once) -> tuple[bytes, datetime]:
    """How such a thing stands in the table: its hash, and until when it is kept."""
    return _hashed(once), _until(once)


def _hashed(once: Once) -> bytes:
    return hashlib.sha256(once.what.encode()).digest()


def _until(once: Once) -> datetime:
    return datetime.fromtimestamp(once.until, UTC)
