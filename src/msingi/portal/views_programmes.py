"""From what programmes answer to what their pages show: pure, one function per page."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msingi.kernel.money import Money
from msingi.payments.programmes.model import Cycle, Eligibility, LeftOut, Programme, Taken, Why
from msingi.portal.model_programmes import CycleLine, ProgrammeLine, ProgrammePage, RefusedLine, TakenIn
from msingi.portal.rules import Say
from msingi.portal.views_staff import STATES

REFUSED_SHOWN = 100
SEXES = {"female": "f", "male": "m", "other": "x"}


def line(found: Programme) -> ProgrammeLine:
    """A programme in the list."""
    return ProgrammeLine(
        id=str(found.programme_id),
        name=found.name,
        code=found.code,
        people=found.people,
        amount=Money(found.amount_minor, found.currency),
        open=found.closed_at is None,
    )


def why(say: Say, reason: Why | None) -> str:
    """A reason in words."""
    return say(f"programme.why_{reason.value.replace('-', '_')}") if reason else ""


def rules_told(rules: Eligibility, say: Say, regions: Mapping[str, str]) -> tuple[str, ...]:
    """The rules of eligibility as short sentences."""
    told = []
    if rules.min_age is not None:
        told.append(say("programme.rule_min", n=rules.min_age))
    if rules.max_age is not None:
        told.append(say("programme.rule_max", n=rules.max_age))
    if rules.sexes:
        sexes = ", ".join(say(f"enrol.sex_{SEXES[s]}") for s in rules.sexes)
        told.append(f"{say('programme.sex')}: {sexes}")
    if rules.regions:
        told.append(f"{say('programme.region')}: {', '.join(regions.get(r, r) for r in rules.regions)}")
    return tuple(told)


def taken(found: Sequence[Taken], say: Say) -> TakenIn:
    """What became of a list of identity numbers."""
    counts = Counter(one.outcome for one in found)
    refused = [RefusedLine(one.line, why(say, one.why)) for one in found if one.outcome == "refused"]
    return TakenIn(counts["enrolled"], counts["already"], counts["refused"], tuple(refused[:REFUSED_SHOWN]))


def cycle(found: Cycle, newest: bool, left_out: Sequence[LeftOut], say: Say) -> CycleLine:
    """One file of a cycle; only the newest one of its label can be tried again."""
    state = STATES[found.state]
    reasons = Counter(why(say, one.why) for one in left_out)
    return CycleLine(
        file_id=str(found.file_id),
        label=found.label,
        attempt=found.attempt,
        at=found.opened_at,
        state=state,
        lines=found.lines,
        total=Money(found.total_minor, found.currency),
        paid=found.paid,
        rejected=found.rejected,
        left_out=found.left_out,
        reasons=tuple(sorted(reasons.items())),
        may_retry=newest and state == "done" and found.rejected + found.left_out > 0,
    )


def programme(
    found: Programme,
    cycles: Sequence[CycleLine],
    rules: tuple[str, ...],
    may_keep: bool,
    told: TakenIn | None = None,
) -> ProgrammePage:
    """One programme with its cycles."""
    return ProgrammePage(
        programme=line(found), payer=found.payer, rules=rules, cycles=tuple(cycles), may_keep=may_keep, taken=told
    )
