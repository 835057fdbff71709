"""The verbs of payment files: hand in, approve with four eyes, work off line by line, report.

A file survives everything: each line has a transfer id that is derived from file and line, so working a file off
again after a crash pays nobody twice, and every line ends with an outcome.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from msingi.identity import acts as identity
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed, Refusal
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.money import Currency
from msingi.kernel.stack import Stack
from msingi.payments import acts, errors, ledger, parties, report, rules, store, store_files, wire
from msingi.payments.model import (
    FileApproved,
    FileFinished,
    FileLines,
    FileState,
    Order,
    PaymentFile,
    Reason,
)
from msingi.payments.store_files import Ended

ROOM = "payments"
RUNNER = "payments-file-runner"
SEAL = "payments.beneficiary"
LEASE_S = 60
CHUNK = 1_000
MAX_PAGE = 500
Progress = Callable[[int], Any]
# ISO 20022 external status reasons: incorrect account number, insufficient funds, not allowed amount, blocked
# account, currency not allowed, narrative.
_CODES = {
    Reason.INSUFFICIENT_FUNDS: ("AM04", "The payer's account does not hold enough."),
    Reason.TRANSFER_LIMIT: ("AM02", "The amount is over the payer's limit."),
    Reason.DAY_LIMIT: ("AM02", "The amount is over the payer's limit of the day."),
    Reason.BALANCE_LIMIT: ("AM02", "The payee's account may not hold that much."),
    Reason.PAYER_FROZEN: ("AC06", "The payer's account is frozen."),
    Reason.PAYEE_FROZEN: ("AC06", "The payee's account is frozen."),
    Reason.CURRENCY: ("AM03", "The payee's account holds another currency."),
    Reason.UNKNOWN_PAYER: ("AC01", "The payer's account does not exist."),
}


@crossing("payments", "portal")
async def upload_payment_file(stack: Stack, ctx: Context, xml: bytes) -> PaymentFile:
    """Hand in a pain.001.001.09 file: read strictly, kept for approval by somebody else.

    The same file again gives the first answer. Raises Malformed (element path and rule), TooLarge, NoSuchAccount
    unless the payer's accounts are the institution's, DifferentContent for a used MsgId with other content.
    """
    permit = policy.decide(ctx, "payments.upload-file", policy.NOBODY)
    wanted = await asyncio.to_thread(wire.read_initiation, xml, lambda code: _currency(stack, code), clock.today())
    payers = [rules.id_of(block.payer) for block in wanted.blocks]
    file_id, institution = uuid7(), ctx.actor.institution
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, f"file:{institution}:{wanted.message_id}", xml):
            known = await store_files.file(tx, UUID(first.decode()))
            assert known is not None
            return known
        for payer in payers:
            holder = await store.institution_of(tx, payer)
            if holder is None or holder["institution"] != institution or holder["currency"] != wanted.currency:
                raise errors.NoSuchAccount(party="payer")
        who = f"{ctx.actor.kind}:{ctx.actor.id}"
        await store_files.add_file(
            tx,
            (
                *(file_id, institution, wanted.message_id, wanted.message_at, once.content_hash(xml)),
                *(wanted.currency, len(wanted.lines), wanted.total_minor, ctx.purpose, ctx.basis, who, ctx.at),
            ),
        )
        blocks = [(b.block_id, payer) for b, payer in zip(wanted.blocks, payers, strict=True)]
        await store_files.add_blocks(tx, file_id, blocks)
        seal = stack.seal.seal_with_room_key
        await store_files.add_lines(
            tx,
            file_id,
            [
                (
                    *(n.block, n.instruction_id, n.end_to_end_id, n.amount_minor),
                    seal(SEAL, msgspec.msgpack.encode((n.number, n.reference))),
                )
                for n in wanted.lines
            ],
        )
        await once.settle(tx, ROOM, f"file:{institution}:{wanted.message_id}", str(file_id).encode())
        kept = await store_files.file(tx, file_id)
        log.append(tx, permit, detail={"what": "payment file handed in", "lines": len(wanted.lines)})
    assert kept is not None
    return kept


def _currency(stack: Stack, code: str) -> Currency:
    if code != stack.profile.currency.code:
        raise Malformed(f"Payment files are in {stack.profile.currency.code}.", field="Ccy", rule="known-currency")
    return stack.profile.currency


async def _own(stack: Stack, ctx: Context, act: str, file_id: str) -> tuple[policy.Permit, UUID, PaymentFile]:
    """A file of the actor's institution, and the permit for an act on it. Raises NoSuchFile, NotPermitted."""
    try:
        wanted = UUID(file_id)
    except ValueError:
        raise Malformed("A file id is a UUID.", field="file_id", rule="uuid") from None
    permit = policy.decide(ctx, act, policy.NOBODY, own_account=bool(ctx.actor.institution))
    async with stack.db.reading(ROOM) as tx:
        found = await store_files.file(tx, wanted)
    if found is None or found.institution != ctx.actor.institution:
        raise errors.NoSuchFile()
    return permit, wanted, found


