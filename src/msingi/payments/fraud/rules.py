"""The laws of the fraud desk as pure functions: facts and rules in, verdict out (law 2)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msingi.kernel.errors import Malformed
from msingi.payments.fraud.model import Answer, Came, CaseState, Facts, Kind, Paid, Rule, Verdict

SECOND_US = 1_000_000
ALLOW = Verdict()
_STRICT = {Answer.ALLOW: 0, Answer.REVIEW: 1, Answer.REFUSE: 2}
MAX_WORDS = 1_000


def _since(rule: Rule, facts: Facts) -> int:
    return facts.at_us - rule.window_s * SECOND_US


def _count(rule: Rule, facts: Facts) -> bool:
    """The payments of the window, with this one, are more than `most`."""
    most = rule.most
    if len(facts.paid) < most:
        return False
    return facts.paid[-most].at_us > _since(rule, facts) if most else True


def _sum(rule: Rule, facts: Facts) -> bool:
    """What left within the window, with this payment, is more than `most_minor`."""
    since, total = _since(rule, facts), facts.amount
    for past in reversed(facts.paid):
        if past.at_us <= since:
            break
        total += past.amount
    return total > rule.most_minor


def _near(rule: Rule, amount: int) -> bool:
    return rule.bound_minor * rule.share <= amount * 100 and amount < rule.bound_minor


def _below(rule: Rule, facts: Facts) -> bool:
    """This payment keeps just below a bound, and so did others: `most` of them within the window, with this one."""
    if not _near(rule, facts.amount):
        return False
    since, near = _since(rule, facts), 1
    for past in reversed(facts.paid):
        if past.at_us <= since:
            break
        near += _near(rule, past.amount)
    return near >= rule.most


def _through(rule: Rule, facts: Facts) -> bool:
    """Many paid in within minutes, and now most of it leaves: an account that is lent to somebody else."""
    since, total, payers = _since(rule, facts), 0, set[int]()
    for past in reversed(facts.came):
        if past.at_us <= since:
            break
        if past.amount >= rule.each_minor:
            total += past.amount
            payers.add(past.payer)
    return len(payers) >= rule.payers and facts.amount * 100 >= total * rule.share


def _watched(rule: Rule, facts: Facts) -> bool:
    """The payer is watched for one of the reasons, and the amount is over `over_minor`."""
    return bool(facts.watched) and facts.amount > rule.over_minor and not facts.watched.isdisjoint(rule.why)


def _stranger(rule: Rule, facts: Facts) -> bool:
    """Much money to somebody who was never paid before."""
    return facts.stranger and facts.amount > rule.over_minor


_HITS: dict[Kind, Callable[[Rule, Facts], bool]] = {
    Kind.COUNT: _count,
    Kind.SUM: _sum,
    Kind.BELOW: _below,
    Kind.THROUGH: _through,
    Kind.WATCHED: _watched,
    Kind.STRANGER: _stranger,
}


def weigh(rules: Sequence[Rule], facts: Facts) -> Verdict:
    """The strictest answer of all rules that speak, with all their codes; the words are those of the strictest."""
    hits = [rule for rule in rules if _HITS[rule.kind](rule, facts)]
    if not hits:
        return ALLOW
    first = max(hits, key=lambda rule: _STRICT[rule.answer])  # of equals, the first that the country wrote
    return Verdict(first.answer, tuple(rule.code for rule in hits), first.told)


class Ease(NamedTuple):
    """Bounds so low that no rule speaks below all of them: fewer than `few` payments in memory, no more than `little`
    money in them with the new one, an amount below `small`, nobody who paid in, nothing watched, no stranger."""

    few: int
    little: int
    small: int


def ease(rules: Sequence[Rule]) -> Ease:
    """The bounds below which weighing may be left out (the verdict is the same: law 2)."""
    few = [rule.most for rule in rules if rule.kind is Kind.COUNT]
    little = [rule.most_minor for rule in rules if rule.kind is Kind.SUM]
    small = [-(-rule.bound_minor * rule.share // 100) for rule in rules if rule.kind is Kind.BELOW]
    none = 1 << 62
    return Ease(min(few, default=none), min(little, default=none), min(small, default=none))


def is_easy(bounds: Ease, facts: Facts) -> bool:
    """Whether no rule can speak of these facts."""
    if facts.watched or facts.came or facts.stranger:
        return False
    return is_light(bounds, facts.amount, facts.paid)


def is_light(bounds: Ease, amount: int, paid: Sequence[Paid]) -> bool:
    """Whether no rule can speak of an amount and what was paid before it, where nobody paid in, nobody is watched and
    the payee is no stranger."""
    if amount >= bounds.small or len(paid) >= bounds.few:
        return False
    for past in paid:
        amount += past.amount
    return amount <= bounds.little


def horizon_us(rules: Sequence[Rule]) -> int:
    """How far back the rules look, in microseconds."""
    return max((rule.window_s for rule in rules), default=0) * SECOND_US


def strangers_from(rules: Sequence[Rule]) -> int:
    """Above which amount some rule wants to know if the payee was ever paid before."""
    return min((rule.over_minor for rule in rules if rule.kind is Kind.STRANGER), default=1 << 62)


def noted_from(rules: Sequence[Rule]) -> int:
    """From which amount on an arrival is worth remembering; 0 where no rule looks at arrivals."""
    return min((max(rule.each_minor, 1) for rule in rules if rule.kind is Kind.THROUGH), default=0)


def recent(found: Sequence[Paid] | Sequence[Came], since_us: int) -> int:
    """The place of the first entry after an instant: what stands before it may be forgotten."""
    for place, past in enumerate(found):
        if past.at_us > since_us:
            return place
    return len(found)


def check_words(text: str, field: str = "text") -> str:
    """The words of a person or an officer, trimmed. Raises Malformed."""
    said = text.strip()
    if not 1 <= len(said) <= MAX_WORDS or not said.replace("\n", " ").replace("\r", " ").isprintable():
        raise Malformed(f"Write 1 to {MAX_WORDS} characters.", field=field, rule=f"1..{MAX_WORDS}")
    return said


# What may follow what: (state before, step) -> state after. Four eyes: who proposed never approves (law 6).
STEPS: dict[tuple[CaseState, str], CaseState] = {
    (CaseState.OPEN, "take"): CaseState.TAKEN,
    (CaseState.TAKEN, "take"): CaseState.TAKEN,
    (CaseState.TAKEN, "clear"): CaseState.CLEARED,
    (CaseState.TAKEN, "propose"): CaseState.PROPOSED,
    (CaseState.PROPOSED, "send-back"): CaseState.TAKEN,
    (CaseState.PROPOSED, "confirm"): CaseState.CONFIRMED,
}


def next_state(state: CaseState, step: str, who: str, taken_by: str, proposed_by: str) -> CaseState | None:
    """The state after a step of an officer, or None where the step is not theirs to take now."""
    after = STEPS.get((state, step))
    if after is None:
        return None
    if step in ("clear", "propose") and who != taken_by:
        return None
    if step in ("confirm", "send-back") and who == proposed_by:
        return None
    return after
