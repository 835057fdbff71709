"""Nouns of the operator's pages of the switch: one participant, and the report of one settlement window."""

from msgspec import Struct

from msingi.portal.model_bank import DeskPage, Fact


class Waiting(Struct, frozen=True, kw_only=True):
    """What waits for a second officer; `mine` is what the reader proposed, and can only take back."""

    id: str
    title: str
    facts: tuple[Fact, ...]
    mine: bool


class SwitchPage(DeskPage, frozen=True, kw_only=True):
    """The operator's page: participants, windows, a form for a new one, and what waits for a second officer."""

    waiting: tuple[Waiting, ...] = ()


class MemberPage(Struct, frozen=True, kw_only=True):
    """A participant: facts about it, how it stands in each currency; `runs` says whether it may be suspended here."""

    fsp: str
    name: str
    active: bool
    runs: bool
    facts: tuple[Fact, ...]
    standings: tuple[tuple[str, tuple[Fact, ...]], ...]
    key: str
    pairs: tuple[tuple[str, str], ...] = ()  # from which currency into which it converts


class WindowPage(Struct, frozen=True):
    """A settlement window: a row for each participant and currency, and the address of the same as a file."""

    title: str
    state: str
    good: bool
    facts: tuple[Fact, ...]
    rows: tuple[tuple[str, ...], ...]
    file: str
