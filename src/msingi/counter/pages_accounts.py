"""The operator's page of staff accounts: who may sign in, with which roles, and closing an account at once."""

from typing import Final

from litestar import Response, get, post

from msingi.counter import forms
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages import PAGE
from msingi.kernel.context import Context
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.portal import rules
from msingi.portal.model import Form
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_staff
from msingi.signin import acts as signin

OPERATOR: Final = "operator"
SOME: Final = 30
HERE: Final = "/staff/accounts"


def _ctx(seen: Visit) -> Context:
    return seen.ctx("operations", "public-task")


async def _list(seen: Visit, note: str = "") -> Response[bytes]:
    say, told = seen.say, speaker(seen)
    after = seen.request.query_params.get("after", "")[:100]
    found = await signin.list_staff(seen.stack, _ctx(seen), after, SOME + 1)
    lines = []
    for one in found[:SOME]:
        named = (say(f"desk.role_{r}") if seen.words.has(f"desk.role_{r}") else r for r in sorted(one.roles))
        close = Press(f"{HERE}/close", say("counter.close"), {"staff": one.staff_id})
        mine = one.staff_id == seen.actor.id
        badge = say("counter.closed") if not one.active else say("counter.own") if mine else ""
        where = f"{told.institution(one.institution)} \u00b7 {', '.join(named)}"
        lines.append(Line(one.staff_id, where, badge, press=close if one.active and not mine else None))
    newer, older = rules.pages([], HERE, after, found[SOME - 1].staff_id if len(found) > SOME else "")
    view = Sheet(
        title=say("menu.accounts"),
        lead=say("counter.accounts_lead"),
        note=note,
        sections=(Section("", lines=tuple(lines)),) if lines else (),
        newer=newer,
        older=older,
    )
    return seen.page(PAGE, view, area="staff", here="accounts")


@get(HERE)
async def accounts(request: WebRequest) -> Response[bytes]:
    """All accounts of staff by their ids; no names and no telephone numbers."""
    return await _list(await visit_as_staff(request, OPERATOR))


@post(f"{HERE}/close", status_code=200)
async def close(request: WebRequest) -> Response[bytes]:
    """Ask whether this account shall be closed, and then close it; what is signed in ends at once."""
    seen = await visit_as_staff(request, OPERATOR)
    staff, say = seen.fields.get("staff", "")[:100], seen.say
    if "sure" in seen.fields and not seen.in_other_language:
        try:
            await signin.close_staff(seen.stack, _ctx(seen), staff)
        except NotPermitted:
            raise
        except Refusal as refusal:
            return await _list(seen, forms.told(seen, refusal))
        return seen.go(HERE, "counter.said_closed")
    view = Sheet(
        title=say("counter.close_title"),
        lead=staff,
        note=say("counter.close_text"),
        back=(HERE, say("menu.accounts")),
        action=f"{HERE}/close",
        submit=say("counter.close"),
        hidden={"staff": staff, "sure": "1"},
    )
    return seen.page(PAGE, view, area="staff", here="accounts", form=Form(()))


doors = [accounts, close]
