"""Capture biometrics, ask the matcher, take its answers, and let people decide what it found."""

import hmac
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from msingi.identity import adjudication, blocking, pairs, rules, scoring, standing
from msingi.identity.biometrics import cbeff, store, wire
from msingi.identity.biometrics.model import (
    Answer,
    Ask,
    Captured,
    CaptureOrder,
    Match,
    MatcherState,
    ReferenceId,
    RequestId,
    Task,
)
from msingi.identity.errors import BiometricsWrong, NotTheMatcher, ShareExpired
from msingi.identity.model import Person, Reason, Status
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

LABEL: Final = "identity.biometric"
BATCH: Final = 20
MOST_TRIES: Final = 12
TIMEOUT_S: Final = 20.0
LIVING: Final = frozenset({Status.HELD, Status.ACTIVE, Status.SUSPENDED})


def _job() -> Context:
    return job_context("biometrics", "identity-registration")


def check_matcher(stack: Stack, authorization: str) -> None:
    """Raises NotTheMatcher unless the request shows the key that the operator gave the matcher."""
    key = stack.settings.abis_key
    if not key or not hmac.compare_digest(authorization.partition(" ")[2].encode(), key.encode()):
        raise NotTheMatcher()


async def add_biometrics(stack: Stack, ctx: Context, person_id: PersonId, order: CaptureOrder) -> Captured:
    """Keep what was captured of a person, sealed, and ask the matcher about it later; what is missing needs a reason.

    Raises BiometricsWrong, Malformed, NotFound, NotInThisState.
    """
    if not order.records and not order.missing:
        raise BiometricsWrong("Send records, or say what is missing.", field="records", rule="records")
    found = cbeff.modalities(order.records) if order.records else ()
    for lack in order.missing:
        if not lack.because.strip():
            raise BiometricsWrong("Say why it is missing.", field="missing", rule="reason")
    missing = [f"{lack.modality}: {rules.short_text(lack.because, 'because')}" for lack in order.missing]
    at, reference_id = clock.now(), ReferenceId(uuid4())
    permit = policy.decide(ctx, "identity.add-biometrics", person_id)
    async with stack.db.transaction(permit) as tx:
        status, _ = await standing.locked(tx, person_id)
        if status is not Status.HELD:
            rules.check_living(status)
        sealed = await stack.seal.seal(tx, person_id, order.records, LABEL)
        await store.add(tx, person_id, reference_id, at, found, missing, sealed)
        if found:
            await store.add_task(tx, _task(person_id, reference_id, Ask.INSERT), at)
        what = "biometrics captured" if found else "biometrics could not be captured"
        log.append(tx, permit, subject=person_id, detail={"what": what, "records": len(found)})
    return Captured(reference_id, at, tuple(found), tuple(missing), False)


def _task(person_id: PersonId, reference_id: ReferenceId, ask: Ask) -> Task:
    return Task(RequestId(uuid4()), person_id, reference_id, ask, 0)


