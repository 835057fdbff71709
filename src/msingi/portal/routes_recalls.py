"""Doors of recalls: follow what one asked another bank back, answer another bank, decide; and who does not answer."""

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import Malformed, Outage
from msingi.kernel.money import Currency, Money
from msingi.kernel.money import format as written
from msingi.payments.errors import InsufficientFunds
from msingi.payments.recalls import acts as recalls
from msingi.payments.recalls.errors import RecallEnded, RecallNotYetFurther
from msingi.payments.recalls.model import Recall, State
from msingi.payments.recalls.rules import OVER
from msingi.payments.switch import cancelling, recalling
from msingi.payments.switch.errors import SwitchRefusal
from msingi.portal import model as m
from msingi.portal import officer, rules
from msingi.portal.model_bank import DeskLine, Fact
from msingi.portal.model_fraud import DisputeLine
from msingi.portal.model_recall import BetweenPage, Happened, RecallPage
from msingi.portal.routes_money import amount_in
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

HERE, DESK, LONGEST, SHOWN = "/me/money/recalls", "/staff/recalls", 1_000, 25
WAITING = (State.ASKED, State.ANSWERED)


def ctx_of(seen: Visit):
    """The circumstances in which recalls are seen."""
    return seen.ctx("redress", "legal-obligation")


def line_of(one: Recall) -> DisputeLine:
    """A recall in a list."""
    return DisputeLine(
        id=one.recall_id, other=one.other, kind=one.kind.value, state=one.state.value, mine=one.outgoing,
        amount=Money(one.amount_minor, one.currency), at=one.opened_at, due_at=one.due_at, late=one.late,
    )  # fmt: skip


def _facts(seen: Visit, one: Recall) -> tuple[Fact, ...]:
    say = seen.say
    facts = [Fact(label=say("recall.bank"), text=one.other), Fact(label=say("dispute.paid_at"), at=one.paid_at)]
    facts.append(Fact(label=say("recall.number"), text=one.number, figure=True))
    if one.held_minor and one.state not in OVER:
        facts.append(Fact(label=say("dispute.held"), money=Money(one.held_minor, one.currency)))
    if one.state is State.ASKED and not one.outgoing:
        facts.append(Fact(label=say("dispute.answer_due"), at=one.answer_due))
    if one.state not in OVER:
        due = "recall.bank_due" if one.outgoing else "dispute.decide_due"
        facts.append(Fact(label=say(due), at=one.due_at, strong=one.late))
    if one.refunded_minor:
        facts.append(Fact(label=say("dispute.refunded"), money=Money(one.refunded_minor, one.currency), strong=True))
    if one.reason:
        text = f"recall.reason_{one.reason}" if one.reason in cancelling.REFUSALS else "recall.reason_other"
        facts.append(Fact(label=say("recall.reason"), text=say(text), strong=True))
    return tuple(facts)


def _said(seen: Visit, one: Recall) -> tuple[tuple[str, str], ...]:
    mine = "recall.your_words" if one.outgoing else "recall.their_words"
    answered = "recall.their_words" if one.outgoing else "recall.payee_words"
    told = ((mine, one.text), (answered, one.answer), ("dispute.said_bank", one.decision))
    return tuple((seen.say(name), text) for name, text in told if text)


def _view(seen: Visit, one: Recall, action: str, may: tuple[str, ...]) -> RecallPage:
    way = "out" if one.outgoing else "in"
    steps = tuple(Happened(step.at, seen.say(f"recall.step_{way}_{step.what}", bank=one.other)) for step in one.steps)
    lead = "late" if one.late and one.outgoing else f"{way}_{one.state.value}"
    return RecallPage(
        action=action, line=line_of(one), facts=_facts(seen, one), said=_said(seen, one), steps=steps, may=may,
        complaint=one.complaint, lead=seen.say(f"recall.lead_{lead}", bank=one.other),
    )  # fmt: skip


def _form(seen: Visit) -> m.Form:
    field = m.Field(name="text", label=seen.say("dispute.text"), hint=seen.say("recall.text_hint"), longest=LONGEST)
    return rules.filled(m.Form((field,)), seen.fields)


async def _page(seen: Visit, wanted: str, form: m.Form | None = None) -> Response[bytes]:
    one = await recalls.recall(seen.stack, ctx_of(seen), wanted)
    may: tuple[str, ...] = ()
    if not one.complaint and (one.late or one.state in OVER) and not (one.outgoing and one.state is State.REFUNDED):
        may = ("further",)
    if not one.outgoing and one.state is State.ASKED:
        may = ("keep", "agree")
    view = _view(seen, one, f"{HERE}/{one.recall_id}", may)
    return seen.page("person/recall.html", view, area="person", here="money", form=form or _form(seen))


@get(HERE + "/{recall_id:str}")
async def recall(request: WebRequest, recall_id: FromPath[str]) -> Response[bytes]:
    """One recall, step by step."""
    return await _page(await visit_as_person(request), recall_id)


