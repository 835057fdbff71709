"""A cycle's list is checked person by person and becomes a payment file: in parts, each of them kept, resumable.

The register is asked for everybody again: who has died, is suspended, has grown out of the programme or has moved away
since is left out, with the reason.
"""

from datetime import date
from uuid import UUID

from msgspec import Struct

from msingi.identity import acts as identity
from msingi.identity.model import Person, Status
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Erased
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import files
from msingi.payments.programmes import rules, store
from msingi.payments.programmes.model import Checked, Eligibility, Facts, LeftOut, OpenCycle, Why
from msingi.payments.wire import Line

JOB = "payments-programmes"
PART = 500
GONE = Facts(in_use=False)


class Judged(Struct, frozen=True):
    """What the rules say of somebody, and nothing of what they looked at: the identity number in use, and why not."""

    number: str
    why: Why | None


def job(institution: str) -> Context:
    """The context in which the stack itself works for an institution's programmes."""
    return context(Actor(Kind.JOB, JOB, institution, frozenset(), 2), "social-protection", "public-task", channel="job")


@crossing("payments", room="identity")
async def judged(
    stack: Stack, ctx: Context, people: list[PersonId], eligibility: Eligibility, on: date
) -> dict[PersonId, Judged]:
    """Whether people may stand in a programme of the institution of `ctx` on a day; each learns that it was looked at.

    Judged where the record is: a machine that runs the payments alone learns the answer, not the facts. Somebody who
    is unknown, erased or out of use is not in use.
    """
    found = await _read(stack, job(ctx.actor.institution), people)
    told = {}
    for person in people:
        record = found.get(person)
        if record is None:
            told[person] = Judged("", rules.refusal(eligibility, GONE, on))
            continue
        said = record.demographics
        in_use = record.status is Status.ACTIVE and bool(record.number)
        facts = Facts(said.birth.date, said.sex.value, said.region, in_use)
        told[person] = Judged(record.number if in_use else "", rules.refusal(eligibility, facts, on))
    return told


async def _read(stack: Stack, ctx: Context, people: list[PersonId]) -> dict[PersonId, Person]:
    """The records of people; an erased one spoils a common question, so it is divided until those are alone."""
    if not people:
        return {}
    try:
        return await identity.read_many(stack, ctx, people)
    except Erased:
        if len(people) == 1:
            return {}
    half = len(people) // 2
    return await _read(stack, ctx, people[:half]) | await _read(stack, ctx, people[half:])


async def prepare(stack: Stack, file_id: UUID) -> int:
    """Check a cycle's list to its end, and let its file wait for approval; how many people were checked here.

    Safe to repeat and to run twice at once: each part is one transaction that holds the cycle.
    """
    permit = policy.decide(job(""), "payments.prepare-cycle", policy.ANYONE)
    checked = 0
    while True:
        async with stack.db.transaction(permit) as tx:
            cycle = await store.open_cycle(tx, file_id)
            people = await store.to_check(tx, cycle, PART) if cycle is not None else []
            if cycle is not None and people:
                found = await _check(stack, cycle, people)
                await store.add_checked(tx, cycle, found, people[-1])
            elif cycle is not None:
                await store.make_ready(tx, file_id, clock.now())
            log.append(tx, permit, detail={"what": "list of a cycle checked", "people": len(people)})
        if not people:
            return checked
        checked += len(people)


async def _check(stack: Stack, cycle: OpenCycle, people: list[PersonId]) -> Checked:
    known = await judged(stack, job(cycle.institution), people, cycle.eligibility, cycle.on)
    words = f"{cycle.name} {cycle.label}"
    found, lines = Checked(), []
    for person in people:
        why = known[person].why
        if why is not None:
            found.left_out.append(LeftOut(person, why))
            continue
        name = f"{cycle.label}-{cycle.lines + len(lines) + 1}"  # the end-to-end id is the line's number
        lines.append(Line(0, "", name, cycle.amount_minor, known[person].number, words))
        found.people.append(person)
    found.total_minor = cycle.amount_minor * len(lines)
    found.sealed = files.sealed(stack, lines)
    return found
