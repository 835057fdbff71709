"""Pages of dormant accounts: people wake their own and claim what is kept; two officials do it for those who come."""

from datetime import timedelta

from litestar import Response, get, post

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted, Refusal
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.bank import tariff
from msingi.payments.dormant import acts
from msingi.payments.dormant.model import HeirOrder, Sleeper, SleeperCase, State, What
from msingi.payments.errors import NoSuchAccount
from msingi.portal import model as m
from msingi.portal import officer, rules
from msingi.portal.model_bank import Asking, DeskLine, DeskPage, Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field, amount_in, amount_judge
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

HERE, DESK = "/me/money/sleeping", "/staff/sleepers"
BADGES = {State.ACTIVE: "sleep.awake", State.WARNED: "sleep.soon", State.DORMANT: "sleep.asleep"}


def _law(seen: Visit) -> str:
    law = tariff.of(seen.stack).dormant
    return seen.of(law.law) if law else ""


def _item(seen: Visit, one: Sleeper) -> Item:
    say, sent = seen.say, (("account", one.account),)
    facts = [
        Fact(label=say("money.account"), text=one.account),
        Fact(label=say("money.balance"), money=Money(one.balance_minor, one.currency)),
    ]
    for label, day in (("falls_on", one.falls_on), ("since", one.since), ("hand_on", one.hand_on)):
        if day is not None:
            facts.append(Fact(label=say(f"sleep.{label}"), day=day))
    if one.unclaimed_minor:
        facts.append(Fact(label=say("sleep.kept"), money=Money(one.unclaimed_minor, one.currency), strong=True))
    choices = []
    if one.state is not State.ACTIVE:
        choices.append(Choice(label=say("sleep.wake"), action=f"{HERE}/wake", hidden=sent, strong=True))
    if one.unclaimed_minor:
        choices.append(Choice(label=say("sleep.claim"), action=f"{HERE}/claim", hidden=sent, strong=True))
    return Item(
        title=say(f"money.account_{one.kind}"), facts=tuple(facts), state=say(BADGES[one.state]),
        good=one.state is State.ACTIVE, choices=tuple(choices),
    )  # fmt: skip


@get(HERE)
async def own(request: WebRequest) -> Response[bytes]:
    """One's own accounts that sleep or are about to, and what the authority keeps of them."""
    seen = await visit_as_person(request)
    return await _own(seen)


async def _own(seen: Visit, note: str = "") -> Response[bytes]:
    found = await acts.own_sleepers(seen.stack, seen.ctx("payment", "contract"))
    view = Listed(
        title=seen.say("sleep.title"), back="/me/money", back_label=seen.say("menu.money"),
        lead=note or seen.say("sleep.lead"), note=seen.say("sleep.law", law=_law(seen)) if _law(seen) else "",
        sections=(
            Section(
                title=seen.say("sleep.yours"), items=tuple(_item(seen, o) for o in found), empty=seen.say("sleep.none")
            ),
        ),
    )  # fmt: skip
    return seen.page("person/listed.html", view, area="person", here="money", status=422 if note else 200)


def _why(seen: Visit, refused: Refusal) -> str:
    key = f"refusal.{refused.code}"
    return seen.say(key) if seen.words.has(key) else refused.title


@post(f"{HERE}/wake", status_code=303)
async def wake(request: WebRequest) -> Response[bytes]:
    """Wake an own account."""
    seen = await visit_as_person(request)
    try:
        await acts.wake(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("account", "")[:24])
    except NotPermitted:
        raise
    except Refusal as refused:
        return await _own(seen, _why(seen, refused))
    return seen.go(HERE, "sleep.said_woken")


@post(f"{HERE}/claim", status_code=303)
async def claim(request: WebRequest) -> Response[bytes]:
    """Get back what is kept of an own account."""
    seen = await visit_as_person(request)
    try:
        await acts.claim(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("account", "")[:24])
    except NotPermitted:
        raise
    except Refusal as refused:
        return await _own(seen, _why(seen, refused))
    return seen.go(HERE, "sleep.said_claimed")


def _form(seen: Visit) -> m.Form:
    return rules.filled(m.Form((officer.account(seen), officer.ground(seen, "sleep"))), seen.fields)


