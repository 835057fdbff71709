"""Pages of seizures: officers enter legal orders, a second one pays over; the holder reads which order, and where to
contest it."""

from datetime import date, timedelta

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotFound, NotPermitted, Refusal
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.groups.mandates import today
from msingi.payments.seizures import acts
from msingi.payments.seizures.errors import NoSeizureLaw, NoSuchSeizure, NothingHeld, SecondOfficer, SeizureEnded
from msingi.payments.seizures.model import Seizure, SeizureOrder, State
from msingi.portal import model as m
from msingi.portal import rules, views
from msingi.portal.model_bank import Asking, Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field, amount_in, amount_judge
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

OFFICER = "account-officer"
HERE, DESK = "/me/money/seizures", "/staff/seizures"


def _facts(seen: Visit, one: Seizure) -> tuple[Fact, ...]:
    say, currency = seen.say, one.currency
    facts = [
        Fact(label=say("money.account"), text=one.account),
        Fact(label=say("seizure.amount"), money=Money(one.amount_minor, currency)),
        Fact(label=say("seizure.held"), money=Money(one.held_minor, currency), strong=True),
        Fact(label=say("seizure.paid"), money=Money(one.paid_minor, currency)),
        Fact(label=say("seizure.free"), money=Money(one.protected_minor, currency)),
        Fact(label=say("seizure.to"), text=one.pay_to),
        Fact(label=say("seizure.issued"), day=one.issued_on),
        Fact(label=say("seizure.last"), day=one.last_day),
    ]
    if one.why:
        facts.append(Fact(label=say("seizure.why"), text=one.why))
    return tuple(facts)


def _title(one: Seizure) -> str:
    return f"{one.number} · {one.authority}"


def own_page(seen: Visit, found: list[Seizure], contest: str, law: str) -> Listed:
    """The orders over one's accounts."""
    say = seen.say
    items = tuple(
        Item(
            title=_title(one), state=say(f"seizure.state_{one.state.value}"), good=one.state is not State.ACTIVE,
            facts=(*_facts(seen, one), Fact(label=say("seizure.contest"), text=contest, strong=True)),
        )
        for one in found
    )  # fmt: skip
    return Listed(
        title=say("seizure.title"), lead=say("seizure.lead"), back="/me/money", back_label=say("menu.money"),
        sections=(Section(title=say("seizure.yours"), items=items, empty=say("seizure.none")),),
        note=say("seizure.law", law=law) if law else "",
    )  # fmt: skip


@get(HERE)
async def own(request: WebRequest) -> Response[bytes]:
    """The orders over one's accounts, and where to contest them."""
    seen = await visit_as_person(request)
    found = await acts.own_seizures(seen.stack, seen.ctx("payment", "contract"))
    try:
        law = acts.law(seen.stack)
        contest, text = seen.of(law.contest), seen.of(law.law)
    except NoSeizureLaw:
        contest, text = "", ""
    return seen.page("person/listed.html", own_page(seen, found, contest, text), area="person", here="money")


def desk_page(seen: Visit, found: list[Seizure], older: str | None, note: str = "") -> Listed:
    """All orders for an officer: what can be paid over or lifted stands at each."""
    say = seen.say

    def choices(one: Seizure) -> tuple[Choice, ...]:
        lift = Choice(label=say("seizure.lift"), href=f"{DESK}/{one.seizure_id}/lift")
        if one.made_by_me or not one.held_minor:
            return (lift,)
        return (
            Choice(label=say("seizure.pay"), action=f"{DESK}/pay", hidden=(("id", one.seizure_id),), strong=True),
            lift,
        )

    items = tuple(
        Item(
            title=_title(one), state=say(f"seizure.state_{one.state.value}"), good=one.state is State.ACTIVE,
            facts=_facts(seen, one), choices=choices(one) if one.state is State.ACTIVE else (),
        )
        for one in found
    )  # fmt: skip
    begin = (Choice(label=say("seizure.new"), href=f"{DESK}/new", strong=True),)
    more = (Choice(label=say("seizure.older"), href=f"{DESK}?place={older}"),) if older else ()
    return Listed(
        title=say("menu.seizures"), lead=note or say("seizure.desk_lead"), back="/staff", back_label=say("menu.desk"),
        begin=(*begin, *more), note=say("seizure.desk_note"),
        sections=(Section(title=say("seizure.orders"), items=items, empty=say("seizure.no_orders")),),
    )  # fmt: skip


async def _desk(seen: Visit, note: str = "", place: str = "") -> Response[bytes]:
    page = await acts.see_seizures(seen.stack, seen.ctx("payment", "legal-obligation"), place=place)
    older = (page.next_place or "").replace("+", "%2B")
    view = desk_page(seen, page.seizures, older, note)
    status = 422 if note else 200
    return seen.page("person/listed.html", view, area="staff", here="seizures", status=status)


@get(DESK)
async def desk(request: WebRequest) -> Response[bytes]:
    """All orders, newest first."""
    seen = await visit_as_staff(request, OFFICER)
    return await _desk(seen, place=request.query_params.get("place", "")[:90])


