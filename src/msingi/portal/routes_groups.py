"""Doors of savings groups: found one, join, pay in, ask for a loan, repay, sign, write the record of a meeting."""

from datetime import date

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import NotFound, NotPermitted, Refusal, TooMany
from msingi.kernel.ids import token
from msingi.payments.errors import TransferRejected
from msingi.payments.groups import mandates, paying_out, pot, seeing, signing
from msingi.payments.groups.errors import AgainstConstitution, NoSuchDebt
from msingi.payments.groups.model import Contribution, Group, GroupOrder, Meeting, PayOut
from msingi.portal import gathering, rules, views, views_groups
from msingi.portal import model as m
from msingi.portal.model_bank import Asking
from msingi.portal.routes_money import amount_in, amount_judge
from msingi.portal.routes_shop import why_not
from msingi.portal.visit import Visit, WebRequest, visit_as_person

HOME = views_groups.HOME
ASKED = range(2, 10)  # the founder is the first member


@get(HOME)
async def home(request: WebRequest) -> Response[bytes]:
    """One's groups and invitations."""
    seen = await visit_as_person(request)
    found = await seeing.own_groups(seen.stack, seen.ctx("payment", "contract"))
    return seen.page("person/listed.html", views_groups.overview(seen, found), area="person", here="money")


@get(f"{HOME}/{{group:str}}")
async def group(request: WebRequest, group: FromPath[str]) -> Response[bytes]:
    """One group: what it has, what waits, members, debts, book, meetings, constitution."""
    seen = await visit_as_person(request)
    found = await seeing.see_group(seen.stack, seen.ctx("payment", "contract"), group)
    return seen.page("person/listed.html", views_groups.group(seen, found), area="person", here="money")


def new_form(seen: Visit) -> m.Form:
    """What a group needs to begin: its rules, its members, and who keeps the keys."""
    say = seen.say
    fields = (
        m.Field(name="name", label=say("group.name"), longest=60),
        m.Field(name="founder", label=say("group.your_name"), hint=say("group.your_name_hint"), longest=40),
        m.Field(name="share", label=say("group.share"), kind="amount", hint=say("group.share_hint")),
        m.Field(name="most", label=say("group.most_shares"), kind="number", value="5", longest=3),
        m.Field(name="social", label=say("group.social"), kind="amount", optional=True),
        m.Field(name="interest", label=say("group.interest"), kind="number", value="10", longest=3),
        m.Field(name="times", label=say("group.loan_times"), kind="number", value="3", longest=2),
        m.Field(name="days", label=say("group.loan_days"), kind="number", value="90", longest=3),
        m.Field(name="ends", label=say("group.ends_on"), kind="date"),
        *gathering.member_fields(seen, ASKED, pot.FEWEST_MEMBERS - 1, "group.member_name", "group.member_who"),
    )
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def _new_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("group.new"), lead=seen.say("group.new_lead"), action=f"{HOME}/new", back=HOME,
        submit=seen.say("group.found"), back_label=seen.say("group.title"), note=seen.say("group.new_note"),
        hidden=(("key", seen.fields.get("key") or token(18)),),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get(f"{HOME}/new")
async def new(request: WebRequest) -> Response[bytes]:
    """The constitution of a new group."""
    seen = await visit_as_person(request)
    return _new_page(seen, new_form(seen))


@post(f"{HOME}/new", status_code=303)
async def found(request: WebRequest) -> Response[bytes]:
    """Found a group, or say what to correct."""
    seen = await visit_as_person(request)
    form = new_form(seen)
    if seen.in_other_language:
        return _new_page(seen, form)
    whole, amount = gathering.whole_judge(seen), amount_judge(seen)
    checks = {
        "share": amount,
        "most": whole,
        "interest": whole,
        "times": whole,
        "days": whole,
        "ends": rules.day_judge(seen.say),
    }
    form = rules.judged(form, seen.say, checks | ({"social": amount} if form.value("social") else {}))
    if form.wrongs:
        return _new_page(seen, form)
    members = gathering.members(form, ASKED)
    order = GroupOrder(
        key=seen.fields.get("key", "") or token(18), name=form.value("name"), name_of_founder=form.value("founder"),
        share_minor=amount_in(seen, form, "share"), most_shares=int(form.value("most")),
        social_minor=amount_in(seen, form, "social") if form.value("social") else 0,
        interest_permille=int(form.value("interest")) * 10, loan_times=int(form.value("times")),
        loan_days=int(form.value("days")), ends_on=date.fromisoformat(rules.iso_date(form.value("ends"))),
        members=members, keys=[1, 2, 3],
    )  # fmt: skip
    try:
        made = await pot.found_group(seen.stack, seen.ctx("payment", "contract"), order)
    except (TooMany, NotPermitted):
        raise
    except Refusal as wrong:
        fields = {
            "share_minor": "share", "social_minor": "social", "most_shares": "most", "interest_permille": "interest",
            "loan_times": "times", "loan_days": "days", "ends_on": "ends",
        }  # fmt: skip
        field = fields.get(str(wrong.facts.get("field", "")), "who2")
        told = seen.say("group.nobody" if field == "who2" else "group.out_of_range")
        return _new_page(seen, rules.with_wrong(form, field, told))
    return seen.go(f"{HOME}/{made}", "group.said_founded")


