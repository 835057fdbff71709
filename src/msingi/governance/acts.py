"""What a person does: open a case, read it, write to it, add evidence, appeal, withdraw; and take a full copy."""

import os
from uuid import UUID

import msgspec

from msingi.consent.model import Access
from msingi.exchange.federation import acts as federation
from msingi.governance import explaining, gathering, rules, store
from msingi.governance.apart import store as apart
from msingi.governance.desk import add_exhibit as add_exhibit
from msingi.governance.desk import answer as answer
from msingi.governance.desk import evidence as evidence
from msingi.governance.desk import exhibit as exhibit
from msingi.governance.desk import move_due as move_due
from msingi.governance.desk import queue as queue
from msingi.governance.desk import reply as reply
from msingi.governance.desk import review as review
from msingi.governance.desk import told
from msingi.governance.errors import CaseUnknown
from msingi.governance.model import (
    Author,
    Case,
    CaseId,
    CaseOrder,
    Dossier,
    Kind,
    Outcome,
    Page,
    State,
)
from msingi.kernel import log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.context import Kind as Who
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.stack import Stack
from msingi.stewardship import acts as stewardship


async def _answerable(stack: Stack, institution: str) -> set[str]:
    """The institutions of the country and those that joined its exchange since, which a case may be about."""
    known = {member.code for member in stack.profile.institutions}
    if institution not in known:
        await federation.learn_names(stack)
    return known.union(federation.names(stack))


async def open_case(stack: Stack, ctx: Context, person_id: PersonId, order: CaseOrder, key: str) -> Case:
    """Open a request or a complaint; an officer at a desk may do it for somebody who is there (laws 1 and 4).

    What the stack itself can give, it gives at once: access, portability and explanation are answered when opened.
    Raises CaseMalformed, TooManyCases, and NotFound for a line of the log that is not this person's.
    """
    permit = policy.decide(ctx, "governance.open_case", person_id)
    rules.check_order(order, await _answerable(stack, order.institution), frozenset(stewardship.algorithms()))
    explained = ""
    if order.kind is Kind.EXPLANATION:
        explained = await explaining.explain(stack, person_id, order.subject, order.language or stack.profile.language)
    async with stack.db.transaction(permit) as tx:
        first = await once.claim(tx, "governance", f"{person_id}:{key}", msgspec.to_builtins(order))
        if first is not None:
            return msgspec.json.decode(first, type=Case)
        rules.check_open_cases(await store.count_open(tx, person_id))
        line = await _line(stack, tx, person_id, order.about)
        institution = line.institution if line and line.institution else order.institution
        case = rules.opened(
            order, stack.profile.law, person_id, CaseId(uuid7()), rules.reference(os.urandom(5)),
            institution or stack.profile.authority.member, ctx.at, ctx.actor, ctx.channel,
        )  # fmt: skip
        written = store.Written(order.text.strip(), order.wanted.strip())
        if order.kind in rules.AT_ONCE:
            case = msgspec.structs.replace(
                case, state=State.ANSWERED, outcome=Outcome.GRANTED, answered_at=ctx.at, officer="msingi"
            )
        await store.put_case(tx, stack.seal, case, written)
        if case.state is State.ANSWERED:
            text = explained or "copy-ready"
            await store.put_message(tx, stack.seal, case, ctx.at, Author.STACK, "", "", text)
        log.append(tx, permit, subject=person_id, detail=_what(case))
        await told(stack, tx, case)
        await once.settle(tx, "governance", f"{person_id}:{key}", msgspec.json.encode(case))
    return case


async def _line(stack: Stack, tx: Tx, person_id: PersonId, record_id: UUID | None) -> Access | None:
    if record_id is None:
        return None
    plain = await store.line_of_log(tx, stack.seal, person_id, record_id)
    if plain is None:
        raise NotFound()
    return msgspec.json.decode(plain[leaf.SALT_BYTES :], type=Access)


def _what(case: Case) -> leaf.Detail:
    return {"case": case.reference, "kind": case.kind.value, "to": case.institution}