@crossing("payments", "portal")
async def approve_payment_file(stack: Stack, ctx: Context, file_id: str) -> PaymentFile:
    """Approve a file, by another official of the same institution than the one who handed it in.

    Raises FourEyes, FileNotReady unless it waits for approval, NoSuchFile.
    """
    permit, wanted, found = await _own(stack, ctx, "payments.approve-file", file_id)
    who = f"{ctx.actor.kind}:{ctx.actor.id}"
    if found.uploaded_by == who:
        raise errors.FourEyes()
    async with stack.db.transaction(permit) as tx:
        if not await store_files.approve(tx, wanted, who, ctx.at):
            raise errors.FileNotReady(state=found.state.value)
        await stack.outbox.emit(tx, "payments.file-approved", FileApproved(file_id))
        log.append(tx, permit, detail={"what": "payment file approved", "lines": found.lines})
        approved = await store_files.file(tx, wanted)
    assert approved is not None
    return approved


@crossing("payments", "portal")
async def payment_files(stack: Stack, ctx: Context, limit: int = 50) -> list[PaymentFile]:
    """The institution's newest payment files with their progress."""
    permit = policy.decide(ctx, "payments.read-file", policy.NOBODY, own_account=bool(ctx.actor.institution))
    async with stack.db.transaction(permit) as tx:
        found = await store_files.files(tx, ctx.actor.institution, min(limit, MAX_PAGE))
        log.append(tx, permit, detail={"what": "payment files listed"})
    return found


@crossing("payments", "portal")
async def payment_file(stack: Stack, ctx: Context, file_id: str) -> PaymentFile:
    """A payment file with its progress. Raises NoSuchFile."""
    permit, wanted, _ = await _own(stack, ctx, "payments.read-file", file_id)
    async with stack.db.transaction(permit) as tx:
        found = await store_files.file(tx, wanted)
        log.append(tx, permit, detail={"what": "progress of a payment file"})
    assert found is not None
    return found


