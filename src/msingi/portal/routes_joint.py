"""Doors of joint accounts and of children's accounts: invite, accept, sign, leave; open and look for a child."""

from litestar import Response, get, post

from msingi.kernel.errors import NotFound, NotPermitted, Refusal, TooMany
from msingi.kernel.ids import token
from msingi.kernel.money import Money
from msingi.payments.errors import NotEmpty
from msingi.payments.groups import acts as joint
from msingi.payments.groups import signing, wards
from msingi.payments.groups.model import Joint, JointOrder, Proposal, Ward
from msingi.payments.model import AccountKind
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Asking, Checking, Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field, amount_in, amount_judge
from msingi.portal.visit import Visit, WebRequest, visit_as_person

HOME = "/me/money/joint"
RULES = ("any", "bound", "all")


def _bound(seen: Visit, one: Joint) -> Fact:
    if one.bound_minor is None:
        return Fact(label=seen.say("joint.rule"), text=seen.say("joint.rule_any"))
    if one.bound_minor == 0:
        return Fact(label=seen.say("joint.rule"), text=seen.say("joint.rule_all"))
    return Fact(label=seen.say("joint.alone"), money=Money(one.bound_minor, one.currency))


def _people(seen: Visit, one: Joint) -> tuple[str, ...]:
    told = []
    for holder in one.holders:
        state = "" if holder.state == "active" else seen.say("joint.has_not_answered")
        state = state if holder.in_use else seen.say("joint.not_in_use")
        name = f"{holder.name} ({seen.say('joint.you')})" if holder.is_me else holder.name
        told.append(f"{name}: {state}" if state else name)
    return tuple(told)


def _account(seen: Visit, one: Joint) -> Item:
    if not one.number:
        until = Fact(label=seen.say("joint.until"), at=one.lapses_at)
        return Item(
            title=one.label, state=seen.say("joint.waits"), good=False, people=_people(seen, one),
            facts=(_bound(seen, one), until),
        )  # fmt: skip
    hidden = (("body", one.body_id),)
    return Item(
        title=one.label,
        facts=(
            Fact(label=seen.say("money.balance"), money=Money(one.balance_minor, one.currency), strong=True),
            Fact(label=seen.say("money.account"), text=one.number),
            _bound(seen, one),
        ),
        people=_people(seen, one),
        choices=(
            Choice(label=seen.say("joint.open"), href=f"/me/money?account={one.number}", strong=True),
            Choice(label=seen.say("joint.leave"), action=f"{HOME}/leave", hidden=hidden),
        ),
    )


def _invitation(seen: Visit, one: Joint) -> Item:
    def answer(label: str, value: str, *, strong: bool = False) -> Choice:
        hidden = (("body", one.body_id), ("accept", value))
        return Choice(label=seen.say(label), action=f"{HOME}/answer", hidden=hidden, strong=strong)

    return Item(
        title=one.label,
        facts=(_bound(seen, one), Fact(label=seen.say("joint.until"), at=one.lapses_at)),
        people=_people(seen, one),
        choices=(answer("joint.accept", "yes", strong=True), answer("joint.decline", "no")),
    )


def _proposal(seen: Visit, one: Proposal) -> Item:
    hidden = (("body", one.body_id), ("proposal", one.proposal_id))
    choices: tuple[Choice, ...] = ()
    if one.state == "open":
        label = "joint.try_again" if one.by_me and one.why else "joint.sign"
        if not one.by_me or one.signed == one.needed:
            choices = (Choice(label=seen.say(label), action=f"{HOME}/sign", hidden=hidden, strong=True),)
        refuse = (*hidden, ("refuse", "yes"))
        choices = (*choices, Choice(label=seen.say("joint.refuse"), action=f"{HOME}/sign", hidden=refuse))
    facts = [
        Fact(label=seen.say("send.amount"), money=Money(one.amount_minor, one.currency), strong=True),
        Fact(label=seen.say("send.to_name"), text=one.payee),
        Fact(label=seen.say("joint.from"), text=one.label),
        Fact(label=seen.say("joint.signed"), text=seen.say("joint.signed_of", signed=one.signed, needed=one.needed)),
    ]
    if one.reference:
        facts.insert(2, Fact(label=seen.say("send.note"), text=one.reference))
    if one.state == "open":
        facts.append(Fact(label=seen.say("joint.until"), at=one.expires_at))
    if one.why:
        facts.append(Fact(label=seen.say("joint.bank_said"), text=seen.say("joint.not_paid")))
    state = seen.say(f"joint.state_{one.state}")
    return Item(title=one.payee, state=state, good=one.state in ("open", "paid"), facts=tuple(facts), choices=choices)


