"""The desk at which questions are answered together: one look-up, one transaction, one leaf for each answer.

Wrong answers are counted in three places, so that nobody learns by guessing what they may not ask: by institution and
person for secrets, by institution and person for facts (a right fact does not clear that one), and by institution for
everybody, over a quarter of an hour. None of them stands in another institution's way, or in the person's own (law 2).
"""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from msingi.identity import acts as identity
from msingi.identity.model_said import Matched, Supposed
from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.log import leaf
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, rules, wire
from msingi.signin.answers import store
from msingi.signin.errors import FlowLost, TooManyTries
from msingi.signin.model import CODE_TRIES, Alarm, AlarmRaised, Closed, Question
from msingi.signin.rules import Tries
from msingi.signin.together import Together


class Asked(Struct, frozen=True):
    """A question at the desk, with the circumstances of whoever asks."""

    ctx: Context
    question: Question


class Told(Struct, frozen=True):
    """What the desk says: right or not, and for each thing that was said."""

    right: bool
    so: dict[str, bool]


class _Case(Struct):
    """One question at work: whom it is about, where its wrong answers count, and what became of it."""

    asked: Asked
    permit: Permit
    person_id: PersonId | None
    so: dict[str, bool]
    secret: bytes
    facts: bytes
    challenge: UUID | None = None
    wait_s: int = 0
    secret_right: bool = True

    @property
    def right(self) -> bool:
        return not self.wait_s and self.person_id is not None and self.secret_right and all(self.so.values())


def desk(stack: Stack) -> Together[Asked, Told]:
    """The desk of this stack."""
    made = Together[Asked, Told](lambda asked: _answer_all(stack, asked))
    return stack.local.setdefault("signin.desk", made)  # type: ignore[return-value]


def bound(ctx: Context) -> bytes:
    """A code sent for one institution's software can be answered by that software alone."""
    return wire.secret_hash(f"{ctx.actor.institution}|{ctx.actor.id}".encode())


async def _answer_all(stack: Stack, asked: list[Asked]) -> list[Told | Exception]:
    matched = await find(stack, asked)
    answers: list[Told | Exception] = [Told(False, {})] * len(asked)
    waiting = list(range(len(asked)))
    while waiting:
        # A person is asked about once in a round, so that each answer counts before the next one is given.
        about = {i: matched[i].person_id or limits.nobody(asked[i].question) for i in waiting}
        first = {whom: i for i, whom in reversed(about.items())}
        taken = sorted(first.values())
        cases = [_case(stack, asked[i], matched[i]) for i in taken]
        await _round(stack, cases)
        for i, case in zip(taken, cases, strict=True):
            answers[i] = TooManyTries(retry_after_s=case.wait_s) if case.wait_s else Told(case.right, case.so)
        waiting = [i for i in waiting if i not in set(taken)]
    return answers


async def find(stack: Stack, asked: list[Asked]) -> list[Matched]:
    """Whom each question is about, and what of that which was said is so."""
    own_work = job_context("signin", "identity-proofing")
    supposed = []
    for one in asked:
        question, person_id = one.question, None
        if question.pseudonym:
            try:
                person_id = stack.pseudonym.person(one.ctx.actor.institution, question.pseudonym)
            except Malformed:
                person_id = None
        supposed.append(Supposed(rules.tidy_login(question.number[:100]), person_id, question.said))
    found = await identity.match_many(stack, own_work, supposed)
    for place, (one, known) in enumerate(zip(supposed, found, strict=True)):
        # What is no identity number may be a telephone number.
        if known.person_id is None and one.number and not rules.is_staff_login(one.number):
            other = await signin.find_account(stack, one.number, own_work)
            if other is not None:
                found[place] = (await identity.match_many(stack, own_work, [Supposed("", other, one.said)]))[0]
    return found


def _case(stack: Stack, asked: Asked, known: Matched) -> _Case:
    question, person_id = asked.question, known.person_id
    permit = policy.decide(
        asked.ctx, "signin.answer", policy.NOBODY if person_id is None else person_id, each=question.each
    )
    named = str(person_id or limits.nobody(question))
    ways = (limits.Way.SECRETS, limits.Way.FACTS)
    secret, facts = (limits.way_key(stack, way, named, asked.ctx.actor.institution) for way in ways)
    case = _Case(asked, permit, person_id, known.so, secret, facts)
    if question.code:
        case.secret_right = False
        try:
            sent_to, challenge = wire.unseal(stack.seal, "challenge", question.challenge, tuple[UUID, UUID])
            case.challenge = challenge if sent_to == person_id else None
        except FlowLost:
            case.challenge = None
    return case


async def _round(stack: Stack, cases: list[_Case]) -> None:
    at = max(case.asked.ctx.at for case in cases)
    first, *more = (case.permit for case in cases)
    async with stack.db.transaction(first, *more) as tx:
        windows = {c.asked.ctx.actor.institution: _window(stack, c.asked.ctx.actor.institution, at) for c in cases}
        places = [place for case in cases for place in (case.secret, case.facts)]
        await store.lock_places(tx, places)
        counters = await store.places(tx, [*places, *(p for pair in windows.values() for p in pair)])
        for case in cases:
            case.wait_s = _wait_s(case, counters, windows, at)
        await _prove(stack, tx, [case for case in cases if not case.wait_s], at)
        await _count(stack, tx, cases, counters, at)
        await _watch(stack, tx, cases, windows, at)
        for case in cases:
            _leave(tx, case)


