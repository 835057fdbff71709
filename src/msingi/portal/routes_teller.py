"""Pages of a branch's counter: find the customer, take and pay cash, open accounts, change tiers, count the drawer."""

from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct
from msgspec.structs import replace

from msingi.kernel.errors import NotPermitted, Refusal
from msingi.kernel.ids import PersonId, token
from msingi.kernel.money import Money
from msingi.payments import acts as payments
from msingi.payments.bank import statements, teller
from msingi.payments.bank.errors import NotAtTheCounter, OverTellerLimit
from msingi.payments.errors import NoSuchAccount, TransferRejected
from msingi.payments.model import Account, AccountKind
from msingi.portal import model as m
from msingi.portal import officer, rules, session, slip_paper
from msingi.portal.errors import StaleForm
from msingi.portal.model_bank import Asking, DeskPage, Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field, amount_in, amount_judge
from msingi.portal.routes_shop import why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HERE = "/staff/teller"
WAYS = ("in", "out", "open", "tier")
KINDS = (AccountKind.WALLET, AccountKind.CURRENT, AccountKind.SAVINGS)


class AtCounter(Struct, frozen=True, array_like=True):
    """The customer who stands here, sealed into the page for one session, with the reason that was given."""

    sid: str
    person: str
    name: str
    reason: str


def _look_form(seen: Visit) -> m.Form:
    say = seen.say
    fields = (
        m.Field(
            name="customer", label=say("teller.customer"), kind="phone", hint=say("teller.customer_hint"), longest=40,
            autocomplete="off",
        ),
        officer.ground(seen, "teller", longest=100),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields)


def _start(seen: Visit, form: m.Form) -> Response[bytes]:
    view = DeskPage(
        asking=Asking(title=seen.say("teller.title"), lead=seen.say("teller.lead"), action=HERE,
                      submit=seen.say("teller.look")),
        list_title="", lines=(), empty="", links=((f"{HERE}/day", seen.say("teller.day")),),
    )  # fmt: skip
    return seen.page("staff/bank_desk.html", view, area="staff", here="teller", form=form)


@get(HERE)
async def start(request: WebRequest) -> Response[bytes]:
    """Who stands at the counter, and why."""
    seen = await visit_as_staff(request, officer.ROLE)
    return _start(seen, _look_form(seen))


@post(HERE, status_code=303)
async def look(request: WebRequest) -> Response[bytes]:
    """Find the customer; the customer reads it."""
    seen = await visit_as_staff(request, officer.ROLE)
    form = _look_form(seen)
    form, again = seen.judged(form)
    if again:
        return _start(seen, form)
    ctx, reason = seen.ctx("payment", "contract"), form.value("reason")
    try:
        found = await teller.look(seen.stack, ctx, form.value("customer"), reason)
    except NoSuchAccount:
        return _start(seen, rules.with_wrong(form, "customer", seen.say("teller.nobody")))
    assert seen.session is not None
    return seen.go(_at(seen, AtCounter(seen.session.sid, str(found.person), found.name, reason)))


def _at(seen: Visit, customer: AtCounter) -> str:
    return f"{HERE}/customer?at={session.seal(seen.stack, 'teller', customer)}"


def _customer(seen: Visit, sealed: str) -> AtCounter:
    """Who stands at the counter. Raises StaleForm unless this session found them."""
    try:
        found = session.unseal(seen.stack, "teller", sealed, AtCounter)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or found.sid != seen.session.sid:
        raise StaleForm()
    return found


def _person(customer: AtCounter) -> PersonId:
    return PersonId(UUID(customer.person))


@get(f"{HERE}/customer")
async def customer(request: WebRequest) -> Response[bytes]:
    """The customer's accounts, and what can be done."""
    seen = await visit_as_staff(request, officer.ROLE)
    sealed = request.query_params.get("at", "")
    who, say = _customer(seen, sealed), seen.say
    held = await payments.accounts(seen.stack, seen.ctx("payment", "contract"), _person(who))
    tiers = {t.tier: seen.of(t.name) for t in seen.stack.profile.tiers}
    items = tuple(
        Item(
            title=say(f"money.account_{one.kind}"), facts=(
                Fact(label=say("money.account"), text=one.number),
                Fact(label=say("money.balance"), money=Money(one.balance_minor, one.currency), strong=True),
                Fact(label=say("teller.tier"), text=tiers.get(one.tier, str(one.tier))),
            ),
        )
        for one in held
    )  # fmt: skip
    ways = WAYS if held else ("open",)
    view = Listed(
        title=who.name, back=HERE, back_label=say("teller.next"), lead=who.reason,
        begin=tuple(
            Choice(label=say(f"teller.do_{w}"), href=f"{HERE}/do?way={w}&at={sealed}", strong=w in ("in", "out"))
            for w in ways
        ),
        sections=(Section(title=say("teller.accounts"), items=items, empty=say("teller.none")),),
    )  # fmt: skip
    return seen.page("person/listed.html", view, area="staff", here="teller")


