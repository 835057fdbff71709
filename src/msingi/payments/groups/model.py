"""Nouns of what people hold together: joint accounts, their holders, payments that wait for signatures, wards."""

from datetime import datetime
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
