"""What an office does: see its queue, review a case, write, answer; and what time alone does. Part of the acts."""

from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.consent.model import Access
from msingi.governance import rules, store
from msingi.governance.apart import sending
from msingi.governance.apart import store as apart
from msingi.governance.apart.model import What
from msingi.governance.errors import CaseUnknown
from msingi.governance.keeping import acts as keeping
from msingi.governance.model import (
    Answer,
    Author,
    Case,
    CaseMoved,
    Dossier,
    Kind,
    Listed,
    NewExhibit,
    ObjectionGranted,
    Outcome,
    Page,
    RectificationGranted,
)
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.context import Kind as Who
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.log import leaf, proof
from msingi.kernel.stack import Stack


async def told(stack: Stack, tx: Tx, case: Case, by: str = "person") -> None:
    """Let the other rooms know that a case has moved."""
    news = CaseMoved(
        case.person_id, case.case_id, case.reference, case.kind, case.stage, case.state, case.outcome, by,
        case.language, case.late,
    )  # fmt: skip
    await stack.outbox.emit(tx, "governance.case-moved", news)


def _what(case: Case) -> leaf.Detail:
    return {"case": case.reference, "kind": case.kind.value, "to": case.institution}


async def queue(stack: Stack, ctx: Context, after: str = "", limit: int = 50) -> Page[Listed]:
    """Cases that wait for the caller's institution, or for the authority if the caller is of it; oldest first.

    The list names nobody; opening a case is an act of its own that the person sees.
    """
    permit = policy.decide(ctx, "governance.queue", policy.ANYONE)
    authority = rules.AUTHORITY in ctx.actor.roles
    async with stack.db.transaction(permit) as tx:
        whose = "" if authority else ctx.actor.institution
        found = await store.queue(tx, whose, rules.cursor(after), rules.page_size(limit))
        log.append(tx, permit, detail={"count": len(found)})
    listed = [Listed(c, stack.pseudonym.of(ctx.actor.institution, c.person_id)) for c in found]
    return Page(listed, str(found[-1].case_id) if len(found) == limit else "")


async def _ours(tx: Tx, ctx: Context, person_id: PersonId, case_id: UUID) -> Case:
    found = await store.case_by_id(tx, person_id, case_id)
    if found is None:
        raise CaseUnknown()
    rules.check_turn(found, ctx.actor)
    return found


async def review(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID) -> Dossier:
    """One case that waits for the caller's office; the person sees who looked (law 4). Raises CaseUnknown."""
    permit = policy.decide(ctx, "governance.review", person_id)
    async with stack.db.transaction(permit) as tx:
        case = await _ours(tx, ctx, person_id, case_id)
        written = await store.written(tx, stack.seal, person_id, case_id)
        dossier = Dossier(
            case,
            written.text,
            written.wanted,
            await store.messages_of(tx, stack.seal, case),
            await store.exhibits_of(tx, case),
            await _line(stack, tx, case),
            await apart.errands_about(tx, person_id, case_id),
        )
        log.append(tx, permit, subject=person_id, detail=_what(case))
    return dossier


async def _line(stack: Stack, tx: Tx, case: Case) -> Access | None:
    plain = await store.line_of_log(tx, stack.seal, case.person_id, case.about) if case.about else None
    return msgspec.json.decode(plain[leaf.SALT_BYTES :], type=Access) if plain else None


async def evidence(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID) -> str:
    """The log's proof of the line that a complaint is about, which anyone can verify offline (C2SP tlog-proof).

    For the person and for the office whose turn it is. Raises CaseUnknown, NotFound, NotYetInLog.
    """
    permit = policy.decide(ctx, "governance.evidence", person_id)
    async with stack.db.transaction(permit) as tx:
        case = await _for_either(tx, ctx, person_id, case_id)
        plain = await store.line_of_log(tx, stack.seal, person_id, case.about) if case.about else None
        if plain is None or case.about is None:
            raise NotFound()
        log.append(tx, permit, subject=person_id, detail=_what(case))
    return await proof.proof_of(stack, person_id, case.about, plain)


async def _for_either(tx: Tx, ctx: Context, person_id: PersonId, case_id: UUID) -> Case:
    """A case for the person, or for the office whose turn it is."""
    if ctx.actor.kind is Who.STAFF:
        return await _ours(tx, ctx, person_id, case_id)
    found = await store.case_by_id(tx, person_id, case_id)
    if found is None:
        raise CaseUnknown()
    return found


async def add_exhibit(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID, file: NewExhibit) -> UUID:
    """Add a file as evidence, as the person or as the office; its id. Raises CaseUnknown, ExhibitRefused."""
    permit = policy.decide(ctx, "governance.add_exhibit", person_id)
    rules.check_exhibit(file)
    async with stack.db.transaction(permit) as tx:
        case = await _for_either(tx, ctx, person_id, case_id)
        rules.check_not_closed(case)
        made = await store.put_exhibit(tx, stack.seal, case, ctx.at, file)
        log.append(tx, permit, subject=person_id, detail=_what(case) | {"bytes": len(file.body)})
    return made


