"""Nouns of issuance: kinds and their claims, holdings, offers, orders for copies, and what others hear of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

import msgspec

from msingi.credentials.forms.model import Format
from msingi.credentials.model import CardState, Reason
from msingi.kernel.ids import PersonId

HoldingId = NewType("HoldingId", UUID)
Text = dict[str, str]
Values = dict[str, Any]


class ClaimKind(StrEnum):
    """What a claim's value is; `picture` is a JPEG, `list` a list of texts, `table` a list of objects."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"
    FLAG = "flag"
    PICTURE = "picture"
    LIST = "list"
    TABLE = "table"


class ClaimRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One claim of a kind: where it stands, what it is, where its value comes from.

    `source` is `institution` (whoever awards states it) or one of `facts.SOURCES`. `element` is its namespace and
    name in an mdoc. `hidden` claims are shown one by one. `name` is what people read, by language. `choices` are the
    only values of a text; `members` the names of the members of a table, of which `days` are dates.
    """

    path: tuple[str, ...]
    name: Text
    kind: ClaimKind = ClaimKind.TEXT
    source: str = "institution"
    element: tuple[str, ...] = ()
    required: bool = False
    hidden: bool = True
    choices: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    days: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The claim's path as one text."""
        return ".".join(self.path)


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A type of credential. `institution` is the code of the only institution that awards it (law 7).

    `copy_days` is how long a copy lasts, `years` how long the holding (0: until it is ended). With `approval` an
    officer looks at each request of a wallet first. `several` lets a person hold more than one. `open` kinds have
    facts of the register only: every registered person holds them without an award. `key_storage` are the levels of
    ISO 18045 that a wallet must attest for its keys; empty: none. `batch` is how many copies one request may ask for.
    With `haip` only wallets that keep HAIP 1.0 get it, and it is asked for in no weaker way.
    """

    kind: str
    institution: str
    name: Text
    claims: tuple[ClaimRule, ...]
    formats: tuple[Format, ...] = (Format.SD_JWT,)
    doctype: str = ""
    types: tuple[str, ...] = ()
    copy_days: int = 30
    years: int = 0
    approval: bool = False
    several: bool = False
    open: bool = False
    key_storage: tuple[str, ...] = ()
    batch: int = 20
    haip: bool = False
    colour: str = ""

    def configuration(self, form: Format) -> str:
        """The id of a credential configuration, which is also its scope."""
        return f"{self.kind}.{SUFFIX[form]}"


SUFFIX = {Format.SD_JWT: "sd-jwt", Format.MDOC: "mdoc", Format.VC_JWT: "vc"}


class KindProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A kind as an institution proposed it, and where it stands: `proposed`, `in-force` or `refused`."""

    description: Kind
    state: str
    proposed_by: str
    decided_by: str = ""


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One award. `document` is its number, random; `expires_on` None: it ends only when somebody ends it.

    `stale` says that the register has changed since the facts were frozen.
    """

    person_id: PersonId
    holding_id: HoldingId
    kind: str
    institution: str
    state: CardState
    reason: str
    document: str
    issued_on: date
    expires_on: date | None
    stale: bool = False
    single: bool = True


class AwardOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an institution orders: the kind, the person's identity number, and the values of its own claims.

    `order_id` makes a repetition harmless.
    """

    kind: str
    number: str
    values: dict[str, Any] = {}
    order_id: str = ""


class HoldingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a person's list; `state` is a CardState or `expired`, `values` the claims as text."""

    holding_id: HoldingId
    kind: str
    institution: str
    state: str
    reason: str
    document: str
    issued_on: date
    expires_on: date | None
    copies: int
    values: dict[str, str] = {}


class HoldingChange(msgspec.Struct, frozen=True):
    """The receipt of a suspension, reinstatement or end; `copies` is how many copies it reached."""

    holding_id: HoldingId
    state: CardState
    reason: Reason
    copies: int


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An offer for a wallet: `link` by reference, `by_value` in full; `tx_code` goes another way than the link."""

    link: str
    by_value: str
    tx_code: str
    expires_at: datetime


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer as kept: whose, for what, and how often the transaction code was wrong."""

    person_id: PersonId
    offer_id: UUID
    configurations: tuple[str, ...]
    secret_hash: bytes
    tx_hash: bytes
    tries: int
    used: bool
    expires_at: datetime


class CopyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order for copies: for whom, of what, for which keys. `nonces` are what may not come twice."""

    person_id: PersonId
    kind: str
    form: Format
    holders: tuple[dict[str, Any] | None, ...]
    nonces: tuple[tuple[bytes, int], ...] = ()
    holding_id: HoldingId | None = None
    client: str = ""


class Copies(msgspec.Struct, frozen=True):
    """Signed copies, in the order of the keys."""

    holding_id: HoldingId
    credentials: tuple[str, ...]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet's request that an officer decides about; `document` is the number of the holding."""

    person_id: PersonId
    request_id: UUID
    holding_id: HoldingId
    kind: str
    form: Format
    copies: int
    document: str
    asked_at: datetime
    state: str


class HoldingChanged(msgspec.Struct, frozen=True):
    """Event `credentials.holding-changed`: a holding was awarded, suspended, reinstated or ended."""

    person_id: PersonId
    holding_id: HoldingId
    kind: str
    state: CardState
    reason: str


EVENTS: dict[str, type[msgspec.Struct]] = {"credentials.holding-changed": HoldingChanged}
