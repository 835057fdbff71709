"""Requests that wait for an officer: kept, decided, and collected once by the wallet that asked."""

import os
from uuid import UUID

import msgspec

from msingi.credentials.forms.model import Format
from msingi.credentials.issuance import engine, kinds, store
from msingi.credentials.issuance.errors import InvalidTransaction, NoSuchRequest, RequestDenied
from msingi.credentials.issuance.model import Copies, CopyOrder, Holding, HoldingId, Kind, Waiting
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Row
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.signin import wire
from msingi.signin.errors import FlowLost

_LABEL = "credentials.request"


async def keep(stack: Stack, ctx: Context, order: CopyOrder, kind: Kind, holding: Holding) -> str:
    """Keep an order; gives the transaction id, which only this stack can make. Raises InvalidNonce."""
    request_id, secret = uuid7(), os.urandom(32)
    permit = policy.decide(ctx, "credentials.ask_copies", order.person_id)
    asked = Waiting(
        person_id=order.person_id,
        request_id=request_id,
        holding_id=holding.holding_id,
        kind=kind.kind,
        form=order.form,
        copies=len(order.holders),
        document=holding.document,
        asked_at=ctx.at,
        state="waiting",
    )
    async with stack.db.transaction(permit) as tx:
        await engine.use_up(tx, order.nonces)
        sealed = await stack.seal.seal(tx, order.person_id, msgspec.msgpack.encode(order.holders), _LABEL)
        hashed = wire.secret_hash(secret)
        await store.add_request(tx, asked, kind.institution, sealed, order.client, hashed)
        log.append(tx, permit, subject=order.person_id, detail={"kind": kind.kind, "copies": len(order.holders)})
    return wire.seal(stack.seal, "deferred", wire.Pointer(order.person_id, request_id, secret))


def read(row: Row) -> Waiting:
    """A request as officers see it."""
    return Waiting(
        person_id=PersonId(UUID(str(row["person_id"]))),
        request_id=UUID(str(row["request_id"])),
        holding_id=HoldingId(UUID(str(row["holding_id"]))),
        kind=row["kind"],
        form=Format(row["format"]),
        copies=0,
        document=row["document"],
        asked_at=row["asked_at"],
        state=row["state"],
    )


async def decide(stack: Stack, ctx: Context, person_id: PersonId, request_id: UUID, approve: bool) -> Waiting:
    """Approve or refuse a request of the officer's own institution. Raises NoSuchRequest."""
    permit = policy.decide(ctx, "credentials.decide_request", person_id)
    state = "approved" if approve else "refused"
    async with stack.db.transaction(permit) as tx:
        row = await store.hold_request(tx, person_id, request_id)
        if row is None or row["state"] != "waiting" or row["institution"] != ctx.actor.institution:
            raise NoSuchRequest()
        await store.set_request(tx, person_id, request_id, state, ctx.actor.id)
        log.append(tx, permit, subject=person_id, detail={"kind": row["kind"], "state": state})
    return msgspec.structs.replace(read(row), state=state)


async def collect(stack: Stack, ctx: Context, person_id: PersonId, transaction_id: str, client: str) -> Copies | None:
    """The copies, once; None while nobody has decided (OpenID4VCI 1.0, section 9)."""
    try:
        pointer = wire.unseal(stack.seal, "deferred", transaction_id, wire.Pointer)
    except FlowLost:
        raise InvalidTransaction(rule="of this issuer") from None
    if pointer.person_id != person_id:
        raise InvalidTransaction(rule="of this wallet")
    permit = policy.decide(ctx, "credentials.collect", person_id)
    async with stack.db.transaction(permit) as tx:
        row = await store.hold_request(tx, person_id, pointer.item_id)
        known = row is not None and wire.same(row["secret_hash"], wire.secret_hash(pointer.secret))
        if row is None or not known or row["client"] != client or row["state"] == "delivered":
            raise InvalidTransaction(rule="collected once, by the wallet that asked")
        order = CopyOrder(
            person_id=person_id,
            kind=row["kind"],
            form=Format(row["format"]),
            holders=msgspec.msgpack.decode(
                await stack.seal.unseal(tx, person_id, bytes(row["holders"]), _LABEL), type=tuple[dict | None, ...]
            ),
            client=client,
        )
        state, decider = row["state"], row["decided_by"]
        log.append(tx, permit, subject=person_id, detail={"kind": order.kind, "state": state})
    if state == "refused":
        raise RequestDenied("An officer refused the request.", rule="decided")
    if state == "waiting":
        return None
    kind = await kinds.named(stack, order.kind)
    signing = policy.decide(ctx, "credentials.issue_copies", person_id)
    copies = await engine.line(stack).sign(signing, order, kind)
    # Only now: whoever lost the connection before may ask again, and gets copies for the same keys.
    async with stack.db.transaction(permit) as tx:
        await store.set_request(tx, person_id, pointer.item_id, "delivered", decider)
        log.append(tx, permit, subject=person_id, detail={"kind": order.kind, "state": "delivered"})
    return copies
