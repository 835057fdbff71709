"""Doors of bills, requests to pay and standing orders: pay by reference, ask somebody, repeat a payment."""

from datetime import date, timedelta

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.errors import NotFound, NotPermitted, Refusal, TooMany
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.bank import acts as bank
from msingi.payments.bank import asking, standing
from msingi.payments.bank.errors import BillEnded, NoSuchBill
from msingi.payments.bank.model import Bill, BillOrder, Standing, StandingOrder
from msingi.payments.errors import NoSuchAccount, TransferRejected
from msingi.payments.fees import acts as fees
from msingi.payments.fees.errors import FeeChanged
from msingi.payments.fees.model import Kind
from msingi.portal import model as m
from msingi.portal import page, rules, session, views
from msingi.portal.errors import StaleForm
from msingi.portal.model_bank import Asking, Checking, DeskLine, DeskPage, Fact
from msingi.portal.routes_money import account_of, amount_field, amount_in, amount_judge
from msingi.portal.routes_shop import why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_person

OWN = 20
RESULTS = {
    "payments.insufficient-funds": "send.too_little", "payments.over-limit": "send.over_limit",
    "payments.fee-changed": "standing.fee_changed",
}  # fmt: skip


class Plan(Struct, frozen=True, array_like=True):
    """A payment to be repeated that waits for confirmation, sealed into the page; `key` orders it once."""

    sid: str
    key: str
    payer: str
    payee: str
    name: str
    amount_minor: int
    every: str
    first: str
    note: str
    fee_minor: int = 0


def _spaced(reference: str) -> str:
    return " ".join(reference[n : n + 4] for n in range(0, len(reference), 4))


def _facts(seen: Visit, bill: Bill) -> tuple[Fact, ...]:
    return (
        Fact(label=seen.say("send.amount"), money=Money(bill.amount_minor, bill.currency), strong=True),
        Fact(label=seen.say("bill.what"), text=bill.title),
        Fact(label=seen.say("bill.reference"), text=_spaced(bill.reference)),
        Fact(label=seen.say("bill.until"), day=bill.expires_at.astimezone(page.zone_of(seen.stack.profile)).date()),
    )


def _reference_form(seen: Visit) -> m.Form:
    field = m.Field(
        name="reference", label=seen.say("bill.reference"), kind="number", hint=seen.say("bill.reference_hint"),
        longest=20, autocomplete="off",
    )  # fmt: skip
    return rules.filled(m.Form((field,)), seen.fields)


async def _bills_page(seen: Visit, form: m.Form) -> Response[bytes]:
    ctx = seen.ctx("payment", "contract")
    sent = await asking.bills_for_me(seen.stack, ctx)
    made = await asking.made_bills(seen.stack, ctx, limit=OWN)
    lines = tuple(
        DeskLine(
            title=bill.name, facts=_facts(seen, bill), href=f"/me/money/bills/{bill.reference}",
            href_label=seen.say("bill.pay"), action="/me/money/bills/refuse", label=seen.say("bill.refuse"),
            hidden=(("reference", bill.reference),),
        )
        for bill in sent
    )  # fmt: skip
    more = tuple(
        DeskLine(
            title=bill.title, facts=_facts(seen, bill)[:1] + _facts(seen, bill)[2:],
            state=seen.say(f"bill.state_{bill.state}"), good=bill.state in ("open", "paid"),
            action="/me/money/bills/withdraw" if bill.state == "open" else "", label=seen.say("bill.withdraw"),
            hidden=(("reference", bill.reference),),
        )
        for bill in made
    )  # fmt: skip
    ask = Asking(
        title=seen.say("bill.title"), lead=seen.say("bill.by_reference"), action="/me/money/bills",
        submit=seen.say("form.continue"), back="/me/money", back_label=seen.say("menu.money"),
        note=seen.say("send.next_step"),
    )  # fmt: skip
    view = DeskPage(
        asking=ask, list_title=seen.say("bill.sent"), lines=lines, empty=seen.say("bill.none"),
        more_title=seen.say("bill.made"), more=more, link="/me/money/ask", link_label=seen.say("bill.ask"),
    )  # fmt: skip
    return seen.page("person/list.html", view, area="person", here="money", form=form)


