"""Doors of the switch's operator: who takes part and how they stand, cover and limits, windows and their reports."""

import csv
import io

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import token
from msingi.kernel.money import Currency, plain
from msingi.payments.switch import acts, deciding, providing, settling
from msingi.payments.switch.errors import (
    BadCurrency,
    BadKey,
    BadSyntax,
    FspExists,
    NoSuchProposal,
    OverCover,
    OwnProposal,
    UnknownFsp,
    WindowNotReady,
)
from msingi.payments.switch.model import Member, Pair, Proposal, Report, Standing, Wanted, What, Window, WindowState
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking, DeskLine, Fact
from msingi.portal.model_switch import MemberPage, SwitchPage, Waiting, WindowPage
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HERE, SHOWN, WINDOWS = "/staff/switch", 25, 10
OPERATOR = "central-banker"
READERS = (OPERATOR, "auditor")


def _money(seen: Visit, minor: int, code: str, digits: dict[str, int]) -> str:
    return seen.written(minor, Currency(code, digits.get(code, 2), "", code))


def _standing(seen: Visit, one: Standing, digits: dict[str, int]) -> tuple[Fact, ...]:
    amounts = (
        *(("cover", one.cover_minor), ("limit", one.limit_minor), ("owes", one.position_minor)),
        ("reserved", one.reserved_minor),
    )
    return tuple(
        Fact(
            label=f"{one.currency} · {seen.say(f'switch.{name}')}",
            text=_money(seen, minor, one.currency, digits),
            figure=True,
        )
        for name, minor in amounts
    )


def _member(seen: Visit, one: Member) -> DeskLine:
    facts = tuple(fact for standing in one.standings for fact in _standing(seen, standing, one.digits))
    low = one.active and any(standing.low for standing in one.standings)
    state = "low" if low else "ours" if one.ours else "active" if one.active else "stopped"
    return DeskLine(
        title=f"{speaker(seen).party(one.name)} · {one.fsp}", facts=facts, good=one.active and not low,
        state=seen.say(f"switch.{state}"),
        href=f"{HERE}/{one.fsp}", href_label=seen.say("files.open"),
    )  # fmt: skip


def _window(seen: Visit, one: Window, settles: bool) -> DeskLine:
    facts = [Fact(label=seen.say("switch.opened"), at=one.opened_at)]
    if one.closed_at:
        facts.append(Fact(label=seen.say("switch.closed"), at=one.closed_at))
    if one.settled_at:
        facts.append(Fact(label=seen.say("switch.settled"), at=one.settled_at))
    action = {WindowState.OPEN: "close", WindowState.CLOSED: "settle"}.get(one.state, "") if settles else ""
    return DeskLine(
        title=seen.say("switch.window", n=one.window), facts=tuple(facts), state=seen.say(f"switch.state_{one.state}"),
        good=one.state is not WindowState.CLOSED, action=f"{HERE}/windows/{action}" if action else "",
        label=seen.say(f"switch.do_{action}") if action else "", hidden=(("window", str(one.window)),),
        href=f"{HERE}/windows/{one.window}", href_label=seen.say("switch.report"),
    )  # fmt: skip


def _proposal(seen: Visit, one: Proposal, digits: dict[str, int]) -> Waiting:
    wanted, words = one.wanted, [("institution", one.wanted.institution), ("title", one.wanted.name)]
    words += [("endpoint", wanted.endpoint), ("currencies", ", ".join(wanted.currencies))]
    facts = [Fact(label=seen.say(f"switch.{label}"), text=text) for label, text in words if text]
    if wanted.what is What.CONVERT:
        facts.append(Fact(label=seen.say("switch.converts"), text=f"{wanted.currency} → {wanted.target}", strong=True))
    elif wanted.currency:
        money = _money(seen, wanted.amount_minor, wanted.currency, digits)
        facts.append(Fact(label=wanted.currency, text=money, strong=True))
    facts.append(Fact(label=seen.say("switch.proposed_by"), text=seen.officer(one.proposed_by)))
    facts.append(Fact(label=seen.say("switch.proposed_at"), at=one.proposed_at))
    mine = one.proposed_by == f"{seen.actor.kind}:{seen.actor.id}"
    return Waiting(
        id=one.id, title=f"{wanted.fsp} · {seen.say(f'switch.what_{wanted.what}')}", facts=tuple(facts), mine=mine
    )


