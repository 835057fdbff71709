"""Nouns of the pages about payments that are asked back between banks."""

from datetime import datetime

from msgspec import Struct

from msingi.portal.model_bank import DeskLine, Fact
from msingi.portal.model_fraud import DisputeLine


class Happened(Struct, frozen=True):
    """A step: when, and in words what."""

    at: datetime
    text: str


class RecallPage(Struct, frozen=True, kw_only=True):
    """One recall; `steps` are what happened, `may` names what the reader may do (keep, agree, further, decide)."""

    action: str
    line: DisputeLine
    facts: tuple[Fact, ...]
    said: tuple[tuple[str, str], ...]
    steps: tuple[Happened, ...]
    may: tuple[str, ...] = ()
    complaint: str = ""
    lead: str = ""


class BetweenPage(Struct, frozen=True):
    """What banks ask back from each other, for whoever runs the switch: the late ones, and the newest."""

    late: tuple[DeskLine, ...]
    lines: tuple[DeskLine, ...]
