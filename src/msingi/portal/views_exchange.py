"""What the exchange's pages show, as plain nouns, and how they are made from what the acts answer."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from msingi.countries import Profile
from msingi.exchange.membership.model import RightAsked
from msingi.exchange.model import Offer, Right, institution_of
from msingi.portal.views import MemberNames, Speaker
from msingi.portal.views_offer import Described, described, field
from msingi.portal.words import Words


class Names(Speaker):
    """The speaker of these pages, which also names software and fields."""

    def __init__(self, profile: Profile, lang: str, words: Words, members: MemberNames | None = None) -> None:
        super().__init__(profile, words, members)
        self.lang = lang

    def holder(self, subsystem: str) -> str:
        """The institution of a subsystem, in the reader's language where it is known."""
        return self.institution(institution_of(subsystem)) if subsystem.count("/") in (2, 3) else subsystem


class OfferLine(Struct, frozen=True):
    """A service in the catalogue."""

    code: str
    title: str
    owner: str
    consent: bool


class Catalogue(Struct, frozen=True):
    """A page of the catalogue, with what was searched for."""

    words: str
    offers: tuple[OfferLine, ...]
    newer: str = ""
    older: str = ""


class RightLine(Struct, frozen=True):
    """A right: who may ask, for what, on which law, until when."""

    client: str
    software: str
    purpose: str
    basis: str
    law: str
    fields: tuple[str, ...]
    until: datetime | None


class OfferPage(Struct, frozen=True):
    """A service with everything that the public may know of it."""

    code: str
    title: str
    owner: str
    software: str
    purposes: tuple[str, ...]
    bases: tuple[str, ...]
    fields: tuple[str, ...]
    consent: bool
    about_person: bool
    level: str
    rights: tuple[RightLine, ...]
    described: Described


class Member(Struct, frozen=True):
    """A member of the exchange; `because` is why it does not stand."""

    code: str
    name: str
    member_class: str
    standing: str
    because: str


class Members(Struct, frozen=True):
    """A page of members."""

    members: tuple[Member, ...]
    newer: str = ""
    older: str = ""


class Join(Struct, frozen=True):
    """How to join: the address for the command, and who decides."""

    url: str
    authority: str


class Applied(Struct, frozen=True):
    """An application and its state."""

    number: str
    client: str
    fingerprint: str
    state: str
    because: str


class Waiting(Struct, frozen=True):
    """An application that waits for the authority."""

    number: str
    name: str
    client: str
    contact: str
    law: str
    fingerprint: str
    proved: bool
    at: datetime


class PeerLine(Struct, frozen=True):
    """Another installation; `until` is when its directory expires."""

    code: str
    name: str
    url: str
    fingerprint: str
    standing: str
    until: datetime | None


class Institutions(Struct, frozen=True):
    """The authority's page: who waits, and who stands; `wrong` is why the last decision was not carried out."""

    waiting: tuple[Waiting, ...]
    members: tuple[Member, ...]
    newer: str = ""
    older: str = ""
    wrong: str = ""
    peers: tuple[PeerLine, ...] = ()


class AskedLine(Struct, frozen=True):
    """A request for a right; `mine` when the reader may decide it."""

    number: str
    title: str
    service: str
    owner: str
    client: str
    purpose: str
    basis: str
    law: str
    fields: tuple[str, ...]
    reason: str
    days: int
    state: str
    because: str
    at: datetime
    until: datetime | None
    mine: bool


class Rights(Struct, frozen=True):
    """A page of requests for rights."""

    asked: tuple[AskedLine, ...]
    newer: str = ""
    older: str = ""
    may_ask: bool = False
    wrong: str = ""


def line(profile: Profile, lang: str, offer: Offer, owner: str) -> OfferLine:
    """A service as a line."""
    return OfferLine(offer.service, profile.say(offer.title, lang), owner, offer.needs_consent)


def offer(speak: Names, found: Offer, owner: str, rights: Iterable[Right]) -> OfferPage:
    """A service with its rights."""
    profile, lang, words = speak.profile, speak.lang, speak.words
    lines = tuple(
        RightLine(
            speak.holder(r.client), r.client, speak.word("purpose", r.purpose), speak.word("basis", r.basis), r.law,
            r.fields, r.until,
        )
        for r in rights
    )  # fmt: skip
    return OfferPage(
        found.service, profile.say(found.title, lang), owner, found.owner,
        tuple(speak.word("purpose", p) for p in found.purposes), tuple(speak.word("basis", b) for b in found.bases),
        found.fields, found.needs_consent, found.about_person, str(found.openapi.get("x-service-level", "")), lines,
        described(profile, lang, words, found),
    )  # fmt: skip


def asked(speak: Names, one: RightAsked, titles: Mapping[str, str], mine: bool) -> AskedLine:
    """A request as a line; `titles` are names of services."""
    o = one.order
    fields = tuple(field(speak.words, f) or f for f in o.fields)
    return AskedLine(
        str(one.request), titles.get(o.service, o.service), o.service, speak.holder(one.owner),
        speak.holder(o.client), speak.word("purpose", o.purpose), speak.word("basis", o.basis), o.law, fields,
        o.reason, o.days, one.state.value, one.because, one.at, one.until, mine,
    )  # fmt: skip
