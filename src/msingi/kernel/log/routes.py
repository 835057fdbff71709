"""The log's public doors: the checkpoint and the tiles of the tree, and this stack as a witness for other logs.

Clauses: C2SP tlog-tiles (APIs), tlog-witness (HTTP Interface). Nothing here is about people: entries are salted
commitments. Every answer may be read from any web page, so that anybody's page can verify a proof.
"""

from typing import Annotated, Any
from uuid import UUID

from litestar import MediaType, Request, Response, Router, get, post
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from msingi.kernel import web
from msingi.kernel.errors import Outage
from msingi.kernel.log import acts, errors, notary, note, store, timestamps, witness
from msingi.kernel.log.tiles import parse_path

_STALE = {"Content-Type": "text/x.tlog.size"}  # as a header, or the framework would add a charset
TAGS = ["log"]
_OPEN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_FRESH = _OPEN | {"Cache-Control": "public, max-age=1"}
_FOREVER = _OPEN | {"Cache-Control": "public, max-age=31536000, immutable"}
AnyRequest = Request[Any, Any, Any]


@get("/checkpoint", media_type=MediaType.TEXT, tags=TAGS, summary="The newest signed tree head")
async def checkpoint(request: AnyRequest) -> Response[str]:
    """The signed head of the log with the cosignatures of its witnesses (C2SP tlog-tiles, Checkpoints)."""
    async with web.stack(request).db.glance() as conn:
        text = await store.served(conn, quorum=web.stack(request).settings.witness_quorum)
    if text is None:
        raise Outage("the log is being started", retry_after_s=1)
    return Response(text, media_type=MediaType.TEXT, headers=_FRESH)


@get("/checkpoints", tags=TAGS, summary="Earlier signed tree heads")
async def checkpoints(
    request: AnyRequest, after: Annotated[int, QueryParameter(ge=-1, le=note.MAX_TREE_SIZE)] = -1
) -> Response[list[str]]:
    """The signed heads of more than `after` leaves that are kept, a hundred at most, in order, for auditors."""
    async with web.stack(request).db.glance() as conn:
        found = await store.heads_after(conn, after, 100)
    return Response(found, headers=_FRESH)


@get("/tile/{where:path}", media_type="application/octet-stream", tags=TAGS, summary="A tile of the tree")
async def tile(request: AnyRequest, where: FromPath[str]) -> Response[bytes]:
    """A tile or an entry bundle: `<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]` (C2SP tlog-tiles, Merkle Tree).

    Bundles are not compressed: hashes do not compress.
    """
    wanted = parse_path("tile" + where)
    raw = None
    if wanted is not None and wanted.level < 8:  # 256**8 leaves are more than a size can say
        async with web.stack(request).db.glance() as conn:
            raw = await store.tile_bytes(conn, wanted)
    if raw is None:
        raise errors.NoSuchTile()
    return Response(raw, media_type="application/octet-stream", headers=_FOREVER)


@get("/timestamp/{size:int}", media_type=timestamps.REPLY, tags=TAGS, summary="A time stamp over a tree head")
async def timestamp(request: AnyRequest, size: FromPath[int]) -> Response[bytes]:
    """The token of a time-stamping authority over the head of `size` leaves (RFC 3161, section 2.4.2).

    What is stamped is the SHA-256 of the head's text, up to the empty line before its signatures.
    """
    token = None
    if 0 < size <= note.MAX_TREE_SIZE:
        async with web.stack(request).db.glance() as conn:
            token = await store.timestamp_of(conn, size)
    if token is None:
        raise errors.NoSuchTimestamp()
    return Response(token, media_type=timestamps.REPLY, headers=_FOREVER)


