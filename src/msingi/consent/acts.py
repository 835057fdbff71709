"""Verbs of consent: agreements, grants and withdrawals, requests, and the citizen's view of who looked."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from msingi.consent import rules, store, wire
from msingi.consent.accesses import access as access
from msingi.consent.accesses import access_proof as access_proof
from msingi.consent.accesses import accesses as accesses
from msingi.consent.errors import AgreementUnknown, ConsentMissing, ConsentUnknown
from msingi.consent.model import (
    Agreement,
    AgreementId,
    AgreementOrder,
    AskOrder,
    Consent,
    ConsentAsked,
    ConsentChanged,
    ConsentId,
    GrantOrder,
    Live,
    Page,
    Receipt,
    Request,
    RequestId,
    RequestState,
    State,
)
from msingi.identity import acts as identity
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Conflict, Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

RECEIPT_LABEL = "consent.receipt"


# Data agreements


async def publish_agreement(stack: Stack, ctx: Context, order: AgreementOrder) -> Agreement:
    """Publish the next version of a data agreement, signed and chained to the one before (law 4).

    Raises AgreementWrong, and NotPermitted when another institution controls the agreement.
    """
    return await _publish(stack, ctx, order, retired=False)


async def retire_agreement(stack: Stack, ctx: Context, agreement: str) -> Agreement:
    """Offer a data agreement no longer; consents that were given to it stay. Raises AgreementUnknown."""
    async with stack.db.reading("consent") as tx:
        newest = await store.newest_agreement(tx, agreement)
    if newest is None:
        raise AgreementUnknown()
    return await _publish(stack, ctx, newest.order, retired=True)


async def _publish(stack: Stack, ctx: Context, order: AgreementOrder, retired: bool) -> Agreement:
    own = order.institution == ctx.actor.institution
    permit = policy.decide(ctx, "consent.publish_agreement", policy.NOBODY, own_institution=own)
    bases = {rule.purpose: rule.bases for rule in stack.profile.purposes}
    rules.check_agreement(order, bases, stack.profile.languages)
    async with stack.db.transaction(permit) as tx:
        before = await store.newest_agreement(tx, order.agreement)
        if before is not None and before.order.institution != order.institution:
            policy.decide(ctx, "consent.publish_agreement", policy.NOBODY, own_institution=False)
        version = 1 if before is None else before.version + 1
        predecessor = "" if before is None else before.hash
        snapshot = wire.agreement_snapshot(order, version, ctx.at, retired, predecessor)
        signer = stack.keys.signer("consent")
        made = Agreement(
            order=order,
            version=version,
            published_at=ctx.at,
            retired=retired,
            hash=wire.digest(snapshot),
            predecessor_hash=predecessor,
            kid=signer.kid,
            signature=wire.jws(snapshot, signer),
        )
        if not await store.put_agreement(tx, made):
            raise Conflict("another version was published at the same moment")
        what = {"agreement": order.agreement, "version": version, "hash": made.hash, "retired": retired}
        log.append(tx, permit, detail=what)
    return made


async def agreements(stack: Stack, after: str = "", limit: int = 50, institution: str = "") -> Page[Agreement]:
    """The data agreements on offer, by name; public. `institution` narrows to one controller."""
    async with stack.db.reading("consent") as tx:
        found = await store.agreements_after(tx, after, rules.page_size(limit), institution)
    return Page(found, found[-1].order.agreement if len(found) == limit else "")


async def agreement(stack: Stack, name: str, version: int = 0) -> Agreement:
    """One version of a data agreement, the newest for 0; public. Raises AgreementUnknown."""
    async with stack.db.reading("consent") as tx:
        found = await (store.agreement_version(tx, name, version) if version else store.newest_agreement(tx, name))
    if found is None:
        raise AgreementUnknown()
    return found


async def agreement_by_number(stack: Stack, number: int) -> AgreementId:
    """The agreement that was the `number`th to be published for the first time, from 1 on. Raises AgreementUnknown."""
    async with stack.db.reading("consent") as tx:
        found = await store.agreement_by_number(tx, number)
    if found is None:
        raise AgreementUnknown()
    return found


# Consents


async def grant(stack: Stack, ctx: Context, person_id: PersonId, order: GrantOrder) -> Receipt:
    """The person's yes to a version of a data agreement (laws 1, 2): the signed receipt.

    The same yes given twice gives the first receipt again; a different one replaces the live one. Raises
    AgreementUnknown, AgreementRetired, NotByConsent, BeyondAgreement, ConsentUnknown, RequestAnswered.
    """
    permit = policy.decide(ctx, "consent.grant", person_id)
    async with stack.db.transaction(permit) as tx:
        offered = await store.agreement_version(tx, order.agreement, order.version)
        if offered is None:
            raise AgreementUnknown()
        made = rules.grant(order, offered, person_id, ConsentId(uuid7()), ctx.at, ctx.channel, stack.profile.language)
        await store.raise_epoch(tx, person_id)
        before = await store.granted_for_agreement(tx, person_id, order.agreement)
        same = before is not None and _same(before, made) and rules.state_at(before, ctx.at) is State.GRANTED
        if before is not None and not same:
            how = State.WITHDRAWN if rules.state_at(before, ctx.at) is State.GRANTED else State.EXPIRED
            await _end(stack, tx, permit, before, how)
        if before is not None and same:
            made = before
            receipt = await _receipt(stack, tx, made)
        else:
            await store.put_consent(tx, made)
            receipt = await _sign(stack, tx, made)
        if order.request_id is not None:
            await _answer(stack, tx, ctx, made, order.request_id)
        what = _what(made) | {"fields": " ".join(made.fields)}
        log.append(tx, permit, subject=person_id, detail=what)
        await _tell(stack, tx, "consent.granted", made)
    return receipt


def _what(consent: Consent) -> leaf.Detail:
    """What the person's record says of a consent."""
    return {"consent": str(consent.consent_id), "to": consent.institution, "for": consent.purpose}


