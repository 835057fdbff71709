"""From a savings group to its pages: pure, one function per page."""

from msingi.kernel.money import Money
from msingi.payments.groups.model import Debt, Group, GroupMember, PotEntry, Proposal
from msingi.portal import gathering, rules
from msingi.portal import model as m
from msingi.portal.model_bank import Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field
from msingi.portal.visit import Visit

HOME = "/me/money/groups"
OWN_TASKS, KEY_TASKS = ("pay", "repay", "loan"), ("aid", "fine", "meeting", "share-out")
TASKS = OWN_TASKS + KEY_TASKS


def overview(seen: Visit, found: list[Group]) -> Listed:
    """One's groups and invitations."""
    say = seen.say
    mine = tuple(_line(seen, one) for one in found if one.mine == "active")
    asked = tuple(_invitation(seen, one) for one in found if one.mine == "invited")
    return Listed(
        title=say("group.title"), lead=say("group.lead"), back="/me/money", back_label=say("menu.money"),
        begin=(Choice(label=say("group.new"), href=f"{HOME}/new", strong=not found),),
        sections=(
            Section(title=say("joint.invitations"), items=asked),
            Section(title=say("group.mine"), items=mine, empty=say("group.none")),
        ),
    )  # fmt: skip


def _line(seen: Visit, one: Group) -> Item:
    me = next(member for member in one.members if member.is_me)
    return Item(
        title=one.name, state=seen.say(f"group.state_{one.state}"), good=one.state == "open",
        facts=(
            Fact(label=seen.say("group.saved"), money=Money(me.saved_minor, one.currency), strong=True),
            Fact(label=seen.say("group.pot"), money=Money(one.pot_minor, one.currency)),
        ),
        choices=(Choice(label=seen.say("joint.open"), href=f"{HOME}/{one.body_id}", strong=True),),
    )  # fmt: skip


def _invitation(seen: Visit, one: Group) -> Item:
    key = (Fact(label=seen.say("group.key"), text=seen.say("group.key_text"), strong=True),) if one.key_waits else ()
    return Item(
        title=one.name, facts=(*key, *_constitution(seen, one)),
        choices=gathering.answers(seen, f"{HOME}/{one.body_id}/answer", "group.join"),
    )  # fmt: skip


def _constitution(seen: Visit, one: Group) -> tuple[Fact, ...]:
    say = seen.say
    return (
        Fact(label=say("group.share"), money=Money(one.share_minor, one.currency)),
        Fact(label=say("group.most_shares"), text=str(one.most_shares)),
        Fact(label=say("group.social"), money=Money(one.social_minor, one.currency)),
        Fact(label=say("group.interest"), text=f"{one.interest_permille / 10:g}"),
        Fact(label=say("group.loan_times"), text=str(one.loan_times)),
        Fact(label=say("group.loan_days"), text=str(one.loan_days)),
        Fact(label=say("group.ends_on"), day=one.ends_on),
        Fact(label=say("group.keys"), text=", ".join(member.name for member in one.members if member.keeps_key)),
    )


def group(seen: Visit, one: Group) -> Listed:
    """One group, with everything that its members may know: what waits first, the constitution last."""
    say, at = seen.say, f"{HOME}/{one.body_id}"
    tasks = [t for t in (*OWN_TASKS, *(KEY_TASKS if one.keeps_key else ())) if t != "repay"]
    begin = tuple(Choice(label=say(f"group.{t}"), href=f"{at}/{t}", strong=t == "pay") for t in tasks)
    names = {member.place: member.name for member in one.members}
    waiting = tuple(_proposal(seen, one, wish) for wish in one.proposals if wish.state == "open")
    return Listed(
        title=one.name, back=HOME, back_label=say("group.title"),
        lead="" if one.state == "open" else say(f"group.lead_{one.state}"),
        facts=(
            Fact(label=say("group.pot"), money=Money(one.pot_minor, one.currency), strong=True),
            Fact(label=say("group.social_fund"), money=Money(one.social_fund_minor, one.currency)),
            Fact(label=say("group.lent"), money=Money(one.lent_minor, one.currency)),
            Fact(label=say("group.cycle"), text=str(one.cycle)),
        ),
        begin=begin if one.state == "open" else (),
        sections=(
            Section(title=say("joint.to_sign"), items=waiting),
            Section(title=say("group.debts"), items=tuple(_debt(seen, one, debt, names) for debt in one.debts)),
            Section(
                title=say("group.members"), items=tuple(_member(seen, one, member) for member in one.members),
                close=True,
            ),
            Section(
                title=say("group.book"), items=tuple(_entry(seen, one, line, names) for line in one.book[:12]),
                empty=say("money.none"), close=True,
            ),
            Section(
                title=say("group.meetings"),
                items=tuple(
                    Item(
                        title=told.note, people=tuple(names.get(place, "") for place in told.present),
                        facts=(Fact(label=say("group.held_on"), day=told.held_on),),
                    )
                    for told in one.meetings
                ),
            ),
            Section(title=say("group.constitution"), items=(Item(title=one.name, facts=_constitution(seen, one)),)),
        ),
    )  # fmt: skip