def _join_form(seen: Visit) -> m.Form:
    say = seen.say
    fields = (
        m.Field(name="fsp", label=say("switch.fsp"), hint=say("switch.fsp_hint"), longest=32, autocomplete="off"),
        m.Field(name="institution", label=say("switch.institution"), longest=32, autocomplete="off"),
        m.Field(name="title", label=say("switch.title"), longest=200, autocomplete="off"),
        m.Field(name="endpoint", label=say("switch.endpoint"), hint=say("switch.endpoint_hint"), longest=200),
        m.Field(name="currencies", label=say("switch.currencies"), hint=say("switch.currencies_hint"), longest=60),
    )
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if "fsp" in seen.fields else form


async def _desk(seen: Visit, form: m.Form | None = None, made: tuple[str, str] | None = None) -> Response[bytes]:
    ctx, sent = seen.ctx("operations", "public-task"), seen.request.query_params
    runs = OPERATOR in seen.actor.roles
    members = await acts.participants(seen.stack, ctx, sent.get("after", "")[:32], SHOWN + 1)
    last = sent.get("window", "")
    before = int(last) if last.isdecimal() and len(last) < 18 else None
    windows = await settling.windows(seen.stack, ctx, before, WINDOWS + 1)
    digits = {c.currency: c.digits for c in await settling.currencies(seen.stack, ctx)}
    waiting = await deciding.proposals(seen.stack, ctx) if runs else []
    view = SwitchPage(
        waiting=tuple(_proposal(seen, one, digits) for one in waiting),
        asking=Asking(
            title=seen.say("menu.switch"), lead=seen.say("switch.lead"), action=HERE, submit=seen.say("switch.propose"),
            files=True, facts=() if made is None else (Fact(label=made[0], text=made[1], strong=True),),
        ),
        list_title=seen.say("switch.members"), lines=tuple(_member(seen, one) for one in members[:SHOWN]),
        empty=seen.say("switch.nobody"), older=f"{HERE}?after={members[SHOWN - 1].fsp}" if len(members) > SHOWN else "",
        more_title=seen.say("switch.windows"), more=tuple(_window(seen, one, runs) for one in windows[:WINDOWS]),
        link=f"{HERE}?window={windows[WINDOWS - 1].window}" if len(windows) > WINDOWS else "",
    )  # fmt: skip
    shown = (form or _join_form(seen)) if runs else m.Form(())
    return seen.page("staff/switch.html", view, area="staff", here="switch", form=shown)


@get(HERE)
async def desk(request: WebRequest) -> Response[bytes]:
    """Who takes part and how they stand, the windows, and a form for a new participant."""
    return await _desk(await visit_as_staff(request, *READERS))


@post(HERE, status_code=200)
async def join(request: WebRequest) -> Response[bytes]:
    """Propose that a participant joins with its public key; a colleague approves it."""
    seen = await visit_as_staff(request, OPERATOR)
    form, ctx = _join_form(seen), seen.ctx("operations", "public-task")
    form, again = seen.judged(form)
    if again:
        return await _desk(seen, form)
    key = seen.files.get("key", b"").decode("ascii", "replace")
    codes = form.value("currencies").upper().replace(",", " ").split()
    fsp = form.value("fsp")
    known = {c.currency for c in await settling.currencies(seen.stack, ctx)}
    if not codes or not set(codes) <= known:
        return await _desk(seen, rules.with_wrong(form, "currencies", seen.say("switch.not_settled")))
    try:
        words = fsp, form.value("institution"), form.value("title"), key, form.value("endpoint")
        await deciding.propose(seen.stack, ctx, Wanted(What.JOIN, *words, tuple(codes)))
    except FspExists:
        return await _desk(seen, rules.with_wrong(form, "fsp", seen.say("switch.exists")))
    except BadKey:
        return await _desk(seen, rules.with_wrong(form, "fsp", seen.say("switch.bad_key")))
    except (BadSyntax, Refusal) as wrong:
        if wrong.status != 400:
            raise
        field = "endpoint" if wrong.facts.get("field") == "endpoint" else "fsp"
        return await _desk(seen, rules.with_wrong(form, field, seen.say("switch.wrong")))
    return seen.go(HERE, "switch.said_proposed")


@post(f"{HERE}/proposals", status_code=200)
async def decide(request: WebRequest) -> Response[bytes]:
    """Approve a colleague's proposal, or refuse one; the token of a new participant is shown this once."""
    seen = await visit_as_staff(request, OPERATOR)
    approve, ctx = seen.fields.get("approve") == "yes", seen.ctx("operations", "public-task")
    try:
        done = await deciding.decide(seen.stack, ctx, seen.fields.get("proposal", "")[:36], approve)
    except NoSuchProposal:
        return seen.go(HERE, "switch.said_decided")
    except OwnProposal:
        return seen.go(HERE, "switch.said_own")
    except OverCover:
        return seen.go(HERE, "switch.said_over_cover")
    except FspExists:
        return seen.go(HERE, "switch.said_exists")
    if not done.token:
        return seen.go(HERE, "switch.said_done" if approve else "switch.said_refused")
    seen.fields = {}
    return await _desk(seen, made=(seen.say("switch.token", name=done.proposal.wanted.fsp), done.token))