def _same(one: Consent, other: Consent) -> bool:
    parts = ("agreement_hash", "fields", "institution", "purpose")
    return all(getattr(one, part) == getattr(other, part) for part in parts)


async def _answer(stack: Stack, tx: Tx, ctx: Context, made: Consent, request_id: UUID) -> None:
    asked = await store.request_by_id(tx, stack.seal, made.person_id, request_id, ctx.at)
    if asked is None or asked.agreement != made.agreement:
        raise ConsentUnknown()
    rules.check_open(asked, ctx.at)
    await store.answer_request(tx, made.person_id, request_id, RequestState.GRANTED, made.consent_id)


async def withdraw(stack: Stack, ctx: Context, person_id: PersonId, consent_id: UUID) -> Receipt:
    """The person's no to what they allowed before: decisions that follow this commit refuse (laws 1, 3, 5).

    Raises ConsentUnknown, ConsentEnded.
    """
    permit = policy.decide(ctx, "consent.withdraw", person_id)
    async with stack.db.transaction(permit) as tx:
        await store.raise_epoch(tx, person_id)
        found = await store.consent_by_id(tx, person_id, consent_id)
        if found is None:
            raise ConsentUnknown()
        receipt = await _end(stack, tx, permit, found, State.WITHDRAWN)
        log.append(tx, permit, subject=person_id, detail=_what(found))
    return receipt


