"""Groups on a simple phone: see how a savings group or a rotating group stands, join, pay in, repay, borrow, vote.

The acts are those of the pages; the dialogue only asks for what they need, one answer to a screen, and confirms before
money moves or a vote counts. A key of the dialogue's own makes each confirmation count once (law 7).
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from msingi.channels import rules
from msingi.channels.model import Dialogue, Screen, Step
from msingi.kernel.errors import Refusal, TooMany
from msingi.payments.circles import acts as circles
from msingi.payments.circles import turning
from msingi.payments.circles.errors import NothingDue
from msingi.payments.circles.model import Circle, TurnPayment
from msingi.payments.errors import InsufficientFunds, OverTierLimit
from msingi.payments.groups import paying_out, pot, seeing, signing
from msingi.payments.groups.errors import AgainstConstitution, NoSuchDebt
from msingi.payments.groups.model import Contribution, Group, PayOut, Proposal

if TYPE_CHECKING:
    from msingi.channels.dialogue import Talk

GROUP, CIRCLE = "group", "circle"
MOST_LISTED = 5
PAY, REPAY, BORROW, VOTE, JOIN = "pay", "repay", "borrow", "vote", "join"
Turn = tuple[Dialogue, Screen]


async def begin(talk: "Talk") -> Turn:
    """Which of the person's groups; at once the only one."""
    ctx = talk.ctx("payment", "contract")
    savings = [(GROUP, g.body_id, g.name) for g in await seeing.own_groups(talk.stack, ctx)]
    turns = [(CIRCLE, c.body_id, c.name) for c in await circles.own_circles(talk.stack, ctx) if c.state != "ended"]
    found = [*savings, *turns][:MOST_LISTED]
    if not found:
        return talk.end("group_none")
    talk.state = replace(talk.state, lines=tuple(f"{kind}:{body_id}" for kind, body_id, _ in found))
    if len(found) == 1:
        return await _show(talk, talk.state.lines[0])
    listed = [f"{n} {name}" for n, (_, _, name) in enumerate(found, 1)]
    talk.state = replace(talk.state, step=Step.GROUP, turn=talk.state.turn + 1)
    return talk.state, Screen(rules.fit_lines([*listed, talk.say("group_which")]), True)


async def chosen(talk: "Talk", said: str) -> Turn:
    """One of the listed groups."""
    if not (said.isdecimal() and len(said) == 1 and 1 <= int(said) <= len(talk.state.lines)):
        return await begin(talk)
    return await _show(talk, talk.state.lines[int(said) - 1])


async def _show(talk: "Talk", which: str) -> Turn:
    """How a group stands for the person, and what can be done in it."""
    kind, _, body_id = which.partition(":")
    talk.state = replace(talk.state, body=which, step=Step.TASK)
    ctx = talk.ctx("payment", "contract")
    if kind == CIRCLE:
        return _show_circle(talk, await circles.see_circle(talk.stack, ctx, body_id))
    return _show_group(talk, await seeing.see_group(talk.stack, ctx, body_id))


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:14].rstrip() + ".."


def _show_group(talk: "Talk", one: Group) -> Turn:
    if one.mine == "invited":
        return _invited(talk, one.name, one.share_minor)
    if one.state != "open":
        return talk.end("group_waits", name=_short(one.name))
    me = next(m for m in one.members if m.is_me)
    votes = len(_to_vote(one))
    state = replace(talk.state, allowed=tuple([PAY, REPAY, BORROW, *([VOTE] if votes else [])]))
    shown = {
        "name": _short(one.name), "saved": talk.amount_text(me.saved_minor), "owes": talk.amount_text(me.owes_minor),
    }  # fmt: skip
    return talk.ask("group_vote" if votes else "group", state, **shown)


def _show_circle(talk: "Talk", one: Circle) -> Turn:
    if one.mine == "invited":
        return _invited(talk, one.name, one.amount_minor)
    now = next((t for t in one.turns if t.round == one.now), None)
    if one.state != "open" or now is None:
        return talk.end("group_waits", name=_short(one.name))
    me = next(s for s in one.seats if s.is_me)
    owes = sum(d.place == me.place and d.state == "open" and (d.late or d.round == now.round) for d in one.dues)
    whose = next(s.name for s in one.seats if s.place == now.place)
    shown = {
        "name": _short(one.name), "whose": _short(whose), "day": f"{now.day:%d/%m}",
        "owes": talk.amount_text(owes * one.amount_minor),
    }  # fmt: skip
    return talk.ask("circle", replace(talk.state, allowed=(PAY,)), **shown)


def _invited(talk: "Talk", name: str, minor: int) -> Turn:
    state = replace(talk.state, task=JOIN, step=Step.SURE)
    return talk.ask("group_join", state, name=_short(name), amount=talk.amount_text(minor))


def _to_vote(one: Group) -> list[Proposal]:
    return [w for w in one.proposals if w.state == "open" and not w.by_me] if one.keeps_key else []


async def task(talk: "Talk", said: str) -> Turn:
    """What the person wants to do in the group: the next question."""
    allowed = talk.state.allowed
    if not (said.isdecimal() and len(said) == 1 and 1 <= int(said) <= len(allowed)):
        return await _show(talk, talk.state.body)
    wanted = allowed[int(said) - 1]
    talk.state = replace(talk.state, task=wanted, step=Step.NUMBER)
    kind, _, body_id = talk.state.body.partition(":")
    ctx = talk.ctx("payment", "contract")
    if kind == CIRCLE:
        one = await circles.see_circle(talk.stack, ctx, body_id)
        return _sure(talk, "group_sure_pay", one.name, one.amount_minor)
    one = await seeing.see_group(talk.stack, ctx, body_id)
    if wanted == PAY:
        return talk.ask("group_shares", talk.state, price=talk.amount_text(one.share_minor))
    if wanted == BORROW:
        return talk.ask("group_loan", talk.state, name=_short(one.name))
    if wanted == VOTE:
        return _vote(talk, one)
    me = next(m.place for m in one.members if m.is_me)
    debt = next((d for d in one.debts if d.place == me), None)
    if debt is None:
        return talk.end("group_no_debt")
    state = replace(talk.state, wish=debt.debt_id)
    return talk.ask("group_repay", state, amount=talk.amount_text(debt.left_minor))