async def _found(seen: Visit, fsp: str) -> Member:
    """A participant by its name. Raises NotFound."""
    found = await acts.participants(seen.stack, seen.ctx("operations", "public-task"), "", 200)
    return next((one for one in found if one.fsp == fsp), None) or _missing()


def _missing() -> Member:
    raise NotFound()


def _amount_form(seen: Visit, one: Member) -> m.Form:
    say, codes = seen.say, tuple((s.currency, s.currency) for s in one.standings)
    whats = tuple((what, say(f"switch.what_{what}")) for what in ("cover", "limit", "withdrawal"))
    form = m.Form(
        (
            m.Field(name="what", label=say("switch.what"), kind="choice", options=whats, value="cover"),
            m.Field(name="currency", label=say("switch.currency"), kind="select", options=codes),
            m.Field(name="amount", label=say("send.amount_label"), kind="amount"),
        )
    )
    return rules.filled(form, seen.fields) if "amount" in seen.fields else form


async def _member_page(seen: Visit, one: Member, form: m.Form | None = None) -> Response[bytes]:
    runs = OPERATOR in seen.actor.roles
    facts = [
        Fact(label=seen.say("switch.fsp"), text=one.fsp),
        Fact(label=seen.say("switch.institution"), text=one.institution),
        Fact(label=seen.say("switch.since"), at=one.joined_at),
    ]
    if not one.ours:
        facts.append(Fact(label=seen.say("switch.endpoint"), text=one.endpoint))
    facts += [Fact(label=seen.say("switch.converts"), text=f"{pair.source} → {pair.target}") for pair in one.pairs]
    standings = tuple((s.currency, _standing(seen, s, one.digits)) for s in one.standings)
    view = MemberPage(
        fsp=one.fsp, name=speaker(seen).party(one.name), active=one.active, runs=runs and not one.ours,
        facts=tuple(facts), standings=standings, key=seen.fields.get("key") or token(18),
        pairs=tuple((pair.source, pair.target) for pair in one.pairs),
    )  # fmt: skip
    shown = (form or _amount_form(seen, one)) if runs else m.Form(())
    return seen.page("staff/switch_member.html", view, area="staff", here="switch", form=shown)


@get(f"{HERE}/{{fsp:str}}")
async def member(request: WebRequest, fsp: FromPath[str]) -> Response[bytes]:
    """One participant: how it stands, and what the operator can change."""
    seen = await visit_as_staff(request, *READERS)
    return await _member_page(seen, await _found(seen, fsp))


@post(f"{HERE}/{{fsp:str}}", status_code=303)
async def change_amounts(request: WebRequest, fsp: FromPath[str]) -> Response[bytes]:
    """Propose that cover has arrived, is paid out, or another limit; a colleague approves it."""
    seen = await visit_as_staff(request, OPERATOR)
    one, ctx = await _found(seen, fsp), seen.ctx("operations", "public-task")
    form, code = _amount_form(seen, one), seen.fields.get("currency", "")
    profile, currency = seen.stack.profile, Currency(code, one.digits.get(code, 0), "")

    def judge(text: str) -> str:
        return rules.amount_wrong(text, currency, profile.group_separator, profile.decimal_point, seen.say)

    form, again = seen.judged(form, {"amount": judge})
    if again:
        return await _member_page(seen, one, form)
    minor = rules.amount_minor(form.value("amount"), currency, profile.group_separator, profile.decimal_point)
    key = seen.fields.get("key") or token(18)
    wanted = Wanted(What(form.value("what")), fsp, currency=code, amount_minor=minor)
    try:
        await deciding.propose(seen.stack, ctx, wanted, key[:64])
    except (BadCurrency, UnknownFsp):
        return await _member_page(seen, one, rules.with_wrong(form, "currency", seen.say("switch.not_settled")))
    return seen.go(HERE, "switch.said_proposed")


@post(f"{HERE}/{{fsp:str}}/active", status_code=303)
async def switch_active(request: WebRequest, fsp: FromPath[str]) -> Response[bytes]:
    """Suspend a participant at once, or propose that it takes part again. What is under way ends by itself."""
    seen = await visit_as_staff(request, OPERATOR)
    ctx = seen.ctx("operations", "public-task")
    if seen.fields.get("active") == "yes":
        await deciding.propose(seen.stack, ctx, Wanted(What.CHANGE, fsp, active=True))
        return seen.go(HERE, "switch.said_proposed")
    await acts.change(seen.stack, ctx, fsp, active=False)
    return seen.go(f"{HERE}/{fsp}", "switch.said_done")


