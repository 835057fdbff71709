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
    hashes = {hashlib.sha256(once.what.encode()).digest(): once for once in onces}
    until = [datetime.fromtimestamp(once.until, UTC) for once in hashes.values()]
    new = await store.first_time(tx, list(hashes), until)
    for kind in (once.what.partition("|")[0] for seen, once in hashes.items() if seen not in new):
        if kind == "assertion":
            raise InvalidClient(rule="jti was used before")
        if kind == "dpop":
            raise InvalidProof(rule="jti was used before")
        raise FlowLost(rule="a request is used once")
