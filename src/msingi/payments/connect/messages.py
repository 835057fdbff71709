"""Messages of G2P Connect are carried out, and answered: at once, or later to where the operator said that they listen.

Whatever a message asks for is one of the verbs in `acts.py`, under the caller's own permits.
"""

import time
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import DifferentContent, Malformed, Outage, Refusal
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import files, store_files
from msingi.payments.connect import acts, errors, g2p, peers, store
from msingi.payments.model import FileFinished, FileLine, FileState
from msingi.payments.switch.line import Way

JOB: Final = "payments-connect"
ANSWER: Final = "payments.connect-answer"
SEAL: Final = "payments.connect-answer"
PAGE = 500
ME: Final = "msingi"
_WAYS: Final = "payments.connect.ways"
_SILENT: Final = "payments.connect.silent"
SILENT_S: Final = 20.0  # a peer that did not answer is not asked again so soon: the last tries are further apart


class Answer(Struct, frozen=True):
    """Event payments.connect-answer: a sealed message for a peer."""

    peer: str
    path: str
    sealed: bytes


async def carry_out(stack: Stack, ctx: Context, action: str, header: g2p.Header, raw: msgspec.Raw) -> dict[str, Any]:
    """What a message asks for, done; the message of its answer. Raises what the acts raise."""
    if header.is_msg_encrypted:
        raise Malformed("Messages are not encrypted beyond the connection.", field="is_msg_encrypted", rule="false")
    if action == "disburse":
        return await disburse(stack, ctx, header, raw)
    if action == "status":
        return await status(stack, ctx, raw)
    said: g2p.Mapped = g2p.read(raw, g2p.Mapped)
    wanted: list[g2p.Linked] = getattr(said, f"{action}_request")
    if not 1 <= len(wanted) <= acts.rules.MAX_LINKS:
        raise Malformed("There are no requests, or too many.", field=f"{action}_request", rule="1..1000")
    told = await _mapped(stack, ctx, action, wanted)
    return {"transaction_id": said.transaction_id, "correlation_id": uuid7().hex, f"{action}_response": told}


async def _mapped(stack: Stack, ctx: Context, action: str, wanted: list[g2p.Linked]) -> list[dict[str, Any]]:
    """Each request to the mapper with its own answer."""
    now = g2p.moment(clock.now())
    told: list[dict[str, Any]] = []
    good: list[tuple[g2p.Linked, dict[str, Any]]] = []
    for one in wanted:
        answer: dict[str, Any] = {"reference_id": one.reference_id, "timestamp": now}
        told.append(answer)
        try:
            g2p.plain(one.id)
            if action in ("link", "update"):
                acts.rules.check_address(g2p.address_of(one), "fa")
            good.append((one, answer))
        except Malformed as bad:
            code = "rjct.fa.invalid" if bad.facts.get("field") == "fa" and _readable(one.id) else "rjct.id.invalid"
            answer |= {"status": "rjct", "status_reason_code": code, "status_reason_message": bad.detail}
    payees = [g2p.plain(one.id) for one, _ in good]
    if not good:
        return told
    if action in ("link", "update"):
        await acts.link_addresses(stack, ctx, [g2p.address_of(one) for one, _ in good])
        for one, answer in good:
            answer |= {"status": "succ", "fa": one.fa}
    elif action == "unlink":
        for (one, answer), gone in zip(good, await acts.unlink_addresses(stack, ctx, payees), strict=True):
            answer |= {"status": "succ" if gone else "rjct", "id": one.id}
            if not gone:
                answer["status_reason_code"] = "rjct.id.invalid"
    else:
        found = await acts.resolve_addresses(stack, ctx, payees)
        for (one, answer), payee in zip(good, payees, strict=True):
            answer |= {"status": "succ", "id": one.id}
            answer["status_reason_code"] = "succ.id.active" if payee in found else "succ.id.not_found"
            if payee in found and one.scope == "details":
                answer["fa"] = f"{found[payee].address}@{ME}"
    return told


def _readable(uri: str) -> bool:
    try:
        return bool(g2p.plain(uri))
    except Malformed:
        return False


async def disburse(stack: Stack, ctx: Context, header: g2p.Header, raw: msgspec.Raw) -> dict[str, Any]:
    """Hand disbursements in: they wait for the approval of an official of the institution, as every batch does."""
    said: g2p.Disburse = g2p.read(raw, g2p.Disburse)
    order = g2p.batch_of(said, header.message_id[:35], stack.profile.currency.code)
    await acts.hand_in_batch(stack, ctx, order)
    return await _statuses(stack, ctx, said.transaction_id, None)


async def status(stack: Stack, ctx: Context, raw: msgspec.Raw) -> dict[str, Any]:
    """How far the disbursements of a transaction are. Raises NoSuchBatch."""
    said: g2p.StatusAsked = g2p.read(raw, g2p.StatusAsked)
    asked = said.txnstatus_request
    if asked.txn_type != "disburse" or asked.attribute_type not in ("transaction_id", "reference_id_list"):
        raise Malformed("Ask for disbursements by transaction or references.", field="attribute_type", rule="known")
    value = asked.attribute_value
    chosen = None if isinstance(value, str) else frozenset(value)
    of = value if isinstance(value, str) else said.transaction_id
    told = await _statuses(stack, ctx, of, chosen)
    return {
        "transaction_id": said.transaction_id,
        "correlation_id": uuid7().hex,
        "txnstatus_response": {"txn_type": "on-disburse", "txn_status": told},
    }


