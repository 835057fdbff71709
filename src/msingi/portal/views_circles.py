"""From a rotating group to its pages: pure, one function per page."""

from msingi.kernel.money import Money
from msingi.payments.circles.model import Circle, Seat, Turn
from msingi.payments.circles.rules import EVERY
from msingi.portal import gathering, rules
from msingi.portal import model as m
from msingi.portal.model_bank import Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field
from msingi.portal.visit import Visit

HOME = "/me/money/circles"
ASKED = range(1, 10)  # besides the founder
TASKS = ("pay", "leave")


def overview(seen: Visit, found: list[Circle]) -> Listed:
    """One's rotating groups and invitations."""
    say = seen.say
    asked = tuple(_invitation(seen, one) for one in found if one.mine == "invited")
    mine = tuple(_line(seen, one) for one in found if one.mine == "active")
    return Listed(
        title=say("circle.title"), lead=say("circle.lead"), back="/me/money", back_label=say("menu.money"),
        begin=(
            Choice(label=say("circle.new"), href=f"{HOME}/new", strong=not found),
            Choice(label=say("group.title"), href="/me/money/groups"),
        ),
        sections=(
            Section(title=say("joint.invitations"), items=asked),
            Section(title=say("circle.mine"), items=mine, empty=say("circle.none")),
        ),
    )  # fmt: skip


def _agreed(seen: Visit, one: Circle) -> tuple[Fact, ...]:
    say, names = seen.say, sorted(one.seats, key=lambda s: (s.turn, s.place))
    # Numbered, and each isolated: an arrow would point the wrong way between names written from right to left.
    turns = " · ".join(f"\u2068{turn}. {s.name}\u2069" for turn, s in enumerate(names, 1))
    order = say("circle.by_lot") if one.by_lot and not one.seed else turns
    return (
        Fact(label=say("circle.amount"), money=Money(one.amount_minor, one.currency), strong=True),
        Fact(label=say("circle.every"), text=say(f"circle.every_{one.every}")),
        Fact(label=say("circle.first_day"), day=one.first_day),
        Fact(label=say("circle.order"), text=order),
    )


def _lot(seen: Visit, one: Circle) -> tuple[Fact, ...]:
    """The lot as it was sealed, and opened once it is drawn."""
    if not one.lot:
        return ()
    seal = Fact(label=seen.say("circle.seal"), text=one.lot)
    return (seal, Fact(label=seen.say("circle.seed"), text=one.seed)) if one.seed else (seal,)


def _invitation(seen: Visit, one: Circle) -> Item:
    return Item(
        title=one.name, facts=(*_agreed(seen, one), *_lot(seen, one)),
        choices=gathering.answers(seen, f"{HOME}/{one.body_id}/answer", "circle.join"),
    )  # fmt: skip


def _line(seen: Visit, one: Circle) -> Item:
    now = next((t for t in one.turns if t.round == one.now), None)
    facts = (Fact(label=seen.say("circle.amount"), money=Money(one.amount_minor, one.currency), strong=True),)
    if now is not None:
        facts += (
            Fact(label=seen.say("circle.whose"), text=_name(one, now.place)),
            Fact(label=seen.say("circle.day"), day=now.day),
        )
    return Item(
        title=one.name, state=seen.say(f"circle.state_{one.state}"), good=one.state != "forming", facts=facts,
        choices=(Choice(label=seen.say("joint.open"), href=f"{HOME}/{one.body_id}", strong=True),),
    )  # fmt: skip


def _name(one: Circle, place: int) -> str:
    return next((s.name for s in one.seats if s.place == place), "")


def circle(seen: Visit, one: Circle) -> Listed:
    """One rotating group: what is collected now and who has paid, all turns, the members, and what was agreed."""
    say, at = seen.say, f"{HOME}/{one.body_id}"
    now = next((t for t in one.turns if t.round == one.now), None)
    facts = (Fact(label=say("group.pot"), money=Money(one.pot_minor, one.currency), strong=True),)
    if now is not None:
        facts += (
            Fact(label=say("circle.whose"), text=_name(one, now.place)),
            Fact(label=say("circle.day"), day=now.day),
        )
    begin = (
        Choice(label=say("circle.pay"), href=f"{at}/pay", strong=True),
        Choice(label=say("circle.leave"), href=f"{at}/leave"),
    )
    agreed = Item(title=one.name, facts=(*_agreed(seen, one), *_lot(seen, one)))
    return Listed(
        title=one.name, back=HOME, back_label=say("circle.title"), facts=facts,
        lead="" if one.state == "open" else say(f"circle.lead_{one.state}"),
        begin=begin if one.state == "open" else (),
        sections=(
            Section(title=say("circle.paid_now"), items=_paid(seen, one, now), close=True),
            Section(title=say("circle.turns"), items=tuple(_turn(seen, one, t) for t in one.turns), close=True),
            Section(title=say("group.members"), items=tuple(_seat(seen, s) for s in one.seats), close=True),
            Section(title=say("circle.agreed"), items=(agreed,)),
        ),
        note=say("circle.lot_note") if one.lot else "",
    )  # fmt: skip


