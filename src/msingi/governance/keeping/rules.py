"""The laws of keeping as pure functions: how long, until when, and what an erasure may touch."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from msingi.countries import Profile
from msingi.governance.errors import CaseMalformed
from msingi.governance.keeping.model import HoldOrder, How, Kept, Rule

BATCH = 500
LONGEST_HOLD_DAYS = 3650


def kept(rule: Rule, profile: Profile) -> Kept:
    """How long a table is kept in a country (law 2): a duty's own term, or else no longer than the room needs."""
    said = {p.purpose: p.keep_days for p in profile.purposes}[rule.purpose]
    duty = profile.law.duty(rule.purpose) if rule.duty else None
    days = said if duty else min(said, rule.keep_days)
    law = duty.law if duty else ""
    return Kept(rule.table, rule.purpose, rule.how, days, law, rule.personal, rule.clock, rule.sealed)


def before(known: Kept, now: datetime) -> datetime | None:
    """Rows whose clock stands before this instant have had their time; None where retention does not destroy."""
    if known.how is not How.DELETE or not known.clock:
        return None
    return now - timedelta(days=known.days)


def erasable(known: Kept) -> bool:
    """Whether an erasure destroys a table's rows that are out of use: no law requires them, no life needs them."""
    return known.personal and not known.law and known.how in (How.DELETE, How.ROOM)


def digest(rows: list[bytes]) -> str:
    """SHA-256 over the sorted SHA-256 of each destroyed row, in hex; empty for none."""
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest() if rows else ""


def check_hold(order: HoldOrder) -> None:
    """A hold says why, and ends. Raises CaseMalformed."""
    if not 10 <= len(order.because.strip()) <= 500:
        raise CaseMalformed("because: names the order in 10 to 500 characters", field="because", rule="length")
    if not 1 <= order.days <= LONGEST_HOLD_DAYS:
        raise CaseMalformed(f"days: 1 to {LONGEST_HOLD_DAYS}", field="days", rule="range")


def due_body(known: Kept, until: datetime, rows: list[tuple[bytes, datetime]], now: datetime) -> dict[str, Any]:
    """What the certificate of a destruction by time says."""
    ages = [aged for _, aged in rows]
    return {
        "destroyed": {known.table: len(rows)},
        "purpose": known.purpose,
        "kept_days": known.days,
        "before": instant(until),
        "oldest": instant(min(ages)),
        "newest": instant(max(ages)),
        "digest": digest([row for row, _ in rows]),
        "at": instant(now),
    }


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