async def exhibit(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID, exhibit_id: UUID) -> NewExhibit:
    """A file of a case, for the person or the office whose turn it is. Raises CaseUnknown, NotFound."""
    permit = policy.decide(ctx, "governance.evidence", person_id)
    async with stack.db.transaction(permit) as tx:
        case = await _for_either(tx, ctx, person_id, case_id)
        found = await store.exhibit(tx, stack.seal, case, exhibit_id)
        if found is None:
            raise NotFound()
        log.append(tx, permit, subject=person_id, detail=_what(case))
    return found


async def reply(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID, text: str) -> Case:
    """The office writes to the person, for example to ask for evidence; the clock runs on. Raises CaseUnknown."""
    permit = policy.decide(ctx, "governance.reply", person_id)
    rules.check_text(text)
    async with stack.db.transaction(permit) as tx:
        case = await _ours(tx, ctx, person_id, case_id)
        rules.check_waits(case)
        who = ctx.actor.name or ctx.actor.id
        taken = msgspec.structs.replace(case, officer=who)
        await store.move_case(tx, taken)
        await store.put_message(tx, stack.seal, taken, ctx.at, Author.OFFICE, who, ctx.actor.institution, text.strip())
        log.append(tx, permit, subject=person_id, detail=_what(case))
        await told(stack, tx, taken, "office")
    return taken


async def answer(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID, said: Answer) -> Case:
    """The office's answer, with a ground of the law where it refuses (law 3); what was granted follows from it.

    A correction is handed over to the register by the event `governance.rectification-granted`. Raises CaseUnknown,
    CaseNotOpen, GroundMissing, CaseMalformed.
    """
    permit = policy.decide(ctx, "governance.answer", person_id)
    async with stack.db.transaction(permit) as tx:
        case = await _ours(tx, ctx, person_id, case_id)
        who = ctx.actor.name or ctx.actor.id
        moved = rules.answered(case, said, stack.profile.law, ctx.at, who)
        detail = _what(moved) | {"outcome": moved.outcome.value} | ({"ground": moved.ground} if moved.ground else {})
        if moved.kind is Kind.ERASURE and moved.outcome is not Outcome.REFUSED:
            detail |= await _erase(stack, tx, ctx, moved)
        await store.move_case(tx, moved)
        await store.put_message(
            tx, stack.seal, moved, ctx.at, Author.OFFICE, who, ctx.actor.institution, said.text.strip()
        )
        if moved.kind is Kind.RECTIFICATION and moved.outcome is not Outcome.REFUSED:
            written = await store.written(tx, stack.seal, person_id, case_id)
            handed = RectificationGranted(person_id, moved.case_id, moved.subject, written.wanted, who)
            await stack.outbox.emit(tx, "governance.rectification-granted", handed)
        if moved.kind is Kind.OBJECTION and moved.outcome is not Outcome.REFUSED:
            stopped = ObjectionGranted(person_id, moved.reference, moved.institution, moved.subject)
            await stack.outbox.emit(tx, "governance.objection-granted", stopped)
        log.append(tx, permit, subject=person_id, detail=detail)
        await told(stack, tx, moved, "office")
    return moved


async def _erase(stack: Stack, tx: Tx, ctx: Context, case: Case) -> leaf.Detail:
    """Carry out the erasure, and write to the person what was destroyed and what a law keeps."""
    done = await keeping.erase(stack, tx, ctx, case.person_id, case.reference)
    machines = await sending.send_out(stack, tx, case.person_id, What.ERASE, case.case_id, ctx.at, case.reference)
    say = stack.profile.say
    lines = [f"− {table}: {count}" for table, count in sorted(done.destroyed.items())]
    lines += [f"+ {say(d.text, case.language)} ({d.law})" for d in stack.profile.law.duties]
    told_so = "\n".join([*lines, f"{stack.settings.url}/v1/governance/destructions/{done.certificate.certificate_id}"])
    await store.put_message(tx, stack.seal, case, ctx.at, Author.STACK, "", "", told_so)
    certificate = str(done.certificate.certificate_id)
    return {"certificate": certificate, "destroyed": sum(done.destroyed.values()), "machines": machines}


async def move_due(stack: Stack, ctx: Context, limit: int = 100) -> int:
    """What time alone does (law 2): missed deadlines go to the authority, answers that nobody appealed close.

    Gives how many cases moved.
    """
    permit = policy.decide(ctx, "governance.move_due", policy.ANYONE)
    law, moved = stack.profile.law, 0
    async with stack.db.transaction(permit) as tx:
        for case in await store.due_cases(tx, ctx.at, timedelta(days=law.complaints.appeal_days), limit):
            after = rules.after_deadline(case, law, ctx.at)
            if after is None:
                continue
            moved += 1
            await store.move_case(tx, after)
            if after.stage is not case.stage or after.late is not case.late:
                text = "escalated" if after.stage is not case.stage else "late"
                await store.put_message(tx, stack.seal, after, ctx.at, Author.STACK, "", "", text)
            log.append(tx, permit, subject=after.person_id, detail=_what(after))
            await told(stack, tx, after, "clock")
        tx.repeated = not moved  # nothing was due, so nothing was done, and no leaf is owed
    return moved
