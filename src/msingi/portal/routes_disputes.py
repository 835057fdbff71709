"""Doors of disputes: open one from a movement, follow it, answer it, take it further; and the desk that decides."""

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import Malformed
from msingi.kernel.money import Money
from msingi.payments.disputes import acts as disputes
from msingi.payments.disputes.errors import CannotDispute, NoSuchDispute
from msingi.payments.disputes.model import Dispute, DisputeOrder, Kind, State
from msingi.payments.errors import InsufficientFunds, NoSuchTransfer
from msingi.payments.recalls import acts as recalls
from msingi.payments.recalls.errors import CannotRecall, NoSuchRecall
from msingi.payments.recalls.model import RecallOrder
from msingi.portal import model as m
from msingi.portal import officer, routes_recalls, rules
from msingi.portal.model_bank import Fact
from msingi.portal.model_fraud import DisputeLine, DisputePage, DisputesPage
from msingi.portal.routes_money import amount_in
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

SHOWN = 25
LONGEST = 1_000
WAITING = (State.OPEN, State.ANSWERED)


def _ctx(seen: Visit):
    return seen.ctx("redress", "legal-obligation")


def _line(one: Dispute) -> DisputeLine:
    return DisputeLine(
        id=one.dispute_id, other=one.other, kind=one.kind.value, state=one.state.value, mine=one.mine,
        amount=Money(one.amount_minor, one.currency), at=one.opened_at, due_at=one.decide_due, late=one.late,
    )  # fmt: skip


def _place(request: WebRequest, name: str = "place") -> str:
    return request.query_params.get(name, "")[:80].replace(" ", "+")


def _older(home: str, place: str | None, name: str = "place") -> str:
    return f"{home}?{name}={place}".replace("+", "%2B") if place else ""


@get("/me/money/disputes")
async def mine(request: WebRequest) -> Response[bytes]:
    """The disputes in which somebody takes part."""
    seen = await visit_as_person(request)
    found = await disputes.disputes(seen.stack, _ctx(seen), place=_place(request), limit=SHOWN)
    asked = await recalls.recalls(seen.stack, _ctx(seen), place=_place(request, "recalls"), limit=SHOWN)
    view = DisputesPage(
        tuple(map(_line, found.disputes)), _older("/me/money/disputes", found.next_place),
        recalls=tuple(map(routes_recalls.line_of, asked.recalls)),
        older_recalls=_older("/me/money/disputes", asked.next_place, "recalls"),
    )  # fmt: skip
    return seen.page("person/disputes.html", view, area="person", here="money")


def _form(seen: Visit, *, opening: bool = False) -> m.Form:
    say = seen.say
    kinds = tuple((kind.value, say(f"dispute.kind_{kind.value}")) for kind in Kind)
    text = m.Field(name="text", label=say("dispute.text"), hint=say("dispute.text_hint"), longest=LONGEST)
    what = m.Field(name="kind", label=say("dispute.what"), kind="choice", options=kinds)
    return rules.filled(m.Form((what, text) if opening else (text,)), seen.fields)


def _facts(seen: Visit, one: Dispute) -> tuple[Fact, ...]:
    say, state = seen.say, one.state
    facts = [Fact(label=say("dispute.paid_at"), at=one.paid_at), Fact(label=say("dispute.opened_at"), at=one.opened_at)]
    if one.held_minor:
        facts.append(Fact(label=say("dispute.held"), money=Money(one.held_minor, one.currency)))
    if state is State.OPEN:
        facts.append(Fact(label=say("dispute.answer_due"), at=one.answer_due))
    if state in WAITING:
        facts.append(Fact(label=say("dispute.decide_due"), at=one.decide_due, strong=one.late))
    if state is State.REFUNDED:
        facts.append(Fact(label=say("dispute.refunded"), money=Money(one.refunded_minor, one.currency), strong=True))
    return tuple(facts)


def _said(seen: Visit, one: Dispute) -> tuple[tuple[str, str], ...]:
    told = (("said_payer", one.text), ("said_payee", one.answer), ("said_bank", one.reason))
    return tuple((seen.say(f"dispute.{who}"), text) for who, text in told if text)


async def _page(seen: Visit, wanted: str, form: m.Form | None = None) -> Response[bytes]:
    """A dispute as one of its sides sees it; the form to open one where there is none."""
    action = f"/me/money/disputes/{wanted}"
    try:
        one = await disputes.dispute(seen.stack, _ctx(seen), wanted)
    except NoSuchDispute:
        view = DisputePage(action=action, steps=("open",))
        form = form or _form(seen, opening=True)
        return seen.page("person/dispute.html", view, area="person", here="money", form=form)
    steps: tuple[str, ...] = ()
    if one.mine and not one.complaint and (one.state not in WAITING or one.late):
        steps = ("further",)
    elif not one.mine and one.state is State.OPEN:
        steps = ("answer", "accept")
    view = DisputePage(
        action=action, line=_line(one), facts=_facts(seen, one), said=_said(seen, one), steps=steps,
        complaint=one.complaint,
    )  # fmt: skip
    return seen.page("person/dispute.html", view, area="person", here="money", form=form or _form(seen))


@get("/me/money/disputes/{transfer:str}")
async def dispute(request: WebRequest, transfer: FromPath[str]) -> Response[bytes]:
    """One dispute, or the form to open one about a movement; what went to another bank is asked back from there."""
    seen = await visit_as_person(request)
    try:
        return seen.go(f"{routes_recalls.HERE}/{await recalls.recall_of(seen.stack, _ctx(seen), transfer)}")
    except (NoSuchRecall, NoSuchTransfer):
        return await _page(seen, transfer)


