"""What pages show, as plain nouns: filled by `views`, shown by the templates, imitated by the test fixtures.

Here the frame, forms, and the pages for everybody and for people; those of staff stand in `model_staff`.
"""

from datetime import date, datetime

from msgspec import Struct

from msingi.kernel.money import Money


class Tongue(Struct, frozen=True):
    """A language that can be chosen: its code, its own name, and a short form of it."""

    code: str
    name: str
    short: str


class MenuItem(Struct, frozen=True):
    """An entry of the menu; `name` is also the name of its text, `count` waits for an answer."""

    name: str
    href: str
    icon: str
    count: int = 0


class Shell(Struct, frozen=True, kw_only=True):
    """What stands around every page. `area` is public, person or staff; `keeps_form` says that the page has a form
    whose answers must survive a change of language; `said` is news of what was just done."""

    lang: str
    rtl: bool
    path: str
    country: str
    css: str
    deep: str
    tongues: tuple[Tongue, ...]
    area: str = "public"
    here: str = ""
    start: str = "/"
    name: str = ""
    ticket: str = ""
    menu: tuple[MenuItem, ...] = ()
    sandbox: bool = False
    keeps_form: bool = False
    said: str = ""


class Field(Struct, frozen=True, kw_only=True):
    """One question of a form. `kind`: text, phone, amount, number, date, choice, select or file; a date's `value` is
    year-month-day as typed. `wrong` is the sentence that says what to correct."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    value: str = ""
    wrong: str = ""
    options: tuple[tuple[str, str], ...] = ()
    optional: bool = False
    autocomplete: str = ""
    longest: int = 0
    group: str = ""
    accept: str = ""
    camera: bool = False

    @property
    def shown(self) -> str:
        """The answer as people read it."""
        return dict(self.options).get(self.value, self.value)


class Form(Struct, frozen=True):
    """The questions of a page."""

    fields: tuple[Field, ...]

    @property
    def wrongs(self) -> tuple[Field, ...]:
        """Those to be corrected."""
        return tuple(f for f in self.fields if f.wrong)

    def value(self, name: str) -> str:
        """The answer to one question."""
        return next(f.value for f in self.fields if f.name == name)


class Public(Struct, frozen=True):
    """Home, help and the like: the number to dial where there is no internet, and what blocks offer (room, item)."""

    ussd: str = ""
    offers: tuple[tuple[str, MenuItem], ...] = ()


class FigureLine(Struct, frozen=True):
    """A published figure of one region: percent and margin of error as written, empty where protected."""

    where: str
    value: str
    margin: str


class Indicator(Struct, frozen=True):
    """A published indicator in words, with its figures; `published` is None before the first edition, `nation` empty
    where the whole country's figure is withheld."""

    code: str
    title: str
    definition: str
    caveat: str
    published: date | None = None
    epsilon: str = ""
    nation: str = ""
    lines: tuple[FigureLine, ...] = ()


class Figures(Struct, frozen=True):
    """The public figures."""

    indicators: tuple[Indicator, ...]


class Trouble(Struct, frozen=True):
    """A page that says no: what happened, what can be done, and the number to give when asking for help."""

    title: str
    text: str
    href: str
    action: str
    remedy: str = ""
    reference: str = ""
    contest: bool = False  # the reader may write why it is wrong, under the own rights


class Access(Struct, frozen=True, kw_only=True):
    """One line of "who looked at my data", in words. `provable` once the log has taken it in."""

    id: str
    at: datetime
    who: str
    institution: str
    what: str
    purpose: str
    basis: str
    basis_text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    provable: bool = True
    file: str = ""


class Fold(Struct, frozen=True):
    """Lines that are shown as one and open at a touch: `kind` is own, sign-in, or other (a single line)."""

    kind: str
    lines: tuple[Access, ...]


class Accesses(Struct, frozen=True):
    """A page of accesses, by day, newest first; `newer` and `older` are addresses or empty."""

    days: tuple[tuple[date, tuple[Fold, ...]], ...]
    newer: str = ""
    older: str = ""


