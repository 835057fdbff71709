"""Time stamps of a trusted authority (RFC 3161) over signed heads: proof to a court that they existed by then.

A head is stamped every `timestamp_s` seconds while the log grows. An authority that is slow, wrong or away stops
nothing: the log goes on, the failure is in the operator's log, and what was missed is stamped later. What is stamped
is the SHA-256 of the head's note without its signatures, so that anybody who has the head can check the token.
"""

import asyncio
import hashlib
import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import rfc3161_client as tsp
from cryptography.x509 import Certificate, load_pem_x509_certificates

from msingi.kernel.log import note, store

if TYPE_CHECKING:
    import httpx

    from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.log")
TIMEOUT_S = 10.0
MAX_PAUSE_S = 900.0
BACK_FILL = 10
MAX_TOKEN = 64_000
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


class TokenRefused(Exception):
    """A token does not prove that this head existed: another head, another authority, or a broken signature."""


def roots(file: str) -> list[Certificate]:
    """The certificates of an authority: self-signed ones are its roots. Raises ValueError."""
    try:
        found = load_pem_x509_certificates(Path(file).read_bytes())
    except (OSError, ValueError) as why:
        raise ValueError(f"MSINGI_TIMESTAMP_ROOT: {file}: {why}") from None
    if not any(one.issuer == one.subject for one in found):
        raise ValueError(f"MSINGI_TIMESTAMP_ROOT: {file} holds no root certificate")
    return found


def verify(token: bytes, head: str, trusted: list[Certificate], nonce: int | None = None) -> datetime:
    """When the authority says that it saw this head (a signed note). Raises TokenRefused.

    Checks status, signature, certificate chain and its purpose, the imprint, and the nonce where one was sent.
    """
    text = note.parse_note(head).text
    builder = tsp.VerifierBuilder(nonce=nonce)
    for one in trusted:
        if one.issuer == one.subject:
            builder = builder.add_root_certificate(one)
        else:
            builder = builder.add_intermediate_certificate(one)
    try:
        answer = tsp.decode_timestamp_response(token)
        builder.build().verify(answer, hashlib.sha256(text.encode()).digest())
        return answer.tst_info.gen_time
    except (tsp.VerificationError, ValueError, TypeError) as why:
        raise TokenRefused(str(why)) from None


async def stamp(client: "httpx.AsyncClient", url: str, head: str, trusted: list[Certificate]) -> tuple[bytes, datetime]:
    """Ask the authority for a token over a head, and check it. Raises TokenRefused, httpx.HTTPError."""
    text = note.parse_note(head).text
    asked = tsp.TimestampRequestBuilder().data(text.encode()).hash_algorithm(tsp.HashAlgorithm.SHA256).build()
    answer = await client.post(url, content=asked.as_bytes(), headers={"Content-Type": QUERY, "Accept": REPLY})
    if answer.status_code != 200 or len(answer.content) > MAX_TOKEN:
        raise TokenRefused(f"the authority answered {answer.status_code} with {len(answer.content)} bytes")
    return answer.content, await asyncio.to_thread(verify, answer.content, head, trusted, asked.nonce)


async def stamp_due(stack: "Stack", client: "httpx.AsyncClient", trusted: list[Certificate]) -> int:
    """Stamp the newest head, and some that were missed; the number of stamps. Raises as `stamp`."""
    async with stack.db.plumbing() as conn:
        heads = await store.heads_to_stamp(conn, BACK_FILL)
    for size, head in heads:
        token, at = await stamp(client, stack.settings.timestamp_url, head, trusted)
        async with stack.db.plumbing() as conn:
            await store.keep_timestamp(conn, size, token, at)
    return len(heads)


async def run(stack: "Stack") -> None:
    """Stamp for ever; without an authority, end at once. One that fails is asked less and less often."""
    if not stack.settings.timestamp_url:
        return
    import httpx  # only a stack with an authority opens connections to the outside

    trusted = roots(stack.settings.timestamp_root)
    pause = float(stack.settings.timestamp_s)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client:
        while True:
            try:
                await stamp_due(stack, client, trusted)
                pause = float(stack.settings.timestamp_s)
            except (httpx.HTTPError, TokenRefused) as why:
                logger.warning("the time-stamping authority gives no good stamp: %s", type(why).__name__)
                pause = min(pause * 2, max(MAX_PAUSE_S, stack.settings.timestamp_s))
            except Exception:
                logger.exception("time stamping failed, and begins again")
            await asyncio.sleep(pause)
