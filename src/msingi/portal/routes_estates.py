"""Pages of estates: an officer enters a certificate, a second one agrees; who got what, what waits, and the end."""

from datetime import date

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotPermitted, Refusal
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.estates import acts
from msingi.payments.estates.errors import EstateEnded, EstateNotEmpty, NoSuchEstate, OwnEstate
from msingi.payments.estates.model import Estate, EstateOrder, HeirShare, State
from msingi.payments.groups.mandates import today
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking, Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

OFFICER, DESK = "account-officer", "/staff/estates"
LONGEST, LINES = 900, 30
WHY = ("over-limit", "account-closed", "account-frozen")
REFUSED = (OwnEstate, EstateEnded, EstateNotEmpty, NoSuchEstate)


def _facts(seen: Visit, one: Estate) -> tuple[Fact, ...]:
    say = seen.say
    paid = sum(heir.paid_minor for heir in one.heirs)
    facts = [
        Fact(label=say("estate.authority"), text=one.authority), Fact(label=say("estate.issued"), day=one.issued_on),
        Fact(label=say("estate.paid"), money=Money(paid, one.currency), strong=True),
    ]  # fmt: skip
    if one.stopped:
        facts.append(Fact(label=say("estate.stopped"), text=str(one.stopped), figure=True))
    if one.owed_minor:
        facts.append(Fact(label=say("estate.owed"), money=Money(one.owed_minor, one.currency), strong=True))
    return tuple(facts)


def _title(one: Estate) -> str:
    return f"{one.number} · {one.name}"


def _choices(seen: Visit, one: Estate) -> tuple[Choice, ...]:
    say, hidden = seen.say, (("id", one.estate_id),)
    refuse = Choice(label=say("estate.refuse"), action=f"{DESK}/decide", hidden=(*hidden, ("agrees", "")))
    if one.state is State.PROPOSED and one.made_by_me:
        return ()
    if one.state is State.PROPOSED:
        agree = say("estate.agree")
        return (
            Choice(label=agree, action=f"{DESK}/decide", hidden=(*hidden, ("agrees", "yes")), strong=True), refuse,
        )  # fmt: skip
    if one.state is State.OPEN:
        return (Choice(label=say("estate.close"), action=f"{DESK}/close", hidden=hidden, strong=True),)
    return ()


def desk_page(seen: Visit, found: list[Estate], older: str, note: str = "") -> Listed:
    """All estates, the newest first."""
    say = seen.say
    items = tuple(
        Item(
            title=_title(one), state=say(f"estate.state_{one.state.value}"), good=one.state is not State.PROPOSED,
            facts=_facts(seen, one),
            choices=(Choice(label=say("estate.look"), href=f"{DESK}/{one.estate_id}"), *_choices(seen, one)),
        )
        for one in found
    )  # fmt: skip
    begin = (Choice(label=say("estate.new"), href=f"{DESK}/new", strong=True),)
    more = (Choice(label=say("estate.older"), href=f"{DESK}?place={older}"),) if older else ()
    return Listed(
        title=say("menu.estates"), lead=note or say("estate.desk_lead"), back="/staff", back_label=say("menu.desk"),
        begin=(*begin, *more), note=say("estate.desk_note"),
        sections=(Section(title=say("estate.all"), items=items, empty=say("estate.none")),),
    )  # fmt: skip


def one_page(seen: Visit, one: Estate, note: str = "") -> Listed:
    """The statement of one estate: the accounts, the heirs, what was paid and what waits."""
    say, currency = seen.say, one.currency
    heirs = []
    for heir in one.heirs:
        facts = [
            Fact(label=say("money.account"), text=heir.account, figure=True),
            Fact(label=say("estate.parts"), text=str(heir.parts), figure=True),
            Fact(label=say("estate.paid"), money=Money(heir.paid_minor, currency), strong=True),
        ]
        if heir.waiting_minor:
            facts.append(Fact(label=say("estate.waiting"), money=Money(heir.waiting_minor, currency), strong=True))
        if heir.why:
            known = heir.why.removeprefix("payments.")
            facts.append(Fact(label=say("estate.why"), text=say(f"estate.why_{known if known in WHY else 'other'}")))
        heirs.append(Item(title=heir.name, facts=tuple(facts)))
    accounts = tuple(
        Item(
            title=line.account, state=say("estate.closed") if line.closed else "",
            facts=(
                Fact(label=say("estate.balance"), money=Money(line.balance_minor, line.currency)),
                Fact(label=say("estate.held"), money=Money(line.held_minor, line.currency)),
            ),
        )
        for line in one.accounts
    )  # fmt: skip
    lead = say("estate.wait_second") if one.state is State.PROPOSED and one.made_by_me else ""
    return Listed(
        title=_title(one), lead=note or lead or say(f"estate.lead_{one.state.value}"), back=DESK,
        back_label=say("menu.estates"), facts=_facts(seen, one), begin=_choices(seen, one),
        sections=(
            Section(title=say("estate.heirs"), items=tuple(heirs)),
            Section(title=say("estate.accounts"), items=accounts, empty=say("estate.no_accounts")),
        ),
    )  # fmt: skip


def _ctx(seen: Visit):
    return seen.ctx("payment", "legal-obligation")


async def _desk(seen: Visit, note: str = "", place: str = "") -> Response[bytes]:
    page = await acts.see_estates(seen.stack, _ctx(seen), place=place.replace(" ", "+"))
    older = (page.next_place or "").replace("+", "%2B")
    view = desk_page(seen, page.estates, older, note)
    return seen.page("person/listed.html", view, area="staff", here="estates", status=422 if note else 200)


