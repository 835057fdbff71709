"""The verbs of reconciling: compare a bank's statement with an account, look, settle exceptions, report."""

import base64
import hashlib
from datetime import date, timedelta, timezone
from typing import Any, Final
from uuid import UUID

import msgspec

from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, TooLarge
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import rules as ledger_rules
from msingi.payments import shards
from msingi.payments import store as accounts
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import store as bank_store
from msingi.payments.bank.model import Period
from msingi.payments.errors import NoSuchAccount
from msingi.payments.reconciling import errors, reading, rules, store
from msingi.payments.reconciling.model import Booked, How, Mapping, Queue, Reconciliation, Why

ROOM: Final = "payments"
MAX_PAGE = 500
MAX_ENTRIES = 20_000
MAX_NOTE = 500
REPORT: Final = "msingi-reconciliation+jws"
KEY: Final = "exchange"


def _permit(ctx: Context, act: str) -> policy.Permit:
    return policy.decide(ctx, act, policy.NOBODY, own_account=bool(ctx.actor.institution))


async def reconcile(
    stack: Stack,
    ctx: Context,
    number: str,
    raw: bytes,
    *,
    mapping: Mapping | None = None,
    statement_id: str = "",
    mirrored: bool = False,
) -> Reconciliation:
    """Compare a bank's statement (camt.053, or CSV with a `mapping` and a `statement_id`) with an account of the
    institution's; what does not agree goes to a queue. The same statement again gives the first answer.

    `mirrored`: the bank keeps the other side's account, so what went out there came in here. Raises NoSuchAccount,
    Malformed, TooLarge, DifferentContent for a used statement id with other content.
    """
    permit = _permit(ctx, "payments.reconcile")
    account, currency = ledger_rules.id_of(number), stack.profile.currency
    if mapping is None:
        statement = reading.camt_053(raw, currency)
    else:
        statement = reading.from_csv(raw, mapping, currency, statement_id)
    if not statement.statement_id or not statement.statement_id.isprintable():
        raise Malformed("A statement has an id of 1 to 35 characters.", field="statement_id", rule="length 1..35")
    rules.check(statement)
    if not statement.lines:
        raise Malformed("The statement has no booked lines.", field="Ntry", rule="required")
    lines = [msgspec.structs.replace(n, amount_minor=-n.amount_minor) if mirrored else n for n in statement.lines]
    first, last = min(n.on for n in lines), max(n.on for n in lines)
    key = f"reconcile:{ctx.actor.institution}:{account}:{statement.statement_id}"
    async with stack.db.transaction(permit) as tx:
        if known := await once.claim(tx, ROOM, key, hashlib.sha256(raw).digest()):
            kept = await store.one(tx, UUID(known.decode()), ctx.actor.institution)
            assert kept is not None
            return kept
        entries = await _entries(stack, tx, permit, ctx, account, first, last)
        found = rules.compare(lines, entries)
        told = [o for o in found.open if o.why is not Why.NOT_IN_STATEMENT or _within(o.booked, first, last)]
        made, by = uuid7(), [match.how for match in found.matches]
        counts = by.count(How.REFERENCE), by.count(How.END_TO_END), by.count(How.AMOUNT_AND_DATE)
        inside = sum(_within(one, first, last) for one in entries)
        who = f"{ctx.actor.kind}:{ctx.actor.id}"
        values = (
            *(made, ctx.actor.institution, account, statement.statement_id, hashlib.sha256(raw).digest()),
            *(first, last, len(lines), inside, *counts, len(told), who, ctx.at),
        )
        await store.add(tx, values, told)
        await once.settle(tx, ROOM, key, str(made).encode())
        kept = await store.one(tx, made, ctx.actor.institution)
        log.append(tx, permit, detail={"what": "statement compared", "lines": len(lines), "exceptions": len(told)})
    assert kept is not None
    return kept


def _within(booked: Booked | None, first: date, last: date) -> bool:
    return booked is not None and first <= booked.on <= last


