"""Pages over the staff: accounts (who may sign in, opening and closing them) and how officers decide, in figures."""

from typing import Final

from litestar import Response, get, post

from msingi.counter import forms
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages import PAGE
from msingi.identity import oversight
from msingi.kernel.context import Context
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.portal import rules
from msingi.portal.model import Form
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_staff
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

OPERATOR: Final = "operator"
SOME: Final = 30
DAYS: Final = 30
ROLES: Final = (
    "enrolment-officer", "adjudicator", "registrar", "card-officer", "credential-officer", "credential-approver",
    "clinician", "payment-clerk", "payment-approver", "treasurer", "account-officer", "central-banker", "caseworker",
    "data-steward", "data-protection-officer", "exchange-operator", "governing-authority", "statistician", "auditor",
    "court", "operator",
)  # fmt: skip
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
        sections=(
            *((Section("", lines=tuple(lines)),) if lines else ()),
            Section("", links=((f"{HERE}/open", say("counter.open_account")),)),
        ),
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


def _blank(seen: Visit) -> Form:
    say, told = seen.say, speaker(seen)
    members = sorted({m.code for m in seen.stack.profile.institutions})
    named = tuple((code, told.institution(code)) for code in members)
    roles = tuple((r, say(f"desk.role_{r}")) for r in ROLES if seen.words.has(f"desk.role_{r}"))
    return Form(
        (
            forms.field(say, "staff_id", longest=40, hint=say("counter.ask_staff_id_hint"), optional=False),
            forms.field(say, "full_name", longest=80, optional=False),
            forms.field(say, "workplace", "select", options=named, optional=False),
            forms.field(say, "role", "select", options=roles, optional=False),
            forms.field(say, "second_role", "select", options=roles),
            forms.field(say, "phone", "phone", longest=20, hint=say("counter.ask_staff_phone_hint"), optional=False),
            forms.field(say, "pin", "pin", longest=8, hint=say("counter.ask_staff_pin_hint"), optional=False),
        )
    )


def _opening(seen: Visit, form: Form, note: str = "") -> Response[bytes]:
    view = Sheet(
        title=seen.say("counter.open_account"),
        lead=seen.say("counter.open_account_lead"),
        note=note,
        back=(HERE, seen.say("menu.accounts")),
        action=f"{HERE}/open",
        submit=seen.say("counter.open_account"),
    )
    return seen.page(PAGE, view, area="staff", here="accounts", form=form)


@get(f"{HERE}/open")
async def open_form(request: WebRequest) -> Response[bytes]:
    """The questions about a new account."""
    seen = await visit_as_staff(request, OPERATOR)
    return _opening(seen, _blank(seen))


@post(f"{HERE}/open", status_code=200)
async def open_account(request: WebRequest) -> Response[bytes]:
    """Open an account; whoever has this staff id already is asked about first, because opening it anew ends the old."""
    seen = await visit_as_staff(request, OPERATOR)
    say, profile = seen.say, seen.stack.profile
    form = rules.filled(_blank(seen), {k: v for k, v in seen.fields.items() if k != "pin"})
    if seen.in_other_language:
        return _opening(seen, form)
    example = profile.phone_prefix + "712345678"[: profile.phone_digits]
    phone = rules.phone_of(seen.fields.get("phone", ""), profile.phone_prefix, profile.phone_digits)
    form = rules.judged(rules.filled(_blank(seen), seen.fields), say, {
        "phone": lambda text: "" if phone else say("form.not_phone", example=example),
    })  # fmt: skip
    if any(f.wrong for f in form.fields):
        return _opening(seen, rules.filled(form, {"pin": ""}))
    staff = form.value("staff_id").strip().lower()
    taken = [one for one in await signin.list_staff(seen.stack, _ctx(seen), staff[:-1], 2) if one.staff_id == staff]
    if taken and taken[0].active:
        return _opening(seen, rules.filled(form, {"pin": ""}), say("counter.staff_id_taken"))
    roles = frozenset(r for r in (form.value("role"), form.value("second_role")) if r)
    new = NewStaff(
        staff_id=staff,
        institution=form.value("workplace"),
        roles=roles,
        name=form.value("full_name"),
        phone=phone,
        pin=form.value("pin"),
    )
    try:
        await signin.add_staff(seen.stack, _ctx(seen), new)
    except NotPermitted:
        raise
    except Refusal as refusal:
        return _opening(seen, rules.filled(form, {"pin": ""}), forms.told(seen, refusal))
    return seen.go(HERE, "counter.said_opened")


@get("/staff/decisions")
async def decisions(request: WebRequest) -> Response[bytes]:
    """How officers decided about duplicates in the last 30 days: counts, no cases and no people."""
    seen = await visit_as_staff(request, OPERATOR, "auditor")
    say = seen.say
    lines = []
    for one in await oversight.decisions_by_officer(seen.stack, seen.ctx("audit", "legal-obligation"), DAYS):
        pause = say("counter.median_pause", n=round(one.median_s)) if one.median_s is not None else ""
        told = (say("counter.decided_n", n=one.decided), say("counter.same_n", n=one.same),
                say("counter.quick_n", n=one.quick), pause)  # fmt: skip
        badge = say("counter.hasty") if one.hasty else ""
        lines.append(Line(one.officer, " \u00b7 ".join(t for t in told if t), badge))
    view = Sheet(
        title=say("menu.decisions"),
        lead=say("counter.decisions_lead") if lines else say("counter.decisions_none"),
        sections=(Section("", lines=tuple(lines)),) if lines else (),
    )
    return seen.page(PAGE, view, area="staff", here="decisions")


doors = [accounts, close, open_form, open_account, decisions]
