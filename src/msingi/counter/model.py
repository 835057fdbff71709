"""What the counter's pages show: one shape for all of them, so that they look and behave alike."""

from msgspec import Struct


class Press(Struct, frozen=True):
    """A button that changes something: the address it is sent to, its words, and what it carries."""

    action: str
    label: str
    fields: dict[str, str] = {}
    kind: str = "quiet"


class Line(Struct, frozen=True):
    """A line of a list: words, a state in a badge, where it leads, or what can be done."""

    title: str
    detail: str = ""
    badge: str = ""
    href: str = ""
    open: str = ""
    press: Press | None = None


class Section(Struct, frozen=True):
    """A part of a page: facts, lines, buttons."""

    title: str
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[Line, ...] = ()
    presses: tuple[Press, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


class Sheet(Struct, frozen=True, kw_only=True):
    """A page: what it is, what was just done (`good`) or is to be heeded (`note`), its parts, and at most one form.

    `picture` is a data address; `figure` stands large, such as a reference. `action` is where the form goes.
    """

    title: str
    lead: str = ""
    back: tuple[str, str] | None = None
    good: str = ""
    note: str = ""
    figure: str = ""
    picture: str = ""
    picture_text: str = ""
    sections: tuple[Section, ...] = ()
    action: str = ""
    submit: str = ""
    files: bool = False
    hidden: dict[str, str] = {}
    newer: str = ""
    older: str = ""