class VeilLifted(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom an order is about, as in the order."""

    institution: str
    person: str


class VeilAsked(acts.VeilOrder, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order about `person`: the identifier under which the institution that looks knows the person."""

    person: str


@post("/veils", tags=TAGS, summary="A court hides accesses from a person for a time")
async def order_veil(request: AnyRequest, data: VeilAsked) -> dict[str, UUID]:
    """Hide another institution's accesses to a person from that person, until a day that the law allows.

    The person is named by the pseudonym of the institution that looks, so that nobody has to look the person up.
    400 log.veil-wrong, 403.
    """
    ctx = await web.context(request, "fraud-prevention", "legal-obligation", signed_in=True)
    stack = web.stack(request)
    person_id = stack.pseudonym.person(data.institution, data.person)
    order = acts.VeilOrder(data.institution, data.purpose, data.until, data.reference)
    return {"veil_id": await acts.order_veil(stack, ctx, person_id, order)}


@post("/veils/{veil_id:uuid}/lift", status_code=204, tags=TAGS, summary="A court lets the person see before the day")
async def lift_veil(request: AnyRequest, veil_id: UUID, data: VeilLifted) -> None:
    """End an order before its day. 403, 404 not-found."""
    ctx = await web.context(request, "fraud-prevention", "legal-obligation", signed_in=True)
    stack = web.stack(request)
    await acts.lift_veil(stack, ctx, stack.pseudonym.person(data.institution, data.person), veil_id)


@get("/veiled", tags=TAGS, summary="How many accesses courts keep out of sight")
async def veiled(request: AnyRequest) -> Response[list[acts.VeiledCount]]:
    """Orders that hid accesses from the people concerned, and entries hidden, by institution and month. Every entry
    stands in the log already, and its line appears when the order ends."""
    return Response(await acts.veiled_counts(web.stack(request)), headers=_FRESH)


@get("/vkeys", media_type=MediaType.TEXT, tags=TAGS, summary="The keys with which proofs are verified")
async def vkeys(request: AnyRequest) -> Response[str]:
    """The verifier keys of the log (newest first) and of its witnesses, one a line (C2SP signed-note)."""
    keys = await witness.published_vkeys(web.stack(request))
    return Response("".join(f"{key}\n" for key in keys), media_type=MediaType.TEXT, headers=_FRESH)


@post(
    "/witness/add-checkpoint",
    media_type=MediaType.TEXT,
    status_code=200,
    tags=TAGS,
    summary="Cosign a log",
    opt={"takes": ("text/plain",)},
)
async def add_checkpoint(request: AnyRequest) -> Response[str]:
    """Cosign the tree head of a log that this stack follows (C2SP tlog-witness, add-checkpoint)."""
    try:
        line = await witness.add_checkpoint(web.stack(request), await request.body())
    except notary.StaleSize as stale:
        return Response(f"{stale.size}\n", status_code=409, headers=_STALE)
    return Response(line, media_type=MediaType.TEXT)


@get("/witness/vkey", media_type=MediaType.TEXT, tags=TAGS, summary="The keys with which this stack cosigns")
async def witness_vkey(request: AnyRequest) -> Response[str]:
    """The verifier keys of this stack as a witness, Ed25519 and ML-DSA-44, one a line (C2SP tlog-cosignature)."""
    stack = web.stack(request)
    keys = witness.own_vkeys(stack.keys, witness.own_name(stack))
    return Response("".join(f"{key}\n" for key in keys), media_type=MediaType.TEXT, headers=_FRESH)


@get("/witness/{origin_hash:str}/checkpoint", media_type=MediaType.TEXT, tags=TAGS, summary="A witnessed log")
async def witnessed(request: AnyRequest, origin_hash: FromPath[str]) -> Response[str]:
    """The newest tree head that this stack cosigned for a log, by the SHA-256 of its origin in lower-case hex
    (C2SP tlog-witness, Monitor Retrieval Mechanism)."""
    text = None
    if len(origin_hash) == 64 and set(origin_hash) <= set("0123456789abcdef"):
        async with web.stack(request).db.glance() as conn:
            text = await store.followed_note(conn, bytes.fromhex(origin_hash))
    if text is None:
        raise errors.UnknownLog()
    return Response(text, media_type=MediaType.TEXT, headers=_FRESH)


doors = [
    checkpoint, checkpoints, tile, timestamp, order_veil, lift_veil, veiled, vkeys, add_checkpoint, witness_vkey,
    witnessed,
]  # fmt: skip
routers = [Router("/log", route_handlers=doors, tags=["log"])]