class Overview(Struct, frozen=True, kw_only=True):
    """A person's first page: no more is read than it shows. `waiting` requests ask for a consent."""

    name: str
    number: str
    balance: Money | None
    waiting: int
    accesses: tuple[Access, ...]


class CardPage(Struct, frozen=True):
    """A person's card; `issued` is None where there is none. `state`: valid, suspended, revoked, expired or none."""

    name: str
    number: str
    state: str = "none"
    issued: date | None = None
    until: date | None = None
    card_id: str = ""


class Entry(Struct, frozen=True):
    """A movement of money: positive came in. `kind` names it where there is no `party`; `id` is the transfer's."""

    at: datetime
    amount: Money
    party: str
    kind: str = "other"
    note: str = ""
    id: str = ""


class OtherAccount(Struct, frozen=True):
    """A link to another account of one's own: what it is, and what it holds."""

    label: str
    href: str
    balance: Money


class MoneyPage(Struct, frozen=True):
    """A person's account and a page of its movements; `account` is empty where there is none.

    `label` says whose or what it is, unless it is the visitor's ordinary one; `others` are the further ones. `held`
    says that the visitor holds it, and is no guardian.
    """

    account: str
    balance: Money | None
    entries: tuple[Entry, ...] = ()
    newer: str = ""
    older: str = ""
    label: str = ""
    others: tuple[OtherAccount, ...] = ()
    held: bool = True


class SendPage(Struct, frozen=True):
    """Before sending: what there is, and out of which account, if it is not the visitor's ordinary one."""

    balance: Money
    account: str = ""
    label: str = ""


class SendCheck(Struct, frozen=True):
    """What is about to be sent; `payee` is masked; `order` is the sealed order that only this session can confirm."""

    payee: str
    phone: str
    amount: Money
    fee: Money
    note: str
    order: str
    label: str = ""

    @property
    def together(self) -> Money:
        """What leaves the account."""
        return Money(self.amount.amount_minor + self.fee.amount_minor, self.amount.currency)


class Receipt(Struct, frozen=True):
    """What was sent."""

    id: str
    at: datetime
    amount: Money
    fee: Money
    payee: str
    phone: str = ""
    balance: Money | None = None


class ConsentLine(Struct, frozen=True, kw_only=True):
    """A consent, or a request for one, in words. `state`: waiting, live, withdrawn, refused or expired."""

    id: str
    who: str
    what: str
    purpose: str
    state: str
    until: date
    asked: date | None = None
    ended: date | None = None
    items: tuple[str, ...] = ()
    reason: str = ""


class SoftwareLine(Struct, frozen=True):
    """Software that a person signs in to, and what it may learn of them, in words."""

    id: str
    name: str
    institution: str
    claims: tuple[str, ...]
    since: date


class Consents(Struct, frozen=True):
    """All that a person allowed: consents to institutions, and what services may learn at sign-in."""

    waiting: tuple[ConsentLine, ...]
    live: tuple[ConsentLine, ...]
    past: tuple[ConsentLine, ...]
    services: tuple[SoftwareLine, ...] = ()


class HealthLine(Struct, frozen=True):
    """One entry of a section of the summary."""

    text: str
    detail: str = ""
    on: date | None = None


class HealthSection(Struct, frozen=True):
    """A section of the patient summary; `name` is the name of its heading's text."""

    name: str
    lines: tuple[HealthLine, ...]


class HealthPage(Struct, frozen=True):
    """A patient summary in words."""

    sections: tuple[HealthSection, ...]


class SessionLine(Struct, frozen=True):
    """A browser that is signed in; `this` is the one that asks."""

    id: str
    where: str
    at: datetime
    assurance: int
    this: bool


class Sessions(Struct, frozen=True):
    """Where a person is signed in."""

    sessions: tuple[SessionLine, ...]
