"""The verbs of payment files: hand in, approve with four eyes, look, report. (`working.py` pays them.)

Who is to be paid is sealed in parts of a thousand lines, and opened only where a part is paid or looked at.
"""

from collections.abc import AsyncIterator
from hashlib import sha256
from uuid import UUID

import msgspec
from msgspec import structs

from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.money import Currency
from msingi.kernel.stack import Stack
from msingi.payments import csvfile, errors, report, rules, store, store_files, wire
from msingi.payments.csvfile import Sheet
from msingi.payments.model import FileApproved, FileLine, FileLines, PaymentFile

ROOM = "payments"
SEAL = "payments.beneficiary"
PART = 1_000  # lines that are sealed, and later paid, together
PIECE = 64 * 1024
LINES_AT_ONCE = 5_000
MAX_PAGE = 500


@crossing("payments", "portal")
async def upload_payment_file(stack: Stack, ctx: Context, xml: bytes) -> PaymentFile:
    """Hand in a pain.001.001.09 file that is at hand; see `take_payment_file`."""
    return await take_payment_file(stack, ctx, _pieces(xml))


async def _pieces(raw: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(raw) or 1, PIECE):
        yield raw[start : start + PIECE]


async def take_payment_file(
    stack: Stack, ctx: Context, pieces: AsyncIterator[bytes], sheet: Sheet | None = None
) -> PaymentFile:
    """Hand in a payment file as a stream: read strictly, kept for approval by somebody else; memory holds one part.

    It is pain.001.001.09, or lines of CSV for the file that `sheet` describes. The same file again gives the first
    answer. Raises Malformed (place and rule), TooLarge, NoSuchAccount unless the payer's accounts are the
    institution's, DifferentContent for a used message id with other content.
    """
    permit = policy.decide(ctx, "payments.upload-file", policy.NOBODY)

    def currency_of(code: str) -> Currency:
        return _currency(stack, code)

    reader = wire.Reader(currency_of, clock.today()) if sheet is None else csvfile.Reader(sheet, currency_of)
    file_id, institution, digest = uuid7(), ctx.actor.institution, sha256()
    async with stack.db.transaction(permit) as tx:
        parts = Parts(stack, tx, file_id)
        async for piece in pieces:
            digest.update(piece)
            reader.feed(piece)
            await parts.add(reader.file.lines, PART)
        wanted = reader.close()
        await parts.add(wanted.lines, 1)
        content = digest.digest()
        if first := await once.claim(tx, ROOM, f"file:{institution}:{wanted.message_id}", content):
            known = await store_files.file(tx, UUID(first.decode()))
            assert known is not None
            return known
        if suspects := reader.repeated():
            await parts.same_id(suspects, wanted.blocks, reader)
        blocks = await _payers(tx, institution, wanted)
        who = f"{ctx.actor.kind}:{ctx.actor.id}"
        await store_files.add_file(
            tx,
            (
                *(file_id, institution, wanted.message_id, wanted.message_at, content),
                *(wanted.currency, wanted.count, wanted.total_minor, ctx.purpose, ctx.basis, who, ctx.at),
            ),
        )
        await store_files.add_blocks(tx, file_id, blocks)
        await once.settle(tx, ROOM, f"file:{institution}:{wanted.message_id}", str(file_id).encode())
        kept = await store_files.file(tx, file_id)
        log.append(tx, permit, detail={"what": "payment file handed in", "lines": wanted.count})
    assert kept is not None
    return kept


async def _payers(tx: store.Tx, institution: str, wanted: wire.Initiation) -> list[tuple[str, int, int, int]]:
    """The blocks of a file with their payers' accounts. Raises NoSuchAccount."""
    found = []
    for block in wanted.blocks:
        payer = rules.id_of(block.payer)
        holder = await store.institution_of(tx, payer)
        if holder is None or holder["institution"] != institution or holder["currency"] != wanted.currency:
            raise errors.NoSuchAccount(party="payer")
        found.append((block.block_id, payer, block.first_line, block.count))
    return found