def _line(seen: Visit, case: SleeperCase) -> DeskLine:
    say = seen.say
    facts = [
        Fact(label=say("freeze.account"), text=case.account),
        Fact(label=say("sleep.reason"), text=case.reason),
        Fact(label=say("sleep.asked_by"), text=case.asked_by),
        Fact(label=say("sleep.asked_at"), at=case.asked_at),
    ]
    if case.what is What.HEIR:
        facts.insert(1, Fact(label=say("sleep.heir_account"), text=case.to))
        facts.insert(2, Fact(label=say("send.amount"), money=Money(case.amount_minor, case.currency), strong=True))
    return DeskLine(
        title=say(f"sleep.case_{case.what}"), facts=tuple(facts), href=f"{DESK}/{case.case_id}",
        href_label=say("sleep.look"),
    )  # fmt: skip


async def _desk(seen: Visit, form: m.Form | None = None) -> Response[bytes]:
    say, ctx = seen.say, seen.ctx("payment", "legal-obligation")
    found = await acts.cases(seen.stack, ctx)
    view = DeskPage(
        asking=Asking(
            title=say("menu.sleepers"), lead=say("sleep.desk_lead"), action=DESK, submit=say("sleep.propose"),
        ),
        list_title=say("sleep.waiting"), lines=tuple(_line(seen, case) for case in found), empty=say("sleep.nothing"),
        links=((f"{DESK}/heirs", say("sleep.heirs")), (f"{DESK}/report", say("sleep.report"))),
    )  # fmt: skip
    return seen.page("staff/bank_desk.html", view, area="staff", here="sleepers", form=form or _form(seen))


@get(DESK)
async def desk(request: WebRequest) -> Response[bytes]:
    """Propose to wake an account, and what waits for a second official; others go on to the report."""
    seen = await visit_as_staff(request, officer.ROLE, "treasurer", "auditor")
    if officer.ROLE not in seen.actor.roles:
        return seen.go(f"{DESK}/report")
    return await _desk(seen)


@post(DESK, status_code=303)
async def propose(request: WebRequest) -> Response[bytes]:
    """Propose to wake the account of a customer who stands at the counter."""
    seen = await visit_as_staff(request, officer.ROLE)
    form = _form(seen)
    form, again = seen.judged(form)
    if again:
        return await _desk(seen, form)
    ctx = seen.ctx("payment", "legal-obligation")
    try:
        await acts.propose_waking(seen.stack, ctx, form.value("account"), form.value("reason"))
    except NotPermitted:
        raise
    except Refusal:
        return await _desk(seen, rules.with_wrong(form, "account", seen.say("sleep.not_asleep")))
    return seen.go(DESK, "sleep.said_proposed")


def _heir_form(seen: Visit) -> m.Form:
    (account, reason) = _form(seen).fields
    to = officer.account(seen, "heir", "sleep.heir_account")
    return rules.filled(m.Form((account, to, amount_field(seen), reason)), seen.fields)


def _heir_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("sleep.heirs"), lead=seen.say("sleep.heirs_lead"), action=f"{DESK}/heirs",
        submit=seen.say("sleep.propose"), back=DESK, back_label=seen.say("menu.sleepers"),
        hidden=(("key", seen.fields.get("key", "")[:40] or token(18)),),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="staff", here="sleepers", form=form)


@get(f"{DESK}/heirs")
async def heirs(request: WebRequest) -> Response[bytes]:
    """A form to pay an heir."""
    seen = await visit_as_staff(request, officer.ROLE)
    return _heir_page(seen, _heir_form(seen))


@post(f"{DESK}/heirs", status_code=303)
async def propose_heir(request: WebRequest) -> Response[bytes]:
    """Propose to pay an heir."""
    seen = await visit_as_staff(request, officer.ROLE)
    form = _heir_form(seen)
    form, again = seen.judged(form, {"amount": amount_judge(seen)})
    if again:
        return _heir_page(seen, form)
    order = HeirOrder(
        key=seen.fields.get("key", ""), account=form.value("account"), to=form.value("heir"),
        amount_minor=amount_in(seen, form), reason=form.value("reason"),
    )  # fmt: skip
    try:
        await acts.propose_heir(seen.stack, seen.ctx("payment", "legal-obligation"), order)
    except NotPermitted:
        raise
    except (Malformed, NoSuchAccount):
        return _heir_page(seen, rules.with_wrong(form, "heir", seen.say("freeze.nobody")))
    except Refusal:
        return _heir_page(seen, rules.with_wrong(form, "amount", seen.say("sleep.not_kept")))
    return seen.go(DESK, "sleep.said_proposed")


