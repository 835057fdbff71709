"""What compliance officers do: look at the queue, take a case, ask, let go, propose to confirm, confirm with four eyes.

None of it leaves a line that the person sees: it would be a tip. Every line stands in the log all the same, sealed for
the room, and auditors count it like any other.
"""

from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import homes
from msingi.payments import rules as ledger
from msingi.payments.fraud import acts, goaml, rulebook, rules, store, watch
from msingi.payments.fraud.errors import NoReport, NoSuchFraudCase, NotYourStep
from msingi.payments.fraud.model import CasePage, CaseState, Dossier, Movement, Note, State

MAX_PAGE = 100
MOVEMENTS = 40
REPORT = "payments.fraud.report"
QUIET = "check"  # the words of rules of which the payer must not learn that they spoke


@crossing("payments", "portal")
async def queue(stack: Stack, ctx: Context, *, after: str = "", limit: int = 25) -> CasePage:
    """A page of cases that wait, the most urgent first."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} cases.", field="limit", rule=f"1..{MAX_PAGE}")
    place = acts.cursor(after)
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.queue(tx, place, limit + 1, ctx.at)
        log.append(tx, permit, detail={"what": "queue", "count": min(len(found), limit)})
    last = found[limit - 1] if len(found) > limit else None
    return CasePage(found[:limit], f"{last.due_at.isoformat()}|{last.case_id}" if last else None)


async def _held(tx: Tx, ctx: Context, case_id: str) -> store.Held:
    held = await store.case(tx, acts.uuid_of(case_id, NoSuchFraudCase()), ctx.at)
    if held is None:
        raise NoSuchFraudCase()
    return held


async def _movements(stack: Stack, permit: policy.Permit, held: store.Held) -> list[Movement]:
    """The newest movements of the account, wherever its books are."""
    if not held.debit:
        return []
    home = homes.home(stack, ledger.shard_of(held.debit))
    async with home.db.transaction(permit) as near:
        found = await store.movements(near, held.debit, MOVEMENTS)
        log.append(near, permit, detail={"what": "movements for a case", "case": held.case.reference})
    return found


@crossing("payments", "portal")
async def see_case(stack: Stack, ctx: Context, case_id: str) -> Dossier:
    """A case with notes and movements. Raises NoSuchFraudCase."""
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        sealed = await store.notes(tx, held.case.case_id)
        report = await store.report(tx, held.case.case_id)
        log.append(tx, permit, detail={"what": "case read", "case": held.case.reference})
    found = await _movements(stack, permit, held)
    opened = [Note(at, who, stack.seal.unseal_with_room_key(acts.NOTE, raw).decode()) for at, who, raw in sealed]
    return Dossier(
        case=held.case,
        name=held.payer_name,
        account=ledger.number_of(held.debit) if held.debit else "",
        payee=ledger.number_of(held.credit) if held.credit else "",
        payee_name=held.payee_name,
        version=held.version,
        notes=opened,
        movements=found,
        has_report=report is not None,
    )


async def _step(stack: Stack, tx: Tx, ctx: Context, held: store.Held, step: str, text: str) -> CaseState:
    """Take a step, and write down why. Raises NotYourStep."""
    who, case = ctx.actor.id, held.case
    after = rules.next_state(case.state, step, who, case.taken_by, held.proposed_by)
    if after is None:
        raise NotYourStep(state=case.state.value)
    taken = who if step == "take" else case.taken_by
    proposed = who if step == "propose" else "" if step == "send-back" else held.proposed_by
    ended = after in (CaseState.CLEARED, CaseState.CONFIRMED)
    await store.move_case(tx, case.case_id, after, taken, proposed, who if ended else "", ctx.at if ended else None)
    if text:
        await acts.write(stack, tx, case.case_id, held.person_id, ctx.at, ctx.actor.name or who, text)
    return after


@crossing("payments", "portal")
async def take(stack: Stack, ctx: Context, case_id: str) -> None:
    """Take a case, also from a colleague. Raises NoSuchFraudCase, NotYourStep."""
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        await _step(stack, tx, ctx, held, "take", "")
        log.append(tx, permit, detail={"what": "case taken", "case": held.case.reference})


@crossing("payments", "portal")
async def write(stack: Stack, ctx: Context, case_id: str, text: str, *, to_payer: bool = False) -> None:
    """Write into a case; with `to_payer` the payer reads it under the stopped payment and can answer there.

    Raises NotYourStep for a question that would be a tip: of a case that the payer did not open, on a quiet rule.
    """
    said = rules.check_words(text)
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        if held.case.state in (CaseState.CLEARED, CaseState.CONFIRMED):
            raise NotYourStep(state=held.case.state.value)
        if to_payer:
            if held.stop_id is None or (held.told == QUIET and held.case.kind != "contest"):
                raise NotYourStep(state=held.case.state.value)
            await store.say_to_payer(tx, stack.seal, held.person_id, held.stop_id, said)
        await acts.write(stack, tx, held.case.case_id, held.person_id, ctx.at, ctx.actor.name or ctx.actor.id, said)
        log.append(tx, permit, detail={"what": "note", "case": held.case.reference, "asked": to_payer})


@crossing("payments", "portal")
async def clear(stack: Stack, ctx: Context, case_id: str, text: str, to_payer: str = "") -> None:
    """Let a payment go: its payer may send it again for some hours. `text` is why, for the desk; `to_payer` words for
    the payer, or nothing. A hit on a list is a false one: the person is watched for it no longer.

    Raises NoSuchFraudCase, NotYourStep unless the officer took the case.
    """
    said = rules.check_words(text)
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    book = rulebook.of(stack)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        await _step(stack, tx, ctx, held, "clear", said)
        if held.stop_id is not None:
            until = ctx.at + timedelta(hours=book.pass_hours if book else 1)
            words = rules.check_words(to_payer, "to_payer") if to_payer.strip() else ""
            await store.end_stop(tx, stack.seal, held.person_id, held.stop_id, State.ALLOWED, until, words)
        if held.case.kind == "sanctions":
            await store.look_away(tx, held.person_id, "sanctions")
        log.append(tx, permit, detail={"what": "case cleared", "case": held.case.reference})
    if held.case.kind == "sanctions":
        await watch.reload(stack)


@crossing("payments", "portal")
async def propose(stack: Stack, ctx: Context, case_id: str, text: str) -> None:
    """Propose to confirm a suspicion; `text` becomes the reason in the report. Raises NotYourStep."""
    said = rules.check_words(text)
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        await _step(stack, tx, ctx, held, "propose", said)
        log.append(tx, permit, detail={"what": "confirmation proposed", "case": held.case.reference})


@crossing("payments", "portal")
async def send_back(stack: Stack, ctx: Context, case_id: str, text: str) -> None:
    """Disagree with a colleague's proposal: the case is theirs again. Raises NotYourStep."""
    said = rules.check_words(text)
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        await _step(stack, tx, ctx, held, "send-back", said)
        log.append(tx, permit, detail={"what": "proposal sent back", "case": held.case.reference})