@get(DESK)
async def desk(request: WebRequest) -> Response[bytes]:
    """All estates, the newest first."""
    seen = await visit_as_staff(request, OFFICER)
    return await _desk(seen, place=request.query_params.get("place", "")[:90])


def _heirs_of(text: str) -> list[HeirShare]:
    """The heirs as typed: a line for each, the account and the parts. Raises ValueError."""
    found = []
    for line in text.splitlines():
        words = line.replace("=", " ").replace(":", " ").split()
        if words:
            parts = words.pop() if len(words) > 1 else "1"
            found.append(HeirShare("".join(words), int(parts)))
    if not found or len(found) > LINES:
        raise ValueError(text)
    return found


def new_form(seen: Visit) -> m.Form:
    """What stands on the certificate."""
    say = seen.say
    fields = (
        m.Field(
            name="account", label=say("estate.account"), kind="number", hint=say("freeze.account_hint"), longest=24,
            autocomplete="off",
        ),
        m.Field(name="number", label=say("estate.number"), hint=say("estate.number_hint"), longest=60),
        m.Field(name="authority", label=say("estate.authority"), longest=80),
        m.Field(name="issued", label=say("estate.issued"), kind="date"),
        m.Field(name="heirs", label=say("estate.heirs"), hint=say("estate.heirs_hint"), longest=LONGEST),
    )  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def _new_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("estate.new"), lead=seen.say("estate.new_lead"), action=f"{DESK}/new", back=DESK,
        submit=seen.say("estate.do"), back_label=seen.say("menu.estates"), note=seen.say("estate.desk_note"),
        hidden=(("key", seen.fields.get("key", "")[:40] or token(18)),),
    )  # fmt: skip
    status = 422 if form.wrongs else 200
    return seen.page("staff/estate_new.html", view, area="staff", here="estates", form=form, status=status)


@get(f"{DESK}/new")
async def new(request: WebRequest) -> Response[bytes]:
    """What stands on the certificate."""
    seen = await visit_as_staff(request, OFFICER)
    return _new_page(seen, new_form(seen))


@post(f"{DESK}/new", status_code=303)
async def enter(request: WebRequest) -> Response[bytes]:
    """Keep it for a second officer, or say what to correct."""
    seen = await visit_as_staff(request, OFFICER)
    form, say = new_form(seen), seen.say

    def day(text: str) -> str:
        return rules.date_wrong(text, today(seen.stack), say)

    if not seen.in_other_language:
        form = rules.judged(form, say, {"issued": day})
    if form.wrongs or seen.in_other_language:
        return _new_page(seen, form)
    try:
        heirs = _heirs_of(seen.fields.get("heirs", "")[:LONGEST])
        issued = date.fromisoformat(rules.iso_date(form.value("issued")))
    except ValueError:
        return _new_page(seen, rules.with_wrong(form, "heirs", say("estate.wrong_heirs")))
    try:
        made = await acts.propose_estate(
            seen.stack, _ctx(seen),
            EstateOrder(
                key=seen.fields.get("key", "")[:40] or token(18), account=form.value("account"),
                number=form.value("number"), authority=form.value("authority"), issued_on=issued, heirs=heirs,
            ),
        )  # fmt: skip
    except NotPermitted:
        raise
    except Refusal as wrong:
        named = str(wrong.facts.get("field", "")), str(wrong.facts.get("party", ""))
        fields = {"issued_on": "issued", "number": "number", "authority": "authority", "parts": "heirs"}
        field = fields.get(named[0], "")
        field = field or ("heirs" if "heir" in (*named, named[0].rstrip("s")) else "account")
        words = {"heirs": "estate.wrong_heirs", "issued": "seizure.wrong_issued"}.get(field, "")
        if not words:
            words = f"refusal.{wrong.code}_text" if wrong.code in TOLD else "freeze.nobody"
        return _new_page(seen, rules.with_wrong(form, field, say(words)))
    return seen.go(f"{DESK}/{made.estate_id}", "estate.said_proposed")


TOLD = ("payments.not-deceased", "payments.estate-exists")


@get(f"{DESK}/{{estate:str}}")
async def one(request: WebRequest, estate: FromPath[str]) -> Response[bytes]:
    """The statement of one estate."""
    seen = await visit_as_staff(request, OFFICER)
    found = await acts.see_estate(seen.stack, _ctx(seen), estate)
    return seen.page("person/listed.html", one_page(seen, found), area="staff", here="estates")


@post(f"{DESK}/decide", status_code=303)
async def decide(request: WebRequest) -> Response[bytes]:
    """A second officer agrees, or refuses."""
    seen = await visit_as_staff(request, OFFICER)
    wanted, agrees = seen.fields.get("id", "")[:40], seen.fields.get("agrees", "") == "yes"
    try:
        await acts.decide_estate(seen.stack, _ctx(seen), wanted, agrees=agrees)
    except REFUSED as refused:
        return await _desk(seen, seen.say(f"refusal.{refused.code}_text"))
    return seen.go(f"{DESK}/{wanted}", "estate.said_agreed" if agrees else "estate.said_refused")


@post(f"{DESK}/close", status_code=303)
async def close(request: WebRequest) -> Response[bytes]:
    """Close the accounts of an estate that are empty."""
    seen = await visit_as_staff(request, OFFICER)
    wanted = seen.fields.get("id", "")[:40]
    try:
        await acts.close_estate(seen.stack, _ctx(seen), wanted)
    except REFUSED as refused:
        return await _desk(seen, seen.say(f"refusal.{refused.code}_text"))
    return seen.go(f"{DESK}/{wanted}", "estate.said_closed")


doors = [desk, new, enter, one, decide, close]
