"""Doors of the payments room: accounts, statements, transfers, aliases, payment files.

Amounts in JSON are whole minor units of the named currency (`amount_minor`). A transfer carries an `Idempotency-Key`
(as in draft-ietf-httpapi-idempotency-key-header): the same key again answers the first receipt.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Router, get, post
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.hot import Hot
from msingi.payments import acts, files, rules, subaccounts
from msingi.payments import model as m
from msingi.payments.csvfile import Sheet
from msingi.payments.errors import NoSuchFile, NoSuchTransfer
from msingi.payments.spool import spooled
from msingi.payments.wire import MAX_FILE_BYTES

AnyRequest = Request[Any, Any, Any]
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        required=True,
        min_length=1,
        max_length=64,
        description="One key for one intention: repeated, it gives the first receipt and pays nobody twice.",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many items at most.")]
After = Annotated[int | None, QueryParameter(ge=0, le=2**62, description="What the page before gave as `next_after`.")]
Number = Annotated[str, PathParameter(max_length=24, description="Account number, 13 digits; blanks are ignored.")]
MessageId = Annotated[str, QueryParameter(max_length=35, description="Of a CSV file: its id, your own, once.")]
Payer = Annotated[str, QueryParameter(max_length=24, description="Of a CSV file: the account number that pays.")]
FileCurrency = Annotated[str, QueryParameter(max_length=3, description="Of a CSV file; the country's if left out.")]
Amount = Annotated[int, Meta(ge=1, le=rules.MAX_AMOUNT_MINOR)]


class AliasBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How the payee is named: `kind` is "phone" (E.164), "account" (number) or "identity" (identity number)."""

    kind: Annotated[str, Meta(max_length=10)]
    value: Annotated[str, Meta(min_length=1, max_length=40)]


class TransferBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An order to pay, from one of the caller's own accounts; `fee_minor`: what `/fees/quote` said that it costs."""

    payer: Annotated[str, Meta(max_length=24)]
    payee: AliasBody
    amount_minor: Amount
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    reference: Annotated[str, Meta(max_length=140)] = ""
    fee_minor: Annotated[int, Meta(ge=0, le=rules.MAX_AMOUNT_MINOR)] | None = None


class FileLines(Struct, frozen=True):
    """A payment file with a page of its lines."""

    file: m.PaymentFile
    lines: list[m.FileLine]
    next_after: int | None


class Balance(Struct, frozen=True):
    """A balance at an instant, in minor units."""

    account: str
    at: datetime
    balance_minor: int


async def paying(request: AnyRequest) -> Context:
    """The context of somebody who is signed in and deals with money."""
    return await web.context(request, "payment", "contract", signed_in=True)


async def _filing(request: AnyRequest) -> Context:
    return await web.context(request, "social-protection", "public-task", signed_in=True)


@get("/accounts")
async def accounts(request: AnyRequest) -> list[m.Account]:
    """The caller's own accounts, or those of the caller's institution, with balances. 401, 403."""
    return await acts.accounts(web.stack(request), await paying(request))


@get("/accounts/{number:str}/entries")
async def entries(request: AnyRequest, number: Number, after: After = None, limit: Limit = 50) -> m.Statement:
    """A page of an account's entries, newest first (keyset paging). 400, 403, 404 payments.no-such-account."""
    return await acts.statement(web.stack(request), await paying(request), number, after=after, limit=limit)


@get("/accounts/{number:str}/sub-accounts")
async def sub_accounts(request: AnyRequest, number: Number) -> list[subaccounts.SubAccount]:
    """The parts of an account of the caller's institution in other shards; `/accounts` shows all as one balance.
    400, 403, 404 payments.no-such-account."""
    return await subaccounts.sub_accounts(web.stack(request), await paying(request), number)


@get("/accounts/{number:str}/balance")
async def balance(request: AnyRequest, number: Number, at: datetime) -> Balance:
    """The balance at a past instant (RFC 3339 with offset). 400, 403, 404 payments.no-such-account."""
    if at.tzinfo is None:
        raise acts.Malformed("An instant names its offset from UTC.", field="at", rule="rfc3339")
    found = await acts.balance_at(web.stack(request), await paying(request), number, at)
    return Balance(number, at, found)


@post("/transfers")
async def transfer(request: AnyRequest, data: JSONBody[TransferBody], key: Key) -> m.Receipt:
    """Pay. The answer comes once the transfer is durable. 400, 403, 404, 409 with the ledger's reason."""
    d = data
    order = m.TransferOrder(key, d.payer, _alias(d.payee), d.amount_minor, d.currency, d.reference, d.fee_minor)
    return await acts.transfer(web.stack(request), await paying(request), order)