@crossing("payments", "portal")
async def confirm(stack: Stack, ctx: Context, case_id: str) -> None:
    """Confirm what a colleague proposed (law 6): the payment stays stopped, and the report is written and kept.

    Raises NoSuchFraudCase, NotYourStep for whoever proposed it.
    """
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        held = await _held(tx, ctx, case_id)
        await _step(stack, tx, ctx, held, "confirm", "")
        if held.stop_id is not None:
            await store.end_stop(tx, stack.seal, held.person_id, held.stop_id, State.REFUSED, None, "")
        sealed = await store.notes(tx, held.case.case_id)
        found = [stack.seal.unseal_with_room_key(acts.NOTE, raw).decode() for _, who, raw in sealed if who]
        subject = stack.pseudonym.of(goaml.UNIT, held.person_id)
        body = goaml.report(stack, held, found[-1] if found else "", subject, ctx)
        await store.add_report(
            tx, held.case.case_id, held.person_id, ctx.at, stack.seal.seal_with_room_key(REPORT, body)
        )
        log.append(tx, permit, detail={"what": "case confirmed", "case": held.case.reference})


@crossing("payments", "portal")
async def report(stack: Stack, ctx: Context, case_id: str) -> bytes:
    """The suspicious-transaction report on a confirmed case, as XML. Raises NoReport."""
    permit = policy.decide(ctx, "payments.fraud-desk", policy.ANYONE)
    wanted: UUID = acts.uuid_of(case_id, NoSuchFraudCase())
    async with stack.db.transaction(permit) as tx:
        sealed = await store.report(tx, wanted)
        log.append(tx, permit, detail={"what": "report taken out", "case": msgspec.json.encode(wanted).decode()})
    if sealed is None:
        raise NoReport()
    return stack.seal.unseal_with_room_key(REPORT, sealed)