async def _statuses(stack: Stack, ctx: Context, batch_id: str, chosen: frozenset[str] | None) -> dict[str, Any]:
    found = await acts.batch(stack, ctx, batch_id)
    if found.file_id is None:
        raise errors.NoSuchBatch()
    file = await files.payment_file(stack, ctx, found.file_id)
    told, after = [], 0
    while True:
        page = await files.file_lines(stack, ctx, found.file_id, after=after, limit=PAGE)
        told += [_status(line, file.state, found.at, chosen) for line in page.lines]
        if page.next_after is None:
            break
        after = page.next_after
    return {"transaction_id": batch_id, "disbursements_status": [one for one in told if one is not None]}


def _status(line: FileLine, state: FileState, at: datetime, chosen: frozenset[str] | None) -> dict[str, Any] | None:
    return g2p.status_of(line, state, at) if chosen is None or line.end_to_end_id in chosen else None


async def promise(stack: Stack, ctx: Context, action: str, peer: peers.Peer, said: dict[str, Any]) -> None:
    """See to it that a peer is told: what is done already at once, and disbursements when all of them have ended."""
    permit = policy.decide(job_context(JOB), "payments.send-answer", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        if action == "disburse":
            await store.answer_to(tx, ctx.actor.institution, said["transaction_id"], peer.sender)
        else:
            path = "/txn/on-status" if action == "status" else f"/on-{action}"
            await stack.outbox.emit(tx, ANSWER, answer(stack, peer, path, action, said))
        log.append(tx, permit, detail={"what": "answer promised", "action": action})


def answer(stack: Stack, peer: peers.Peer, path: str, action: str, said: dict[str, Any]) -> Answer:
    """A signed message for a peer, sealed until it leaves."""
    now = clock.now()
    header = msgspec.json.encode(
        {
            **{"version": g2p.VERSION, "message_id": uuid7().hex, "message_ts": g2p.moment(now)},
            **{"action": f"on-{action}", "status": "succ", "sender_id": ME, "receiver_id": peer.sender},
        }
    )
    message = msgspec.json.encode(said)
    signer, created = stack.keys.signer("exchange"), int(now.timestamp())
    expires = created + int(g2p.SIGNED_FOR.total_seconds())
    signature = signer.sign(g2p.signed_text(header, message, created, expires))
    text = g2p.signature_text(ME, signer.kid, created, expires, signature)
    raw = msgspec.json.encode(
        {"signature": text, "header": msgspec.Raw(header), "message": msgspec.Raw(message)},
    )
    return Answer(peer.sender, path, stack.seal.seal_with_room_key(SEAL, raw))


async def on_finished(stack: Stack, payload: bytes) -> None:
    """A payment file has ended: the peer whose disbursements it was is to be told. Safe to repeat."""
    told = msgspec.json.decode(payload, type=FileFinished)
    permit = policy.decide(job_context(JOB), "payments.send-answer", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.batch_of_file(tx, UUID(told.file_id))
        peer = peers.known(stack).get(found[2]) if found is not None else None
        if found is not None and peer is not None:
            lines = await store_files.lines_between(tx, UUID(told.file_id), 1, acts.rules.MAX_CREDITS)
            states = [g2p.status_of(line, FileState.FINISHED, clock.now()) for line in lines]
            said = {"transaction_id": found[1], "disbursements_status": states}
            await stack.outbox.emit(tx, ANSWER, answer(stack, peer, "/on-disburse", "disburse", said))
        log.append(tx, permit, detail={"what": "end of a file looked at"})


async def on_answer(stack: Stack, payload: bytes) -> None:
    """Send an answer. Raises Outage if the peer does not take it: it is tried again later."""
    said = msgspec.json.decode(payload, type=Answer)
    peer = peers.known(stack).get(said.peer)
    if peer is None:
        return  # the operator has taken the peer out
    ways = stack.local.setdefault(_WAYS, {})
    assert isinstance(ways, dict)
    way = ways.get(peer.url)
    if way is None:
        way = ways[peer.url] = Way(peer.url)
    silent = stack.local.setdefault(_SILENT, {})
    assert isinstance(silent, dict)
    if silent.get(peer.url, 0.0) > time.monotonic():
        raise Outage("the peer did not answer a moment ago")
    raw = stack.seal.unseal_with_room_key(SEAL, said.sealed)
    try:
        status_code = await way.send("POST", said.path, {"Content-Type": "application/json"}, raw)
    except Exception:
        silent[peer.url] = time.monotonic() + SILENT_S
        raise
    silent.pop(peer.url, None)
    if not 200 <= status_code < 300:
        raise Outage(f"the peer answered {status_code}")


def error_code(refusal: Refusal) -> str:
    """The specification's code for a refusal."""
    if isinstance(refusal, errors.NotThePeer):
        return "err.signature.invalid"
    if isinstance(refusal, Malformed | DifferentContent):
        return "err.request.bad"
    return {401: "err.request.unauthorized", 403: "err.request.forbidden", 404: "err.request.not_found"}.get(
        refusal.status, "err.request.bad"
    )
