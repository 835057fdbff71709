"""The laws of programmes as pure functions: eligibility as data, and the shapes of what officials write."""

import re
from collections.abc import Collection
from datetime import date

from msingi.kernel.errors import Malformed
from msingi.payments.programmes.model import Eligibility, Facts, ProgrammeOrder, Why

CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{1,11}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,15}")
OLDEST = 150
LEAST_CLAIM_DAYS, MOST_CLAIM_DAYS, LEAST_WARN_DAYS = 30, 730, 7
SEXES = ("female", "male", "other")


def ages(birth: str, on: date) -> tuple[int, int] | None:
    """The least and the greatest age in whole years on a day, from a date known in whole or in part; None if unknown.

    Somebody born "in 1960" is on 1 July 2026 either 65 or 66.
    """
    if not birth:
        return None
    year, month, day = ([int(part) for part in birth.split("-")] + [0, 0])[:3]
    first = (month or 1, day or 1)
    last = (month or 12, day or 31)
    here = (on.month, on.day)
    return on.year - year - (here < last), on.year - year - (here < first)


def refusal(rules: Eligibility, facts: Facts, on: date) -> Why | None:
    """Why a person may not stand in a programme, or None (law 1). In doubt about an age, it is for the person."""
    if not facts.in_use:
        return Why.NOT_IN_USE
    if rules.min_age is not None or rules.max_age is not None:
        span = ages(facts.birth, on)
        if span is None:
            return Why.BIRTH_UNKNOWN
        if rules.min_age is not None and span[1] < rules.min_age:
            return Why.TOO_YOUNG
        if rules.max_age is not None and span[0] > rules.max_age:
            return Why.TOO_OLD
    if rules.sexes and facts.sex not in rules.sexes:
        return Why.SEX
    if rules.regions and facts.region not in rules.regions:
        return Why.REGION
    return None


def check_eligibility(rules: Eligibility, regions: Collection[str]) -> None:
    """Raises Malformed, naming the field, for rules that nobody or nothing could follow."""
    for name, age in (("min_age", rules.min_age), ("max_age", rules.max_age)):
        if age is not None and not 0 <= age <= OLDEST:
            raise Malformed(f"An age is 0 to {OLDEST} years.", field=f"eligibility.{name}", rule=f"0..{OLDEST}")
    if rules.min_age is not None and rules.max_age is not None and rules.min_age > rules.max_age:
        raise Malformed("The least age is above the greatest.", field="eligibility.max_age", rule="min<=max")
    if set(rules.sexes) - set(SEXES):
        raise Malformed(f"Sexes are {', '.join(SEXES)}.", field="eligibility.sexes", rule="known-sex")
    if set(rules.regions) - set(regions):
        raise Malformed("The country has no such region.", field="eligibility.regions", rule="known-region")


def check_order(order: ProgrammeOrder, most_minor: int) -> None:
    """Raises Malformed, naming the field, unless code, name and amount have their shapes."""
    if not CODE.fullmatch(order.code):
        raise Malformed("A code has 2 to 12 capital letters, digits and hyphens.", field="code", rule="[A-Z0-9-]{2,12}")
    if not 1 <= len(order.name.strip()) <= 60 or not order.name.isprintable():
        raise Malformed("A name has 1 to 60 printable characters.", field="name", rule="length<=60")
    if not 0 < order.amount_minor <= most_minor:
        raise Malformed("The amount is above zero.", field="amount_minor", rule=f"1..{most_minor}")
    if order.claim_days and not LEAST_CLAIM_DAYS <= order.claim_days <= MOST_CLAIM_DAYS:
        rule = f"0 or {LEAST_CLAIM_DAYS}..{MOST_CLAIM_DAYS}"
        raise Malformed("People have a month to two years to collect.", field="claim_days", rule=rule)
    if not LEAST_WARN_DAYS <= order.warn_days <= LEAST_CLAIM_DAYS:
        rule = f"{LEAST_WARN_DAYS}..{LEAST_CLAIM_DAYS}"
        raise Malformed("People are told a week to a month before.", field="warn_days", rule=rule)


def check_label(label: str) -> str:
    """A cycle's label, such as 2026-03. Raises Malformed."""
    if not LABEL.fullmatch(label):
        raise Malformed("A label has 1 to 16 letters, digits, hyphens.", field="label", rule="[A-Za-z0-9-]{1,16}")
    return label


def message_id(code: str, label: str, attempt: int) -> str:
    """The name of a cycle's payment file, at most 35 characters (Max35Text)."""
    return f"{code}/{label}" if attempt == 1 else f"{code}/{label}/{attempt}"