async def _entries(
    stack: Stack, tx: accounts.Tx, permit: policy.Permit, ctx: Context, account: int, first: date, last: date
) -> list[Booked]:
    """What the ledger booked on an account in a period, and some days around it. Raises NoSuchAccount, TooLarge."""
    holder = await accounts.institution_of(tx, account)
    if holder is None or holder["institution"] != ctx.actor.institution:
        raise NoSuchAccount()
    zone = timezone(timedelta(minutes=stack.profile.utc_offset_minutes))
    period = Period(first - rules.SLACK, last + rules.SLACK)
    start, stop = bank_rules.instants(period, zone)
    async with shards.beside(stack, account, permit, tx) as near:
        found = await bank_store.entries_between(near, account, start, stop, MAX_ENTRIES + 1)
    if len(found) > MAX_ENTRIES:
        raise TooLarge(limit_entries=MAX_ENTRIES)
    ids = [UUID(one.transfer_id) for one in found]
    names = await store.end_to_end(tx, ctx.actor.institution, ids, start) if ids else {}
    return [
        Booked(one.at.astimezone(zone).date(), one.amount_minor, transfer, names.get(transfer, ""))
        for one in found
        for transfer in (one.transfer_id.replace("-", "").lower(),)
    ]


async def reconciliations(stack: Stack, ctx: Context, limit: int = 50) -> list[Reconciliation]:
    """The institution's newest comparisons."""
    permit = _permit(ctx, "payments.read-reconciliation")
    async with stack.db.transaction(permit) as tx:
        found = await store.page(tx, ctx.actor.institution, max(1, min(limit, MAX_PAGE)))
        log.append(tx, permit, detail={"what": "reconciliations listed"})
    return found


async def _own(tx: accounts.Tx, ctx: Context, reconciliation_id: UUID) -> Reconciliation:
    found = await store.one(tx, reconciliation_id, ctx.actor.institution)
    if found is None:
        raise errors.NoSuchReconciliation()
    return found


async def queue(
    stack: Stack, ctx: Context, reconciliation_id: UUID, *, after: int = 0, limit: int = 100, open_only: bool = True
) -> Queue:
    """A page of what did not agree. Raises NoSuchReconciliation."""
    permit = _permit(ctx, "payments.read-reconciliation")
    most = max(1, min(limit, MAX_PAGE))
    async with stack.db.transaction(permit) as tx:
        await _own(tx, ctx, reconciliation_id)
        found = await store.items(tx, reconciliation_id, after, most + 1, open_only)
        log.append(tx, permit, detail={"what": "exceptions of a reconciliation"})
    page = found[:most]
    return Queue(page, page[-1].item if len(found) > most else None)


async def settle_exception(stack: Stack, ctx: Context, reconciliation_id: UUID, item: int, note: str) -> None:
    """Say what an exception is; it leaves the queue, and what was said stays (law 6).

    Raises NoSuchReconciliation, AlreadySettled, Malformed for an empty or too long note.
    """
    words = " ".join(note.split())
    if not 3 <= len(words) <= MAX_NOTE:
        raise Malformed(f"Say in 3 to {MAX_NOTE} characters what it is.", field="note", rule=f"length 3..{MAX_NOTE}")
    permit = _permit(ctx, "payments.settle-exception")
    async with stack.db.transaction(permit) as tx:
        await _own(tx, ctx, reconciliation_id)
        if not await store.settle(tx, reconciliation_id, item, f"{ctx.actor.kind}:{ctx.actor.id}", ctx.at, words):
            if await store.item(tx, reconciliation_id, item) is None:
                raise errors.NoSuchReconciliation()
            raise errors.AlreadySettled()
        log.append(tx, permit, detail={"what": "exception settled", "item": item})


async def report(stack: Stack, ctx: Context, reconciliation_id: UUID) -> str:
    """The comparison and its whole queue as it stands now, signed as a compact JWS (RFC 7515).

    Raises NoSuchReconciliation.
    """
    permit = _permit(ctx, "payments.read-reconciliation")
    async with stack.db.transaction(permit) as tx:
        found = await _own(tx, ctx, reconciliation_id)
        items = await store.items(tx, reconciliation_id, 0, found.exceptions, False)
        log.append(tx, permit, detail={"what": "signed report on a reconciliation"})
    return _signed(stack, {"iss": stack.settings.url, "at": clock.now(), "reconciliation": found, "items": items})


def _signed(stack: Stack, said: dict[str, Any]) -> str:
    signer = stack.keys.signer(KEY)
    head = {"alg": "EdDSA", "typ": REPORT, "kid": signer.kid}
    message = ".".join(_b64(msgspec.json.encode(part)) for part in (head, said))
    return f"{message}.{_b64(signer.sign(message.encode()))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
