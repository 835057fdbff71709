"""The laws as pure functions: an order becomes demographics, or a Malformed that names the field and the rule."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msingi.countries import Profile
from msingi.identity import numbers
from msingi.identity.errors import NotInThisState
from msingi.identity.model import (
    Address,
    Birth,
    Demographics,
    Document,
    EnrolmentOrder,
    Name,
    Status,
    Version,
)
from msingi.kernel.errors import Malformed

NAME_CHARS: Final = 100
LINE_CHARS: Final = 120
ALONE_LEAST_BITS: Final = 16.0
ALONE_A_DAY: Final = 100
LINES: Final = 5
DOCUMENTS: Final = 10
OLDEST_YEARS: Final = 130
EXCEPTIONS: Final = (
    "no-fingers",
    "no-face",
    "no-birth-date",
    "no-fixed-address",
    "one-name",
    "no-phone",
    "no-document",
)
_PARTIAL_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}")

# Law 7: every change of status that exists, and what it is called.
CHANGES: Final[dict[tuple[Status, Status], str]] = {
    (Status.HELD, Status.ACTIVE): "decided to be somebody else",
    (Status.HELD, Status.MERGED): "decided to be a known person",
    (Status.ACTIVE, Status.SUSPENDED): "suspended",
    (Status.ACTIVE, Status.DEACTIVATED): "deactivated",
    (Status.SUSPENDED, Status.ACTIVE): "reactivated",
    (Status.SUSPENDED, Status.DEACTIVATED): "deactivated",
    (Status.DEACTIVATED, Status.ACTIVE): "reactivated",
    (Status.ACTIVE, Status.DECEASED): "death registered",
    (Status.SUSPENDED, Status.DECEASED): "death registered",
    (Status.DEACTIVATED, Status.DECEASED): "death registered",
    (Status.DECEASED, Status.ACTIVE): "death registered in error",
    (Status.DECEASED, Status.SUSPENDED): "death registered in error",
    (Status.DECEASED, Status.DEACTIVATED): "death registered in error",
    (Status.ACTIVE, Status.MERGED): "found to be a known person",
    (Status.SUSPENDED, Status.MERGED): "found to be a known person",
    (Status.MERGED, Status.ACTIVE): "found to be somebody else after all",
    (Status.MERGED, Status.SUSPENDED): "found to be somebody else after all",
}
# What a single officer may do. Everything else is the end of a case, an act of civil registration, or a proposal
# that two people agree upon (law 8).
BY_ONE_OFFICER: Final = frozenset(
    {
        (Status.ACTIVE, Status.SUSPENDED),
        (Status.ACTIVE, Status.DEACTIVATED),
        (Status.SUSPENDED, Status.ACTIVE),
        (Status.SUSPENDED, Status.DEACTIVATED),
        (Status.DEACTIVATED, Status.ACTIVE),
    }
)


def demographics(order: EnrolmentOrder, profile: Profile, today: date) -> Demographics:
    """The order with every text trimmed and normalised (NFC), dates checked, and the phone as E.164.

    Nothing but a name is required (law 6). Raises Malformed, naming `field` and `rule`.
    """
    if order.region and order.region not in {region.code for region in profile.regions}:
        raise Malformed("The region is not in the country profile.", field="region", rule="known-region")
    second = name(order.second_name, "second_name") if order.second_name is not None else None
    return Demographics(
        name=name(order.name, "name"),
        birth=birth(order.birth, today),
        sex=order.sex,
        region=order.region,
        address=_address(order.address),
        phone=phone(order.phone, profile),
        language=_language(order.language, "language") or profile.language,
        second_name=second,
        second_language=_language(order.second_language, "second_language") if second else "",
        documents=_documents(order.documents),
        exceptions=_exceptions(order.exceptions),
    )


def _exceptions(asked: Sequence[str]) -> tuple[str, ...]:
    if not set(asked) <= set(EXCEPTIONS):
        raise Malformed(f"Known are: {', '.join(EXCEPTIONS)}.", field="exceptions", rule="known-exception")
    return tuple(word for word in EXCEPTIONS if word in asked)


def _text(text: str, field: str, limit: int) -> str:
    """`text` in NFC, trimmed, with single blanks. Raises Malformed for control characters and over-long texts."""
    clean = " ".join(unicodedata.normalize("NFC", text).split())
    if len(clean) > limit:
        raise Malformed(f"At most {limit} characters.", field=field, rule=f"max-{limit}-characters")
    # Cf holds the joiners that Persian, Hindi and others need inside names; the direction overrides are in it too.
    if any(
        unicodedata.category(letter) in ("Cc", "Co", "Cs", "Cn") or letter in "\u202a\u202b\u202d\u202e\u202c"
        for letter in clean
    ):
        raise Malformed("Control characters are not text.", field=field, rule="no-control-characters")
    return clean


def name(asked: Name, field: str) -> Name:
    """The name, normalised; one part is enough. Raises Malformed if both are empty or a part holds no letter."""
    parts = {part: _text(getattr(asked, part), f"{field}.{part}", NAME_CHARS) for part in ("given", "family")}
    if not any(parts.values()):
        raise Malformed("A given or a family name is needed.", field=field, rule="one-name")
    for part, text in parts.items():
        if text and not any(letter.isalpha() for letter in text):
            raise Malformed("A name holds at least one letter.", field=f"{field}.{part}", rule="letter")
    return Name(**parts)


def birth(asked: Birth, today: date) -> Birth:
    """The birth date as far as it is known. Raises Malformed for what is no date, lies ahead, or beyond 130 years."""
    text = asked.date.strip()
    reported = _text(asked.reported, "birth.reported", 40)
    if not text:
        return Birth(reported=reported, approximate=asked.approximate)
    if not _PARTIAL_DATE.fullmatch(text) or not text.isascii():
        raise Malformed("Write YYYY-MM-DD, YYYY-MM or YYYY.", field="birth.date", rule="iso-8601-date")
    try:
        earliest = date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        raise Malformed("There is no such day.", field="birth.date", rule="calendar-date") from None
    if earliest > today:
        raise Malformed("The birth date lies ahead.", field="birth.date", rule="not-in-the-future")
    if earliest.year < today.year - OLDEST_YEARS:
        raise Malformed("Nobody is that old.", field="birth.date", rule=f"within-{OLDEST_YEARS}-years")
    return Birth(date=text, approximate=asked.approximate, reported=reported)


def phone(text: str, profile: Profile) -> str:
    """The phone as E.164: "+" and digits. National numbers get the country's prefix; empty stays empty.

    Raises Malformed for anything else (ITU-T E.164, clause 6: at most 15 digits).
    """
    digits = ""
    for letter in text[:64]:
        value = unicodedata.decimal(letter, None)
        if value is not None:
            digits += str(value)
        elif letter not in " \t-./()+\u00a0\u200e\u200f" or (letter == "+" and digits):
            raise Malformed("A phone number has digits only.", field="phone", rule="digits")
    if not digits:
        if text.strip():
            raise Malformed("A phone number has digits.", field="phone", rule="digits")
        return ""
    prefix = profile.phone_prefix.lstrip("+")
    if "+" in text or digits.startswith("00"):
        digits = digits if "+" in text else digits[2:]
    elif digits.startswith(prefix) and len(digits) == len(prefix) + profile.phone_digits:
        pass
    else:
        digits = prefix + digits.lstrip("0")
    if not 8 <= len(digits) <= 15 or digits[0] == "0":
        raise Malformed("A phone number has 8 to 15 digits with its country.", field="phone", rule="e164")
    if digits.startswith(prefix) and len(digits) != len(prefix) + profile.phone_digits:
        raise Malformed(f"A national number has {profile.phone_digits} digits.", field="phone", rule="national-length")
    return "+" + digits


def _language(text: str, field: str) -> str:
    if text and not _LANGUAGE.fullmatch(text):
        raise Malformed("Write a language code such as sw or swh.", field=field, rule="iso-639")
    return text


def _address(asked: Address) -> Address:
    if len(asked.lines) > LINES:
        raise Malformed(f"At most {LINES} lines.", field="address.lines", rule=f"max-{LINES}-lines")
    lines = (_text(line, f"address.lines.{place}", LINE_CHARS) for place, line in enumerate(asked.lines))
    return Address(
        lines=tuple(line for line in lines if line),
        locality=_text(asked.locality, "address.locality", LINE_CHARS),
        postal_code=_text(asked.postal_code, "address.postal_code", 20),
    )


def _documents(asked: Sequence[Document]) -> tuple[Document, ...]:
    if len(asked) > DOCUMENTS:
        raise Malformed(f"At most {DOCUMENTS} documents.", field="documents", rule=f"max-{DOCUMENTS}")
    shown = []
    for place, document in enumerate(asked):
        field = f"documents.{place}"
        kind = _text(document.kind, f"{field}.kind", 60)
        if not kind:
            raise Malformed("Say what kind of document it is.", field=f"{field}.kind", rule="not-empty")
        shown.append(
            Document(
                kind, _text(document.number, f"{field}.number", 60), _text(document.issuer, f"{field}.issuer", 100)
            )
        )
    return tuple(shown)


def link_numbers(order: EnrolmentOrder) -> dict[str, str]:
    """The identity numbers of guardian and introducer that the order names, checked. Raises NumberWrong."""
    named = {"guardian": order.guardian, "introducer": order.introducer}
    return {field: numbers.parse(text, field) for field, text in named.items() if text.strip()}


def child_birth(asked: Birth, notified_on: date | None, today: date) -> date:
    """The day of a birth to register. Raises Malformed unless it is known to the day and precedes its notification."""
    if asked.day is None:
        raise Malformed("A birth is registered with its day.", field="child.birth.date", rule="known-to-the-day")
    if notified_on is not None and not asked.day <= notified_on <= today:
        raise Malformed("A birth is notified after it, and not ahead.", field="notified_on", rule="order-of-dates")
    return asked.day


def check_change(present: Status, wanted: Status) -> None:
    """Raises NotInThisState unless the life cycle knows the change (law 7)."""
    if (present, wanted) not in CHANGES:
        raise NotInThisState(status=present, wanted=wanted)


def check_officer_change(present: Status, wanted: Status) -> None:
    """As `check_change`, for what one officer may do alone: nothing from held, merged or deceased, nor to them."""
    if (present, wanted) not in BY_ONE_OFFICER:
        raise NotInThisState(status=present, wanted=wanted)


def check_living(present: Status) -> None:
    """Raises NotInThisState for a record that takes no more changes: held, merged or deceased."""
    if present not in (Status.ACTIVE, Status.SUSPENDED, Status.DEACTIVATED):
        raise NotInThisState(status=present, wanted="changed")


def majority(birth: Birth, adult_age: int) -> date | None:
    """The first day as an adult, or None if the birth year is unknown.

    Of what is not known the latest is taken: a child is protected as one for as long as he or she may be one.
    """
    if birth.year is None:
        return None
    known = [int(part) for part in birth.date.split("-")]
    year, month, day = known[0] + adult_age, *([*known[1:], 12, 31][:2] if len(known) != 2 else [known[1], 31])
    while True:  # born on 29 February, or in a month of fewer than 31 days
        try:
            return date(year, month, day)
        except ValueError:
            if (month, day) == (2, 29):
                return date(year, 3, 1)
            day -= 1


def short_text(text: str, field: str) -> str:
    """A line of free text, such as a place, normalised. Raises Malformed."""
    return _text(text, field, LINE_CHARS)


def needs_second(bits: float, merged_today: int) -> bool:
    """Whether one officer may not merge a held enrolment alone: the evidence is thin, or it is one of very many.

    Who is merged by mistake goes without a number; and nobody compares a hundred pairs of records well in a day.
    """
    return bits < ALONE_LEAST_BITS or merged_today >= ALONE_A_DAY


def reason(text: str, field: str = "because") -> str:
    """Why an officer acts, in words. Raises Malformed if it is empty or longer than 300 characters."""
    clean = _text(text, field, 300)
    if not clean:
        raise Malformed("Say why.", field=field, rule="not-empty")
    return clean


def next_valid_from(previous: datetime, now: datetime) -> datetime:
    """When a new version begins: now, but always after the one before, whatever the clocks of two machines say."""
    return max(now, previous + timedelta(microseconds=1))


def with_ends(begun: Sequence[tuple[datetime, str, Demographics]]) -> tuple[Version, ...]:
    """Versions from their beginnings: each is valid until the next begins, so that none can overlap (law 4)."""
    ordered = sorted(begun, key=lambda version: version[0])
    ends = [version[0] for version in ordered[1:]] + [None]
    return tuple(Version(start, end, why, what) for (start, why, what), end in zip(ordered, ends, strict=True))
