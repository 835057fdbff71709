"""Doors of cash: a customer asks for it and gets a code; whoever runs an agency pays in, and pays out against codes."""

from litestar import Response, get, post
from msgspec import Struct

from msingi.kernel.errors import NotPermitted, Refusal, TooMany
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments import acts as payments
from msingi.payments.bank import acts as bank
from msingi.payments.bank import agents, floats
from msingi.payments.bank.errors import NoSuchAgent, NoSuchCash, NoSuchMerchant
from msingi.payments.bank.model import CashIn, CashReceipt
from msingi.payments.errors import AmountOutOfRange, TransferRejected
from msingi.portal import model as m
from msingi.portal import rules, session, views
from msingi.portal.errors import StaleForm
from msingi.portal.model_bank import AgentPage, CashCode, CashPage, Checking, Fact, Told
from msingi.portal.routes_money import amount_field, amount_in, amount_judge
from msingi.portal.routes_shop import why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_person


class Errand(Struct, frozen=True, array_like=True):
    """Cash in or out that waits for confirmation, sealed into the page; `key` does it once."""

    sid: str
    key: str
    agent: str
    name: str
    who: str
    amount_minor: int
    fee_minor: int


def _money(seen: Visit, minor: int) -> Money:
    return Money(minor, seen.stack.profile.currency.code)


def _errand(seen: Visit, sealed: str) -> Errand:
    """The errand that a page carried. Raises StaleForm unless it was made for this session."""
    try:
        errand = session.unseal(seen.stack, "errand", sealed, Errand)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or errand.sid != seen.session.sid:
        raise StaleForm()
    return errand


def _go(seen: Visit, path: str, *parts: str | int) -> Response[bytes]:
    assert seen.session is not None
    errand = Errand(seen.session.sid, token(18), *parts)  # pyright: ignore[reportArgumentType]
    return seen.go(f"{path}?errand={session.seal(seen.stack, 'errand', errand)}")


def _ask_form(seen: Visit) -> m.Form:
    number = m.Field(
        name="agent", label=seen.say("cash.agent"), kind="number", hint=seen.say("shop.number_hint"), longest=12,
        autocomplete="off",
    )  # fmt: skip
    return rules.filled(m.Form((number, amount_field(seen))), seen.fields)


async def _cash_page(seen: Visit, form: m.Form) -> Response[bytes]:
    found = await agents.cash_waiting(seen.stack, seen.ctx("payment", "contract"))
    waiting = tuple(
        CashCode(
            one.code,
            (
                Fact(label=seen.say("cash.agent"), text=one.agent),
                Fact(label=seen.say("send.amount"), money=_money(seen, one.amount_minor), strong=True),
                Fact(label=seen.say("send.fee"), money=_money(seen, one.fee_minor)),
                Fact(label=seen.say("cash.until"), at=one.expires_at),
            ),
        )
        for one in found
    )
    return seen.page("person/cash.html", CashPage(waiting), area="person", here="money", form=form)


@get("/me/money/cash")
async def cash(request: WebRequest) -> Response[bytes]:
    """Which cash waits, and a form to ask for some."""
    seen = await visit_as_person(request)
    return await _cash_page(seen, _ask_form(seen))


@post("/me/money/cash", status_code=303)
async def ask(request: WebRequest) -> Response[bytes]:
    """Judge what was typed; then show agent, amount and fee."""
    seen = await visit_as_person(request)
    form = _ask_form(seen)
    form, again = seen.judged(form, {"amount": amount_judge(seen)})
    if again:
        return await _cash_page(seen, form)
    ctx, minor = seen.ctx("payment", "contract"), amount_in(seen, form)
    try:
        shop = await bank.see_merchant(seen.stack, ctx, form.value("agent"))
        fee = agents.quote(seen.stack, minor)
    except NoSuchMerchant:
        return await _cash_page(seen, rules.with_wrong(form, "agent", seen.say("cash.no_agent")))
    except AmountOutOfRange:
        return await _cash_page(seen, rules.with_wrong(form, "amount", seen.say("send.over_limit")))
    return _go(seen, "/me/money/cash/check", shop.code, shop.name, "", minor, fee)


