"""The rules in force, as data: `fraud.toml` of the country profile, read and checked once."""

import msgspec

from msingi.countries import Profile, ProfileWrong
from msingi.kernel.stack import Stack
from msingi.payments.fraud.model import Answer, Kind, Rule, Rulebook

KEY = "payments.fraud.rulebook"
REASONS = frozenset(("new-device", "recovered", "sanctions"))
TOLD = frozenset(("pace", "amount", "device", "payee", "check"))
MAX_WINDOW_S = 40 * 86_400
MOST = 5_000
DISPUTED = ("not-mine", "wrong-payee", "not-delivered", "double")
# What each kind of rule needs besides its code, and nothing else of the figures.
NEEDS: dict[Kind, tuple[str, ...]] = {
    Kind.COUNT: ("window_s", "most"),
    Kind.SUM: ("window_s", "most_minor"),
    Kind.BELOW: ("window_s", "most", "bound_minor", "share"),
    Kind.THROUGH: ("window_s", "payers", "share", "each_minor"),
    Kind.WATCHED: ("why",),
    Kind.STRANGER: ("over_minor",),
}
FIGURES = ("window_s", "most", "most_minor", "bound_minor", "share", "payers", "each_minor", "why")


class RulebookWrong(ProfileWrong):
    """The country's fraud.toml breaks rules; `mistakes` names every one of them."""


def of(stack: Stack) -> Rulebook | None:
    """The rules of the stack's country, None for a country that has none. Raises RulebookWrong."""
    if KEY not in stack.local:
        stack.local[KEY] = read(stack.profile)
    found = stack.local[KEY]
    return found if isinstance(found, Rulebook) else None


def read(profile: Profile) -> Rulebook | None:
    """The rules as a profile has them, checked. Raises RulebookWrong."""
    if not profile.fraud:
        return None
    try:
        book = msgspec.convert(profile.fraud, Rulebook)
    except msgspec.ValidationError as wrong:
        raise RulebookWrong([f"fraud.toml: {wrong}"]) from None
    faults = []
    for name, least, most in (
        ("review_hours", 1, 720), ("contest_days", 1, 90), ("pass_hours", 1, 720), ("new_device_hours", 0, 720),
    ):  # fmt: skip
        if not least <= getattr(book, name) <= most:
            faults.append(f"{name}: {least} to {most}")
    codes = [rule.code for rule in book.rules]
    if len(set(codes)) < len(codes):
        faults.append("rules: no two rules have the same code")
    faults += [
        f"reporter.unit: lacks the language {lang}" for lang in profile.languages if lang not in book.reporter.unit
    ]
    for rule in book.rules:
        faults += [f"rules.{rule.code}: {fault}" for fault in _faults(rule, profile.languages)]
    for kind, terms in book.disputes.items():
        if kind not in DISPUTED:
            faults.append(f"disputes.{kind}: one of {', '.join(DISPUTED)}")
        if not (0 < terms.file_days <= 3_650 and 0 < terms.answer_days <= terms.decide_days <= 365):
            faults.append(f"disputes.{kind}: days above zero, and the answer is due before the decision")
    if book.recalls and not 0 < book.recalls.customer_days <= book.recalls.answer_days <= 90:
        faults.append("recalls: days above zero, and the customer is heard before the bank answers")
    if faults:
        raise RulebookWrong([f"fraud.toml: {fault}" for fault in faults])
    return book


def _faults(rule: Rule, languages: list[str]) -> list[str]:
    faults = [f"lacks the language {lang}" for lang in languages if lang not in rule.text]
    if rule.answer is Answer.ALLOW:
        faults.append("answer: a rule reviews or refuses; what no rule speaks of is allowed")
    if rule.told not in TOLD:
        faults.append(f"told: one of {', '.join(sorted(TOLD))}")
    for name in FIGURES:
        given = getattr(rule, name)
        if bool(given) != (name in NEEDS[rule.kind]):
            faults.append(f"{name}: {'is needed' if not given else 'means nothing'} in a rule of the kind {rule.kind}")
    if not 0 <= rule.window_s <= MAX_WINDOW_S:
        faults.append(f"window_s: up to {MAX_WINDOW_S}")
    if not 0 <= rule.most <= MOST:
        faults.append(f"most: up to {MOST}")
    if not 0 <= rule.share <= 100:
        faults.append("share: a percentage")
    if min(rule.most_minor, rule.bound_minor, rule.payers, rule.each_minor, rule.over_minor) < 0:
        faults.append("no figure is below zero")
    if set(rule.why) - REASONS:
        faults.append(f"why: one of {', '.join(sorted(REASONS))}")
    return faults