def _vote(talk: "Talk", one: Group) -> Turn:
    """The next payment that waits for the person's signature."""
    waiting = _to_vote(one)
    if not waiting:
        return talk.end("group_voted_all")
    wish = waiting[0]
    state = replace(talk.state, wish=wish.proposal_id, step=Step.SURE)
    shown = {"amount": talk.amount_text(wish.amount_minor), "name": _short(wish.payee)}
    return talk.ask("group_wish", state, signed=str(wish.signed), needed=str(wish.needed), **shown)


def _sure(talk: "Talk", text: str, name: str, minor: int) -> Turn:
    """The question before money moves."""
    state = replace(talk.state, step=Step.SURE, amount_minor=minor)
    return talk.ask(text, state, amount=talk.amount_text(minor), name=_short(name))


async def number(talk: "Talk", said: str) -> Turn:
    """How many shares, or how much: then the question before it is done."""
    body_id = talk.state.body.partition(":")[2]
    if talk.state.task == PAY:
        if not (said.isdecimal() and len(said) < 4 and int(said) > 0):
            return talk.ask("group_not_number", talk.state)
        one = await seeing.see_group(talk.stack, talk.ctx("payment", "contract"), body_id)
        talk.state = replace(talk.state, wish=said)
        return _sure(talk, "group_sure_pay", one.name, int(said) * one.share_minor + one.social_minor)
    minor = talk.minor_of(said)
    if minor <= 0:
        return talk.ask("group_not_number", talk.state)
    return _sure(talk, "group_sure_loan" if talk.state.task == BORROW else "group_sure_repay", "", minor)


async def sure(talk: "Talk", said: str) -> Turn:
    """Do it after the person's yes; a vote may also be a no."""
    state = talk.state
    refusing = said == "2" and state.task in (VOTE, JOIN)
    if said != "1" and not refusing:
        return talk.end("group_not_done")
    acts: dict[str, Callable[[Talk, bool], Awaitable[Turn]]] = {
        PAY: _pay, REPAY: _repay, BORROW: _borrow, VOTE: _sign, JOIN: _join,
    }  # fmt: skip
    try:
        return await acts[state.task](talk, not refusing)
    except TooMany:
        raise
    except AgainstConstitution as rule:
        most = talk.amount_text(int(rule.facts.get("most_minor", 0)))
        return talk.end("group_at_most", amount=most)
    except (NothingDue, NoSuchDebt):
        return talk.end("group_no_debt")
    except InsufficientFunds:
        return talk.end("group_refused", why=talk.say("too_little"))
    except OverTierLimit:
        return talk.end("group_refused", why=talk.say("over_limit"))
    except Refusal:
        return talk.end("group_refused", why=talk.say("not_now"))


async def _pay(talk: "Talk", _yes: bool) -> Turn:
    kind, _, body_id = talk.state.body.partition(":")
    ctx, key = talk.ctx("payment", "contract"), talk.once("group-pay")
    if kind == CIRCLE:
        done = await turning.pay_turn(talk.stack, ctx, TurnPayment(key=key, body_id=body_id))
        return talk.end("circle_turned" if done.paid_out else "group_paid", amount=talk.amount_text(done.amount_minor))
    order = Contribution(key=key, body_id=body_id, shares=int(talk.state.wish), social=True)
    paid = await pot.contribute(talk.stack, ctx, order)
    return talk.end("group_paid", amount=talk.amount_text(paid))


async def _repay(talk: "Talk", _yes: bool) -> Turn:
    state, ctx = talk.state, talk.ctx("payment", "contract")
    body_id = state.body.partition(":")[2]
    await pot.repay(talk.stack, ctx, talk.once("group-repay"), body_id, state.wish, state.amount_minor)
    return talk.end("group_paid", amount=talk.amount_text(state.amount_minor))


async def _borrow(talk: "Talk", _yes: bool) -> Turn:
    state, ctx = talk.state, talk.ctx("payment", "contract")
    body_id, key = state.body.partition(":")[2], talk.once("group-borrow")
    order = PayOut(key=key, body_id=body_id, kind="loan", amount_minor=state.amount_minor, reference="USSD")
    await paying_out.propose_payout(talk.stack, ctx, order)
    return talk.end("group_asked", amount=talk.amount_text(state.amount_minor))


async def _sign(talk: "Talk", agrees: bool) -> Turn:
    state, ctx = talk.state, talk.ctx("payment", "contract")
    done = await signing.sign(talk.stack, ctx, state.body.partition(":")[2], state.wish, agrees)
    said = "group_said_no" if not agrees else "group_signed_paid" if done.state == "paid" else "group_signed"
    return talk.end(said, signed=str(done.signed), needed=str(done.needed))


async def _join(talk: "Talk", accept: bool) -> Turn:
    kind, _sep, body_id = talk.state.body.partition(":")
    answer = circles.answer_circle if kind == CIRCLE else pot.answer_group
    await answer(talk.stack, talk.ctx("payment", "contract"), body_id, accept)
    return talk.end("group_joined" if accept else "group_declined")