@get("/me/money/cash/check")
async def check(request: WebRequest) -> Response[bytes]:
    """Agent, amount and fee, before anything is reserved."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("errand", "")
    errand = _errand(seen, sealed)
    view = Checking(
        title=seen.say("cash.check"), lead=seen.say("cash.check_lead"), action="/me/money/cash/confirm",
        facts=(
            Fact(label=seen.say("cash.agent"), text=f"{errand.name} · {errand.agent}", strong=True),
            Fact(label=seen.say("send.amount"), money=_money(seen, errand.amount_minor), strong=True),
            Fact(label=seen.say("send.fee"), money=_money(seen, errand.fee_minor)),
            Fact(label=seen.say("cash.together"), money=_money(seen, errand.amount_minor + errand.fee_minor)),
        ),
        hidden=(("errand", sealed),), confirm=seen.say("cash.get_code"), stop="/me/money",
        stop_label=seen.say("send.stop"), back="/me/money/cash", back_label=seen.say("cash.title"),
        note=seen.say("cash.note"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


@post("/me/money/cash/confirm", status_code=303)
async def confirm(request: WebRequest) -> Response[bytes]:
    """Reserve the money; the code stands on the page of cash."""
    seen = await visit_as_person(request)
    errand = _errand(seen, seen.fields.get("errand", ""))
    ctx = seen.ctx("payment", "contract")
    try:
        await agents.ask_cash(seen.stack, ctx, errand.key, errand.agent, errand.amount_minor)
    except (TransferRejected, NoSuchAgent) as refused:
        typed = views.plain_amount(errand.amount_minor, seen.stack.profile.currency)
        seen.fields |= {"agent": errand.agent, "amount": typed}
        gone = isinstance(refused, NoSuchAgent)
        told = seen.say("cash.no_agent") if gone else why_not(seen, refused)
        return await _cash_page(seen, rules.with_wrong(_ask_form(seen), "agent" if gone else "amount", told))
    return seen.go("/me/money/cash")


@post("/me/money/cash/stop", status_code=303)
async def stop(request: WebRequest) -> Response[bytes]:
    """Take back what was not fetched."""
    seen = await visit_as_person(request)
    await agents.stop_cash(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("code", ""))
    return seen.go("/me/money/cash", "cash.said_stopped")


def _agent_form(seen: Visit) -> m.Form:
    whom = m.Field(
        name="customer", label=seen.say("agent.customer"), kind="phone", hint=seen.say("agent.customer_hint"),
        longest=40, autocomplete="off",
    )  # fmt: skip
    return rules.filled(m.Form((whom, amount_field(seen))), seen.fields)


async def _agent_page(seen: Visit, form: m.Form, code_wrong: str = "") -> Response[bytes]:
    ctx = seen.ctx("payment", "contract")
    agency = await agents.own_agency(seen.stack, ctx)
    held = await payments.accounts(seen.stack, ctx)
    own = next((a for a in held if a.number == agency.number), None)
    balance, apart = (own.available_minor, not own.is_default) if own else (0, True)
    ask_code = m.Field(
        name="code", label=seen.say("agent.code"), kind="number", longest=6, wrong=code_wrong, autocomplete="off",
        value=seen.fields.get("code", ""),
    )  # fmt: skip
    low = floats.is_low(seen.stack, balance)
    shown = _money(seen, balance)
    view = AgentPage(agency.shop.name, agency.shop.code, shown, ask_code, low, apart, agency.number if apart else "")
    status = 422 if code_wrong else 200
    return seen.page("person/agent.html", view, area="person", here="money", form=form, status=status)


@get("/me/money/agent")
async def agent(request: WebRequest) -> Response[bytes]:
    """One's own agency: pay out against a code, pay in for a customer."""
    seen = await visit_as_person(request)
    return await _agent_page(seen, _agent_form(seen))


@post("/me/money/agent", status_code=303)
async def take_in(request: WebRequest) -> Response[bytes]:
    """Cash in: judge, find the customer, show the masked name."""
    seen = await visit_as_person(request)
    form = _agent_form(seen)
    form, again = seen.judged(form, {"amount": amount_judge(seen)})
    if again:
        return await _agent_page(seen, form)
    ctx = seen.ctx("payment", "contract")
    agency = await agents.own_agency(seen.stack, ctx)
    try:
        found = await bank.find_payee(seen.stack, ctx, form.value("customer"))
    except (TooMany, NotPermitted):
        raise
    except Refusal:
        return await _agent_page(seen, rules.with_wrong(form, "customer", seen.say("send.nobody")))
    whom = form.value("customer")
    return _go(seen, "/me/money/agent/check-in", agency.shop.code, found.name, whom, amount_in(seen, form), 0)


