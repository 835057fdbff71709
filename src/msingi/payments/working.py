"""Payment files are paid: part by part, by one program at a time, from wherever the last one stopped.

Each line has a transfer id that is derived from file and line, so that working a part off again after a crash pays
nobody twice, and every line ends with an outcome. While one part commits, the next is made ready: its people are found
in one question, their wallets in another, and a thousand orders go to the ledger in one call, which leaves one leaf.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.identity import acts as identity
from msingi.identity.errors import NotInUse
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.errors import Malformed, NotFound, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts, errors, files, homes, ledger, parties, rules, store, store_files, subaccounts
from msingi.payments.batch import Ending
from msingi.payments.model import FileFinished, FileState, Order, PaymentFile, Reason
from msingi.payments.store_files import PAID, REJECTED, Ended

ROOM = "payments"
RUNNER = "payments-file-runner"
LEASE_S = 60
READY = 2  # parts that are made ready while others are being paid
POSTING = 2  # parts whose orders wait in the ledger: as many as its writer overlaps
Progress = Callable[[int], Any]
# ISO 20022 external status reasons: incorrect account number, insufficient funds, not allowed amount, blocked
# account, currency not allowed, narrative.
_CODES = {
    Reason.INSUFFICIENT_FUNDS: ("AM04", "The payer's account does not hold enough."),
    Reason.TRANSFER_LIMIT: ("AM02", "The amount is over the payer's limit."),
    Reason.DAY_LIMIT: ("AM02", "The amount is over the payer's limit of the day."),
    Reason.BALANCE_LIMIT: ("AM02", "The payee's account may not hold that much."),
    Reason.PAYER_FROZEN: ("AC06", "The payer's account is frozen."),
    Reason.PAYER_DORMANT: ("AC06", "The payer's account is dormant."),
    Reason.PAYEE_FROZEN: ("AC06", "The payee's account is frozen."),
    Reason.CURRENCY: ("AM03", "The payee's account holds another currency."),
    Reason.UNKNOWN_PAYEE: ("AC01", "The payee's account does not exist."),
    Reason.CLOSED: ("AC04", "The account is closed."),
    Reason.UNKNOWN_PAYER: ("AC01", "The payer's account does not exist."),
}
NOBODY = "AC01", "Nobody in use has this identity number."


class Run(Struct):
    """A file that is being worked off: what all its lines have in common."""

    stack: Stack
    file_id: UUID
    ctx: Context
    permit: policy.Permit
    currency: str
    payers: dict[int, int]
    until: datetime
    purse: subaccounts.Purse
    again: bool = False


class Ready(Struct):
    """A part that can be paid: how its lines will have ended if all goes well, and the orders for that.

    `places` are those of the orders among `ended`; `lost` those of lines for which there is no order.
    """

    part: int
    ended: list[Ended]
    orders: list[Order]
    places: list[int]
    lost: list[int]


async def run_file(stack: Stack, file_id: str, progress: Progress | None = None) -> PaymentFile:
    """Work an approved file off until every line has ended, or follow another program that does.

    `progress` is called with the number of lines that have ended since its last call. Raises FileNotReady unless the
    file is approved; Outage leaves the rest of the file for the next run.
    """
    wanted, seen = UUID(file_id), 0
    while True:
        permit = policy.decide(_runner("operations", "public-task", ""), "payments.run-file", policy.NOBODY)
        until = clock.now() + timedelta(seconds=LEASE_S)
        async with stack.db.transaction(permit) as tx:
            found = await store_files.file(tx, wanted)
            if found is None or found.state in (FileState.PREPARING, FileState.WAITING):
                raise errors.FileNotReady(state=found.state.value if found else "unknown")
            mine = await store_files.lease(tx, wanted, until, None)
            log.append(tx, permit, detail={"what": "payment file taken up" if mine else "payment file followed"})
        if progress is not None and found.paid + found.rejected > seen:
            progress(found.paid + found.rejected - seen)
        seen = found.paid + found.rejected
        if found.state is FileState.FINISHED:
            return found
        if mine:
            return await _work_off(stack, wanted, until, progress, found.state is FileState.RUNNING)
        await asyncio.sleep(0.5)


def _runner(purpose: str, basis: str, institution: str) -> Context:
    return context(Actor(Kind.JOB, RUNNER, institution, frozenset(), 2), purpose, basis, channel="job")


async def _work_off(
    stack: Stack, file_id: UUID, until: datetime, progress: Progress | None, again: bool
) -> PaymentFile:
    """Three stages side by side: parts are made ready, are paid in their order, and their outcomes are written."""
    async with stack.db.reading(ROOM) as tx:
        details = await store_files.details(tx, file_id)
        payers = {b["block"]: b["payer"] for b in await store_files.blocks(tx, file_id)}
    ctx = _runner(details["purpose"], details["basis"], details["institution"])
    permit = policy.decide(ctx, "payments.run-file", policy.NOBODY)
    purse = subaccounts.Purse(stack, details["institution"], details["currency"])
    several = len(homes.known(stack)) > 1
    run = Run(stack, file_id, ctx, permit, details["currency"], payers, until, purse, again and several)
    making: deque[asyncio.Task[Ready]] = deque()
    paying: deque[tuple[Ready, asyncio.Task[list[Ending]]]] = deque()
    last, more = -1, True
    try:
        while more or making or paying:
            while more and len(making) < READY:
                async with stack.db.reading(ROOM) as tx:
                    part = await store_files.waiting_part(tx, file_id, last)
                if more := part is not None:
                    last = part["part"]
                    making.append(asyncio.create_task(_made_ready(run, part)))
            if making and len(paying) < POSTING:
                ready = await making.popleft()
                paying.append((ready, asyncio.create_task(ledger.post(stack, ready.orders))))
            elif paying:
                ready, posting = paying.popleft()
                await _end(run, ready, await posting)
                if progress is not None:
                    progress(len(ready.ended))
    finally:
        left = [*making, *(task for _, task in paying)]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
    return await _finished(run)


async def _made_ready(run: Run, part: store.Row) -> Ready:
    """Open a part, find its people and their wallets, and make the orders."""
    stack, ctx = run.stack, run.ctx
    lines = files.opened(stack, part)
    persons, credits = await _credits(stack, ctx, {line.number for line in lines})
    permit = policy.decide(ctx, "payments.pay-line", persons)
    text, scope = parties.permit_text(permit), f"file/{run.file_id}"
    owner = parties.institution_ref(stack, ctx.actor.institution)
    payer_name = parties.institution_name(stack, ctx.actor.institution)
    ready, needed = Ready(part["part"], [], [], [], []), dict[tuple[int, int], int]()
    first = part["first_line"]
    before = await subaccounts.paid_before(stack, scope, range(first, first + len(lines))) if run.again else {}
    for place, line in enumerate(lines):
        number, amount, main = first + place, line.amount_minor, run.payers[line.block]
        credit = credits.get(line.number)
        debit = main if credit is None else await run.purse.payer(main, credit)
        transfer_id = before.get(number) or rules.transfer_id(scope, str(number), rules.shard_of(debit))
        ended = Ended(number, line.instruction_id, line.end_to_end_id, amount, PAID, "", "", transfer_id)
        ready.ended.append(ended)
        if credit is None or number in before:
            ready.lost.append(place)
            continue
        if debit != main:
            needed[main, debit] = needed.get((main, debit), 0) + amount
        words = line.reference
        hashed = rules.body_hash(transfer_id, debit, credit, amount, run.currency, "G2P", words)
        order = transfer_id, owner, debit, credit, amount, run.currency, "G2P", hashed, permit, text, words, payer_name
        ready.orders.append(Order(*order))
        ready.places.append(place)
    for (main, sub), amount in needed.items():
        await run.purse.fill(main, sub, amount)
    return ready


async def _credits(stack: Stack, ctx: Context, named: set[str]) -> tuple[tuple[PersonId, ...], dict[str, int]]:
    """The people whom lines name, and the account that each name leads to; who is not found is absent.

    A name is an identity number, `account:` with an account number, or `tel:` with a phone.
    """
    others = {name for name in named if name.startswith(("account:", "tel:"))}
    people = await identity.payees_by_number(stack, ctx, list(named - others))
    credits: dict[str, int] = {}
    for name in others:
        kind, _, address = name.partition(":")
        try:
            if kind == "account":
                credits[name] = rules.id_of(address)
            else:
                people[name] = await identity.person_by_phone(stack, ctx, address)
        except (Malformed, NotFound, NotInUse, errors.NoSuchAccount):
            continue
    persons = tuple(dict.fromkeys(people.values()))
    wallets = await acts.wallets_for(stack, ctx, persons) if persons else {}
    return persons, credits | {name: wallets[person] for name, person in people.items()}


async def _end(run: Run, ready: Ready, endings: list[Ending]) -> None:
    """Write how the lines of a part ended, and stay the one who works the file off."""
    changed = list(ready.lost)
    for place, ending in zip(ready.places, endings, strict=True):
        if isinstance(ending, Refusal):
            changed.append(place)
        elif ending.reason:
            _reject(ready.ended[place], ending.reason)
    first = await _decided(run, [ready.ended[place] for place in changed])
    for place in changed:
        ended = ready.ended[place]
        reason = first.get(ended.transfer_id) if ended.transfer_id is not None else None
        if reason is None:
            ended.status, ended.transfer_id = REJECTED, None
            ended.reason, ended.why = NOBODY
        elif reason:
            _reject(ended, reason)
    now = clock.now()
    async with run.stack.db.transaction(run.permit) as tx:
        await store_files.end_part(tx, run.file_id, ready.part, now, ready.ended)
        later = now + timedelta(seconds=LEASE_S)
        await store_files.lease(tx, run.file_id, later, run.until)
        run.until = later
        log.append(tx, run.permit, detail={"what": "lines of a payment file", "lines": len(ready.ended)})


def _reject(ended: Ended, reason: int) -> None:
    ended.reason, ended.why = _CODES.get(Reason(reason), ("NARR", Reason(reason).name.lower()))
    ended.status, ended.transfer_id = REJECTED, None


async def _decided(run: Run, lines: list[Ended]) -> dict[UUID, int]:
    """Of lines that cannot be paid now, those that an earlier run decided before it was stopped: it may have found
    somebody who is gone by now, or another wallet. What the ledger says is what happened."""
    by_shard: dict[int, list[UUID]] = {}
    for line in lines:
        if line.transfer_id is not None:
            by_shard.setdefault(line.transfer_id.bytes[15], []).append(line.transfer_id)
    found: dict[UUID, int] = {}
    permit = policy.decide(run.ctx, "payments.run-file", policy.ANYONE)
    for shard, ids in by_shard.items():
        async with homes.home(run.stack, shard).db.transaction(permit) as tx:
            found |= await store_files.decided(tx, ids)
            log.append(tx, permit, detail={"what": "lines looked up that an earlier run may have paid"})
    return found


async def _finished(run: Run) -> PaymentFile:
    async with run.stack.db.transaction(run.permit) as tx:
        if await store_files.finish(tx, run.file_id, clock.now()):
            await _tell(run.stack, tx, run.file_id)
        found = await store_files.file(tx, run.file_id)
        log.append(tx, run.permit, detail={"what": "payment file finished"})
    assert found is not None
    for main in set(run.payers.values()):
        await subaccounts.bring_home(run.stack, main)
    return found


async def _tell(stack: Stack, tx: store.Tx, file_id: UUID) -> None:
    found = await store_files.file(tx, file_id)
    assert found is not None
    told = FileFinished(found.file_id, found.institution, found.paid, found.rejected, found.paid_minor, found.currency)
    await stack.outbox.emit(tx, "payments.file-finished", told)