async def _transferred(request: AnyRequest, data: TransferBody, key: str) -> m.Receipt:
    return await transfer.fn(request, data, key)


@get("/transfers/{transfer_id:str}")
async def receipt(request: AnyRequest, transfer_id: str) -> m.Receipt:
    """The receipt of a transfer that one of the caller's accounts paid or received. 404 payments.no-such-transfer."""
    return await acts.receipt(web.stack(request), await paying(request), _uuid(transfer_id, NoSuchTransfer()))


@post("/aliases/resolve", status_code=200)
async def resolve(request: AnyRequest, data: JSONBody[AliasBody]) -> m.MaskedPayee:
    """The initials behind an alias, to confirm before paying; at most ten a minute. 404, 429."""
    return await acts.resolve_alias(web.stack(request), await paying(request), _alias(data))


@post("/files", request_max_body_size=MAX_FILE_BYTES, opt={"takes": ("application/xml", "text/csv")})
async def upload(
    request: AnyRequest, message_id: MessageId = "", payer: Payer = "", currency: FileCurrency = ""
) -> m.PaymentFile:
    """Hand in a payment file: ISO 20022 pain.001.001.09 (application/xml), or CSV (text/csv: id, number, amount and
    reference in columns named by the first row), `message_id` and `payer` in the query. 400 names place and rule."""
    ctx, stack = await _filing(request), web.stack(request)
    sheet = None
    if (request.content_type[0] or "").lower() == "text/csv":
        sheet = Sheet(message_id, payer, currency or stack.profile.currency.code)
    async with spooled(request.stream()) as pieces:
        return await files.take_payment_file(stack, ctx, pieces, sheet)


@get("/files")
async def payment_files(request: AnyRequest, limit: Limit = 50) -> list[m.PaymentFile]:
    """The institution's newest payment files with their progress. 403."""
    return await files.payment_files(web.stack(request), await _filing(request), limit)


@post("/files/{file_id:str}/approval", status_code=200)
async def approve(request: AnyRequest, file_id: str) -> m.PaymentFile:
    """Approve a file, as another official than the one who handed it in. 403, 404, 409 payments.four-eyes."""
    ctx = await _filing(request)
    return await files.approve_payment_file(web.stack(request), ctx, _uuid(file_id, NoSuchFile()))


@get("/files/{file_id:str}")
async def payment_file(
    request: AnyRequest, file_id: str, after: After = None, limit: Limit = 100, rejected_only: bool = False
) -> FileLines:
    """A file's progress and a page of its lines with their outcomes. 404 payments.no-such-file."""
    stack, ctx, wanted = web.stack(request), await _filing(request), _uuid(file_id, NoSuchFile())
    page = await files.file_lines(stack, ctx, wanted, after=after or 0, limit=limit, rejected_only=rejected_only)
    return FileLines(await files.payment_file(stack, ctx, wanted), page.lines, page.next_after)


@get("/files/{file_id:str}/pain.002", opt={"gives": ("application/xml",)})
async def report(request: AnyRequest, file_id: str) -> Stream:
    """The status report on a file as it stands: ISO 20022 pain.002.001.10. 404 payments.no-such-file."""
    ctx = await _filing(request)
    pieces = _aside(files.report_pieces(web.stack(request), ctx, _uuid(file_id, NoSuchFile())))
    first = await anext(pieces)  # whatever is refused is refused here; the rest waits aside, and no transaction with it
    return Stream(_whole(first, pieces), media_type="application/xml")


async def _aside(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with spooled(pieces) as ready:
        async for piece in ready:
            yield piece


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _alias(body: AliasBody) -> m.Alias:
    return m.Alias(body.kind, body.value)


def _uuid(text: str, missing: Exception) -> str:
    """The text of an id; what is no id names nothing."""
    try:
        return str(UUID(text))
    except ValueError:
        raise missing from None


from msingi.payments import routes_holds  # noqa: E402  (its doors use the shapes above)

routers = [
    Router(
        "/v1/payments",
        route_handlers=[
            *(accounts, entries, sub_accounts, balance, transfer, receipt, resolve),
            *(upload, payment_files, approve, payment_file, report),
            *routes_holds.handlers,
        ],
        tags=["payments"],
    )
]
hot = [Hot("/v1/payments/transfers", _transferred, TransferBody, status=201, keyed=True)]