async def biometrics_of(stack: Stack, ctx: Context, person_id: PersonId) -> list[Captured]:
    """What was captured of a person, newest first, without the records."""
    permit = policy.decide(ctx, "identity.see-biometrics", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.captured(tx, person_id)
        log.append(tx, permit, subject=person_id, detail={"what": "captures listed"})
    return found


async def work_off(stack: Stack, client: httpx.AsyncClient) -> int:
    """Send what is due to the matcher, and take the answers that come at once; how many requests were sent."""
    if not stack.settings.abis_url:
        return 0
    await _delete_orphans(stack)
    permit = policy.decide(_job(), "identity.work-biometrics", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        due = await store.take_tasks(tx, clock.now(), BATCH)
        tx.repeated = not due
        if due:
            log.append(tx, permit, detail={"what": "requests to the matcher taken up", "requests": len(due)})
        else:
            tx.release(permit)
    for task in due:
        await _send(stack, client, task)
    return len(due)


async def _send(stack: Stack, client: httpx.AsyncClient, task: Task) -> None:
    """One request. Without an answer it stays as it is, and is due again later (law 5)."""
    share = f"{stack.settings.url}/v1/identity/abis/records/{task.request_id}"
    try:
        said = await _post(stack, client, wire.task_request(task, clock.now(), share))
    except (httpx.HTTPError, ValueError):
        if task.tries >= MOST_TRIES:
            await take_answer(stack, _job(), Answer(task.request_id, False, "the matcher does not answer"))
        return
    if isinstance(said, dict) and "returnValue" in said:
        await take_answer(stack, _job(), wire.answer(said, task.ask))


async def _post(stack: Stack, client: httpx.AsyncClient, body: dict[str, Any]) -> Any:
    key = {"Authorization": f"Bearer {stack.settings.abis_key}"}
    reply = await client.post(stack.settings.abis_url, json=body, headers=key, timeout=TIMEOUT_S)
    reply.raise_for_status()
    return reply.json() if reply.content else None


async def _delete_orphans(stack: Stack) -> None:
    """Whose records were destroyed, the matcher deletes too (law 1)."""
    permit = policy.decide(_job(), "identity.work-biometrics", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        orphans = await store.orphans(tx, BATCH)
        for reference_id, person_id in orphans:
            await store.drop_tasks(tx, reference_id)
            await store.add_task(tx, _task(person_id, reference_id, Ask.DELETE), clock.now())
            log.append(tx, permit, subject=person_id, detail={"what": "the matcher is told to delete"})
        tx.repeated = not orphans
        if not orphans:
            tx.release(permit)


async def share(stack: Stack, ctx: Context, request_id: RequestId) -> bytes:
    """The records behind an insert that was sent, encrypted to the matcher (law 2). Raises ShareExpired."""
    permit = policy.decide(ctx, "identity.work-biometrics", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        row = await store.records(tx, request_id)
        person_id = None if row is None else PersonId(row["person_id"])
        plain = b""
        if row is not None and person_id is not None:
            plain = await stack.seal.unseal(tx, person_id, row["sealed"], LABEL)
        log.append(tx, permit, subject=person_id, detail={"what": "records fetched by the matcher"})
    if not plain:
        raise ShareExpired()
    return cbeff.encrypted_for(Path(stack.settings.abis_certificate).read_bytes(), plain)


async def take_raw_answer(stack: Stack, ctx: Context, said: Any) -> None:
    """An answer as it came in by the door. Raises BiometricsWrong."""
    kinds = {f"mosip.abis.{ask}": ask for ask in Ask}
    asked = kinds.get(str(said.get("id", "")) if isinstance(said, dict) else "")
    if asked is None:
        raise BiometricsWrong("Name the request in `id`.", field="id", rule="abis-answer")
    await take_answer(stack, ctx, wire.answer(said, asked))


async def take_answer(stack: Stack, ctx: Context, answer: Answer) -> None:
    """Go on after an answer: an insert is compared, what was found becomes a question. Twice is as good as once."""
    permit = policy.decide(ctx, "identity.work-biometrics", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        task = await store.lock_task(tx, answer.request_id)
        if task is None:
            log.append(tx, permit, detail={"what": "an answer that nobody waits for"})
            return
        if not answer.done:
            if answer.failure not in wire.AGAIN or task.tries >= MOST_TRIES:
                await store.close_task(tx, task.request_id, "failed", answer.failure[:60])
            log.append(tx, permit, detail={"what": "the matcher failed", "reason": answer.failure[:60]})
            return
        await store.close_task(tx, task.request_id, "done")
        if task.ask is Ask.INSERT:
            await store.add_task(tx, _task(task.person_id, task.reference_id, Ask.IDENTIFY), clock.now())
        elif task.ask is Ask.DELETE:
            await store.forget_reference(tx, task.reference_id)
        else:
            await _question(tx, stack, permit, task, answer.matches)
        log.append(tx, permit, subject=task.person_id, detail={"what": f"the matcher answered: {task.ask}"})


async def _question(tx: Tx, stack: Stack, permit: Permit, task: Task, matches: tuple[Match, ...]) -> None:
    """Ask people whether those whom the matcher found are the person, with what names and dates say beside it."""
    behind = await store.people_behind(tx, [m.reference_id for m in matches])
    kinds: dict[PersonId, tuple[str, ...]] = {}
    for match in matches:
        other = behind.get(match.reference_id)
        if other is not None and other != task.person_id:
            told = tuple(m.value for m in match.modalities) or ("biometrics",)  # matchers need not say by what
            kinds[other] = tuple(dict.fromkeys((*kinds.get(other, ()), *told)))
    people = await adjudication.read_people(tx, stack, [task.person_id, *kinds])
    probe = people.get(task.person_id)
    if probe is None or probe.status not in LIVING:
        return
    found = []
    for other, told in kinds.items():
        if other in people and people[other].status in LIVING:
            later, earlier = _ordered(probe, people[other])
            demographic = scoring.reasons(
                blocking.traits(later.demographics), blocking.traits(earlier.demographics)
            )  # fmt: skip
            # A matcher's word has no bits here: this stack does not know how often it errs.
            reasons = (*(Reason(kind, "same", 0.0) for kind in told), *demographic)
            found.append((later.person_id, earlier.person_id, reasons, scoring.bits(demographic)))
    await pairs.note(tx, permit, found, "found alike by a matcher of biometrics")


def _ordered(one: Person, other: Person) -> tuple[Person, Person]:
    """The one who is asked about, and the one who was known: whoever is held, or came later, is asked about."""
    if (one.status is Status.HELD) != (other.status is Status.HELD):
        return (one, other) if one.status is Status.HELD else (other, one)
    return (one, other) if one.enrolled_at > other.enrolled_at else (other, one)


async def matcher_state(stack: Stack, ctx: Context, client: httpx.AsyncClient) -> MatcherState:
    """Whether the matcher answers (ping), how many references it holds, and what waits."""
    permit = policy.decide(ctx, "identity.see-matcher", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        counted = await store.counts(tx)
        log.append(tx, permit, detail={"what": "matcher looked at"})
    waits = (counted.get(state, 0) for state in ("waiting", "sent", "failed"))
    if not stack.settings.abis_url:
        return MatcherState(False, False, "", *waits)
    try:
        ping = await _post(stack, client, wire.request("ping", uuid4(), clock.now()))
        count = await _post(stack, client, wire.request("referenceCount", uuid4(), clock.now()))
        answers = isinstance(ping, dict) and str(ping.get("returnValue")) == "1"
        references = str(count.get("count", "")) if isinstance(count, dict) else ""
    except (httpx.HTTPError, ValueError):
        answers, references = False, ""
    return MatcherState(True, answers, references, *waits)
