"""Doors of federation: this installation's anchor and directory, its peers, and what the authority decides of them."""

from typing import Any

from litestar import Request, Response, Router, get, post
from msgspec import Struct

from msingi.exchange.federation import acts
from msingi.exchange.federation import model as m
from msingi.kernel import web
from msingi.kernel.context import Context

AnyRequest = Request[Any, Any, Any]


class PeerShown(Struct, frozen=True):
    """A peer as everybody may see it; `fingerprint` is the thumbprint of the key it signs with now."""

    peer: str
    instance: str
    name: dict[str, str]
    url: str
    fingerprint: str
    rooms: tuple[str, ...]
    standing: m.PeerStanding
    version: int
    expires: str
    members: int


class Because(Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is stopped; it stands in the log."""

    because: str


def shown(peer: m.Peer) -> PeerShown:
    """A peer without its directory."""
    return PeerShown(
        peer.peer, peer.instance, peer.name, peer.url, peer.keys[0].kid, peer.rooms, peer.standing, peer.version,
        peer.expires.isoformat() if peer.expires else "", len(peer.directory.members) if peer.directory else 0,
    )  # fmt: skip


async def _governing(request: AnyRequest) -> Context:
    return await web.context(request, "data-exchange", "legal-obligation", signed_in=True)


@get("/anchor")
async def anchor(request: AnyRequest) -> m.Anchor:
    """Who this installation is, where it answers, and the keys it signs with: what another authority needs once."""
    return await acts.anchor(web.stack(request))


@get("/directory", opt={"gives": ("application/jwt",)})
async def directory(request: AnyRequest) -> Response[bytes]:
    """The members of this instance and their keys, as a signed directory (JWS, RFC 7515) that expires."""
    return Response((await acts.directory(web.stack(request))).encode(), media_type="application/jwt")


@get("/peers")
async def peers(request: AnyRequest) -> list[PeerShown]:
    """The installations that this one exchanges with, or may soon."""
    return [shown(one) for one in await acts.peers(web.stack(request))]


@post("/peers")
async def propose_peer(request: AnyRequest, data: m.Anchor) -> PeerShown:
    """Propose another installation by its anchor; a second person approves it. 400, 403, 409."""
    return shown(await acts.propose_peer(web.stack(request), await _governing(request), data))


@post("/peers/{peer:str}/approval")
async def approve_peer(request: AnyRequest, peer: str) -> PeerShown:
    """Exchange with a proposed or suspended peer from now on. 403, 404, 409 exchange.same-eyes."""
    stack, ctx = web.stack(request), await _governing(request)
    await acts.approve_peer(stack, ctx, peer)
    return shown(await acts.refresh_peer(stack, ctx, peer))


@post("/peers/{peer:str}/suspension")
async def suspend_peer(request: AnyRequest, peer: str, data: Because) -> PeerShown:
    """Exchange nothing more with a peer, at once. 403, 404."""
    return shown(await acts.suspend_peer(web.stack(request), await _governing(request), peer, data.because))


routers = [
    Router(
        "/v1/exchange",
        route_handlers=[anchor, directory, peers, propose_peer, approve_peer, suspend_peer],
        tags=["exchange"],
    )
]
