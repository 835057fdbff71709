"""Doors of a treasurer: compare an account with the bank's statement, and work off what does not agree."""

from datetime import date, datetime
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.kernel.errors import DifferentContent, Malformed, NotFound, TooLarge
from msingi.kernel.money import Money
from msingi.payments import acts as payments
from msingi.payments.reconciling import acts
from msingi.payments.reconciling.errors import AlreadySettled
from msingi.payments.reconciling.model import Item, Reconciliation
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

ROLES = ("treasurer", "auditor")
KEEPER = "treasurer"
SHOWN, QUEUE = 40, 50


class ReconciledLine(Struct, frozen=True, kw_only=True):
    """A comparison in the list."""

    id: str
    name: str
    account: str
    first: date
    last: date
    lines: int
    agreed: int
    open: int
    at: datetime


class OpenItem(Struct, frozen=True, kw_only=True):
    """Something that did not agree: what the bank says, what the ledger says, the references."""

    item: int
    why: str
    on: date
    amount: Money
    booked: Money | None
    reference: str


class ReconcileList(Struct, frozen=True, kw_only=True):
    """The comparisons of an institution; `may_keep`: the visitor may make one."""

    lines: tuple[ReconciledLine, ...]
    may_keep: bool


class ReconcilePage(Struct, frozen=True, kw_only=True):
    """One comparison with a page of its open queue."""

    one: ReconciledLine
    items: tuple[OpenItem, ...]
    may_keep: bool
    older: str = ""


def line(found: Reconciliation) -> ReconciledLine:
    """A comparison as pages show it."""
    return ReconciledLine(
        id=str(found.reconciliation_id),
        name=found.statement_id,
        account=found.account,
        first=found.first,
        last=found.last,
        lines=found.lines,
        agreed=found.by_reference + found.by_end_to_end + found.by_amount,
        open=found.open,
        at=found.made_at,
    )


def item(found: Item, currency: str) -> OpenItem:
    """An exception as pages show it."""
    return OpenItem(
        item=found.item,
        why=found.why.value.replace("-", "_"),
        on=found.on,
        amount=Money(found.amount_minor, currency),
        booked=None if found.booked_minor is None else Money(found.booked_minor, currency),
        reference=found.end_to_end or found.reference or found.transfer_id or "",
    )


def _ctx(seen: Visit):
    purpose = "payment" if KEEPER in seen.actor.roles else "audit"
    return seen.ctx(purpose, "public-task")


async def _form(seen: Visit) -> m.Form:
    own = await payments.accounts(seen.stack, seen.ctx("payment", "public-task"))
    accounts = tuple((a.number, " ".join(x for x in (a.number, a.label) if x)) for a in own)
    ask = (
        m.Field(name="account", label=seen.say("reconcile.account"), kind="select", options=accounts),
        m.Field(
            name="file", label=seen.say("reconcile.file"), kind="file", hint=seen.say("reconcile.file_hint"),
            accept=".xml,text/xml",
        ),
    )  # fmt: skip
    return rules.filled(m.Form(ask), seen.fields)


async def _list_page(seen: Visit, form: m.Form | None = None) -> Response[bytes]:
    found = await acts.reconciliations(seen.stack, _ctx(seen), SHOWN)
    may_keep = KEEPER in seen.actor.roles
    view = ReconcileList(lines=tuple(line(one) for one in found), may_keep=may_keep)
    form = form or (await _form(seen) if may_keep else m.Form(()))
    return seen.page("staff/reconcile_list.html", view, area="staff", here="reconcile", form=form, keeps_form=False)


@get("/staff/reconcile")
async def listed(request: WebRequest) -> Response[bytes]:
    """The institution's comparisons, and a form for one more."""
    return await _list_page(await visit_as_staff(request, *ROLES))


@post("/staff/reconcile", status_code=303)
async def compared(request: WebRequest) -> Response[bytes]:
    """Compare a statement, or say what is wrong with it."""
    seen = await visit_as_staff(request, KEEPER)
    form, raw = await _form(seen), seen.files.get("file", b"")
    if not raw:
        return await _list_page(seen, rules.with_wrong(form, "file", seen.say("form.no_file")))
    try:
        made = await acts.reconcile(seen.stack, _ctx(seen), form.value("account"), raw)
    except (Malformed, TooLarge, NotFound, DifferentContent) as wrong:
        where = " – ".join(str(wrong.facts[f]) for f in ("field", "rule") if f in wrong.facts)
        told = seen.say("files.wrong", what=f"{wrong.detail or wrong.title} {where}".strip())
        return await _list_page(seen, rules.with_wrong(form, "file", told))
    return seen.go(f"/staff/reconcile/{made.reconciliation_id}")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None


def _note(seen: Visit) -> m.Form:
    return m.Form(
        (m.Field(name="note", label=seen.say("reconcile.note"), hint=seen.say("reconcile.note_hint"), longest=500),)
    )


async def _one_page(seen: Visit, wanted: UUID, form: m.Form | None = None) -> Response[bytes]:
    found = next(
        (n for n in await acts.reconciliations(seen.stack, _ctx(seen), SHOWN) if n.reconciliation_id == wanted), None
    )
    if found is None:
        raise NotFound()
    text = seen.request.query_params.get("after", "")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    queue = await acts.queue(seen.stack, _ctx(seen), wanted, after=after, limit=QUEUE)
    currency = seen.stack.profile.currency.code
    view = ReconcilePage(
        one=line(found),
        items=tuple(item(one, currency) for one in queue.items),
        may_keep=KEEPER in seen.actor.roles,
        older=f"/staff/reconcile/{wanted}?after={queue.next_after}" if queue.next_after else "",
    )
    return seen.page(
        "staff/reconcile.html", view, area="staff", here="reconcile", form=form or _note(seen), keeps_form=False
    )


@get("/staff/reconcile/{wanted:str}")
async def one(request: WebRequest, wanted: FromPath[str]) -> Response[bytes]:
    """One comparison: how much agreed, and what is open."""
    return await _one_page(await visit_as_staff(request, *ROLES), _id(wanted))


@post("/staff/reconcile/{wanted:str}/{number:int}", status_code=303)
async def settled(request: WebRequest, wanted: FromPath[str], number: FromPath[int]) -> Response[bytes]:
    """Say what an exception is."""
    seen = await visit_as_staff(request, KEEPER)
    chosen, form = _id(wanted), rules.filled(_note(seen), seen.fields)
    if not 0 < number < 2**31:
        raise NotFound()
    try:
        await acts.settle_exception(seen.stack, _ctx(seen), chosen, number, form.value("note"))
    except Malformed:
        return await _one_page(seen, chosen, rules.with_wrong(form, "note", seen.say("reconcile.note_wrong")))
    except AlreadySettled:
        return seen.go(f"/staff/reconcile/{chosen}", "reconcile.said_before")
    return seen.go(f"/staff/reconcile/{chosen}", "reconcile.said_settled")


@get("/staff/reconcile/{wanted:str}/report.jws")
async def report(request: WebRequest, wanted: FromPath[str]) -> Response[bytes]:
    """The signed report."""
    seen = await visit_as_staff(request, *ROLES)
    told = await acts.report(seen.stack, _ctx(seen), _id(wanted))
    return seen.download(told.encode(), "application/jose", f"reconciliation-{wanted[:13]}.jws")


doors = [listed, compared, one, settled, report]