@post(f"{HOME}/{{group:str}}/answer", status_code=303)
async def answer(request: WebRequest, group: FromPath[str]) -> Response[bytes]:
    """Join, or decline."""
    seen = await visit_as_person(request)
    accept = seen.fields.get("accept") == "yes"
    await pot.answer_group(seen.stack, seen.ctx("payment", "contract"), group, accept)
    return seen.go(f"{HOME}/{group}" if accept else HOME, "group.said_joined" if accept else "group.said_declined")


@post(f"{HOME}/{{group:str}}/sign", status_code=303)
async def sign(request: WebRequest, group: FromPath[str]) -> Response[bytes]:
    """Sign a payment out, or refuse it."""
    seen = await visit_as_person(request)
    agrees = seen.fields.get("refuse") != "yes"
    done = await signing.sign(
        seen.stack, seen.ctx("payment", "contract"), group, seen.fields.get("proposal", ""), agrees
    )
    said = "paid" if done.state == "paid" else "refused" if not agrees else "not_paid" if done.why else "signed"
    return seen.go(f"{HOME}/{group}", f"joint.said_{said}")


async def _mine(seen: Visit, group: str) -> Group:
    return await seeing.see_group(seen.stack, seen.ctx("payment", "contract"), group)


def _task_page(seen: Visit, found: Group, task: str, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say(f"group.{task}"), lead=seen.say(f"group.{task}_lead"), action=f"{HOME}/{found.body_id}/{task}",
        submit=seen.say(f"group.{task}_do"), back=f"{HOME}/{found.body_id}", back_label=found.name,
        hidden=(("key", seen.fields.get("key") or token(18)), ("debt", seen.fields.get("debt", ""))),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get(f"{HOME}/{{group:str}}/{{task:str}}")
async def task(request: WebRequest, group: FromPath[str], task: FromPath[str]) -> Response[bytes]:
    """The question of one thing to do in a group."""
    seen = await visit_as_person(request)
    found = await _mine(seen, group)
    if task not in views_groups.TASKS:
        raise NotFound()
    debt = request.query_params.get("debt", "")
    form = views_groups.task_form(seen, found, task)
    seen.fields = {"debt": debt[:40]}
    return _task_page(seen, found, task, form)


@post(f"{HOME}/{{group:str}}/{{task:str}}", status_code=303)
async def do_task(request: WebRequest, group: FromPath[str], task: FromPath[str]) -> Response[bytes]:
    """Do it, or say what to correct."""
    seen = await visit_as_person(request)
    found = await _mine(seen, group)
    if task not in views_groups.TASKS:
        raise NotFound()
    form = views_groups.task_form(seen, found, task)
    if seen.in_other_language:
        return _task_page(seen, found, task, form)
    checks = {"amount": amount_judge(seen), "shares": gathering.whole_judge(seen)}
    form = rules.judged(form, seen.say, checks)
    if form.wrongs:
        return _task_page(seen, found, task, form)
    try:
        said = await _done(seen, found, task, form)
    except AgainstConstitution as wrong:
        if task == "share-out":
            return seen.go(f"{HOME}/{group}", "group.said_too_early")
        most = views.plain_amount(int(wrong.facts.get("most_minor", 0)), seen.stack.profile.currency)
        name = "shares" if task == "pay" else "amount"
        return _task_page(seen, found, task, rules.with_wrong(form, name, seen.say("group.above", most=most)))
    except NoSuchDebt:
        return _task_page(seen, found, task, rules.with_wrong(form, "amount", seen.say("group.owes_less")))
    except TransferRejected as refused:
        if task == "share-out":
            raise
        name = "shares" if task == "pay" else "amount"
        return _task_page(seen, found, task, rules.with_wrong(form, name, why_not(seen, refused)))
    return seen.go(f"{HOME}/{group}", f"group.said_{said}")


async def _done(seen: Visit, found: Group, task: str, form: m.Form) -> str:
    """Carry one thing out; the news to tell."""
    stack, ctx, key = seen.stack, seen.ctx("payment", "contract"), seen.fields.get("key", "") or token(18)
    place = int(form.value("place")) if "place" in {f.name for f in form.fields} else 0
    if task == "pay":
        shares = int(form.value("shares"))
        order = Contribution(key=key, body_id=found.body_id, shares=shares, place=place, social=found.social_minor > 0)
        await pot.contribute(stack, ctx, order)
        return "paid_in"
    if task == "repay":
        await pot.repay(stack, ctx, key, found.body_id, seen.fields.get("debt", ""), amount_in(seen, form))
        return "paid_in"
    if task == "fine":
        await pot.fine_member(stack, ctx, key, found.body_id, place, amount_in(seen, form), form.value("why"))
        return "written"
    if task == "meeting":
        present = [member.place for member in found.members if form.value(f"there{member.place}") == "yes"]
        told = Meeting(mandates.today(stack), present, form.value("note"))
        await pot.record_meeting(stack, ctx, key, found.body_id, told)
        return "written"
    if task == "share-out":
        await paying_out.propose_share_out(stack, ctx, key, found.body_id)
        return "asked"
    order = PayOut(
        key=key,
        body_id=found.body_id,
        kind=task,
        amount_minor=amount_in(seen, form),
        place=place,
        reference=form.value("why"),
    )
    await paying_out.propose_payout(stack, ctx, order)
    return "asked"


doors = [home, new, found, group, answer, sign, task, do_task]