def _proposal(seen: Visit, one: Group, wish: Proposal) -> Item:
    action, hidden = f"{HOME}/{one.body_id}/sign", (("proposal", wish.proposal_id),)
    choices: tuple[Choice, ...] = ()
    if one.keeps_key:
        refuse = Choice(label=seen.say("joint.refuse"), action=action, hidden=(*hidden, ("refuse", "yes")))
        done = wish.signed == wish.needed
        sign = Choice(label=seen.say("joint.try_again" if done else "joint.sign"), action=action, hidden=hidden,
                      strong=True)  # fmt: skip
        choices = (*((sign,) if done or not wish.by_me else ()), refuse)
    facts = [
        Fact(label=seen.say("send.amount"), money=Money(wish.amount_minor, wish.currency), strong=True),
        Fact(label=seen.say("joint.signed"), text=seen.say("joint.signed_of", signed=wish.signed, needed=wish.needed)),
        Fact(label=seen.say("joint.until"), at=wish.expires_at),
    ]
    if wish.reference:
        facts.insert(1, Fact(label=seen.say("send.note"), text=wish.reference))
    if wish.why:
        facts.append(Fact(label=seen.say("joint.bank_said"), text=seen.say("joint.not_paid")))
    return Item(title=wish.payee, state=seen.say("joint.state_open"), facts=tuple(facts), choices=choices)


def _debt(seen: Visit, one: Group, debt: Debt, names: dict[int, str]) -> Item:
    pay = Choice(label=seen.say("group.repay"), href=f"{HOME}/{one.body_id}/repay?debt={debt.debt_id}")
    why = (Fact(label=seen.say("send.note"), text=debt.why),) if debt.why else ()
    return Item(
        title=names.get(debt.place, ""), state=seen.say(f"group.kind_{debt.kind}"), good=debt.kind == "loan",
        facts=(
            Fact(label=seen.say("group.left"), money=Money(debt.left_minor, one.currency), strong=True), *why,
            Fact(label=seen.say("joint.until"), day=debt.due),
        ),
        choices=(pay,) if one.state == "open" else (),
    )  # fmt: skip


def _member(seen: Visit, one: Group, member: GroupMember) -> Item:
    name = f"{member.name} ({seen.say('joint.you')})" if member.is_me else member.name
    state = seen.say("group.keeps_key") if member.keeps_key else ""
    state = state if member.state == "active" else seen.say("joint.has_not_answered")
    return Item(
        title=f"{member.place}. {name}", state=state, good=member.state == "active",
        facts=(
            Fact(label=seen.say("group.shares"), text=str(member.shares)),
            Fact(label=seen.say("group.saved"), money=Money(member.saved_minor, one.currency)),
        ),
    )  # fmt: skip


def _entry(seen: Visit, one: Group, line: PotEntry, names: dict[int, str]) -> Item:
    return Item(
        title=names.get(line.place, ""),
        facts=(
            Fact(label=seen.say(f"group.kind_{line.kind}")),
            Fact(label="", money=Money(line.amount_minor, one.currency)),
            Fact(label=seen.say("receipt.when"), at=line.at),
        ),
    )


def task_form(seen: Visit, one: Group, task: str) -> m.Form:
    """The questions of one thing to do."""
    say = seen.say
    people = tuple((str(member.place), f"{member.place}. {member.name}") for member in one.members)
    me = next(str(member.place) for member in one.members if member.is_me)
    whom = m.Field(name="place", label=say("group.for_whom"), kind="select", options=people, value=me)
    amount = amount_field(seen)
    why = m.Field(name="why", label=say("group.why"), longest=80)
    fields: tuple[m.Field, ...] = {
        "pay": (m.Field(name="shares", label=say("group.how_many"), kind="number", longest=3, value="1"), whom),
        "repay": (amount,),
        "loan": (amount, why, *((whom,) if one.keeps_key else ())),
        "aid": (whom, amount, why),
        "fine": (whom, amount, why),
        "meeting": (
            m.Field(name="note", label=say("group.note"), longest=1000),
            *(
                m.Field(
                    name=f"there{member.place}", label=member.name, kind="choice", value="yes",
                    options=(("yes", say("group.there")), ("no", say("group.not_there"))),
                )
                for member in one.members
            ),
        ),
        "share-out": (),
    }[task]  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form