async def _do_form(seen: Visit, way: str, who: AtCounter) -> m.Form:
    say, fields = seen.say, []
    if way == "open":
        options = tuple((kind.value, say(f"money.account_{kind}")) for kind in KINDS)
        fields.append(m.Field(name="kind", label=say("teller.kind"), kind="choice", options=options))
    else:
        held = await payments.accounts(seen.stack, seen.ctx("payment", "contract"), _person(who))
        options = tuple((one.number, _label(seen, one)) for one in held)
        only = options[0][0] if len(options) == 1 else ""
        fields.append(m.Field(name="account", label=say("teller.account"), kind="choice", options=options, value=only))
    if way == "tier":
        tiers = tuple((str(t.tier), seen.of(t.name)) for t in seen.stack.profile.tiers)
        fields.append(m.Field(name="tier", label=say("teller.tier"), kind="choice", options=tiers))
    if way in ("in", "out"):
        fields.append(amount_field(seen))
    form = m.Form(tuple(fields))
    return rules.filled(form, seen.fields) if seen.fields else form


def _label(seen: Visit, one: Account) -> str:
    return f"{seen.say(f'money.account_{one.kind}')} {one.number}"


def _do_page(seen: Visit, way: str, sealed: str, who: AtCounter, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say(f"teller.do_{way}"), lead=seen.say(f"teller.{way}_note"), action=f"{HERE}/do",
        submit=seen.say("teller.confirm"), back=f"{HERE}/customer?at={sealed}", back_label=who.name,
        hidden=(("at", sealed), ("way", way), ("key", seen.fields.get("key", "")[:40] or token(18))),
        facts=(Fact(label=seen.say("agent.name"), text=who.name, strong=True),),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="staff", here="teller", form=form)


@get(f"{HERE}/do")
async def ask(request: WebRequest) -> Response[bytes]:
    """What is needed to do it."""
    seen = await visit_as_staff(request, officer.ROLE)
    sealed, way = request.query_params.get("at", ""), request.query_params.get("way", "")
    who = _customer(seen, sealed)
    if way not in WAYS:
        raise StaleForm()
    return _do_page(seen, way, sealed, who, await _do_form(seen, way, who))


@post(f"{HERE}/do", status_code=303)
async def do(request: WebRequest) -> Response[bytes]:
    """Do it, once; the receipt has a paper."""
    seen = await visit_as_staff(request, officer.ROLE)
    sealed, way = seen.fields.get("at", ""), seen.fields.get("way", "")
    who = _customer(seen, sealed)
    if way not in WAYS:
        raise StaleForm()
    form = await _do_form(seen, way, who)
    form, again = seen.judged(form, {"amount": amount_judge(seen)} if way in ("in", "out") else {})
    if again:
        return _do_page(seen, way, sealed, who, form)
    stack, ctx, person = seen.stack, seen.ctx("payment", "contract"), _person(who)
    if way == "open":
        await teller.open_for(stack, ctx, person, AccountKind(form.value("kind")), who.reason)
        return seen.go(_at(seen, who), "teller.said_opened")
    if way == "tier":
        await teller.set_tier(stack, ctx, person, form.value("account"), int(form.value("tier")), who.reason)
        return seen.go(_at(seen, who), "teller.said_tier")
    wanted = seen.fields.get("key", ""), person, form.value("account"), amount_in(seen, form)
    try:
        if way == "in":
            done = await teller.take_in(stack, ctx, *wanted)
        else:
            done = await teller.pay_out(stack, ctx, *wanted, who.reason)
    except NotPermitted:
        raise
    except Refusal as refused:
        seen.fields["key"] = ""  # a new try is a new order
        return _do_page(seen, way, sealed, who, rules.with_wrong(form, "amount", _why(seen, refused)))
    return seen.go(f"{HERE}/done/{done.transfer_id}?at={sealed}")