@crossing("payments", "portal")
async def file_lines(
    stack: Stack, ctx: Context, file_id: str, *, after: int = 0, limit: int = 100, rejected_only: bool = False
) -> FileLines:
    """A page of a file's lines with their outcomes, in their order. Raises NoSuchFile."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} lines.", field="limit", rule=f"1..{MAX_PAGE}")
    permit, wanted, _ = await _own(stack, ctx, "payments.read-file", file_id)
    async with stack.db.transaction(permit) as tx:
        found = await store_files.lines(tx, wanted, after, limit + 1, rejected_only)
        log.append(tx, permit, detail={"what": "lines of a payment file"})
    page = found[:limit]
    return FileLines(page, page[-1].line if len(found) > limit else None)


@crossing("payments", "portal")
async def status_report(stack: Stack, ctx: Context, file_id: str) -> bytes:
    """The pain.002.001.10 report on a file as it stands now. Raises NoSuchFile."""
    permit, wanted, _ = await _own(stack, ctx, "payments.read-file", file_id)
    async with stack.db.transaction(permit) as tx:
        details = await store_files.details(tx, wanted)
        found = await store_files.file(tx, wanted)
        assert found is not None
        blocks = [
            (b["block_id"], store_files.report_lines(tx, wanted, b["block"]))
            for b in await store_files.blocks(tx, wanted)
        ]
        log.append(tx, permit, detail={"what": "status report on a payment file"})
        return await report.write_report(
            found, details["message_at"], _currency(stack, found.currency), blocks, uuid7().hex, clock.now()
        )


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
            return await _work_off(stack, wanted, until, progress)
        await asyncio.sleep(0.5)


def _runner(purpose: str, basis: str, institution: str) -> Context:
    return context(Actor(Kind.JOB, RUNNER, institution, frozenset(), 2), purpose, basis, channel="job")


async def _work_off(stack: Stack, file_id: UUID, until: datetime, progress: Progress | None) -> PaymentFile:
    """Chunk by chunk: take lines, find the people, pay, write the outcomes and prolong the lease."""
    async with stack.db.reading(ROOM) as tx:
        details = await store_files.details(tx, file_id)
        payers = {b["block"]: b["payer"] for b in await store_files.blocks(tx, file_id)}
    ctx = _runner(details["purpose"], details["basis"], details["institution"])
    permit = policy.decide(ctx, "payments.run-file", policy.NOBODY)
    while True:
        async with stack.db.reading(ROOM) as tx:
            lines = await store_files.open_lines(tx, file_id, CHUNK)
        ended = await _pay(stack, ctx, file_id, details["currency"], payers, lines)
        async with stack.db.transaction(permit) as tx:
            await store_files.end_lines(tx, file_id, clock.now(), ended)
            later = clock.now() + timedelta(seconds=LEASE_S)
            await store_files.lease(tx, file_id, later, until)
            until = later
            log.append(tx, permit, detail={"what": "lines of a payment file", "lines": len(ended)})
            last = len(lines) < CHUNK  # to count a file's lines costs as much as it has: not for every chunk of them
            if last and await store_files.finish(tx, file_id, clock.now()):
                await _tell(stack, tx, file_id)
            found = await store_files.file(tx, file_id) if last else None
        if progress is not None and ended:
            progress(len(ended))
        if found is not None and found.state is FileState.FINISHED:
            return found


async def _tell(stack: Stack, tx: store.Tx, file_id: UUID) -> None:
    found = await store_files.file(tx, file_id)
    assert found is not None
    told = FileFinished(found.file_id, found.institution, found.paid, found.rejected, found.paid_minor, found.currency)
    await stack.outbox.emit(tx, "payments.file-finished", told)


async def _pay(
    stack: Stack, ctx: Context, file_id: UUID, currency: str, payers: dict[int, int], lines: Sequence[store.Row]
) -> list[Ended]:
    """Pay lines, each under its own permit, and say how each ended."""
    ended: list[Ended] = []
    opened = {
        line["line"]: msgspec.msgpack.decode(
            stack.seal.unseal_with_room_key(SEAL, bytes(line["beneficiary"])), type=tuple[str, str]
        )
        for line in lines
    }
    people = await _identify(stack, ctx, list({number for number, _ in opened.values()}))
    wallets = await acts.wallets_for(stack, ctx, list(people.values())) if people else {}
    orders: list[Order] = []
    owner = parties.institution_ref(stack, ctx.actor.institution)
    payer_name = parties.institution_name(stack, ctx.actor.institution)
    for line in lines:
        number, words = opened[line["line"]]
        person = people.get(number)
        if person is None:
            ended.append(Ended(line["line"], 2, "AC01", "Nobody in use has this identity number."))
            continue
        permit = policy.decide(ctx, "payments.pay-line", person)
        debit, credit, amount = payers[line["block"]], wallets[person], line["amount"]
        transfer_id = rules.transfer_id(f"file/{file_id}", str(line["line"]), rules.shard_of(debit))
        hashed = rules.body_hash(transfer_id, debit, credit, amount, currency, "G2P", words)
        text = parties.permit_text(permit)
        orders.append(
            Order(transfer_id, owner, debit, credit, amount, currency, "G2P", hashed, permit, text, words, payer_name)
        )
        ended.append(Ended(line["line"], 1, transfer_id=transfer_id))
    endings = await ledger.post(stack, orders)
    by_id = {order.id: ending for order, ending in zip(orders, endings, strict=True)}
    for one in ended:
        ending = by_id.get(one.transfer_id) if one.transfer_id else None
        if isinstance(ending, Refusal):
            raise AssertionError(f"line {one.line} of file {file_id} was paid with other content")
        if ending is not None and ending.reason:
            one.reason, one.why = _CODES.get(Reason(ending.reason), ("NARR", Reason(ending.reason).name.lower()))
            one.status, one.transfer_id = 2, None
    return ended


async def _identify(stack: Stack, ctx: Context, numbers: list[str]) -> dict[str, PersonId]:
    """The people behind identity numbers; malformed, unknown and inactive numbers are absent.

    One malformed number spoils a common question, so it is divided until the bad ones are alone.
    """
    if not numbers:
        return {}
    try:
        return await identity.persons_by_number(stack, ctx, numbers)
    except Malformed:
        if len(numbers) == 1:
            return {}
        half = len(numbers) // 2
        first = await _identify(stack, ctx, numbers[:half])
        return first | await _identify(stack, ctx, numbers[half:])