def overview(seen: Visit, held: list[Joint], asked: list[Proposal]) -> Listed:
    """Payments to sign, invitations, accounts."""
    say = seen.say
    waiting = tuple(_proposal(seen, one) for one in asked if one.state == "open")
    ended = tuple(_proposal(seen, one) for one in asked if one.state != "open")
    invited = tuple(_invitation(seen, one) for one in held if one.mine == "invited")
    mine = tuple(_account(seen, one) for one in held if one.mine == "active")
    return Listed(
        title=say("joint.title"), lead=say("joint.lead"), back="/me/money", back_label=say("menu.money"),
        begin=(Choice(label=say("joint.new"), href=f"{HOME}/new", strong=not held),),
        sections=(
            Section(title=say("joint.to_sign"), items=waiting),
            Section(title=say("joint.invitations"), items=invited),
            Section(title=say("joint.mine"), items=mine, empty=say("joint.none")),
            Section(title=say("joint.ended"), items=ended[:5]),
        ),
        note=say("joint.note"),
    )  # fmt: skip


@get(HOME)
async def home(request: WebRequest) -> Response[bytes]:
    """Payments to sign, invitations, accounts."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("payment", "contract")
    held, asked = await joint.own_joint(seen.stack, ctx), await signing.proposals(seen.stack, ctx)
    return seen.page("person/listed.html", overview(seen, held, asked), area="person", here="money")


def _form(seen: Visit) -> m.Form:
    say = seen.say
    options = tuple((rule, say(f"joint.rule_{rule}")) for rule in RULES)
    amount = amount_field(seen)
    fields = (
        m.Field(name="label", label=say("joint.label"), hint=say("joint.label_hint"), longest=40),
        m.Field(name="other", label=say("joint.other"), kind="phone", hint=say("joint.other_hint"), longest=40,
                autocomplete="off"),
        m.Field(name="third", label=say("joint.third"), kind="phone", optional=True, longest=40, autocomplete="off"),
        m.Field(name="rule", label=say("joint.rule"), kind="choice", options=options, value="all"),
        m.Field(name="amount", label=say("joint.alone"), kind="amount", hint=amount.hint, optional=True),
    )  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def _new_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = Asking(
        title=seen.say("joint.new"), lead=seen.say("joint.new_lead"), action=f"{HOME}/new",
        submit=seen.say("joint.invite"), back=HOME, back_label=seen.say("joint.title"), note=seen.say("joint.new_note"),
        hidden=(("key", seen.fields.get("key") or token(18)),),
    )  # fmt: skip
    return seen.page("person/ask.html", view, area="person", here="money", form=form)


@get(f"{HOME}/new")
async def new(request: WebRequest) -> Response[bytes]:
    """With whom, and who may pay alone."""
    seen = await visit_as_person(request)
    return _new_page(seen, _form(seen))


@post(f"{HOME}/new", status_code=303)
async def invite(request: WebRequest) -> Response[bytes]:
    """Invite, or say what to correct."""
    seen = await visit_as_person(request)
    form = _form(seen)
    if seen.in_other_language:
        return _new_page(seen, form)
    bounded = form.value("rule") == "bound"
    form = rules.judged(form, seen.say, {"amount": amount_judge(seen)} if bounded else {})
    if bounded and not form.value("amount") and not form.wrongs:
        form = rules.with_wrong(form, "amount", seen.say("joint.needs_amount"))
    if form.wrongs:
        return _new_page(seen, form)
    bound = {"any": None, "all": 0}.get(form.value("rule"), amount_in(seen, form) if bounded else 0)
    others = [typed for typed in (form.value("other"), form.value("third")) if typed]
    order = JointOrder(
        key=seen.fields.get("key", "") or token(18), label=form.value("label"), others=others, bound_minor=bound
    )
    try:
        await joint.open_joint(seen.stack, seen.ctx("payment", "contract"), order)
    except (TooMany, NotPermitted):
        raise
    except Refusal:
        return _new_page(seen, rules.with_wrong(form, "other", seen.say("joint.nobody")))
    return seen.go(HOME, "joint.said_invited")


@post(f"{HOME}/answer", status_code=303)
async def answer(request: WebRequest) -> Response[bytes]:
    """Accept an invitation, or decline it."""
    seen = await visit_as_person(request)
    accept = seen.fields.get("accept") == "yes"
    await joint.answer_joint(seen.stack, seen.ctx("payment", "contract"), seen.fields.get("body", ""), accept)
    return seen.go(HOME, "joint.said_accepted" if accept else "joint.said_declined")


@post(f"{HOME}/sign", status_code=303)
async def sign(request: WebRequest) -> Response[bytes]:
    """Sign a payment, or refuse it."""
    seen = await visit_as_person(request)
    agrees = seen.fields.get("refuse") != "yes"
    which = seen.fields.get("body", ""), seen.fields.get("proposal", "")
    done = await signing.sign(seen.stack, seen.ctx("payment", "contract"), *which, agrees)
    if done.state == "paid":
        return seen.go(HOME, "joint.said_paid")
    return seen.go(HOME, "joint.said_signed" if agrees and not done.why else "joint.said_not_paid" if agrees else
                   "joint.said_refused")  # fmt: skip


@post(f"{HOME}/leave", status_code=200)
async def leave(request: WebRequest) -> Response[bytes]:
    """What leaving means, then leave."""
    seen = await visit_as_person(request)
    body, ctx = seen.fields.get("body", ""), seen.ctx("payment", "contract")
    one = next((j for j in await joint.own_joint(seen.stack, ctx) if j.body_id == body), None)
    if one is None:
        raise NotFound()
    if seen.fields.get("do") == "confirm":
        try:
            await joint.leave_joint(seen.stack, ctx, body)
        except NotEmpty:
            return seen.go(HOME, "joint.said_not_empty")
        return seen.go(HOME, "joint.said_left")
    view = Checking(
        title=seen.say("joint.leave"), lead=seen.say("joint.leave_lead"), action=f"{HOME}/leave",
        facts=(
            Fact(label=seen.say("joint.label"), text=one.label, strong=True),
            Fact(label=seen.say("money.balance"), money=Money(one.balance_minor, one.currency)),
        ),
        hidden=(("body", body),), confirm=seen.say("joint.leave_do"), stop=HOME, stop_label=seen.say("send.stop"),
        back=HOME, back_label=seen.say("joint.title"),
    )  # fmt: skip
    return seen.page("person/check.html", view, area="person", here="money")


def _ward(seen: Visit, one: Ward) -> Item:
    kinds = {a.kind for a in one.accounts}
    sealed = str(one.person_id)
    ways = [
        Choice(
            label=seen.say(f"children.see_{a.kind}"), href=f"/me/money?account={a.number}", strong=a.is_default
        )
        for a in one.accounts
    ]  # fmt: skip
    for kind in wards.KINDS:
        if kind not in kinds:
            hidden = (("child", sealed), ("kind", kind.value))
            label = seen.say(f"children.open_{kind}")
            ways.append(Choice(label=label, action="/me/money/children", hidden=hidden))
    facts = [
        Fact(
            label=seen.say(f"children.{a.kind}"), money=Money(a.balance_minor, a.currency), strong=a.is_default
        )
        for a in one.accounts
    ]  # fmt: skip
    return Item(title=one.name, facts=tuple(facts), choices=tuple(ways))


def wards_of(seen: Visit, found: list[Ward]) -> Listed:
    """Those for whom the visitor is guardian, and their accounts."""
    items = tuple(_ward(seen, one) for one in found)
    return Listed(
        title=seen.say("children.title"), lead=seen.say("children.lead"), back="/me/money",
        back_label=seen.say("menu.money"), note=seen.say("children.note"),
        sections=(Section(title=seen.say("children.mine"), items=items, empty=seen.say("children.none")),),
    )  # fmt: skip


@get("/me/money/children")
async def children(request: WebRequest) -> Response[bytes]:
    """Those for whom the visitor is guardian, and their accounts."""
    seen = await visit_as_person(request)
    found = await wards.own_wards(seen.stack, seen.ctx("payment", "contract"))
    return seen.page("person/listed.html", wards_of(seen, found), area="person", here="money")


@post("/me/money/children", status_code=303)
async def open_child(request: WebRequest) -> Response[bytes]:
    """Open an account for a child."""
    seen = await visit_as_person(request)
    ctx, kind = seen.ctx("payment", "contract"), seen.fields.get("kind", "")
    wanted = next(
        (w for w in await wards.own_wards(seen.stack, ctx) if str(w.person_id) == seen.fields.get("child")), None
    )
    if wanted is None or kind not in wards.KINDS:
        raise NotFound()
    await wards.open_ward_account(seen.stack, ctx, wanted.person_id, AccountKind(kind))
    return seen.go("/me/money/children", "children.said_opened")


doors = [home, new, invite, answer, sign, leave, children, open_child]