def _why(seen: Visit, refused: Refusal) -> str:
    if isinstance(refused, OverTellerLimit):
        return seen.say("teller.too_much")
    if isinstance(refused, NotAtTheCounter):
        return seen.say("teller.not_here")
    if isinstance(refused, TransferRejected):
        return why_not(seen, refused)
    return refused.title


@get(f"{HERE}/done/{{transfer_id:str}}")
async def done(request: WebRequest, transfer_id: FromPath[str]) -> Response[bytes]:
    """What was done, with the way to its paper and to the next customer."""
    seen = await visit_as_staff(request, officer.ROLE)
    found, say = await teller.slip(seen.stack, seen.ctx("payment", "contract"), transfer_id), seen.say
    way = "in" if found.reference == "CSHI" else "out"
    view = Listed(
        title=say(f"teller.done_{way}"), back=HERE, back_label=say("teller.next"),
        facts=(
            Fact(label=say("send.amount"), money=Money(found.amount_minor, found.currency), strong=True),
            Fact(label=say("agent.name"), text=found.to), Fact(label=say("teller.account"), text=found.payer),
            Fact(label=say("receipt.number"), text=found.transfer_id), Fact(label=say("receipt.when"), at=found.at),
        ),
        begin=(
            Choice(label=say("teller.slip"), href=f"{HERE}/slip/{found.transfer_id}", strong=True),
            Choice(label=say("teller.next"), href=HERE),
        ),
    )  # fmt: skip
    return seen.page("person/listed.html", view, area="staff", here="teller")


@get(f"{HERE}/slip/{{transfer_id:str}}")
async def slip(request: WebRequest, transfer_id: FromPath[str]) -> Response[bytes]:
    """The paper that the customer takes along."""
    seen = await visit_as_staff(request, officer.ROLE)
    found = await teller.slip(seen.stack, seen.ctx("payment", "contract"), transfer_id)
    raw = slip_paper.document(seen, found, statements.servicer(seen.stack))
    return seen.download(raw, "application/pdf", f"receipt-{found.transfer_id[:8]}.pdf")


def _count_form(seen: Visit) -> m.Form:
    return m.Form((replace(amount_field(seen), label=seen.say("teller.counted")),))


async def _day(seen: Visit, form: m.Form | None = None) -> Response[bytes]:
    say = seen.say
    found = await teller.day(seen.stack, seen.ctx("payment", "contract"))
    closing, expected = found.closing, found.expected_minor

    def money(minor: int) -> Money:
        return Money(minor, closing.currency)

    view = Asking(
        title=say("teller.day"), action=f"{HERE}/day", submit=say("teller.count"), back=HERE,
        back_label=say("teller.title"), note=say("teller.count_note"),
        facts=(
            Fact(label=say("teller.till"), text=closing.agent),
            Fact(label=say("agent.times_in", n=closing.paid_in), money=money(closing.paid_in_minor)),
            Fact(label=say("agent.times_out", n=closing.paid_out), money=money(closing.paid_out_minor)),
            Fact(label=say("agent.other"), money=money(closing.other_minor)),
            Fact(label=say("statement.closing"), money=money(closing.closing_minor)),
            Fact(label=say("teller.expected"), money=money(expected), strong=True),
        ),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="staff", here="teller", form=form or _count_form(seen))


@get(f"{HERE}/day")
async def day(request: WebRequest) -> Response[bytes]:
    """The day so far, and what must lie in the drawer."""
    return await _day(await visit_as_staff(request, officer.ROLE))


@post(f"{HERE}/day", status_code=303)
async def count(request: WebRequest) -> Response[bytes]:
    """Keep what was counted. A drawer with nothing in it is written 0."""
    seen = await visit_as_staff(request, officer.ROLE)
    form = rules.filled(_count_form(seen), seen.fields)
    empty = form.value("amount").strip() == "0"
    if not seen.in_other_language and not empty:
        form = rules.judged(form, seen.say, {"amount": amount_judge(seen)})
    if form.wrongs or seen.in_other_language:
        return await _day(seen, form)
    await teller.count(seen.stack, seen.ctx("payment", "contract"), 0 if empty else amount_in(seen, form))
    return seen.go(f"{HERE}/day", "teller.said_counted")


doors = [start, look, customer, ask, do, done, slip, day, count]