def _window(stack: Stack, institution: str, at: datetime) -> tuple[bytes, bytes]:
    window = int(at.timestamp()) // rules.PROBE_WINDOW_S
    asked, wrong = (stack.keys.blind(f"signin.probe|{what}|{institution}|{window}") for what in ("asked", "wrong"))
    return asked, wrong


def _wait_s(case: _Case, counters: dict[bytes, Tries], windows: dict[str, tuple[bytes, bytes]], at: datetime) -> int:
    question = case.asked.question
    asked, wrong = (
        counters[place].failures if place in counters else 0 for place in windows[case.asked.ctx.actor.institution]
    )
    if rules.is_stopped(asked, wrong):
        return rules.PROBE_WINDOW_S - int(at.timestamp()) % rules.PROBE_WINDOW_S
    waits = [0]
    if question.pin or question.code:
        waits.append(rules.locked_s(counters.get(case.secret), at))
    if question.said is not None:
        waits.append(rules.locked_s(counters.get(case.facts), at))
    return max(waits)


async def _prove(stack: Stack, tx: Tx, cases: list[_Case], at: datetime) -> None:
    by_pin = [case for case in cases if case.asked.question.pin]
    if by_pin:
        # Nobody's PIN is looked up and hashed too, so that nobody takes as long as somebody (law 1).
        stored = await signin.stored_pins(tx, [c.person_id for c in by_pin if c.person_id is not None])
        for case in by_pin:
            found = None if case.person_id is None else stored.get(case.person_id)
            case.secret_right = await signin.pin_fits(stack, tx, case.person_id, found, case.asked.question.pin)
    by_code = [(c.person_id, c.challenge, bound(c.asked.ctx)) for c in cases if c.person_id and c.challenge]
    if not by_code:
        return
    sent = await store.try_codes(tx, by_code)
    for case in cases:
        if case.challenge is not None:
            case.secret_right = _code_fits(stack, case, sent.get(case.challenge), at)
    used = [(c.person_id, c.challenge) for c in cases if c.person_id and c.challenge and c.secret_right]
    if used:
        await store.use_codes(tx, used, at)


def _code_fits(stack: Stack, case: _Case, sent: Row | None, at: datetime) -> bool:
    if sent is None or sent["used_at"] or sent["expires_at"] <= at or sent["tries"] > CODE_TRIES:
        return False
    digits = "".join(c for c in case.asked.question.code[:32] if c.isdigit())
    return wire.same(sent["code_hash"], stack.keys.blind(f"signin.code|{case.challenge}|{digits}"))


async def _count(stack: Stack, tx: Tx, cases: list[_Case], counters: dict[bytes, Tries], at: datetime) -> None:
    wrong: dict[bytes, Tries] = {}
    cleared = []
    for case in (c for c in cases if not c.wait_s):
        question = case.asked.question
        nobody = case.person_id is None
        if question.pin or question.code:
            if nobody or not case.secret_right:
                wrong[case.secret] = rules.after_failure(counters.get(case.secret), at)
            elif case.secret in counters:
                cleared.append(case.secret)
        if question.said is not None and (nobody or not all(case.so.values())):
            wrong[case.facts] = rules.after_failure(counters.get(case.facts), at)
        closed_s = max((rules.locked_s(wrong[p], at) for p in (case.secret, case.facts) if p in wrong), default=0)
        if closed_s and case.person_id is not None:  # they hear of it, and open the way again if they need it
            by = case.asked.ctx.actor.institution
            closed = Closed(person_id=case.person_id, how="way", by=by, wait_s=closed_s)
            await stack.outbox.emit(tx, Closed.kind, closed)
    if wrong:
        await store.write_places(tx, wrong)
    if cleared:
        await store.forget_places(tx, cleared)


async def _watch(
    stack: Stack, tx: Tx, cases: list[_Case], windows: dict[str, tuple[bytes, bytes]], at: datetime
) -> None:
    """Count questions and noes of each institution, and raise an alarm where they look like guessing."""
    added: Counter[bytes] = Counter()
    for case in (c for c in cases if not c.wait_s):
        asked, wrong = windows[case.asked.ctx.actor.institution]
        added[asked] += 1
        added[wrong] += not case.right
    added += Counter()  # drops what stayed at nothing
    if not added:
        return
    since = datetime.fromtimestamp(int(at.timestamp()) // rules.PROBE_WINDOW_S * rules.PROBE_WINDOW_S, UTC)
    now = await store.count_windows(tx, dict(added), since)
    for institution, (asked, wrong) in windows.items():
        count = (now.get(asked, 0), now.get(wrong, 0))
        if rules.guesses(*count):
            alarm = Alarm(institution, since, *count, rules.is_stopped(*count))
            if await store.raise_alarm(tx, alarm):
                told = AlarmRaised(alarm.institution, alarm.since, alarm.asked, alarm.wrong, alarm.stopped)
                await stack.outbox.emit(tx, "signin.alarm", told)


def _leave(tx: Tx, case: _Case) -> None:
    question = case.asked.question
    detail: leaf.Detail = {
        "result": "locked" if case.wait_s else "yes" if case.right else "no",
        "method": " ".join(rules.methods_of(question)),
    }
    if question.said is not None:
        detail["said"] = " ".join(f for f in question.said.__struct_fields__ if getattr(question.said, f))
    # Strangers must not fill a person's record while nothing is tried.
    log.append(tx, case.permit, subject=None if case.wait_s else case.person_id, detail=detail)