@get("/me/money/bills")
async def bills(request: WebRequest) -> Response[bytes]:
    """What others ask of me, what I ask of others, and a place to type a reference."""
    seen = await visit_as_person(request)
    return await _bills_page(seen, _reference_form(seen))


@post("/me/money/bills", status_code=303)
async def find(request: WebRequest) -> Response[bytes]:
    """From a reference to what it asks for."""
    seen = await visit_as_person(request)
    form = _reference_form(seen)
    form, again = seen.judged(form)
    if again:
        return await _bills_page(seen, form)
    try:
        found = await asking.see_bill(seen.stack, seen.ctx("payment", "contract"), form.value("reference"))
    except NoSuchBill:
        return await _bills_page(seen, rules.with_wrong(form, "reference", seen.say("bill.nobody")))
    if found.state != "open":
        return await _bills_page(seen, rules.with_wrong(form, "reference", seen.say("bill.over")))
    return seen.go(f"/me/money/bills/{found.reference}")


@get("/me/money/bills/{reference:str}")
async def check(request: WebRequest, reference: FromPath[str]) -> Response[bytes]:
    """Who asks, for what, and how much. Nothing is paid yet."""
    seen = await visit_as_person(request)
    found = await asking.see_bill(seen.stack, seen.ctx("payment", "contract"), reference)
    account = await account_of(seen)
    fee = await _cost(seen, account.number, found.amount_minor, Kind.BILL) if account else 0
    view = Checking(
        title=seen.say("bill.check"), lead=seen.say("bill.check_lead"),
        facts=(
            Fact(label=seen.say("bill.who"), text=found.name, strong=True), *_facts(seen, found), *_costs(seen, fee),
        ),
        action="/me/money/bills/pay", hidden=(("reference", found.reference), ("fee", str(fee))),
        confirm=seen.say("shop.confirm"), stop="/me/money/bills", stop_label=seen.say("send.stop"),
        back="/me/money/bills", back_label=seen.say("bill.title"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


async def _cost(seen: Visit, payer: str, minor: int, kind: Kind) -> int:
    """What paying a bill, or a day of a standing order, costs: fee and tax."""
    ctx = seen.ctx("payment", "contract")
    return (await fees.quote_fee(seen.stack, ctx, payer, minor, kind=kind)).total_minor


def _costs(seen: Visit, fee: int) -> tuple[Fact, ...]:
    currency = seen.stack.profile.currency.code
    return (Fact(label=seen.say("send.fee"), money=Money(fee, currency), strong=True),) if fee else ()


@post("/me/money/bills/pay", status_code=303)
async def pay(request: WebRequest) -> Response[bytes]:
    """Pay it, once; then the receipt."""
    seen = await visit_as_person(request)
    account = await account_of(seen)
    if account is None:
        return seen.go("/me/money")
    ctx, reference = seen.ctx("payment", "contract"), seen.fields.get("reference", "")
    try:
        fee = seen.fields.get("fee", "")
        agreed = int(fee) if fee.isdecimal() and len(fee) < 16 else 0  # what the page showed
        paid = await asking.pay_bill(seen.stack, ctx, reference, account.number, agreed)
    except FeeChanged:
        told = seen.say("bill.fee_changed")
        return await _bills_page(seen, rules.with_wrong(_reference_form(seen), "reference", told))
    except BillEnded:
        return await _bills_page(seen, rules.with_wrong(_reference_form(seen), "reference", seen.say("bill.over")))
    except TransferRejected as refused:
        return await _bills_page(seen, rules.with_wrong(_reference_form(seen), "reference", why_not(seen, refused)))
    return seen.go(f"/me/money/receipts/{paid.transfer_id}")


@post("/me/money/bills/refuse", status_code=303)
async def refuse(request: WebRequest) -> Response[bytes]:
    """Refuse a request to pay."""
    seen = await visit_as_person(request)
    await asking.refuse_bill(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("reference", ""))
    return seen.go("/me/money/bills", "bill.said_refused")


@post("/me/money/bills/withdraw", status_code=303)
async def withdraw(request: WebRequest) -> Response[bytes]:
    """Take an own bill back."""
    seen = await visit_as_person(request)
    await asking.withdraw_bill(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("reference", ""))
    return seen.go("/me/money/bills", "bill.said_withdrawn")


def _ask_form(seen: Visit) -> m.Form:
    say = seen.say
    fields = (
        m.Field(
            name="payer", label=say("bill.payer"), kind="phone", hint=say("bill.payer_hint"), optional=True, longest=40
        ),
        amount_field(seen),
        m.Field(name="title", label=say("bill.what"), hint=say("bill.what_hint"), longest=80),
    )
    return rules.filled(m.Form(fields), seen.fields)


def _ask_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("bill.ask"), lead=seen.say("bill.ask_lead"), action="/me/money/ask",
        submit=seen.say("bill.send"), back="/me/money/bills", back_label=seen.say("bill.title"),
        hidden=(("key", seen.fields.get("key") or token(18)),),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get("/me/money/ask")
async def ask(request: WebRequest) -> Response[bytes]:
    """Of whom, how much, for what."""
    seen = await visit_as_person(request)
    return _ask_page(seen, _ask_form(seen))


@post("/me/money/ask", status_code=303)
async def send(request: WebRequest) -> Response[bytes]:
    """Send the request, once; it stands in the list of what I asked for."""
    seen = await visit_as_person(request)
    account = await account_of(seen)
    if account is None:
        return seen.go("/me/money")
    form = _ask_form(seen)
    form, again = seen.judged(form, {"amount": amount_judge(seen)})
    if again:
        return _ask_page(seen, form)
    order = BillOrder(
        key=seen.fields.get("key", "")[:64] or token(18), account=account.number, amount_minor=amount_in(seen, form),
        title=form.value("title"), payer=form.value("payer"),
    )  # fmt: skip
    try:
        await asking.make_bill(seen.stack, seen.ctx("payment", "contract"), order)
    except NoSuchAccount:
        return _ask_page(seen, rules.with_wrong(form, "payer", seen.say("send.nobody")))
    return seen.go("/me/money/bills", "bill.said_sent")


def _today(seen: Visit) -> date:
    return (clock.now() + timedelta(minutes=seen.stack.profile.utc_offset_minutes)).date()


def _plan_form(seen: Visit) -> m.Form:
    say = seen.say
    every = (("month", say("standing.month")), ("week", say("standing.week")))
    first = m.Field(name="first", label=say("standing.first"), kind="date", value=_today(seen).isoformat())
    fields = (
        m.Field(name="payee", label=say("send.phone"), kind="phone", longest=40, autocomplete="off"),
        amount_field(seen),
        m.Field(name="every", label=say("standing.every"), kind="choice", options=every),
        first,
        m.Field(name="note", label=say("send.note"), optional=True, longest=80),
    )
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def _plan_line(seen: Visit, plan: Standing) -> DeskLine:
    facts = [
        Fact(label=seen.say("send.amount"), money=Money(plan.amount_minor, plan.currency), strong=True),
        Fact(label=seen.say("standing.every"), text=seen.say(f"standing.{plan.every}")),
    ]
    facts += _costs(seen, plan.fee_minor or 0)
    if plan.due:
        facts.append(Fact(label=seen.say("standing.next"), day=plan.due))
    if plan.last_result:
        key = "standing.paid" if plan.last_result == "paid" else RESULTS.get(plan.last_result, "standing.not_paid")
        facts.append(Fact(label=seen.say("standing.last"), text=seen.say(key)))
    return DeskLine(
        title=plan.name, facts=tuple(facts), state=seen.say("standing.runs" if plan.due else "standing.over"),
        good=bool(plan.due), action="/me/money/standing/stop" if plan.due else "", label=seen.say("standing.stop"),
        hidden=(("id", plan.standing_id),),
    )  # fmt: skip


async def _plans_page(seen: Visit, form: m.Form) -> Response[bytes]:
    found = await standing.own_standing(seen.stack, seen.ctx("payment", "contract"))
    begin = Asking(
        title=seen.say("standing.title"), lead=seen.say("standing.new"), action="/me/money/standing",
        submit=seen.say("form.continue"), back="/me/money", back_label=seen.say("menu.money"),
        note=seen.say("send.next_step"),
    )  # fmt: skip
    lines = tuple(_plan_line(seen, plan) for plan in found)
    view = DeskPage(asking=begin, list_title=seen.say("standing.mine"), lines=lines, empty=seen.say("standing.none"))
    return seen.page("person/list.html", view, area="person", here="money", form=form)


@get("/me/money/standing")
async def plans(request: WebRequest) -> Response[bytes]:
    """One's standing orders, and a form for one more."""
    seen = await visit_as_person(request)
    return await _plans_page(seen, _plan_form(seen))


@post("/me/money/standing", status_code=303)
async def plan(request: WebRequest) -> Response[bytes]:
    """Judge what was typed, and find out who would be paid."""
    seen = await visit_as_person(request)
    form = _plan_form(seen)

    def first(text: str) -> str:
        wrong = rules.date_wrong(text, _today(seen) + timedelta(days=366), seen.say)
        whole = len(rules.iso_date(text)) == 10
        return wrong or (
            "" if whole and rules.iso_date(text) >= _today(seen).isoformat() else seen.say("standing.past")
        )

    form, again = seen.judged(form, {"amount": amount_judge(seen), "first": first})
    if again:
        return await _plans_page(seen, form)
    account = await account_of(seen)
    if account is None or seen.session is None:
        return seen.go("/me/money")
    try:
        payee = await bank.find_payee(seen.stack, seen.ctx("payment", "contract"), form.value("payee"))
    except (TooMany, NotPermitted):
        raise
    except Refusal:
        return await _plans_page(seen, rules.with_wrong(form, "payee", seen.say("send.nobody")))
    fee = await _cost(seen, account.number, amount_in(seen, form), Kind.STANDING)
    ready = Plan(
        seen.session.sid, token(18), account.number, payee.alias.value, payee.name, amount_in(seen, form),
        form.value("every"), rules.iso_date(form.value("first")), form.value("note"), fee,
    )  # fmt: skip
    return seen.go(f"/me/money/standing/check?plan={session.seal(seen.stack, 'plan', ready)}")


def _plan(seen: Visit, sealed: str) -> Plan:
    """The plan that a page carried. Raises StaleForm unless it was made for this session."""
    try:
        found = session.unseal(seen.stack, "plan", sealed, Plan)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or found.sid != seen.session.sid:
        raise StaleForm()
    return found


@get("/me/money/standing/check")
async def check_plan(request: WebRequest) -> Response[bytes]:
    """Who would be paid, how much, how often and from when."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("plan", "")
    found = _plan(seen, sealed)
    amount = Money(found.amount_minor, seen.stack.profile.currency.code)
    view = Checking(
        title=seen.say("standing.check"), lead=seen.say("send.check_lead"),
        facts=(
            Fact(label=seen.say("send.to_name"), text=found.name, strong=True),
            Fact(label=seen.say("send.to_phone"), text=found.payee),
            Fact(label=seen.say("send.amount"), money=amount, strong=True), *_costs(seen, found.fee_minor),
            Fact(label=seen.say("standing.every"), text=seen.say(f"standing.{found.every}")),
            Fact(label=seen.say("standing.first"), day=date.fromisoformat(found.first)),
        ),
        action="/me/money/standing/confirm", hidden=(("plan", sealed),), confirm=seen.say("standing.confirm"),
        stop="/me/money", stop_label=seen.say("send.stop"), back="/me/money/standing",
        back_label=seen.say("standing.title"), note=seen.say("send.masked"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


@post("/me/money/standing/confirm", status_code=303)
async def confirm_plan(request: WebRequest) -> Response[bytes]:
    """Order it, once."""
    seen = await visit_as_person(request)
    found = _plan(seen, seen.fields.get("plan", ""))
    order = StandingOrder(
        key=found.key, payer=found.payer, payee=found.payee, amount_minor=found.amount_minor, every=found.every,
        first_day=date.fromisoformat(found.first), reference=found.note, fee_minor=found.fee_minor,
    )  # fmt: skip
    await standing.make_standing(seen.stack, seen.ctx("payment", "contract"), order)
    return seen.go("/me/money/standing", "standing.said_made")


@post("/me/money/standing/stop", status_code=303)
async def stop_plan(request: WebRequest) -> Response[bytes]:
    """Stop one."""
    seen = await visit_as_person(request)
    if views.uuid_of(seen.fields.get("id", "")) is None:
        raise NotFound()
    await standing.stop_standing(seen.stack, seen.ctx("payment", "contract"), seen.fields["id"])
    return seen.go("/me/money/standing", "standing.said_stopped")


doors = [bills, find, check, pay, refuse, withdraw, ask, send, plans, plan, check_plan, confirm_plan, stop_plan]