@post(HERE + "/{recall_id:str}", status_code=303)
async def act(request: WebRequest, recall_id: FromPath[str]) -> Response[bytes]:
    """Answer another bank, or take a recall further."""
    seen = await visit_as_person(request)
    step, form = seen.fields.get("step", "further"), _form(seen)
    if seen.in_other_language:
        return await _page(seen, recall_id, form)
    form = rules.judged(form, seen.say, {})
    if form.wrongs:
        return await _page(seen, recall_id, form)
    stack, ctx, text = seen.stack, ctx_of(seen), form.value("text")
    try:
        if step == "further":
            await recalls.take_recall_further(stack, ctx, recall_id, text)
        else:
            await recalls.answer_recall(stack, ctx, recall_id, text, agree=step == "agree")
    except Malformed:
        return await _page(seen, recall_id, rules.with_wrong(form, "text", seen.say("dispute.text_wrong")))
    except (RecallEnded, RecallNotYetFurther) as ended:
        return await _page(seen, recall_id, rules.with_wrong(form, "text", seen.say(f"refusal.{ended.code}_text")))
    return seen.go(f"{HERE}/{recall_id}", "dispute.said_further" if step == "further" else "dispute.said_answered")


def _decision(seen: Visit) -> m.Form:
    say = seen.say
    reasons = tuple((code, say(f"recall.reason_{code}")) for code in cancelling.REFUSALS)
    fields = (
        m.Field(name="amount", label=say("dispute.refund"), kind="amount", hint=say("dispute.refund_hint"), longest=20),
        m.Field(
            name="reason", label=say("recall.why_not"), kind="select", options=reasons, optional=True,
            hint=say("recall.why_not_hint"),
        ),
        m.Field(
            name="text", label=say("dispute.reason"), hint=say("recall.decision_hint"), longest=LONGEST
        ),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields)


async def _review(seen: Visit, wanted: str, form: m.Form | None = None) -> Response[bytes]:
    one = await recalls.review_recall(seen.stack, ctx_of(seen), wanted)
    may = ("decide",) if one.state in WAITING and not one.outgoing else ()
    view = _view(seen, one, f"{DESK}/{one.recall_id}", may)
    return seen.page("staff/recall.html", view, area="staff", here="disputes", form=form or _decision(seen))


@get(DESK + "/{recall_id:str}")
async def review(request: WebRequest, recall_id: FromPath[str]) -> Response[bytes]:
    """One recall, for an officer."""
    return await _review(await visit_as_staff(request, officer.ROLE), recall_id)


@post(DESK + "/{recall_id:str}", status_code=303)
async def decide(request: WebRequest, recall_id: FromPath[str]) -> Response[bytes]:
    """Decide what another bank wishes."""
    seen = await visit_as_staff(request, officer.ROLE)
    form, profile, say = _decision(seen), seen.stack.profile, seen.say
    if seen.in_other_language:
        return await _review(seen, recall_id, form)

    def amount(text: str) -> str:
        written_as = profile.currency, profile.group_separator, profile.decimal_point
        return "" if text.strip("0") == "" else rules.amount_wrong(text, *written_as, say)

    form = rules.judged(form, say, {"amount": amount})
    if form.wrongs:
        return await _review(seen, recall_id, form)
    back = amount_in(seen, form) if form.value("amount").strip("0") else 0
    if not back and not form.value("reason"):
        return await _review(seen, recall_id, rules.with_wrong(form, "reason", say("recall.why_not_wrong")))
    try:
        await recalls.decide_recall(
            seen.stack, ctx_of(seen), recall_id, back, form.value("text"), reason="" if back else form.value("reason")
        )
    except Malformed:
        return await _review(seen, recall_id, rules.with_wrong(form, "amount", say("dispute.too_much")))
    except InsufficientFunds:
        return await _review(seen, recall_id, rules.with_wrong(form, "amount", say("dispute.not_enough")))
    except SwitchRefusal:
        return await _review(seen, recall_id, rules.with_wrong(form, "amount", say("recall.not_taken")))
    except Outage:
        return seen.go(f"{DESK}/{recall_id}", "recall.said_on_its_way")
    return seen.go(f"{DESK}/{recall_id}", "dispute.said_decided")


def _between(seen: Visit, one: recalling.Recalled) -> DeskLine:
    say = seen.say
    amount = written(one.amount_minor, Currency(one.currency, one.digits, "", one.currency))
    facts = [
        Fact(label=say("recall.amount"), text=amount, figure=True),
        Fact(label=say("recall.why"), text=say(f"recall.cause_{one.reason}")),
        Fact(label=say("recall.asked_at"), at=one.asked_at), Fact(label=say("recall.bank_due"), at=one.due_at),
        Fact(label=say("recall.number"), text=one.transfer_id, figure=True),
    ]  # fmt: skip
    if one.answered_at is not None:
        facts.append(Fact(label=say("recall.answered_at"), at=one.answered_at))
    state = "late" if one.late else f"answer_{one.answer or 'none'}"
    return DeskLine(
        title=say("recall.from_to", asker=one.asker, asked=one.asked), facts=tuple(facts), good=not one.late,
        state=say(f"recall.{state}"),
    )  # fmt: skip


@get("/staff/switch/recalls")
async def between(request: WebRequest) -> Response[bytes]:
    """What banks ask back from each other, and who does not answer, for whoever runs the switch."""
    seen = await visit_as_staff(request, "central-banker", "auditor")
    ctx = seen.ctx("operations", "public-task")
    late = await recalling.see_recalls(seen.stack, ctx, late=True)
    newest = [one for one in await recalling.see_recalls(seen.stack, ctx) if not one.late]
    view = BetweenPage(tuple(_between(seen, one) for one in late), tuple(_between(seen, one) for one in newest))
    return seen.page("staff/switch_recalls.html", view, area="staff", here="switch")


doors = [recall, act, review, decide, between]