def new_form(seen: Visit) -> m.Form:
    """What stands on the paper."""
    say = seen.say

    def number(name: str, label: str) -> m.Field:
        hint = say("freeze.account_hint")
        return m.Field(name=name, label=say(label), kind="number", hint=hint, longest=24, autocomplete="off")

    fields = (
        number("account", "freeze.account"), amount_field(seen),
        m.Field(name="number", label=say("seizure.number"), hint=say("seizure.number_hint"), longest=60),
        m.Field(name="authority", label=say("seizure.authority"), longest=80),
        m.Field(name="issued", label=say("seizure.issued"), kind="date"),
        m.Field(name="last", label=say("seizure.last"), kind="date"),
        number("payee", "seizure.pay_to"),
    )  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def _new_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("seizure.new"), lead=seen.say("seizure.new_lead"), action=f"{DESK}/new", back=DESK,
        submit=seen.say("seizure.do"), back_label=seen.say("menu.seizures"), note=seen.say("seizure.desk_note"),
        hidden=(("key", seen.fields.get("key", "")[:40] or token(18)),),
    )  # fmt: skip
    status = 422 if form.wrongs else 200
    return seen.page("person/ask.html", view, area="staff", here="seizures", form=form, status=status)


@get(f"{DESK}/new")
async def new(request: WebRequest) -> Response[bytes]:
    """What stands on the paper."""
    seen = await visit_as_staff(request, OFFICER)
    return _new_page(seen, new_form(seen))


@post(f"{DESK}/new", status_code=303)
async def enter(request: WebRequest) -> Response[bytes]:
    """Hold what the account can give, or say what to correct."""
    seen = await visit_as_staff(request, OFFICER)
    form = new_form(seen)

    def day(text: str) -> str:
        return rules.date_wrong(text, today(seen.stack) + timedelta(days=400), seen.say)

    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {"amount": amount_judge(seen), "issued": day, "last": day})
    if form.wrongs or seen.in_other_language:
        return _new_page(seen, form)
    try:
        order = SeizureOrder(
            key=seen.fields.get("key", "")[:40] or token(18), account=form.value("account"),
            number=form.value("number"), amount_minor=amount_in(seen, form), authority=form.value("authority"),
            pay_to=form.value("payee"), issued_on=date.fromisoformat(rules.iso_date(form.value("issued"))),
            last_day=date.fromisoformat(rules.iso_date(form.value("last"))),
        )  # fmt: skip
        await acts.seize(seen.stack, seen.ctx("payment", "legal-obligation"), order)
    except NotPermitted:
        raise
    except ValueError:
        return _new_page(seen, rules.with_wrong(form, "last", seen.say("form.not_date")))
    except Refusal as wrong:
        named = str(wrong.facts.get("field", "")), str(wrong.facts.get("party", ""))
        fields = {"issued_on": "issued", "last_day": "last", "number": "number", "authority": "authority"}
        field = "payee" if named[1] == "payee" else fields.get(named[0], "account")
        words = {"issued": "seizure.wrong_issued", "last": "seizure.wrong_last", "payee": "seizure.wrong_to"}
        return _new_page(seen, rules.with_wrong(form, field, seen.say(words.get(field, "freeze.nobody"))))
    return seen.go(DESK, "seizure.said_held")


@post(f"{DESK}/pay", status_code=303)
async def pay(request: WebRequest) -> Response[bytes]:
    """Pay over what is held; by a second officer."""
    seen = await visit_as_staff(request, OFFICER)
    try:
        await acts.pay_seized(seen.stack, seen.ctx("payment", "legal-obligation"), seen.fields.get("id", "")[:40])
    except (SecondOfficer, NothingHeld, SeizureEnded, NoSuchSeizure) as refused:
        return await _desk(seen, seen.say(f"refusal.{refused.code}"))
    return seen.go(DESK, "seizure.said_paid")


def _lift_page(seen: Visit, seizure: str, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("seizure.lift"), lead=seen.say("seizure.lift_lead"), action=f"{DESK}/{seizure}/lift",
        submit=seen.say("seizure.lift"), back=DESK, back_label=seen.say("menu.seizures"),
    )  # fmt: skip
    status = 422 if form.wrongs else 200
    return seen.page("person/ask.html", view, area="staff", here="seizures", form=form, status=status)


def _lift_form(seen: Visit) -> m.Form:
    why = m.Field(name="why", label=seen.say("seizure.why"), hint=seen.say("seizure.number_hint"), longest=120)
    return rules.filled(m.Form((why,)), seen.fields)


@get(f"{DESK}/{{seizure:str}}/lift")
async def ask_lift(request: WebRequest, seizure: FromPath[str]) -> Response[bytes]:
    """By which paper the order ends."""
    seen = await visit_as_staff(request, OFFICER)
    if views.uuid_of(seizure) is None:
        raise NotFound()
    return _lift_page(seen, seizure, _lift_form(seen))


@post(f"{DESK}/{{seizure:str}}/lift", status_code=303)
async def lift(request: WebRequest, seizure: FromPath[str]) -> Response[bytes]:
    """End the order; what is held is free."""
    seen = await visit_as_staff(request, OFFICER)
    form = _lift_form(seen)
    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {})
    if form.wrongs or seen.in_other_language:
        return _lift_page(seen, seizure, form)
    ctx = seen.ctx("payment", "legal-obligation")
    try:
        await acts.lift_seizure(seen.stack, ctx, seizure, form.value("why"))
    except SeizureEnded as refused:
        return await _desk(seen, seen.say(f"refusal.{refused.code}"))
    return seen.go(DESK, "seizure.said_lifted")


doors = [own, desk, new, enter, pay, ask_lift, lift]
