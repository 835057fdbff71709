"""Nouns of products: terms, what a customer's account has earned, and the lines that explain it."""

from datetime import date

from msgspec import Struct

Text = dict[str, str]


class Band(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From this balance on (minor units), the part above it earns `rate_bp` hundredths of a percent a year."""

    from_minor: int
    rate_bp: int


class FeeBand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a payment up to an amount costs: a fixed part and a share (hundredths of a percent), at most `most_minor`
    (0: without a bound), in minor units."""

    up_to_minor: int
    fee_minor: int = 0
    rate_bp: int = 0
    most_minor: int = 0


class Charge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What payments cost: so many a month are free, then by band. `returned`: a payment that is paid back in full gives
    its fee back."""

    bands: tuple[FeeBand, ...]
    free_per_month: int = 0
    returned: bool = True


class Tax(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tax on fees, in hundredths of a percent, for the account with the label `tax` of an institution."""

    name: Text
    rate_bp: int
    institution: str


class Terms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds from a day on, announced on another. The monthly fee is charged for a month in which the balance was
    below `minimum_minor` at the end of some day (0: each month). Payments cost by kind: `transfers`, `sales` (of a
    shop), `standing` orders, `bills`; with `own_free` none that go to another account of the same holder."""

    begins: date
    announced: date
    day_count: str
    bands: tuple[Band, ...]
    monthly_fee_minor: int = 0
    minimum_minor: int = 0
    transfers: Charge | None = None
    sales: Charge | None = None
    standing: Charge | None = None
    bills: Charge | None = None
    own_free: bool = False


class Product(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product: `kind` is the kind of account (wallet, current, savings); `terms` in the order of their days. A
    `standard` one is never chosen: its charges hold for accounts of its kind without a product (merchant: shops)."""

    code: str
    kind: str
    name: Text
    text: Text
    terms: tuple[Terms, ...]
    standard: bool = False


class Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The products of a country; a change of terms is announced `announce_days` ahead."""

    version: str
    announce_days: int
    products: tuple[Product, ...]
    tax: Tax | None = None


class OwnProduct(Struct, frozen=True, kw_only=True):
    """An account with a product, as its holder sees it. `earned` is what was earned and not yet paid, as a decimal
    text in major units; `months` that were settled, newest first."""

    account: str
    product: str
    since: date
    accrued_to: date
    earned: str
    months: list["Month"]


class Month(Struct, frozen=True, kw_only=True):
    """A settled month: interest and fee in minor units; `result` is paid, or why not (the ledger's code)."""

    month: str
    interest_minor: int
    fee_minor: int
    carried: str
    result: str


class Day(Struct, frozen=True):
    """One day's line: the balance at its end (minor units), and what it earned, as an exact decimal text in minor
    units cut after eight digits; `begins` names the terms."""

    day: date
    balance_minor: int
    earned: str
    begins: date


class Explained(Struct, frozen=True, kw_only=True):
    """How a month was computed: what was carried in, each day, and what came out of it."""

    account: str
    product: str
    month: str
    days: list[Day]
    sum: str
    settled: Month | None