@post("/me/money/agent/code", status_code=303)
async def take_code(request: WebRequest) -> Response[bytes]:
    """Cash out: what a customer's code stands for."""
    seen = await visit_as_person(request)
    ctx, code = seen.ctx("payment", "contract"), seen.fields.get("code", "").replace(" ", "")
    agency = await agents.own_agency(seen.stack, ctx)
    try:
        found = await agents.see_cash(seen.stack, ctx, agency.shop.code, code)
    except NoSuchCash:
        return await _agent_page(seen, m.Form(_agent_form(seen).fields), seen.say("agent.no_cash"))
    return _go(seen, "/me/money/agent/check-out", agency.shop.code, found.name, code, found.amount_minor, 0)


def _check_agent(seen: Visit, way: str, sealed: str, errand: Errand) -> Response[bytes]:
    view = Checking(
        title=seen.say(f"agent.{way}"), lead=seen.say(f"agent.{way}_check"),
        facts=(
            Fact(label=seen.say("agent.name"), text=errand.name, strong=True),
            Fact(label=seen.say("send.amount"), money=_money(seen, errand.amount_minor), strong=True),
        ),
        action=f"/me/money/agent/{way}", hidden=(("errand", sealed),), confirm=seen.say(f"agent.{way}_do"),
        stop="/me/money/agent", stop_label=seen.say("send.stop"), back="/me/money/agent",
        back_label=seen.say("agent.title"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


@get("/me/money/agent/check-in")
async def check_in(request: WebRequest) -> Response[bytes]:
    """The customer's masked name and the amount, before the cash is paid in."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("errand", "")
    return _check_agent(seen, "into", sealed, _errand(seen, sealed))


@get("/me/money/agent/check-out")
async def check_out(request: WebRequest) -> Response[bytes]:
    """The customer's masked name and the amount, before the cash is handed over."""
    seen = await visit_as_person(request)
    sealed = request.query_params.get("errand", "")
    return _check_agent(seen, "out", sealed, _errand(seen, sealed))


def _told(seen: Visit, way: str, done: CashReceipt) -> Response[bytes]:
    view = Told(
        title=seen.say(f"agent.{way}"), lead=seen.say(f"agent.{way}_done"),
        amount=_money(seen, done.receipt.amount_minor),
        facts=(
            Fact(label=seen.say("agent.name"), text=done.receipt.to),
            Fact(label=seen.say("agent.commission"), money=_money(seen, done.commission_minor)),
            Fact(label=seen.say("receipt.number"), text=done.receipt.transfer_id),
            Fact(label=seen.say("receipt.when"), at=done.receipt.at),
        ),
        next="/me/money/agent", next_label=seen.say("agent.next"),
    )  # fmt: skip
    return seen.page("person/told.html", view, area="person", here="money")


@post("/me/money/agent/into", status_code=200)
async def pay_in(request: WebRequest) -> Response[bytes]:
    """Pay the cash in, once."""
    seen = await visit_as_person(request)
    errand = _errand(seen, seen.fields.get("errand", ""))
    order = CashIn(key=errand.key, customer=errand.who, amount_minor=errand.amount_minor, agent=errand.agent)
    try:
        return _told(seen, "into", await agents.cash_in(seen.stack, seen.ctx("payment", "contract"), order))
    except TransferRejected as refused:
        typed = views.plain_amount(errand.amount_minor, seen.stack.profile.currency)
        seen.fields |= {"customer": errand.who, "amount": typed}
        return await _agent_page(seen, rules.with_wrong(_agent_form(seen), "amount", why_not(seen, refused)))


@post("/me/money/agent/out", status_code=200)
async def pay_out(request: WebRequest) -> Response[bytes]:
    """Take the customer's money; then the cash may be handed over."""
    seen = await visit_as_person(request)
    errand = _errand(seen, seen.fields.get("errand", ""))
    ctx = seen.ctx("payment", "contract")
    try:
        return _told(seen, "out", await agents.pay_cash(seen.stack, ctx, errand.agent, errand.who))
    except (NoSuchCash, TransferRejected):
        return await _agent_page(seen, m.Form(_agent_form(seen).fields), seen.say("agent.no_cash"))


doors = [cash, ask, check, confirm, stop, agent, take_in, take_code, check_in, check_out, pay_in, pay_out]