@post("/me/money/disputes/{transfer:str}", status_code=303)
async def act(request: WebRequest, transfer: FromPath[str]) -> Response[bytes]:
    """Open it, answer it, pay back, or take it further."""
    seen = await visit_as_person(request)
    step = seen.fields.get("step", "open")
    form = _form(seen, opening=step == "open")
    if seen.in_other_language:
        return await _page(seen, transfer, form)
    form = rules.judged(form, seen.say, {})
    if form.wrongs:
        return await _page(seen, transfer, form)
    stack, ctx, text, news = seen.stack, _ctx(seen), form.value("text"), "answered"
    try:
        if step == "open":
            to = await _opened(seen, transfer, Kind(form.value("kind")), text)
            if to:
                return seen.go(to, "recall.said_asked")
            news = "opened"
        elif step == "further":
            await disputes.take_further(stack, ctx, transfer, text)
            news = "further"
        else:
            await disputes.answer(stack, ctx, transfer, text, accept=step == "accept")
    except Malformed:
        return await _page(seen, transfer, rules.with_wrong(form, "text", seen.say("dispute.text_wrong")))
    except (CannotDispute, CannotRecall, NoSuchTransfer):
        return await _page(seen, transfer, rules.with_wrong(form, "text", seen.say("dispute.cannot")))
    except InsufficientFunds:
        return await _page(seen, transfer, rules.with_wrong(form, "text", seen.say("dispute.not_enough")))
    return seen.go(f"/me/money/disputes/{transfer}", f"dispute.said_{news}")


async def _opened(seen: Visit, transfer: str, kind: Kind, text: str) -> str:
    """Dispute it here, or ask it back from the bank that it went to: the address of that page, else empty."""
    stack, ctx = seen.stack, _ctx(seen)
    try:
        await disputes.open_dispute(stack, ctx, DisputeOrder(transfer, kind, text))
    except CannotDispute as refused:
        if refused.facts.get("rule") != "other-bank":
            raise
        asked = await recalls.ask_back(stack, ctx, RecallOrder(transfer, kind, text))
        return f"{routes_recalls.HERE}/{asked.recall_id}"
    return ""


@get("/staff/disputes")
async def queue(request: WebRequest) -> Response[bytes]:
    """The disputes that wait, the most urgent first."""
    seen = await visit_as_staff(request, officer.ROLE)
    found = await disputes.queue(seen.stack, _ctx(seen), place=_place(request), limit=SHOWN)
    counts = await disputes.dispute_counts(seen.stack, seen.ctx("statistics", "public-task"))
    names = ("opened", "refunded", "refused", "waiting", "late", "taken_further")
    facts = tuple(Fact(label=seen.say(f"dispute.count_{n}"), text=str(getattr(counts, n))) for n in names)
    wished = await recalls.recall_queue(seen.stack, _ctx(seen), place=_place(request, "recalls"), limit=SHOWN)
    view = DisputesPage(
        tuple(map(_line, found.disputes)), _older("/staff/disputes", found.next_place), facts,
        tuple(map(routes_recalls.line_of, wished.recalls)),
        _older("/staff/disputes", wished.next_place, "recalls"),
    )  # fmt: skip
    return seen.page("staff/disputes.html", view, area="staff", here="disputes")


async def _review(seen: Visit, wanted: str, form: m.Form | None = None) -> Response[bytes]:
    one = await disputes.review(seen.stack, _ctx(seen), wanted)
    view = DisputePage(
        action=f"/staff/disputes/{wanted}", line=_line(one), facts=_facts(seen, one), said=_said(seen, one),
        steps=("decide",) if one.state in WAITING else (), complaint=one.complaint,
    )  # fmt: skip
    form = form or _decision(seen)
    return seen.page("staff/dispute.html", view, area="staff", here="disputes", form=form)


def _decision(seen: Visit) -> m.Form:
    say = seen.say
    fields = (
        m.Field(name="amount", label=say("dispute.refund"), kind="amount", hint=say("dispute.refund_hint"), longest=20),
        m.Field(name="text", label=say("dispute.reason"), hint=say("dispute.reason_hint"), longest=LONGEST),
    )
    return rules.filled(m.Form(fields), seen.fields)


@get("/staff/disputes/{transfer:str}")
async def review(request: WebRequest, transfer: FromPath[str]) -> Response[bytes]:
    """One dispute."""
    return await _review(await visit_as_staff(request, officer.ROLE), transfer)


@post("/staff/disputes/{transfer:str}", status_code=303)
async def decide(request: WebRequest, transfer: FromPath[str]) -> Response[bytes]:
    """Decide it: how much is paid back, and why."""
    seen = await visit_as_staff(request, officer.ROLE)
    form, profile, say = _decision(seen), seen.stack.profile, seen.say
    if seen.in_other_language:
        return await _review(seen, transfer, form)

    def amount(text: str) -> str:
        written = profile.currency, profile.group_separator, profile.decimal_point
        return "" if text.strip("0") == "" else rules.amount_wrong(text, *written, say)

    form = rules.judged(form, say, {"amount": amount})
    if form.wrongs:
        return await _review(seen, transfer, form)
    refund = amount_in(seen, form) if form.value("amount").strip("0") else 0
    try:
        await disputes.decide(seen.stack, _ctx(seen), transfer, refund, form.value("text"))
    except Malformed:
        return await _review(seen, transfer, rules.with_wrong(form, "amount", say("dispute.too_much")))
    except InsufficientFunds:
        return await _review(seen, transfer, rules.with_wrong(form, "amount", say("dispute.not_enough")))
    return seen.go(f"/staff/disputes/{transfer}", "dispute.said_decided")


doors = [mine, dispute, act, queue, review, decide]
