"""Nouns of what people hold together: joint accounts, their holders, payments that wait for signatures, wards."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId
from msingi.payments.model import Account


class JointOrder(Struct, frozen=True, kw_only=True):
    """A joint account to open with `others` (phones or identity numbers, one to five), who must all accept.

    One holder alone pays up to `bound_minor` a day; above it all sign. None: any one signs for any amount; 0: all
    sign always.
    """

    key: str
    label: str
    others: list[str]
    bound_minor: int | None = None


class JointHolder(Struct, frozen=True):
    """One holder as the others see it: the masked name, invited or active, and whether the identity is in use."""

    name: str
    state: str
    in_use: bool
    is_me: bool


class Joint(Struct, frozen=True, kw_only=True):
    """A joint account as a holder sees it. `number` is empty until everybody has accepted; `mine` is the reader's own
    state, invited or active; `lapses_at` says until when an invitation can be accepted."""

    body_id: str
    label: str
    number: str
    currency: str
    bound_minor: int | None
    balance_minor: int
    available_minor: int
    mine: str
    holders: list[JointHolder]
    lapses_at: datetime


class ProposalOrder(Struct, frozen=True, kw_only=True):
    """A payment out of the joint account `payer` that all holders must sign; `payee` as typed."""

    key: str
    payer: str
    payee: str
    amount_minor: int
    reference: str = ""


class Proposal(Struct, frozen=True, kw_only=True):
    """A payment that waits for signatures. `state`: open, paid, refused or late; `why` is the code of the ledger's
    last refusal. `signed` of `needed` have signed; `by_me` says whether the reader has."""

    proposal_id: str
    body_id: str
    label: str
    payer: str
    payee: str
    amount_minor: int
    currency: str
    reference: str
    made_at: datetime
    expires_at: datetime
    state: str
    signed: int
    needed: int
    by_me: bool
    why: str = ""


class Removal(Struct, frozen=True, kw_only=True):
    """An officer's order to remove a holder from a joint account: `because` names the paper (a death, a court)."""

    account: str
    number: str
    because: str


class Ward(Struct, frozen=True):
    """Somebody for whom the reader is guardian: masked name, and the accounts."""

    person_id: PersonId
    name: str
    accounts: list[Account]


class Body(Struct, frozen=True, kw_only=True):
    """As kept: an account that several people control. `owner` is the ledger's reference of this body as holder."""

    body_id: UUID
    kind: str
    account_id: int | None
    owner: int
    label: str
    bound: int | None
    currency: str
    state: str
    lapses_at: datetime


class Signer(Struct, frozen=True, kw_only=True):
    """As kept: one of them. `state`: invited, active, left, removed or declined."""

    person_id: PersonId
    name: str
    state: str
    in_use: bool


class Kept(Struct, frozen=True, kw_only=True):
    """As kept: a payment that waits for signatures; `attempt` is part of the key of the transfer that it posts."""

    body_id: UUID
    proposal_id: UUID
    account_id: int
    credit: int
    payee: str
    amount: int
    currency: str
    code: str
    reference: str
    made_at: datetime
    expires_at: datetime
    state: str = "open"
    why: str = ""
    attempt: int = 1
    effect: str = ""
    member: UUID | None = None


class Named(Struct, frozen=True):
    """A member to be: the phone or identity number, and the name by which the group knows the member."""

    typed: str
    name: str


class GroupOrder(Struct, frozen=True, kw_only=True):
    """A savings group to found: what a share costs, how many one member buys at a meeting, what goes to the social
    fund at a meeting, the interest of a loan (once, in thousandths), how many times the own shares a loan may be, how
    many days it lasts, and the cycle's last day. The founder is the first member, by `name_of_founder`; `keys`
    are the places (1: the founder) of the three who keep the keys.
    """

    key: str
    name: str
    name_of_founder: str
    share_minor: int
    most_shares: int
    social_minor: int
    interest_permille: int
    loan_times: int
    loan_days: int
    ends_on: date
    members: list[Named]
    keys: list[int]


class GroupMember(Struct, frozen=True, kw_only=True):
    """A member as the others see it: place, name, state, what was saved, and what is owed."""

    place: int
    name: str
    state: str
    keeps_key: bool
    is_me: bool
    shares: int
    saved_minor: int
    social_minor: int
    owes_minor: int


class Debt(Struct, frozen=True, kw_only=True):
    """What a member (by place) owes the group: a loan with its interest, or a fine; `left_minor` is still owed."""

    debt_id: str
    place: int
    kind: str
    owed_minor: int
    left_minor: int
    why: str
    due: date


class PotEntry(Struct, frozen=True, kw_only=True):
    """A line of the group's book: who (by place), what, how much (below zero: paid out)."""

    place: int
    kind: str
    amount_minor: int
    shares: int
    at: datetime


class Meeting(Struct, frozen=True):
    """The record of a meeting: the day, who was there (places), what was said and decided."""

    held_on: date
    present: list[int]
    note: str


class Group(Struct, frozen=True, kw_only=True):
    """A savings group as a member sees it, with its constitution, its members, and what it has."""

    body_id: str
    name: str
    state: str
    currency: str
    share_minor: int
    most_shares: int
    social_minor: int
    interest_permille: int
    loan_times: int
    loan_days: int
    cycle: int
    ends_on: date
    pot_minor: int
    social_fund_minor: int
    lent_minor: int
    mine: str
    keeps_key: bool
    key_waits: bool
    members: list[GroupMember]
    debts: list[Debt]
    book: list[PotEntry]
    meetings: list[Meeting]
    proposals: list[Proposal]


class Contribution(Struct, frozen=True, kw_only=True):
    """What is paid in at a meeting out of the own wallet: `shares`, and the social fund if `social`. `place` names the
    member it is for (0: the payer), so that one pays for those without a phone, out of the cash that they brought."""

    key: str
    body_id: str
    shares: int
    social: bool = True
    place: int = 0


class PayOut(Struct, frozen=True, kw_only=True):
    """A payment out for the three keys to sign: a `loan` or an `aid` to the member at `place`, or an `expense` to
    whomever `payee` means; `pot` or social fund (aid) pays."""

    key: str
    body_id: str
    kind: str
    amount_minor: int
    place: int = 0
    payee: str = ""
    reference: str = ""


class KeptGroup(Struct, frozen=True, kw_only=True):
    """As kept: a savings group with its accounts; `owner` is the ledger's reference of its body."""

    body_id: UUID
    name: str
    share: int
    most_shares: int
    social: int
    interest_permille: int
    loan_times: int
    loan_days: int
    pot: int | None
    social_account: int | None
    currency: str
    cycle: int
    began_on: date
    ends_on: date
    state: str
    owner: int


class KeptMember(Struct, frozen=True, kw_only=True):
    """As kept: a member."""

    person_id: PersonId
    place: int
    name: str
    state: str


class KeptDebt(Struct, frozen=True, kw_only=True):
    """As kept: what a member owes; `paid` counts what is being paid."""

    debt_id: UUID
    person_id: PersonId
    kind: str
    lent: int
    owed: int
    why: str
    due: date
    paid: int


class Payout(Struct, frozen=True, kw_only=True):
    """As kept: one payment of those that a proposal makes once it is signed."""

    place: int
    person_id: PersonId
    account_id: int
    credit: int
    name: str
    amount: int