class Parts:
    """The lines of a file on their way into the database, sealed in parts."""

    def __init__(self, stack: Stack, tx: store.Tx, file_id: UUID) -> None:
        self._stack, self._tx, self._file_id = stack, tx, file_id
        self._part, self._line = 0, 1

    async def add(self, lines: list[wire.Line], least: int) -> None:
        """Take full parts out of `lines`, until fewer than `least` are left."""
        while len(lines) >= least:
            some = lines[:PART]
            del lines[:PART]
            total = sum([line.amount_minor for line in some])
            blob = sealed(self._stack, some)
            await store_files.add_part(self._tx, self._file_id, self._part, self._line, len(some), total, blob)
            self._part += 1
            self._line += len(some)

    async def same_id(
        self, suspects: set[int], blocks: list[wire.Block], reader: "wire.Reader | csvfile.Reader"
    ) -> None:
        """Look again at lines whose end-to-end ids seem to come twice. Raises Malformed if they do."""
        known: set[str] = set()
        for part in await store_files.waiting_parts(self._tx, self._file_id, 1, self._line):
            for number, line in enumerate(opened(self._stack, part), part["first_line"]):
                if hash(line.end_to_end_id) in suspects:
                    if line.end_to_end_id in known:
                        raise reader.same_id(blocks, number, line)
                    known.add(line.end_to_end_id)


def sealed(stack: Stack, lines: list[wire.Line]) -> bytes:
    """Lines as they wait: only the stack itself can open them."""
    return stack.seal.seal_with_room_key(SEAL, msgspec.msgpack.encode(lines))


def opened(stack: Stack, part: store.Row) -> list[wire.Line]:
    """The lines of a part that waits."""
    raw = stack.seal.unseal_with_room_key(SEAL, bytes(part["sealed"]))
    return msgspec.msgpack.decode(raw, type=list[wire.Line])


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
        if rejected_only:
            page = await store_files.rejected_page(tx, wanted, after, limit + 1)
        else:
            page = await _lines(stack, tx, wanted, after + 1, after + limit + 1)
        log.append(tx, permit, detail={"what": "lines of a payment file"})
    return FileLines(page[:limit], page[limit - 1].line if len(page) > limit else None)


async def _lines(stack: Stack, tx: store.Tx, file_id: UUID, first: int, last: int) -> list[FileLine]:
    """The lines from `first` to `last`, those that have ended and those that wait."""
    found = await store_files.lines_between(tx, file_id, first, last)
    for part in await store_files.waiting_parts(tx, file_id, first, last):
        for number, n in enumerate(opened(stack, part), part["first_line"]):
            if first <= number <= last:
                shown = FileLine(number, n.end_to_end_id, n.amount_minor, "waiting", "", "", None, None)
                found.append(structs.replace(shown, instruction_id=n.instruction_id))
    return sorted(found, key=lambda line: line.line)


async def _all_lines(stack: Stack, tx: store.Tx, file_id: UUID, first: int, count: int) -> AsyncIterator[FileLine]:
    """The lines of a block, for the status report."""
    for start in range(first, first + count, LINES_AT_ONCE):
        for line in await _lines(stack, tx, file_id, start, min(start + LINES_AT_ONCE, first + count) - 1):
            yield line


@crossing("payments", "portal")
async def status_report(stack: Stack, ctx: Context, file_id: str) -> bytes:
    """The pain.002.001.10 report on a file as it stands now. Raises NoSuchFile."""
    return b"".join([piece async for piece in report_pieces(stack, ctx, file_id)])


async def report_pieces(stack: Stack, ctx: Context, file_id: str) -> AsyncIterator[bytes]:
    """The same report, piece by piece, for files of any size. Raises NoSuchFile with the first piece."""
    permit, wanted, _ = await _own(stack, ctx, "payments.read-file", file_id)
    async with stack.db.transaction(permit) as tx:
        details = await store_files.details(tx, wanted)
        found = await store_files.file(tx, wanted)
        assert found is not None
        blocks = [
            (b["block_id"], _all_lines(stack, tx, wanted, b["first_line"], b["lines"]))
            for b in await store_files.blocks(tx, wanted)
        ]
        log.append(tx, permit, detail={"what": "status report on a payment file"})
        said = found, details["message_at"], _currency(stack, found.currency), blocks, uuid7().hex, clock.now()
        async for piece in report.report_pieces(*said):
            yield piece
