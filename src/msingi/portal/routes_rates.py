"""Doors of exchange rates: what the house holds, which rates are in force, propose some, approve a colleague's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from litestar import Response, get, post

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotFound, Refusal
from msingi.kernel.money import Currency
from msingi.payments.rates import acts
from msingi.payments.rates import rules as rate_rules
from msingi.payments.rates.errors import BadRate, NoPosition, NoSuchRate, OwnRate
from msingi.payments.rates.model import Rate, RateOrder, RateState
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking, DeskLine, DeskPage, Fact
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HERE, SHOWN = "/staff/rates", 25
OFFICER = "central-banker"
READERS = (OFFICER, "auditor")
DAYS = ("1", "7", "30")


def _form(seen: Visit, known: list[str]) -> m.Form:
    say, options = seen.say, tuple((code, code) for code in known)
    days = tuple((d, say("rates.days", n=int(d))) for d in DAYS)
    fields = (
        m.Field(name="source", label=say("rates.source"), kind="select", options=options),
        m.Field(name="target", label=say("rates.target"), kind="select", options=options),
        m.Field(name="middle", label=say("rates.middle"), hint=say("rates.middle_hint"), kind="amount", longest=20),
        m.Field(name="spread_bp", label=say("rates.spread"), hint=say("rates.bp_hint"), kind="number", longest=4),
        m.Field(name="fee_minor", label=say("rates.fee"), hint=say("rates.minor_hint"), kind="number", value="0"),
        m.Field(name="fee_bp", label=say("rates.fee_bp"), hint=say("rates.bp_hint"), kind="number", value="0"),
        m.Field(name="most_minor", label=say("rates.most"), hint=say("rates.minor_hint"), kind="number", longest=15),
        m.Field(name="days", label=say("rates.how_long"), kind="select", options=days, value="1"),
    )
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if "source" in seen.fields else form


def _facts(seen: Visit, rate: Rate, digits: dict[str, int]) -> tuple[Fact, ...]:
    order, source = rate.order, rate.order.source
    currency = Currency(source, digits.get(source, 2), "", source)
    fee = f"{seen.written(order.fee_minor, currency)} + {seen.decimal(f'{order.fee_bp / 100:g}')}\u00a0%"
    facts = [
        Fact(label=seen.say("rates.customer"), text=seen.decimal(rate_rules.customer_rate(order)), strong=True),
        Fact(label=seen.say("rates.middle"), text=seen.decimal(f"{order.middle} (− {order.spread_bp / 100:g}\u00a0%)")),
        Fact(label=seen.say("send.fee"), text=fee),
        Fact(label=seen.say("rates.most"), text=seen.written(order.most_minor, currency)),
        Fact(label=seen.say("abroad.until"), at=order.valid_until),
        Fact(label=seen.say("rates.proposed_by"), text=seen.officer(rate.proposed_by)),
    ]
    if rate.decided_by:
        facts.append(Fact(label=seen.say("rates.decided_by"), text=seen.officer(rate.decided_by)))
    return tuple(facts)


def _line(seen: Visit, rate: Rate, digits: dict[str, int]) -> DeskLine:
    past = rate.order.valid_until <= clock.now()
    state = "past" if past and rate.state is RateState.APPROVED else rate.state
    mine = rate.proposed_by == f"{seen.actor.kind}:{seen.actor.id}"
    action = label = ""
    hidden: tuple[tuple[str, str], ...] = ()
    if OFFICER in seen.actor.roles and rate.state is RateState.WAITING:
        action, label = f"{HERE}/decide", seen.say("rates.take_back" if mine else "rates.approve")
        hidden = (("batch", str(rate.batch)), ("approve", "" if mine else "yes"))
    elif OFFICER in seen.actor.roles and state == RateState.APPROVED:
        action, label, hidden = f"{HERE}/withdraw", seen.say("rates.withdraw"), (("rate", str(rate.id)),)
    return DeskLine(
        title=f"{rate.order.source} → {rate.order.target}", facts=_facts(seen, rate, digits),
        state=seen.say(f"rates.state_{state}"), good=state in ("approved", "waiting"), action=action, label=label,
        hidden=hidden,
    )  # fmt: skip


async def _page(seen: Visit, form: m.Form | None = None) -> Response[bytes]:
    ctx, sent = seen.ctx("operations", "public-task"), seen.request.query_params
    held = await acts.positions(seen.stack, ctx)
    digits = {p.currency: p.digits for p in held}
    before, before_id = acts.LATEST
    try:
        if sent.get("before"):
            before, before_id = datetime.fromisoformat(sent["before"]), UUID(sent.get("id", ""))
    except ValueError:
        raise NotFound() from None
    if before.tzinfo is None:
        raise NotFound()
    found = await acts.rates(seen.stack, ctx, before=before, before_id=before_id, limit=SHOWN + 1)
    last = found[SHOWN - 1] if len(found) > SHOWN else None
    moment = last.proposed_at.isoformat().replace("+", "%2B") if last else ""
    positions = tuple(
        DeskLine(
            title=p.currency,
            facts=tuple(
                Fact(
                    label=seen.say(f"rates.{name}"),
                    text=seen.written(value, Currency(p.currency, p.digits, "", p.currency)),
                )
                for name, value in (
                    *(("held", p.held_minor), ("reserved", p.reserved_minor), ("limit", p.limit_minor)),
                    ("fees", p.fees_minor),
                )
            ),
        )
        for p in held
    )
    view = DeskPage(
        asking=Asking(
            title=seen.say("menu.rates"), lead=seen.say("rates.lead"), action=HERE, submit=seen.say("rates.propose")
        ),
        list_title=seen.say("rates.list"),
        lines=tuple(_line(seen, rate, digits) for rate in found[:SHOWN]),
        empty=seen.say("rates.none"),
        older=f"{HERE}?before={moment}&id={last.id}" if last else "",
        more_title=seen.say("rates.positions"),
        more=positions,
    )
    shown = form or _form(seen, list(digits))
    if OFFICER not in seen.actor.roles:
        shown = m.Form(())
    return seen.page("staff/rates.html", view, area="staff", here="rates", form=shown)


@get(HERE)
async def rates(request: WebRequest) -> Response[bytes]:
    """Positions, rates with who set them, and a form to propose one."""
    return await _page(await visit_as_staff(request, *READERS))


@post(HERE, status_code=303)
async def propose(request: WebRequest) -> Response[bytes]:
    """Propose a rate, or say what to correct; a colleague approves it."""
    seen = await visit_as_staff(request, OFFICER)
    ctx = seen.ctx("operations", "public-task")
    form = _form(seen, [p.currency for p in await acts.positions(seen.stack, ctx)])
    if seen.in_other_language:
        return await _page(seen, form)
    whole = {name: _whole(seen) for name in ("spread_bp", "fee_minor", "fee_bp", "most_minor")}
    form = rules.judged(form, seen.say, whole)
    if form.wrongs:
        return await _page(seen, form)
    now, numbers = clock.now().astimezone(UTC), {name: int(form.value(name)) for name in whole}
    until = now + timedelta(days=int(form.value("days")) if form.value("days") in DAYS else 1)
    order = RateOrder(
        form.value("source"), form.value("target"), form.value("middle").replace(",", "."), numbers.pop("spread_bp"),
        now, until, **numbers,
    )  # fmt: skip
    try:
        await acts.propose_rates(seen.stack, ctx, [order])
    except (BadRate, NoPosition) as wrong:
        field = str(wrong.facts.get("field", "source"))
        name = field if field in {f.name for f in form.fields} else "most_minor"
        return await _page(seen, rules.with_wrong(form, name, seen.say("rates.wrong")))
    return seen.go(HERE, "rates.said_proposed")


def _whole(seen: Visit):
    return lambda text: "" if text.isascii() and text.isdigit() and len(text) < 16 else seen.say("rates.not_whole")


@post(f"{HERE}/file", status_code=303)
async def propose_file(request: WebRequest) -> Response[bytes]:
    """Propose the rates of a CSV file, all or none."""
    seen = await visit_as_staff(request, OFFICER)
    raw = seen.files.get("csv", b"")
    ctx = seen.ctx("operations", "public-task")
    try:
        await acts.import_rates(seen.stack, ctx, raw.decode("utf-8"))
    except (Malformed, NoPosition, UnicodeDecodeError) as wrong:
        where = (
            str(wrong.facts.get("field", wrong.facts.get("currency", ""))) if isinstance(wrong, Refusal) else "UTF-8"
        )
        form = _form(seen, [p.currency for p in await acts.positions(seen.stack, ctx)])
        return await _page(seen, rules.with_wrong(form, "source", seen.say("rates.file_wrong", where=where)))
    return seen.go(HERE, "rates.said_proposed")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None


@post(f"{HERE}/decide", status_code=303)
async def decide(request: WebRequest) -> Response[bytes]:
    """Approve a colleague's rates, or take own ones back."""
    seen = await visit_as_staff(request, OFFICER)
    yes = seen.fields.get("approve") == "yes"
    try:
        await acts.decide_rates(
            seen.stack, seen.ctx("operations", "public-task"), _id(seen.fields.get("batch", "")), yes
        )
    except (NoSuchRate, OwnRate):
        return seen.go(HERE, "rates.said_gone")
    return seen.go(HERE, "rates.said_approved" if yes else "rates.said_taken_back")


@post(f"{HERE}/withdraw", status_code=303)
async def withdraw(request: WebRequest) -> Response[bytes]:
    """Take a rate out of force at once."""
    seen = await visit_as_staff(request, OFFICER)
    try:
        await acts.withdraw_rate(seen.stack, seen.ctx("operations", "public-task"), _id(seen.fields.get("rate", "")))
    except NoSuchRate:
        return seen.go(HERE, "rates.said_gone")
    return seen.go(HERE, "rates.said_taken_back")


doors = [rates, propose, propose_file, decide, withdraw]
