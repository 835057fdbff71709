"""Doors of the switch's operator: who takes part and how they stand, cover and limits, windows and their reports."""

import csv
import io

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import token
from msingi.kernel.money import Currency, plain
from msingi.kernel.money import format as written
from msingi.payments.switch import acts, settling
from msingi.payments.switch.errors import BadKey, BadSyntax, FspExists, OverCover, UnknownFsp, WindowNotReady
from msingi.payments.switch.model import Member, Report, Standing, Window, WindowState
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking, DeskLine, DeskPage, Fact
from msingi.portal.model_switch import MemberPage, WindowPage
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HERE, SHOWN, WINDOWS = "/staff/switch", 25, 10
OPERATOR = "central-banker"
READERS = (OPERATOR, "auditor")


def _money(minor: int, code: str, digits: dict[str, int]) -> str:
    return written(minor, Currency(code, digits.get(code, 2), "", code))


def _standing(seen: Visit, one: Standing, digits: dict[str, int]) -> tuple[Fact, ...]:
    amounts = (
        *(("cover", one.cover_minor), ("limit", one.limit_minor), ("owes", one.position_minor)),
        ("reserved", one.reserved_minor),
    )
    return tuple(
        Fact(label=f"{one.currency} · {seen.say(f'switch.{name}')}", text=_money(minor, one.currency, digits))
        for name, minor in amounts
    )


def _member(seen: Visit, one: Member) -> DeskLine:
    facts = tuple(fact for standing in one.standings for fact in _standing(seen, standing, one.digits))
    return DeskLine(
        title=f"{one.name} · {one.fsp}", facts=facts, good=one.active,
        state=seen.say("switch.ours" if one.ours else "switch.active" if one.active else "switch.stopped"),
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
    view = DeskPage(
        asking=Asking(
            title=seen.say("menu.switch"), lead=seen.say("switch.lead"), action=HERE, submit=seen.say("switch.join"),
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
    """Let a participant join with its public key; its token is shown this once."""
    seen = await visit_as_staff(request, OPERATOR)
    form, ctx = _join_form(seen), seen.ctx("operations", "public-task")
    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {})
    if form.wrongs or seen.in_other_language:
        return await _desk(seen, form)
    key = seen.files.get("key", b"").decode("ascii", "replace")
    codes = form.value("currencies").upper().replace(",", " ").split()
    fsp = form.value("fsp")
    known = {c.currency for c in await settling.currencies(seen.stack, ctx)}
    if not codes or not set(codes) <= known:
        return await _desk(seen, rules.with_wrong(form, "currencies", seen.say("switch.not_settled")))
    try:
        words = fsp, form.value("institution"), form.value("title"), key, form.value("endpoint")
        shown = await acts.join(seen.stack, ctx, *words)
        for code in codes:
            await acts.open_accounts(seen.stack, ctx, fsp, code)
    except FspExists:
        return await _desk(seen, rules.with_wrong(form, "fsp", seen.say("switch.exists")))
    except BadKey:
        return await _desk(seen, rules.with_wrong(form, "fsp", seen.say("switch.bad_key")))
    except (BadSyntax, Refusal) as wrong:
        if wrong.status != 400:
            raise
        field = "endpoint" if wrong.facts.get("field") == "endpoint" else "fsp"
        return await _desk(seen, rules.with_wrong(form, field, seen.say("switch.wrong")))
    seen.fields = {}
    return await _desk(seen, made=(seen.say("switch.token", name=fsp), shown))


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
    standings = tuple((s.currency, _standing(seen, s, one.digits)) for s in one.standings)
    view = MemberPage(
        fsp=one.fsp, name=one.name, active=one.active, runs=runs and not one.ours, facts=tuple(facts),
        standings=standings, key=seen.fields.get("key") or token(18),
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
    """Bring cover, take some out, or set the limit; never a limit that no cover carries."""
    seen = await visit_as_staff(request, OPERATOR)
    one, ctx = await _found(seen, fsp), seen.ctx("operations", "public-task")
    form, code = _amount_form(seen, one), seen.fields.get("currency", "")
    profile, currency = seen.stack.profile, Currency(code, one.digits.get(code, 0), "")

    def judge(text: str) -> str:
        return rules.amount_wrong(text, currency, profile.group_separator, profile.decimal_point, seen.say)

    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {"amount": judge})
    if form.wrongs or seen.in_other_language:
        return await _member_page(seen, one, form)
    minor = rules.amount_minor(form.value("amount"), currency, profile.group_separator, profile.decimal_point)
    key = seen.fields.get("key") or token(18)
    try:
        if form.value("what") == "limit":
            await settling.set_limit(seen.stack, ctx, fsp, code, minor)
        elif form.value("what") == "withdrawal":
            await settling.take_cover(seen.stack, ctx, fsp, code, minor, key)
        else:
            await settling.bring_cover(seen.stack, ctx, fsp, code, minor, key)
    except (OverCover, UnknownFsp):
        return await _member_page(seen, one, rules.with_wrong(form, "amount", seen.say("switch.over_cover")))
    return seen.go(f"{HERE}/{fsp}", "switch.said_done")


@post(f"{HERE}/{{fsp:str}}/active", status_code=303)
async def switch_active(request: WebRequest, fsp: FromPath[str]) -> Response[bytes]:
    """Suspend a participant, or let it take part again. What is under way ends by itself."""
    seen = await visit_as_staff(request, OPERATOR)
    active = seen.fields.get("active") == "yes"
    await acts.change(seen.stack, seen.ctx("operations", "public-task"), fsp, active=active)
    return seen.go(f"{HERE}/{fsp}", "switch.said_done")


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
            *(line.fsp, line.currency, str(line.sent), _money(line.sent_minor, line.currency, digits)),
            *(str(line.received), _money(line.received_minor, line.currency, digits)),
            _money(line.owes_minor, line.currency, digits),
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


doors = [desk, join, member, change_amounts, switch_active, window, window_file, close, settle]