async def cases(stack: Stack, ctx: Context, person_id: PersonId, after: str = "", limit: int = 50) -> Page[Case]:
    """The person's requests and complaints, newest first."""
    permit = policy.decide(ctx, "governance.cases", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.cases_of(tx, person_id, rules.cursor(after), rules.page_size(limit))
        log.append(tx, permit, subject=person_id, detail={"count": len(found)})
    return Page(found, str(found[-1].case_id) if len(found) == limit else "")


async def _mine(tx: Tx, person_id: PersonId, case_id: UUID) -> Case:
    case = await store.case_by_id(tx, person_id, case_id)
    if case is None:
        raise CaseUnknown()
    return case


async def case(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID) -> Dossier:
    """One case of the person with its messages, evidence and the line that it is about. Raises CaseUnknown."""
    permit = policy.decide(ctx, "governance.cases", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await _mine(tx, person_id, case_id)
        written = await store.written(tx, stack.seal, person_id, case_id)
        dossier = Dossier(
            found,
            written.text,
            written.wanted,
            await store.messages_of(tx, stack.seal, found),
            await store.exhibits_of(tx, found),
            await _line(stack, tx, person_id, found.about),
            await apart.errands_about(tx, person_id, case_id),
        )
        log.append(tx, permit, subject=person_id, detail=_what(found))
    return dossier


async def case_by_reference(stack: Stack, ctx: Context, person_id: PersonId, typed: str) -> Case:
    """The person's case with the reference that they wrote down, such as "4k7q 2mza". Raises CaseUnknown, Malformed."""
    permit = policy.decide(ctx, "governance.cases", person_id)
    reference = rules.read_reference(typed)
    async with stack.db.transaction(permit) as tx:
        found = await store.case_by_reference(tx, person_id, reference)
        if found is None:
            raise CaseUnknown()
        log.append(tx, permit, subject=person_id, detail=_what(found))
    return found


async def write(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID, text: str) -> Case:
    """The person writes to their case, as long as it is not closed. Raises CaseUnknown, CaseNotOpen, CaseMalformed."""
    permit = policy.decide(ctx, "governance.write", person_id)
    rules.check_text(text)
    async with stack.db.transaction(permit) as tx:
        found = await _mine(tx, person_id, case_id)
        rules.check_not_closed(found)
        await store.put_message(tx, stack.seal, found, ctx.at, Author.PERSON, _desk_name(ctx), "", text.strip())
        log.append(tx, permit, subject=person_id, detail=_what(found))
    return found


def _desk_name(ctx: Context) -> str:
    """Who typed it for the person, if it was not the person."""
    return (ctx.actor.name or ctx.actor.id) if ctx.actor.kind is Who.STAFF else ""


async def appeal(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID, text: str) -> Case:
    """The person does not accept the answer: the authority decides (law 3). Raises CaseUnknown, CannotAppeal."""
    permit = policy.decide(ctx, "governance.appeal", person_id)
    rules.check_text(text)
    async with stack.db.transaction(permit) as tx:
        found = await _mine(tx, person_id, case_id)
        moved = rules.appealed(found, stack.profile.law, ctx.at)
        await store.move_case(tx, moved)
        await store.put_message(tx, stack.seal, moved, ctx.at, Author.PERSON, _desk_name(ctx), "", text.strip())
        log.append(tx, permit, subject=person_id, detail=_what(moved))
        await told(stack, tx, moved)
    return moved


async def withdraw_case(stack: Stack, ctx: Context, person_id: PersonId, case_id: UUID) -> Case:
    """The person needs no answer any more. Raises CaseUnknown, CaseNotOpen."""
    permit = policy.decide(ctx, "governance.write", person_id)
    async with stack.db.transaction(permit) as tx:
        moved = rules.withdrawn(await _mine(tx, person_id, case_id), ctx.at)
        await store.move_case(tx, moved)
        log.append(tx, permit, subject=person_id, detail=_what(moved))
        await told(stack, tx, moved)
    return moved


async def full_copy(stack: Stack, ctx: Context, person_id: PersonId) -> bytes:
    """Everything that the stack holds about the person, from every room, as one zip of open formats (law 7).

    It is made when asked for and kept nowhere.
    """
    permit = policy.decide(ctx, "governance.full_copy", person_id)
    raw, contents = await gathering.zipped(stack, person_id)
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=person_id, detail={"files": len(contents), "bytes": len(raw)})
    return raw


async def _requests(stack: Stack, ctx: Context, person_id: PersonId) -> gathering.Files:
    """The person's cases with all messages, and the files that were added."""
    found, after = [], ""
    while True:
        page = await cases(stack, ctx, person_id, after)
        found += [await case(stack, ctx, person_id, each.case_id) for each in page.items]
        after = page.after
        if not after:
            return {"requests.json": msgspec.json.format(msgspec.json.encode(found), indent=1)}


gathering.register("governance", "what you asked and complained of, and every answer", _requests)
