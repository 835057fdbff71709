"""Messages to a peer: signed by this exchange, believed only when the peer signed the answer for them (law 5)."""

from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from msingi.exchange import mutual, signature
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.federation import wire
from msingi.exchange.federation.errors import PeerFailed
from msingi.exchange.federation.model import Peer, Returned
from msingi.exchange.governance import public_key
from msingi.exchange.signature import Message
from msingi.kernel import clock
from msingi.kernel.stack import Stack

TIMEOUT_S = 30.0
CALLBACK_S = 10.0
MOST_ANSWER_BYTES = 32 * 1024 * 1024
_CLIENT = "exchange.outbound"


def session(stack: Stack) -> httpx.AsyncClient:
    """The stack's HTTP client for its peers: connections are kept, no redirect is followed, no proxy is guessed."""
    known, verify = stack.local.get(_CLIENT), mutual.outward(stack)
    if not isinstance(known, httpx.AsyncClient) or known.is_closed:
        known = httpx.AsyncClient(verify=verify, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        stack.local[_CLIENT] = known
    return known


async def close(stack: Stack) -> None:
    """Close the connections to peers."""
    known = stack.local.pop(_CLIENT, None)
    if isinstance(known, httpx.AsyncClient):
        await known.aclose()


async def fetched(stack: Stack, url: str) -> bytes:
    """A public document of a peer. Raises PeerFailed."""
    try:
        answer = await session(stack).get(url)
    except httpx.HTTPError as lost:
        raise PeerFailed(f"it cannot be reached ({type(lost).__name__})") from None
    if answer.status_code != 200 or len(answer.content) > MOST_ANSWER_BYTES:
        raise PeerFailed(f"it answers {answer.status_code}")
    return answer.content


def prepared(
    stack: Stack, url: str, method: str, path: str, query: str, body: bytes, fields: Mapping[str, str]
) -> Message:
    """A request to `url`, signed by this exchange; `fields` name at least X-Road-Client and X-Road-Id."""
    where = urlsplit(url)
    authority = where.netloc.lower().removesuffix(":443" if where.scheme == "https" else ":80")
    named = {name: value for name, value in fields.items() if value}
    named |= {"host": where.netloc.lower(), "content-digest": signature.content_digest(body)}
    message = Message(method, authority, path, query, named)
    signer = stack.keys.signer("exchange")
    named |= signature.sign(message, signer.sign, signer.kid, int(clock.now().timestamp()))
    return message


async def told(stack: Stack, url: str, client: str, message_id: UUID, body: bytes) -> bool:
    """Whether a subscriber's callback took an event, which this exchange signs like any message of its own."""
    where = urlsplit(url)
    fields = {
        "x-road-client": f"{stack.profile.alpha2}/{client}",
        "x-road-id": str(message_id),
        "content-type": "application/cloudevents+json",
    }
    message = prepared(stack, url, "POST", where.path or "/", where.query, body, fields)
    headers = {name: value for name, value in message.fields.items() if name != "host"}
    try:
        answer = await session(stack).post(url, content=body, headers=headers, timeout=CALLBACK_S)
    except (httpx.HTTPError, ValueError):
        return False
    return 200 <= answer.status_code < 300


async def send(stack: Stack, peer: Peer, message: Message, body: bytes) -> Returned:
    """Send a prepared request, and believe the answer only if `peer` signed it for exactly this request.

    Raises PeerFailed.
    """
    where = urlsplit(peer.url)
    address = f"{where.scheme}://{where.netloc}{message.path}" + (f"?{message.query}" if message.query else "")
    headers = {name: value for name, value in message.fields.items() if name != "host"}
    try:
        answer = await session(stack).request(message.method, address, content=body or None, headers=headers)
    except httpx.HTTPError as lost:
        raise PeerFailed(f"it cannot be reached ({type(lost).__name__})", peer=peer.peer) from None
    if len(answer.content) > MOST_ANSWER_BYTES:
        raise PeerFailed("its answer is too large", peer=peer.peer)
    fields = signature.combine(answer.headers.multi_items())
    told = Message(status=answer.status_code, fields=fields, request=message)
    known = {key.kid: public_key(key.x) for key in peer.keys}
    try:
        signature.verify(told, answer.content, known.get, int(clock.now().timestamp()))
    except SignatureRefused as no:
        raise PeerFailed(f"its answer was not signed by it: {no.detail}", peer=peer.peer) from None
    if fields.get("x-road-id", "").lower() != message.fields["x-road-id"].lower():
        raise PeerFailed("its answer is to another message", peer=peer.peer)
    return Returned(answer.status_code, answer.content, fields, wire.proof(told))