@post(f"{HERE}/{{fsp:str}}/conversions", status_code=303)
async def change_pair(request: WebRequest, fsp: FromPath[str]) -> Response[bytes]:
    """Propose that a participant converts one currency into another; or end it at once."""
    seen = await visit_as_staff(request, OPERATOR)
    ctx, one = seen.ctx("operations", "public-task"), await _found(seen, fsp)
    source, target = (seen.fields.get(name, "")[:3] for name in ("source", "target"))
    try:
        if seen.fields.get("stops") == "yes":
            await providing.change_pair(seen.stack, ctx, Pair(one.fsp, source, target), active=False)
            return seen.go(f"{HERE}/{fsp}", "switch.said_done")
        await deciding.propose(seen.stack, ctx, Wanted(What.CONVERT, one.fsp, currency=source, target=target))
    except (BadCurrency, BadSyntax):
        return seen.go(f"{HERE}/{fsp}", "switch.said_no_pair")
    return seen.go(HERE, "switch.said_proposed")


async def _report(seen: Visit, number: int) -> Report:
    return await settling.report(seen.stack, seen.ctx("operations", "public-task"), number)


async def _digits(seen: Visit) -> dict[str, int]:
    known = await settling.currencies(seen.stack, seen.ctx("operations", "public-task"))
    return {c.currency: c.digits for c in known}


@get(f"{HERE}/windows/{{number:int}}")
async def window(request: WebRequest, number: FromPath[int]) -> Response[bytes]:
    """The settlement report of a window."""
    seen = await visit_as_staff(request, *READERS)
    report, digits = await _report(seen, number), await _digits(seen)
    rows = tuple(
        (
            *(line.fsp, line.currency, str(line.sent), _money(seen, line.sent_minor, line.currency, digits)),
            *(str(line.received), _money(seen, line.received_minor, line.currency, digits)),
            _money(seen, line.owes_minor, line.currency, digits),
        )
        for line in report.lines
    )
    shown = _window(seen, report.window, OPERATOR in seen.actor.roles)
    view = WindowPage(shown.title, shown.state, shown.good, shown.facts, rows, f"{HERE}/windows/{number}/csv")
    return seen.page("staff/switch_window.html", view, area="staff", here="switch")


@get(f"{HERE}/windows/{{number:int}}/csv")
async def window_file(request: WebRequest, number: FromPath[int]) -> Response[bytes]:
    """The settlement report as a table for other programs: amounts as plain decimals."""
    seen = await visit_as_staff(request, *READERS)
    report, digits = await _report(seen, number), await _digits(seen)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(
        ("window", "state", "participant", "currency", "sent", "sent_amount", "received", "received_amount", "owes")
    )
    for line in report.lines:
        currency = Currency(line.currency, digits.get(line.currency, 2), "")
        amounts = (plain(minor, currency) for minor in (line.sent_minor, line.received_minor, line.owes_minor))
        sent, received, owes = amounts
        state = report.window.state
        table.writerow((number, state, line.fsp, line.currency, line.sent, sent, line.received, received, owes))
    return seen.download(text.getvalue().encode(), "text/csv", f"settlement-{number}.csv")


def _number(seen: Visit) -> int:
    text = seen.fields.get("window", "")
    return int(text) if text.isdecimal() and len(text) < 18 else 0


@post(f"{HERE}/windows/close", status_code=303)
async def close(request: WebRequest) -> Response[bytes]:
    """Close the open window; the next one opens at once."""
    seen = await visit_as_staff(request, OPERATOR)
    try:
        await settling.close_window(seen.stack, seen.ctx("operations", "public-task"), _number(seen))
    except WindowNotReady:
        return seen.go(HERE, "switch.said_not_ready")
    return seen.go(HERE, "switch.said_closed")


@post(f"{HERE}/windows/settle", status_code=303)
async def settle(request: WebRequest) -> Response[bytes]:
    """Settle a closed window: all net amounts move, or none."""
    seen = await visit_as_staff(request, OPERATOR)
    try:
        await settling.settle(seen.stack, seen.ctx("operations", "public-task"), _number(seen))
    except WindowNotReady:
        return seen.go(HERE, "switch.said_not_ready")
    return seen.go(HERE, "switch.said_settled")


doors = [desk, join, decide, member, change_amounts, switch_active, change_pair, window, window_file, close, settle]
