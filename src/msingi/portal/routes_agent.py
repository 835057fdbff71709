"""Doors of an agent's float: the closing of a day, and keeping the float apart from the own wallet."""

from datetime import date

from litestar import Response, get, post

from msingi.kernel.errors import NotFound
from msingi.kernel.money import Money
from msingi.payments.bank import floats
from msingi.portal.model_bank import Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.visit import Visit, WebRequest, visit_as_person

DAYS = 7


def closing_page(seen: Visit, one: floats.Closing, days: list[date]) -> Listed:
    """A day of the agency: what the drawer must hold more, what was earned, the float before and after."""
    say = seen.say

    def money(minor: int) -> Money:
        return Money(minor, one.currency)

    cash = (
        Fact(label=say("agent.drawer"), money=money(one.cash_minor), strong=True),
        Fact(label=say("agent.times_in", n=one.paid_in), money=money(one.paid_in_minor)),
        Fact(label=say("agent.times_out", n=one.paid_out), money=money(one.paid_out_minor)),
        Fact(label=say("agent.commission"), money=money(one.commission_minor), strong=True),
    )
    moved = (
        Fact(label=say("statement.opening"), money=money(one.opening_minor)),
        Fact(label=say("agent.other"), money=money(one.other_minor)),
        Fact(label=say("statement.closing"), money=money(one.closing_minor), strong=True),
    )
    others = tuple(
        Choice(label=str(seen.words.day(day)), href=f"/me/money/agent/day?day={day}") for day in days if day != one.day
    )
    return Listed(
        title=say("agent.day"), lead=say("agent.day_lead"), back="/me/money/agent", back_label=say("agent.title"),
        facts=(Fact(label=say("group.held_on"), day=one.day), *cash),
        sections=(
            Section(title=say("agent.float_of_day"), items=(Item(title=one.agent, facts=moved),)),
            Section(title=say("statement.other"), items=(Item(title=one.agent, choices=others),)),
        ),
    )  # fmt: skip


@get("/me/money/agent/day")
async def day(request: WebRequest) -> Response[bytes]:
    """The closing of today, or of another day."""
    seen = await visit_as_person(request)
    wanted = request.query_params.get("day", "")
    try:
        chosen = date.fromisoformat(wanted) if wanted else None
    except ValueError:
        raise NotFound() from None
    found = await floats.day_of_agency(seen.stack, seen.ctx("payment", "contract"), day=chosen)
    view = closing_page(seen, found, floats.days_back(seen.stack, DAYS))
    return seen.page("person/listed.html", view, area="person", here="money")


@post("/me/money/agent/float", status_code=303)
async def keep_apart(request: WebRequest) -> Response[bytes]:
    """Keep the float apart."""
    seen = await visit_as_person(request)
    await floats.open_float(seen.stack, seen.ctx("payment", "contract"))
    return seen.go("/me/money/agent", "agent.said_apart")


doors = [day, keep_apart]
