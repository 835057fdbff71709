"""The systems that the operator has set up to be answered: who they are, for whom they speak, where they listen."""

import base64
from urllib.parse import urlsplit

from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.context import Context
from msingi.kernel.stack import Stack
from msingi.payments.connect import g2p
from msingi.payments.connect.errors import NotThePeer

_KNOWN = "payments.connect.peers"


class Peer(Struct, frozen=True):
    """A system: `url` is where its callbacks go (without the action), `key` its Ed25519 public key or empty."""

    sender: str
    institution: str
    url: str
    key: bytes = b""


def configured(text: str) -> dict[str, Peer]:
    """The setting `g2p_connect_peers`. Raises ValueError for anything that is not well-formed."""
    found: dict[str, Peer] = {}
    for item in filter(None, (part.split() for part in text.split(","))):
        if len(item) not in (3, 4) or urlsplit(item[2]).scheme not in ("http", "https") or item[0] in found:
            raise ValueError(f"g2p_connect_peers: {item[0]!r} is not `sender-id institution callback-url [key]`, once")
        key = base64.b64decode(item[3], validate=True) if len(item) == 4 else b""
        if key and len(key) != 32:
            raise ValueError(f"g2p_connect_peers: the key of {item[0]!r} has not 32 bytes")
        found[item[0]] = Peer(item[0], item[1], item[2].rstrip("/"), key)
    return found


def known(stack: Stack) -> dict[str, Peer]:
    """The systems that are set up."""
    found = stack.local.get(_KNOWN)
    if not isinstance(found, dict):
        found = stack.local[_KNOWN] = configured(stack.settings.g2p_connect_peers)
    return found


def sender_of(stack: Stack, ctx: Context, envelope: g2p.Envelope, header: g2p.Header, answered: bool) -> Peer | None:
    """The system that sent a message; None for one that is not set up, which may ask what is answered at once.

    Raises NotThePeer for a sender of another institution, a missing or wrong signature, or, where an answer is to be
    sent (`answered`), a sender that is not set up.
    """
    peer = known(stack).get(header.sender_id)
    if peer is None:
        if answered:
            raise NotThePeer()
        return None
    if peer.institution != ctx.actor.institution:
        raise NotThePeer()
    if peer.key and not g2p.is_signed(envelope, peer.sender, peer.key, int(clock.now().timestamp())):
        raise NotThePeer()
    return peer
