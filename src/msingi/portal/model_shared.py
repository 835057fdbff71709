"""Nouns of the pages about money that several people share: lists whose lines have more than one way on."""

from msgspec import Struct

from msingi.portal.model_bank import Fact


class Choice(Struct, frozen=True, kw_only=True):
    """One way on: a link, or (with `action`) a button that sends what is `hidden`."""

    label: str
    href: str = ""
    action: str = ""
    hidden: tuple[tuple[str, str], ...] = ()
    strong: bool = False


class Item(Struct, frozen=True, kw_only=True):
    """A line of a list: words, a state (`good` or not), facts, people, and the ways on."""

    title: str
    facts: tuple[Fact, ...] = ()
    state: str = ""
    good: bool = True
    people: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()


class Section(Struct, frozen=True, kw_only=True):
    """A part of a page: its title, its lines, and what to say where there are none. `close` sets many short lines
    close together: title, state and words, and the money at the end."""

    title: str
    items: tuple[Item, ...]
    empty: str = ""
    close: bool = False


class Listed(Struct, frozen=True, kw_only=True):
    """A page of lists, with what can be begun here. `ticket` protects its buttons."""

    title: str
    back: str
    back_label: str
    lead: str = ""
    facts: tuple[Fact, ...] = ()
    begin: tuple[Choice, ...] = ()
    sections: tuple[Section, ...] = ()
    note: str = ""