@get(f"{DESK}/report")
async def report(request: WebRequest) -> Response[bytes]:
    """The yearly report, as a table to keep (`?form=csv`) or to be read."""
    seen = await visit_as_staff(request, officer.ROLE, "treasurer", "auditor")
    now = (clock.now() + timedelta(minutes=seen.stack.profile.utc_offset_minutes)).year
    asked = seen.request.query_params.get("year", "")
    year = int(asked) if asked.isdecimal() and len(asked) == 4 else now
    ctx = seen.ctx("audit" if seen.actor.roles == {"auditor"} else "payment", "legal-obligation")
    found = await acts.report(seen.stack, ctx, year, limit=acts.MAX_PAGE)
    say, money = seen.say, seen.stack.profile.currency.code
    if seen.request.query_params.get("form") == "csv":
        return seen.download(await _csv(seen, ctx, year), "text/csv; charset=utf-8", f"unclaimed-{year}.csv")
    items = tuple(
        Item(
            title=line.account, facts=(
                Fact(label=say("sleep.handed_on"), text=line.handed_on.isoformat()),
                Fact(label="", money=Money(line.amount_minor, line.currency)),
            ),
        )
        for line in found.lines[:100]
    )  # fmt: skip
    view = Listed(
        title=f"{say('sleep.report')} {year}", back=DESK, back_label=say("menu.sleepers"), lead=_law(seen),
        facts=(
            Fact(label=say("sleep.count_warned"), text=str(found.warned)),
            Fact(label=say("sleep.count_asleep"), text=str(found.dormant)),
            Fact(label=say("sleep.sum_handed"), money=Money(found.handed_minor, money), strong=True),
            Fact(label=say("sleep.sum_claimed"), money=Money(found.claimed_minor, money)),
        ),
        begin=(
            Choice(label=say("statement.as_csv"), href=f"{DESK}/report?year={year}&form=csv"),
            Choice(label=str(year - 1), href=f"{DESK}/report?year={year - 1}"),
        ),
        sections=(Section(title=say("sleep.lines"), items=items, empty=say("sleep.nothing"), close=True),),
    )  # fmt: skip
    return seen.page("person/listed.html", view, area="staff", here="sleepers")


async def _csv(seen: Visit, ctx: acts.Context, year: int) -> bytes:
    """All lines of a year: numbers, days and amounts in minor units."""
    rows, after = ["account,kind,currency,amount_minor,claimed_minor,dormant_since,handed_on,transfer_id"], ""
    while True:
        found = await acts.report(seen.stack, ctx, year, after=after, limit=acts.MAX_PAGE)
        rows += [
            f"{one.account},{one.kind},{one.currency},{one.amount_minor},{one.claimed_minor},{one.dormant_since},"
            f"{one.handed_on},{one.transfer_id}"
            for one in found.lines
        ]
        if found.next_after is None:
            return ("\r\n".join(rows) + "\r\n").encode()
        after = found.next_after


@get(f"{DESK}/{{case_id:str}}")
async def case(request: WebRequest, case_id: str) -> Response[bytes]:
    """One case, for the second official."""
    seen = await visit_as_staff(request, officer.ROLE)
    found = next((one for one in await acts.cases(seen.stack, seen.ctx("payment", "legal-obligation"))
                  if one.case_id == case_id), None)  # fmt: skip
    if found is None:
        raise acts.NoSuchCase()
    line, say = _line(seen, found), seen.say
    mine = found.asked_by == f"{seen.actor.institution}/{seen.actor.id}"
    choices = tuple(
        Choice(label=say(f"sleep.{word}"), action=f"{DESK}/{case_id}", hidden=(("agrees", word),), strong=word == "yes")
        for word in (("no",) if mine else ("yes", "no"))
    )
    view = Listed(
        title=line.title, back=DESK, back_label=say("menu.sleepers"), lead=say("sleep.own" if mine else "sleep.check"),
        sections=(
            Section(title="", items=(Item(title=line.title, facts=line.facts, choices=() if mine else choices),)),
        ),
    )  # fmt: skip
    return seen.page("person/listed.html", view, area="staff", here="sleepers")


@post(f"{DESK}/{{case_id:str}}", status_code=303)
async def decide(request: WebRequest, case_id: str) -> Response[bytes]:
    """Confirm or refuse, as another official."""
    seen = await visit_as_staff(request, officer.ROLE)
    agrees = seen.fields.get("agrees") == "yes"
    await acts.decide(seen.stack, seen.ctx("payment", "legal-obligation"), case_id, agrees=agrees)
    return seen.go(DESK, "sleep.said_done" if agrees else "sleep.said_refused")


doors = [own, wake, claim, desk, propose, heirs, propose_heir, report, case, decide]
