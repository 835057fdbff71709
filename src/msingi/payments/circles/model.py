"""Nouns of rotating groups: a circle, its seats in the order of turns, what each owes to whom, and how it stands."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId
from msingi.payments.groups.model import Named


class CircleOrder(Struct, frozen=True, kw_only=True):
    """A circle to found: what each pays at a round, how often, the day of the first turn, and the others.

    The order of turns is the order in which people are named (the founder's place is `founder_turn`, from 1), or with
    `by_lot` it is drawn when all have accepted. `every` is week, two-weeks or month.
    """

    key: str
    name: str
    name_of_founder: str
    amount_minor: int
    every: str
    first_day: date
    members: list[Named]
    by_lot: bool = False
    founder_turn: int = 1


class Seat(Struct, frozen=True, kw_only=True):
    """A member as the others see it. `turn` is 0 until the lot is drawn; `late` counts the rounds that are owed;
    `answered_at` goes into the lot (`rules.drawn`)."""

    place: int
    turn: int
    name: str
    state: str
    is_me: bool
    late: int
    answered_at: datetime | None = None


class Due(Struct, frozen=True, kw_only=True):
    """What the member at `place` pays for a round, and how it stands: open, under-way, in (in the pot), or paid (to
    whose turn it was). `late` says that its day is over."""

    round: int
    place: int
    state: str
    late: bool


class Turn(Struct, frozen=True, kw_only=True):
    """A round: its day, whose turn it is (by place), what came in, and what was paid out. `state` is open, paying or
    paid; `why` is the code of the ledger's last refusal."""

    round: int
    place: int
    day: date
    state: str
    in_minor: int
    of_minor: int
    paid_minor: int
    why: str = ""


class Circle(Struct, frozen=True, kw_only=True):
    """A circle as a member sees it. `state`: forming (somebody has not answered), open, ended. `now` is the round that
    is collected (0: none). `lot` is the lot's seal, known before anybody accepted; `seed` opens it once it is drawn."""

    body_id: str
    name: str
    state: str
    mine: str
    amount_minor: int
    currency: str
    every: str
    by_lot: bool
    first_day: date
    pot_minor: int
    now: int
    seats: list[Seat]
    turns: list[Turn]
    dues: list[Due]
    lot: str
    seed: str


class TurnPayment(Struct, frozen=True, kw_only=True):
    """A contribution out of the own wallet for the member at `place` (0: oneself), for `round` (0: the first that is
    not paid)."""

    key: str
    body_id: str
    round: int = 0
    place: int = 0


class PaidIn(Struct, frozen=True, kw_only=True):
    """What was paid for which round; `paid_out` says that this completed it, and the turn was paid out."""

    round: int
    amount_minor: int
    currency: str
    paid_out: bool


class KeptCircle(Struct, frozen=True, kw_only=True):
    """As kept: a circle with its pot; `owner` is the ledger's reference of its body."""

    body_id: UUID
    name: str
    amount: int
    every: str
    by_lot: bool
    first_day: date
    currency: str
    state: str
    pot: int | None
    owner: int
    lapses_at: datetime


class KeptSeat(Struct, frozen=True, kw_only=True):
    """As kept: a member; `turn` is 0 until it is known."""

    person_id: PersonId
    place: int
    turn: int
    name: str
    state: str
    answered_at: datetime | None


class KeptDue(Struct, frozen=True, kw_only=True):
    """As kept: what one pays for another's turn. `state`: open, under way (to-pot, to-member, setting-off),
    in, out, void; `transfer_id` carries it; `by_turn` is the round out of which it is set off."""

    round: int
    person_id: PersonId
    to_person: PersonId
    state: str
    transfer_id: UUID | None = None
    by_turn: int = 0
    at: datetime | None = None


class KeptRound(Struct, frozen=True, kw_only=True):
    """As kept: a round; `attempt` is part of the key of the transfers that pay it out."""

    round: int
    person_id: PersonId
    day: date
    state: str
    attempt: int
    paid: int
    why: str