def _paid(seen: Visit, one: Circle, now: Turn | None) -> tuple[Item, ...]:
    """Who has paid for the turn that is collected, and who still owes for one that is over."""
    found = [d for d in one.dues if d.late or (now is not None and d.round == now.round)]
    return tuple(
        Item(
            title=_name(one, d.place), state=seen.say("circle.late" if d.late else f"circle.due_{d.state}"),
            good=d.state in ("in", "paid"), facts=(Fact(label=seen.say("circle.round"), text=str(d.round)),),
        )
        for d in found
    )  # fmt: skip


def _turn(seen: Visit, one: Circle, turn: Turn) -> Item:
    state = seen.say("circle.turn_paid") if turn.state == "paid" else ""
    state = seen.say("circle.not_turned") if turn.why else state
    return Item(
        title=f"{turn.round}. {_name(one, turn.place)}", state=state, good=not turn.why,
        facts=(
            Fact(label=turn.day.strftime("%d/%m/%Y")),
            Fact(label="", money=Money(turn.paid_minor if turn.state == "paid" else turn.in_minor, one.currency)),
        ),
    )  # fmt: skip


def _seat(seen: Visit, seat: Seat) -> Item:
    say = seen.say
    state = {"invited": say("joint.has_not_answered"), "left": say("circle.has_left")}.get(seat.state, "")
    if seat.late:
        state = say("circle.owes", n=seat.late)
    return Item(
        title=f"{seat.name} ({say('joint.you')})" if seat.is_me else seat.name, state=state, good=False,
        facts=(Fact(label=say("circle.turn"), text=str(seat.turn) if seat.turn else say("circle.by_lot")),),
    )  # fmt: skip


def new_form(seen: Visit) -> m.Form:
    """What a rotating group needs to begin: amount, rhythm, first day, order, and its members."""
    say = seen.say
    turns = tuple((str(n), str(n)) for n in range(1, len(ASKED) + 2))
    fields = (
        m.Field(name="name", label=say("group.name"), longest=60),
        m.Field(name="founder", label=say("group.your_name"), hint=say("group.your_name_hint"), longest=40),
        amount_field(seen),
        m.Field(
            name="every", label=say("circle.every"), kind="select", value="month",
            options=tuple((code, say(f"circle.every_{code}")) for code in EVERY),
        ),
        m.Field(name="first", label=say("circle.first_day"), kind="date"),
        m.Field(
            name="order", label=say("circle.order"), kind="choice", value="agreed",
            options=(("agreed", say("circle.by_agreement")), ("lot", say("circle.by_lot"))),
        ),
        m.Field(name="turn", label=say("circle.your_turn"), kind="select", value="1", options=turns),
        *gathering.member_fields(seen, ASKED, 2, "circle.other_name", "circle.other_who"),
    )  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form


def task_form(seen: Visit, one: Circle, task: str) -> m.Form:
    """The questions of paying (for whom, for which round) or of leaving (none)."""
    if task == "leave":
        return m.Form(())
    me = next(str(s.place) for s in one.seats if s.is_me)
    people = tuple((str(s.place), s.name) for s in one.seats if s.state != "left")
    rounds = tuple((str(t.round), f"{t.round}. {_name(one, t.place)}") for t in one.turns)
    fields = (
        m.Field(name="place", label=seen.say("group.for_whom"), kind="select", options=people, value=me),
        m.Field(
            name="round", label=seen.say("circle.for_turn"), kind="select",
            options=(("0", seen.say("circle.first_open")), *rounds), value="0",
        ),
    )  # fmt: skip
    form = m.Form(fields)
    return rules.filled(form, seen.fields) if seen.fields else form
