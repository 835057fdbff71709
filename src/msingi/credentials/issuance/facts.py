"""Where the facts of a credential come from: the register, the holding itself, or what the institution stated."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from msingi.countries import Profile
from msingi.credentials.forms.model import Fact
from msingi.credentials.issuance.model import ClaimKind, ClaimRule, Kind, Values
from msingi.identity.model import Person

_ISO_5218 = {"male": 1, "female": 2}


class Seen(msgspec.Struct, frozen=True):
    """What the sources look at: the person, the country, the kind, and the holding's number and dates."""

    person: Person
    photo: bytes
    profile: Profile
    kind: Kind
    document: str
    issued_on: date
    expires_on: date | None


def _age_over(years: int) -> Callable[[Seen], bool | None]:
    def over(seen: Seen) -> bool | None:
        born = seen.person.demographics.birth.day
        if born is None:
            return None
        today = seen.issued_on
        return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) >= years

    return over


def _place(seen: Seen) -> str:
    region = next((r for r in seen.profile.regions if r.code == seen.person.demographics.region), None)
    return seen.profile.say(region.name) if region else ""


def _institution(seen: Seen) -> str:
    member = next((m for m in seen.profile.institutions if m.code == seen.kind.institution), None)
    return seen.profile.say(member.name) if member else seen.kind.institution


def _second(part: str) -> Callable[[Seen], str]:
    return lambda seen: getattr(seen.person.demographics.second_name, part, "")


SOURCES: dict[str, Callable[[Seen], Any]] = {
    "register.given_name": lambda s: s.person.demographics.name.given,
    "register.family_name": lambda s: s.person.demographics.name.family,
    "register.full_name": lambda s: s.person.demographics.name.full,
    "register.second_given_name": _second("given"),
    "register.second_family_name": _second("family"),
    "register.birth_date": lambda s: s.person.demographics.birth.date,
    "register.birth_year": lambda s: s.person.demographics.birth.year,
    "register.sex": lambda s: s.person.demographics.sex.value,
    "register.sex_code": lambda s: _ISO_5218.get(s.person.demographics.sex.value, 9),
    "register.number": lambda s: s.person.number,
    "register.region": _place,
    "register.locality": lambda s: s.person.demographics.address.locality,
    "register.photo": lambda s: s.photo,
    "register.age_over_18": _age_over(18),
    "register.age_over_21": _age_over(21),
    "register.age_over_adult": lambda s: _age_over(s.profile.adult_age)(s),
    "country.alpha2": lambda s: s.profile.alpha2,
    "country.alpha3": lambda s: s.profile.alpha3,
    "country.nationalities": lambda s: [s.profile.alpha2],
    "holding.document_number": lambda s: s.document,
    "holding.issue_date": lambda s: s.issued_on.isoformat(),
    "holding.expiry_date": lambda s: s.expires_on.isoformat() if s.expires_on else "",
    "holding.authority": _institution,
}
"""Name of a source -> how its value is found; empty text, None and b"" mean: not known, and the claim is left out."""


def needs_photo(kind: Kind) -> bool:
    """Whether any claim of the kind shows the person's photo."""
    return any(claim.source == "register.photo" for claim in kind.claims)


def gathered(seen: Seen, stated: Values) -> Values:
    """All facts of a holding by claim key: from the sources, and those that the institution `stated`."""
    found: Values = {}
    for claim in seen.kind.claims:
        source = SOURCES.get(claim.source)
        value = stated.get(claim.key) if source is None else source(seen)
        if value is not None and value != "" and value != b"" and value != []:
            found[claim.key] = value
    return found


def drafted(kind: Kind, values: Values) -> tuple[Fact, ...]:
    """The facts as the forms take them, in the order of the kind's claims."""
    return tuple(_fact(claim, values[claim.key]) for claim in kind.claims if claim.key in values)


def _fact(claim: ClaimRule, value: Any) -> Fact:
    element = (claim.element[0], claim.element[1]) if claim.element else ("", "")
    return Fact(
        path=claim.path,
        value=value,
        kind=claim.kind.value,
        hidden=claim.hidden,
        elements=claim.kind is ClaimKind.LIST,
        element=element,
        day_members=claim.days,
    )