async def expire_due(stack: Stack, ctx: Context, limit: int = 200) -> int:
    """Write down, signed, which consents have expired; how many. They ended at their time, not now (law 3)."""
    permit = policy.decide(ctx, "consent.expire_due", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        due = await store.due_consents(tx, ctx.at, limit)
        for consent in due:
            await _end(stack, tx, permit, consent, State.EXPIRED)
            log.append(tx, permit, subject=consent.person_id, detail=_what(consent))
        tx.repeated = not due  # nothing was due, so nothing was done, and no leaf is owed
    return len(due)


async def _end(stack: Stack, tx: Tx, permit: Permit, consent: Consent, how: State) -> Receipt:
    ended = rules.end(consent, how, permit.context.at)
    await store.end_consent(tx, ended)
    await _tell(stack, tx, "consent.ended", ended)
    return await _sign(stack, tx, ended)


async def _tell(stack: Stack, tx: Tx, kind: str, consent: Consent) -> None:
    event = ConsentChanged(consent.person_id, consent.consent_id, consent.institution, consent.purpose, consent.state)
    await stack.outbox.emit(tx, kind, event)


async def _sign(stack: Stack, tx: Tx, consent: Consent) -> Receipt:
    """Sign and keep a new state of a consent, chained to the one before (law 4)."""
    before = await store.newest_revision(tx, consent.person_id, consent.consent_id)
    predecessor = "" if before is None else before.hash
    basis = await store.agreement_version(tx, consent.agreement, consent.agreement_version)
    if basis is None:
        raise AgreementUnknown()
    principal = stack.pseudonym.of(consent.institution, consent.person_id)
    body = wire.receipt(consent, basis, principal, predecessor, stack.profile, stack.settings.url)
    snapshot = wire.canonical(body)
    signer = stack.keys.signer("consent")
    jws = wire.jws(snapshot, signer)
    made = store.Revision(
        revision=consent.revision,
        at=clock.now(),
        hash=wire.digest(snapshot),
        predecessor_hash=predecessor,
        kid=signer.kid,
        sealed=await stack.seal.seal(tx, consent.person_id, jws.encode(), RECEIPT_LABEL),
    )
    await store.put_revision(tx, consent, made)
    return _as_receipt(consent.consent_id, made, jws)


def _as_receipt(consent_id: ConsentId, revision: store.Revision, jws: str) -> Receipt:
    body = wire.payload(jws)
    return Receipt(
        consent_id=consent_id,
        state=wire.state_of(body),
        revision=revision.revision,
        hash=revision.hash,
        predecessor_hash=revision.predecessor_hash,
        kid=revision.kid,
        receipt=body,
        jws=jws,
    )


async def _receipt(stack: Stack, tx: Tx, consent: Consent) -> Receipt:
    newest = await store.newest_revision(tx, consent.person_id, consent.consent_id)
    if newest is None:
        raise ConsentUnknown()
    jws = await stack.seal.unseal(tx, consent.person_id, newest.sealed, RECEIPT_LABEL)
    return _as_receipt(consent.consent_id, newest, jws.decode())


async def receipts(stack: Stack, ctx: Context, person_id: PersonId, consent_id: UUID) -> list[Receipt]:
    """All signed states of one consent of the person, oldest first (ISO/IEC TS 27560). Raises ConsentUnknown."""
    permit = policy.decide(ctx, "consent.receipt", person_id)
    async with stack.db.transaction(permit) as tx:
        chain = await store.revisions_of(tx, person_id, consent_id)
        if not chain:
            raise ConsentUnknown()
        opened = [await stack.seal.unseal(tx, person_id, r.sealed, RECEIPT_LABEL) for r in chain]
        log.append(tx, permit, subject=person_id, detail={"consent": str(consent_id)})
    return [_as_receipt(ConsentId(consent_id), r, jws.decode()) for r, jws in zip(chain, opened, strict=True)]


async def consents_of(
    stack: Stack, ctx: Context, person_id: PersonId, after: str = "", limit: int = 50
) -> Page[Consent]:
    """The person's consents, newest first, with the state that they have now."""
    permit = policy.decide(ctx, "consent.consents_of", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.consents_of(tx, person_id, rules.cursor(after), rules.page_size(limit))
        log.append(tx, permit, subject=person_id, detail={"count": len(found)})
    now = [replace(each, state=rules.state_at(each, ctx.at)) for each in found]
    return Page(now, str(now[-1].consent_id) if len(now) == limit else "")


async def live_consent(tx: Tx, person_id: PersonId, institution: str, purpose: str, fields: tuple[str, ...]) -> Live:
    """The consent on which a decision of another room rests, read in that decision's own transaction (law 5).

    The running permit must reach the person. Raises ConsentMissing.
    """
    found = await store.live_consent(tx, person_id, institution, purpose, fields, clock.now())
    if found is None:
        raise ConsentMissing(institution=institution, purpose=purpose)
    return found


async def live_consents(tx: Tx, asks: Sequence[tuple[PersonId, str, str, tuple[str, ...]]]) -> dict[int, Live]:
    """The same for many decisions in one transaction: of asks (person, institution, purpose, fields), those that have
    a live consent, by their number in `asks`. Each person must be reached by the running permits."""
    return await store.live_consents(tx, asks, clock.now()) if asks else {}


async def stopped(tx: Tx, asks: Sequence[tuple[PersonId, str, str]]) -> set[int]:
    """Of asks (person, institution, purpose), the numbers of those that an upheld objection stops; for decisions that
    rest on another basis than consent. Each person must be reached by the running permits."""
    return await store.stopped(tx, asks) if asks else set()


async def stop_use(
    stack: Stack, ctx: Context, person_id: PersonId, institution: str, purpose: str, reference: str
) -> None:
    """Stop a use of the person's data, as decided in case `reference`: the next decision obeys (law 5).

    A consent that the person gives later allows it again.
    """
    permit = policy.decide(ctx, "consent.stop_use", person_id)
    async with stack.db.transaction(permit) as tx:
        await store.raise_epoch(tx, person_id)
        await store.stop(tx, person_id, institution, purpose, reference, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"case": reference, "to": institution, "for": purpose})


# Requests


async def person_by_number(stack: Stack, ctx: Context, number: str) -> PersonId:
    """Whose identity number this is, for an institution that may ask.

    Raises what the identity room says no with: a malformed or unknown number, or one that is not in use.
    """
    if ctx.purpose == "consent-management":  # to find somebody is to use the exchange, whatever for
        ctx = replace(ctx, purpose="data-exchange")
    return await identity.person_by_number(stack, ctx, number)


async def person_named(stack: Stack, ctx: Context, text: str, agreement_name: str) -> PersonId:
    """Whom an institution means: by its own pseudonym of the person, or by identity number.

    Raises NotPermitted before anybody is looked up unless the institution may ask for this agreement, and what the
    identity room says no with.
    """
    offered = await agreement(stack, agreement_name)
    own = offered.order.institution == ctx.actor.institution
    policy.decide(ctx, "consent.request", policy.NOBODY, own_institution=own)
    try:
        return stack.pseudonym.person(ctx.actor.institution, text)
    except Malformed:
        return await person_by_number(stack, ctx, text)


async def request_consent(stack: Stack, ctx: Context, person_id: PersonId, order: AskOrder) -> Request:
    """An institution asks the person for a consent to its own agreement; the person sees it in the portal.

    Raises AgreementUnknown, AgreementRetired, NotByConsent, BeyondAgreement.
    """
    offered = await agreement(stack, order.agreement)
    own = offered.order.institution == ctx.actor.institution
    permit = policy.decide(ctx, "consent.request", person_id, own_institution=own)
    async with stack.db.transaction(permit) as tx:
        made = rules.ask(order, offered, RequestId(uuid7()), ctx.at)
        kept = await store.put_request(tx, stack.seal, person_id, made)
        made = replace(made, request_id=kept)
        what: leaf.Detail = {"agreement": made.agreement, "fields": " ".join(made.fields), "for": made.purpose}
        log.append(tx, permit, subject=person_id, detail=what)
        await stack.outbox.emit(tx, "consent.asked", ConsentAsked(person_id, kept, made.institution, made.purpose))
    return made


async def requests_of(
    stack: Stack, ctx: Context, person_id: PersonId, after: str = "", limit: int = 50, only_open: bool = True
) -> Page[Request]:
    """What institutions ask the person to allow, newest first."""
    permit = policy.decide(ctx, "consent.requests_of", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.requests_of(
            tx, stack.seal, person_id, rules.cursor(after), rules.page_size(limit), only_open, ctx.at
        )
        log.append(tx, permit, subject=person_id, detail={"count": len(found)})
    return Page(found, str(found[-1].request_id) if len(found) == limit else "")


async def decline(stack: Stack, ctx: Context, person_id: PersonId, request_id: UUID) -> None:
    """The person's no to a request. Raises ConsentUnknown, RequestAnswered."""
    permit = policy.decide(ctx, "consent.decline", person_id)
    async with stack.db.transaction(permit) as tx:
        asked = await store.request_by_id(tx, stack.seal, person_id, request_id, ctx.at)
        if asked is None:
            raise ConsentUnknown()
        rules.check_open(asked, ctx.at)
        await store.answer_request(tx, person_id, request_id, RequestState.DECLINED)
        log.append(tx, permit, subject=person_id, detail={"to": asked.institution, "for": asked.purpose})
