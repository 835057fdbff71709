"""Nouns of the bank's pages: questions with a form, facts to be checked, statements, shops with their codes."""

from datetime import date, datetime

from msgspec import Struct

from msingi.kernel.money import Money
from msingi.portal.model import Entry, Field


class Fact(Struct, frozen=True, kw_only=True):
    """One line to be read: a label, and text, money, a moment or a day. `strong` is what must not be overlooked.

    `figure`: the text is a figure, which stands at the end of its line among others.
    """

    label: str
    text: str = ""
    money: Money | None = None
    at: datetime | None = None
    day: date | None = None
    strong: bool = False
    figure: bool = False


class Asking(Struct, frozen=True, kw_only=True):
    """A page that asks something: its form is sent to `action`, with what is `hidden` in it."""

    title: str
    action: str
    submit: str
    lead: str = ""
    note: str = ""
    back: str = ""
    back_label: str = ""
    facts: tuple[Fact, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()
    files: bool = False


class Checking(Struct, frozen=True, kw_only=True):
    """A page that shows what is about to happen, with a button that does it and a way out."""

    title: str
    lead: str
    facts: tuple[Fact, ...]
    action: str
    hidden: tuple[tuple[str, str], ...]
    confirm: str
    stop: str
    stop_label: str
    back: str
    back_label: str
    note: str = ""


class ShopLine(Struct, frozen=True, kw_only=True):
    """A shop of one's own with its code as a picture; `action` makes a code for one sale."""

    name: str
    number: str
    category: str
    city: str
    picture: str
    is_agent: bool = False
    amount: Money | None = None
    bill: str = ""


class ShopPage(Struct, frozen=True):
    """The shops that are paid into one's accounts."""

    shops: tuple[ShopLine, ...]


class StatementPage(Struct, frozen=True, kw_only=True):
    """A statement over a period: `forms` are the ways to keep it (label, address)."""

    account: str
    first: date
    last: date
    opening: Money
    closing: Money
    received: Money
    paid: Money
    entries: tuple[Entry, ...]
    forms: tuple[tuple[str, str], ...]


class DeskLine(Struct, frozen=True, kw_only=True):
    """A line of a list: words, a state (`good` or `bad`), a link, and a button with what it sends."""

    title: str
    facts: tuple[Fact, ...] = ()
    state: str = ""
    good: bool = True
    action: str = ""
    label: str = ""
    hidden: tuple[tuple[str, str], ...] = ()
    href: str = ""
    href_label: str = ""


class DeskPage(Struct, frozen=True, kw_only=True):
    """A form to begin something, and the list of what there is; perhaps a second list, and ways elsewhere."""

    asking: Asking
    list_title: str
    lines: tuple[DeskLine, ...]
    empty: str
    older: str = ""
    more_title: str = ""
    more: tuple[DeskLine, ...] = ()
    link: str = ""
    link_label: str = ""
    links: tuple[tuple[str, str], ...] = ()


class CashCode(Struct, frozen=True):
    """A code to tell at an agent's, with what it stands for."""

    code: str
    facts: tuple[Fact, ...]


class CashPage(Struct, frozen=True):
    """Cash that waits for the visitor."""

    waiting: tuple[CashCode, ...]


class AgentPage(Struct, frozen=True):
    """One's own agency: its float, and the question for a customer's code. `low` says that it should be topped up,
    `apart` that the float is not the agent's own wallet."""

    name: str
    number: str
    balance: Money
    code: Field
    low: bool = False
    apart: bool = False
    account: str = ""


class Told(Struct, frozen=True, kw_only=True):
    """What was done: an amount, facts, and where to go next."""

    title: str
    lead: str
    amount: Money
    facts: tuple[Fact, ...]
    next: str
    next_label: str
