"""Doors of rotating groups: found one, accept, see whose turn it is, pay, leave."""

from datetime import date

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotFound, NotPermitted, Refusal, TooMany
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.circles import acts, turning
from msingi.payments.circles.errors import NothingDue, StillOwing
from msingi.payments.circles.model import Circle, CircleOrder, TurnPayment
from msingi.payments.errors import TransferRejected
from msingi.portal import gathering, rules, views_circles
from msingi.portal import model as m
from msingi.portal.model_bank import Asking, Fact
from msingi.portal.routes_money import amount_in, amount_judge
from msingi.portal.routes_shop import why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_person

HOME = views_circles.HOME


@get(HOME)
async def home(request: WebRequest) -> Response[bytes]:
    """One's rotating groups and invitations."""
    seen = await visit_as_person(request)
    found = await acts.own_circles(seen.stack, seen.ctx("payment", "contract"))
    return seen.page("person/listed.html", views_circles.overview(seen, found), area="person", here="money")


@get(f"{HOME}/{{circle:str}}")
async def circle(request: WebRequest, circle: FromPath[str]) -> Response[bytes]:
    """One rotating group: what is collected now, all turns, members, what was agreed."""
    seen = await visit_as_person(request)
    found = await acts.see_circle(seen.stack, seen.ctx("payment", "contract"), circle)
    return seen.page("person/listed.html", views_circles.circle(seen, found), area="person", here="money")


def _new_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("circle.new"), lead=seen.say("circle.new_lead"), action=f"{HOME}/new", back=HOME,
        submit=seen.say("group.found"), back_label=seen.say("circle.title"), note=seen.say("circle.new_note"),
        hidden=(("key", seen.fields.get("key") or token(18)),),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get(f"{HOME}/new")
async def new(request: WebRequest) -> Response[bytes]:
    """What a new rotating group agrees on."""
    seen = await visit_as_person(request)
    return _new_page(seen, views_circles.new_form(seen))


@post(f"{HOME}/new", status_code=303)
async def found(request: WebRequest) -> Response[bytes]:
    """Found a rotating group, or say what to correct."""
    seen = await visit_as_person(request)
    form = views_circles.new_form(seen)
    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {"amount": amount_judge(seen), "first": rules.day_judge(seen.say)})
    if form.wrongs or seen.in_other_language:
        return _new_page(seen, form)
    members = gathering.members(form, views_circles.ASKED)
    by_lot = form.value("order") == "lot"
    order = CircleOrder(
        key=seen.fields.get("key", "") or token(18), name=form.value("name"), name_of_founder=form.value("founder"),
        amount_minor=amount_in(seen, form), every=form.value("every"), by_lot=by_lot, members=members,
        first_day=date.fromisoformat(rules.iso_date(form.value("first"))),
        founder_turn=1 if by_lot else int(form.value("turn")),
    )  # fmt: skip
    try:
        made = await acts.found_circle(seen.stack, seen.ctx("payment", "contract"), order)
    except (TooMany, NotPermitted):
        raise
    except Refusal as wrong:
        field = {"amount_minor": "amount", "first_day": "first", "founder_turn": "turn"}.get(
            str(wrong.facts.get("field", "")), "who1"
        )
        words = {"first": "circle.wrong_day", "turn": "circle.wrong_turn", "who1": "group.nobody"}
        return _new_page(seen, rules.with_wrong(form, field, seen.say(words.get(field, "group.out_of_range"))))
    return seen.go(f"{HOME}/{made}", "circle.said_founded")


@post(f"{HOME}/{{circle:str}}/answer", status_code=303)
async def answer(request: WebRequest, circle: FromPath[str]) -> Response[bytes]:
    """Take the place, or decline it."""
    seen = await visit_as_person(request)
    accept = seen.fields.get("accept") == "yes"
    await acts.answer_circle(seen.stack, seen.ctx("payment", "contract"), circle, accept)
    return seen.go(f"{HOME}/{circle}" if accept else HOME, "group.said_joined" if accept else "group.said_declined")


def _task_page(seen: Visit, one: Circle, task: str, form: m.Form) -> Response[bytes]:
    amount = Fact(label=seen.say("circle.amount"), money=Money(one.amount_minor, one.currency), strong=True)
    view = Asking(
        title=seen.say(f"circle.{task}"), lead=seen.say(f"circle.{task}_lead"), action=f"{HOME}/{one.body_id}/{task}",
        submit=seen.say(f"circle.{task}_do"), back=f"{HOME}/{one.body_id}", back_label=one.name,
        hidden=(("key", seen.fields.get("key") or token(18)),), facts=(amount,) if task == "pay" else (),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


async def _asked(request: WebRequest, circle: str, task: str) -> tuple[Visit, Circle]:
    seen = await visit_as_person(request)
    one = await acts.see_circle(seen.stack, seen.ctx("payment", "contract"), circle)
    if task not in views_circles.TASKS:
        raise NotFound()
    return seen, one


@get(f"{HOME}/{{circle:str}}/{{task:str}}")
async def task(request: WebRequest, circle: FromPath[str], task: FromPath[str]) -> Response[bytes]:
    """Paying, or leaving, before it is done."""
    seen, one = await _asked(request, circle, task)
    return _task_page(seen, one, task, views_circles.task_form(seen, one, task))


@post(f"{HOME}/{{circle:str}}/{{task:str}}", status_code=303)
async def do_task(request: WebRequest, circle: FromPath[str], task: FromPath[str]) -> Response[bytes]:
    """Pay or leave, or say what to correct."""
    seen, one = await _asked(request, circle, task)
    form = views_circles.task_form(seen, one, task)
    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {})
    if form.wrongs or seen.in_other_language:
        return _task_page(seen, one, task, form)
    ctx = seen.ctx("payment", "contract")
    if task == "leave":
        try:
            await acts.leave_circle(seen.stack, ctx, circle)
        except StillOwing:
            return seen.go(f"{HOME}/{circle}", "circle.said_still_owing")
        return seen.go(HOME, "circle.said_left")
    order = TurnPayment(
        key=seen.fields.get("key", "") or token(18), body_id=circle, place=int(form.value("place")),
        round=int(form.value("round")),
    )  # fmt: skip
    try:
        done = await turning.pay_turn(seen.stack, ctx, order)
    except NothingDue:
        return _task_page(seen, one, task, rules.with_wrong(form, "round", seen.say("circle.nothing_due")))
    except TransferRejected as refused:
        return _task_page(seen, one, task, rules.with_wrong(form, "place", why_not(seen, refused)))
    return seen.go(f"{HOME}/{circle}", "circle.said_turned" if done.paid_out else "circle.said_paid")


doors = [home, new, found, circle, answer, task, do_task]
