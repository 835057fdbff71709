"""Nouns of the switch: participants, their accounts, conversations, transfers, messages on their way, windows."""

from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from msgspec import Struct


class Proof(StrEnum):
    """How a participant proves that a message is its own: by signature, or (sandbox only) by the network it is on."""

    SIGNATURE = "signature"
    NETWORK = "network"


class Speaks(StrEnum):
    """In which flavour a participant is spoken to: as whatever comes, or in one only, into which the hub translates."""

    ANY = "any"
    FSPIOP = "fspiop"
    ISO20022 = "iso20022"


class Settlement(StrEnum):
    """How a currency is settled: net amounts when a window is settled, or each transfer at once out of the cover."""

    NET = "net"
    GROSS = "gross"


class Fsp(Struct, frozen=True):
    """A participant. `key` is its public RSA key in PEM; `endpoint` where its callbacks go, "inside:" for our bank."""

    fsp: str
    institution: str
    name: str
    key: str
    endpoint: str
    active: bool
    proof: Proof
    joined_at: datetime
    speaks: Speaks = Speaks.ANY


class SettledCurrency(Struct, frozen=True):
    """A currency that the switch settles. `outside` stands for the money at the settlement bank; it falls below 0."""

    currency: str
    digits: int
    settlement: Settlement
    outside: int


class FspAccount(Struct, frozen=True):
    """What a participant holds in a currency: accounts of the ledger, and the limit that it wants.

    `guarantee` lends the limit to `position`: its balance is the limit in force, below 0. So the balance of `position`
    is that limit, plus what was received and minus what was sent since the last settlement, and stays above 0.
    """

    fsp: str
    currency: str
    cover: int
    position: int
    guarantee: int
    wanted_minor: int
    active: bool


class Pair(Struct, frozen=True):
    """A conversion that a participant offers: it takes `source`, and pays `target` for it, at a rate of its own."""

    fsp: str
    source: str
    target: str


class Standing(Struct, frozen=True):
    """How a participant stands in a currency, in minor units.

    `position_minor` is what it owes (below 0: is owed) in windows not settled yet, without what is `reserved_minor`;
    `limit_minor` is the limit in force, `wanted_minor` what it becomes as far as the cover carries it.
    """

    currency: str
    cover_minor: int
    limit_minor: int
    wanted_minor: int
    position_minor: int
    reserved_minor: int
    active: bool
    low: bool = False  # little is left to pay with: more cover, a higher limit, or a settlement is needed


class Member(Struct, frozen=True):
    """A participant with how it stands in each of its currencies; `ours` is our own bank, `digits` by currency."""

    fsp: str
    institution: str
    name: str
    endpoint: str
    active: bool
    ours: bool
    joined_at: datetime
    standings: tuple[Standing, ...]
    digits: dict[str, int]
    pairs: tuple[Pair, ...] = ()


class What(StrEnum):
    """What an officer proposes: that somebody joins, changes or converts; cover that came or is paid out; a limit."""

    JOIN = "join"
    CHANGE = "change"
    CONVERT = "convert"
    COVER = "cover"
    WITHDRAWAL = "withdrawal"
    LIMIT = "limit"


class Wanted(Struct, frozen=True):
    """A change to a participant, as proposed; members that the kind of change does not need are empty.

    Amounts are minor units of `currency`; `key` is a public RSA key in PEM.
    """

    what: What
    fsp: str
    institution: str = ""
    name: str = ""
    key: str = ""
    endpoint: str = ""
    currencies: tuple[str, ...] = ()
    proof: Proof = Proof.SIGNATURE
    speaks: Speaks = Speaks.ANY
    currency: str = ""
    amount_minor: int = 0
    active: bool | None = None
    target: str = ""


class ProposalState(StrEnum):
    """A proposal waits for a second officer, and is decided once."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


class Proposal(Struct, frozen=True):
    """What one officer proposed, and who decided."""

    id: str
    wanted: Wanted
    proposed_by: str
    proposed_at: datetime
    state: ProposalState = ProposalState.WAITING
    decided_by: str = ""
    decided_at: datetime | None = None


class Decided(Struct, frozen=True):
    """A proposal that was decided. `token` is a new participant's, shown this once; `standing` how one stands now."""

    proposal: Proposal
    token: str = ""
    standing: Standing | None = None


class State(IntEnum):
    """How far a transfer is; the wire's RECEIVED has no row, for nothing is kept before it is reserved."""

    RESERVED = 1
    COMMITTED = 2
    ABORTED = 3


class Part(Struct, frozen=True):
    """One transfer of a bulk: its id, amount in minor units, and condition."""

    id: str
    amount_minor: int
    condition: str


class Transfer(Struct, frozen=True):
    """A transfer between two participants: what was ordered, and the ledger's hold that stands for it.

    `parts` are the transfers of a bulk, which share one hold; `resource` and `flavour`
    say under which name and in which form it came. A conversion is a transfer of the source currency to the exchange
    provider, for `target_minor` of another one; it is `linked` to the transfer that decides it, and that one to it.
    `funder` is whose position pays, where it is not the payer's: the provider's.
    """

    id: str
    hash: bytes
    resource: str
    payer: str
    payee: str
    currency: str
    amount_minor: int
    condition: str
    expires_at: datetime
    hold: UUID
    flavour: str = "fspiop"
    parts: tuple[Part, ...] = ()
    state: State = State.RESERVED
    fulfilment: str = ""
    completed_at: datetime | None = None
    settled_minor: int = 0
    funder: str = ""
    linked: str = ""
    target_currency: str = ""
    target_minor: int = 0

    @property
    def version(self) -> str:
        """The version of the resource in which its participants are told of it."""
        return "2.0" if self.flavour == "iso20022" else "1.1"


class Talk(Struct, frozen=True):
    """A request that one participant sent to another through the switch, so that only the other can answer it."""

    resource: str
    id: str
    hash: bytes
    source: str
    destination: str


class Letter(Struct, frozen=True):
    """A message on its way to a participant: sent again and again until it is taken or `until` is over."""

    id: UUID
    fsp: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    until: datetime
    tries: int = 0


class WindowState(StrEnum):
    """A window collects transfers while it is open, then waits closed, and is settled once."""

    OPEN = "open"
    CLOSED = "closed"
    SETTLED = "settled"


class Window(Struct, frozen=True):
    """A settlement window; times are UTC."""

    window: int
    state: WindowState
    opened_at: datetime
    closed_at: datetime | None = None
    settled_at: datetime | None = None


class NetLine(Struct, frozen=True):
    """What a participant sent, received and therefore owes (above 0) or is owed (below 0) in a window, minor units."""

    fsp: str
    currency: str
    sent: int
    sent_minor: int
    received: int
    received_minor: int

    @property
    def owes_minor(self) -> int:
        """What it owes: sent minus received."""
        return self.sent_minor - self.received_minor


class Report(Struct, frozen=True):
    """The settlement report of a window: a line for each participant and currency."""

    window: Window
    lines: list[NetLine]


class Message(Struct, frozen=True):
    """A message as it came in: `path` from the service on, `headers` by lower-case name, the body as received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def source(self) -> str:
        """Who says to have sent it."""
        return self.headers.get("fspiop-source", "")

    @property
    def destination(self) -> str:
        """For whom it is, where the sender says so."""
        return self.headers.get("fspiop-destination", "")
