"""Verbs of issuance: describe and approve kinds, award, hold, end, offer, and sign copies for wallets."""

from typing import Any
from uuid import UUID

import msgspec

from msingi.credentials import acts as cards
from msingi.credentials.issuance import awards, engine, kinds, offers, rules, store, waiting
from msingi.credentials.issuance.engine import FACTS, Stale
from msingi.credentials.issuance.errors import KindTaken, KindWrong, NoSuchHolding, NoSuchKind, WalletProviderWrong
from msingi.credentials.issuance.model import (
    AwardOrder,
    Copies,
    CopyOrder,
    Holding,
    HoldingChange,
    HoldingId,
    HoldingSummary,
    KindProposal,
    Offered,
    Waiting,
)
from msingi.credentials.model import CardState, Reason
from msingi.identity import acts as identity
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import ANYBODY, Context, context, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

ROOM = "credentials"


async def propose_kind(stack: Stack, ctx: Context, description: dict[str, Any]) -> KindProposal:
    """Propose a kind of one's own institution; it is in force when somebody else approves it (law 7).

    Raises KindWrong, naming the part; KindTaken for the name of another's kind or of the country's own.
    """
    kind = kinds.read(description)
    wrong = kinds.mistakes(kind, stack.profile)
    if wrong:
        raise KindWrong(" ".join(wrong[:5]), field=wrong[0].partition(":")[0], rule=wrong[0].partition(": ")[2])
    permit = policy.decide(
        ctx, "credentials.propose_kind", policy.NOBODY, own_institution=kind.institution == ctx.actor.institution
    )
    if any(k.kind == kind.kind for k in kinds.of_profile(stack.profile)):
        raise KindTaken()
    async with stack.db.transaction(permit) as tx:
        plain = msgspec.to_builtins(kind)
        if not await store.put_kind(tx, kind.kind, kind.institution, plain, ctx.actor.id):
            raise KindTaken()
        log.append(tx, permit, detail={"kind": kind.kind, "institution": kind.institution})
    kinds.forget(stack)
    return KindProposal(description=kind, state="proposed", proposed_by=ctx.actor.id)


async def decide_kind(stack: Stack, ctx: Context, kind: str, approve: bool) -> KindProposal:
    """Approve or refuse a proposed kind. Raises NoSuchKind, OwnProposal."""
    permit = policy.decide(ctx, "credentials.decide_kind", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        row = await store.hold_kind(tx, kind)
        if row is None or row["state"] != "proposed":
            raise NoSuchKind()
        rules.check_decider(row["proposed_by"], ctx.actor.id)
        state = "in-force" if approve else "refused"
        await store.decide_kind(tx, kind, state, ctx.actor.id)
        log.append(tx, permit, detail={"kind": kind, "state": state})
        tx.after_commit.append(lambda: kinds.forget(stack))
    return KindProposal(
        description=kinds.read(row["description"]), state=state, proposed_by=row["proposed_by"], decided_by=ctx.actor.id
    )


async def kind_proposals(stack: Stack, ctx: Context) -> list[KindProposal]:
    """The kinds that were proposed: of the actor's institution, or all for who decides about them."""
    everything = policy.weigh(ctx, "credentials.decide_kind", (), {}).allowed
    permit = policy.decide(ctx, "credentials.kind_proposals", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        rows = await store.kind_proposals(tx, "" if everything else ctx.actor.institution)
        log.append(tx, permit, detail={"proposals": len(rows)})
    return [
        KindProposal(
            description=kinds.read(r["description"]),
            state=r["state"],
            proposed_by=r["proposed_by"],
            decided_by=r["decided_by"],
        )
        for r in rows
    ]


async def accept_wallet_provider(stack: Stack, ctx: Context, client_id: str, name: str, certificate: str) -> None:
    """Accept the attestations of a provider of wallets, whose software is registered as `client_id`.

    `certificate` is the provider's root, as PEM or as base64 of its DER. Raises WalletProviderWrong.
    """
    from msingi.credentials.issuance import wallets

    try:
        anchor = wallets.anchor(certificate)
    except ValueError:
        raise WalletProviderWrong(field="certificate", rule="an X.509 certificate") from None
    permit = policy.decide(ctx, "credentials.accept_wallet_provider", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await store.put_wallet_provider(tx, client_id, name, anchor, ctx.actor.id)
        log.append(tx, permit, detail={"client": client_id, "name": name})
        tx.after_commit.append(lambda: wallets.forget(stack))


async def award(stack: Stack, ctx: Context, order: AwardOrder) -> Holding:
    """Award a kind of one's own institution to a person; a live one of a single kind ends (law 7).

    Raises NoSuchKind, ValueWrong, and what finding and reading the person raises.
    """
    kind = await kinds.named(stack, order.kind)
    own = kind.institution == ctx.actor.institution
    policy.decide(ctx, "credentials.award", policy.NOBODY, own_institution=own)
    stated = rules.stated(kind, order.values)
    person_id = await identity.person_by_number(stack, ctx, order.number)
    permit = policy.decide(ctx, "credentials.award", person_id, own_institution=own)
    seen = await awards.seen(stack, kind, person_id)
    key = f"award:{ctx.actor.kind}:{ctx.actor.id}:{order.order_id or ctx.request_id}:{person_id}"
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, key, {"kind": kind.kind, "person": str(person_id)}):
            return msgspec.msgpack.decode(first, type=Holding)
        holding = await awards.write(stack, tx, kind, person_id, seen, stated)
        log.append(tx, permit, subject=person_id, detail={"kind": kind.kind, "document": holding.document})
        await once.settle(tx, ROOM, key, msgspec.msgpack.encode(holding))
    return holding


async def hold(stack: Stack, ctx: Context, person_id: PersonId, kind_name: str) -> Holding:
    """The person's live holding of a kind, with the facts as the register has them now.

    An open kind is held by whoever is registered; of another, somebody must have awarded one.
    Raises NoSuchKind, NoSuchHolding, HolderNotActive.
    """
    kind = await kinds.named(stack, kind_name)
    permit = policy.decide(ctx, "credentials.hold", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.live_holding(tx, person_id, kind.kind)
        log.append(tx, permit, subject=person_id, detail={"kind": kind.kind, "held": found is not None})
    if found and not found[0].stale:
        return found[0]
    if not found and not kind.open:
        raise NoSuchHolding()
    seen = await awards.seen(stack, kind, person_id)
    fresh = policy.decide(job_context("credentials", "credential-issuance"), "credentials.freeze_facts", person_id)
    async with stack.db.transaction(fresh) as tx:
        found = await store.live_holding(tx, person_id, kind.kind)  # somebody else may have been faster
        if found is None:
            holding = await awards.write(stack, tx, kind, person_id, seen, {})
        else:
            holding = await awards.renew(stack, tx, kind, found, seen)
        log.append(tx, fresh, subject=person_id, detail={"kind": kind.kind, "document": holding.document})
    return holding


async def holdings_of(stack: Stack, ctx: Context, person_id: PersonId) -> list[HoldingSummary]:
    """Everything that a person holds or held, the newest first, with its claims as text."""
    permit = policy.decide(ctx, "credentials.holdings_of", person_id)
    known = await kinds.known(stack)
    found = []
    async with stack.db.transaction(permit) as tx:
        for holding, sealed, copies in await store.holdings_of(tx, person_id):
            values = msgspec.msgpack.decode(await stack.seal.unseal(tx, person_id, sealed, FACTS))
            found.append(
                HoldingSummary(
                    holding_id=holding.holding_id,
                    kind=holding.kind,
                    institution=holding.institution,
                    state=rules.state_on(holding, clock.today()),
                    reason=holding.reason,
                    document=holding.document,
                    issued_on=holding.issued_on,
                    expires_on=holding.expires_on,
                    copies=copies,
                    values=awards.as_text(known.by_name.get(holding.kind), values),
                )
            )
        log.append(tx, permit, subject=person_id, detail={"credentials": len(found)})
    return found


async def change_holding(
    stack: Stack, ctx: Context, person_id: PersonId, holding_id: HoldingId, wanted: CardState, reason: Reason
) -> HoldingChange:
    """Suspend, reinstate or end a holding: it reaches every copy of it, and the ID cards of the register's own kind.

    Raises NoSuchHolding, HoldingEnded (laws 2 and 3).
    """
    async with stack.db.transaction(policy.decide(ctx, "credentials.see_holding", person_id)) as tx:
        found = await store.holding(tx, person_id, holding_id)
        log.append(tx, tx.permits[0], subject=person_id, detail={"found": found is not None})
    if found is None:
        raise NoSuchHolding()
    own = found[0].institution == ctx.actor.institution
    permit = policy.decide(
        ctx, "credentials.change_holding", person_id, own_institution=own, wanted=wanted.value, reason=reason.value
    )
    async with stack.db.transaction(permit) as tx:
        found = await store.holding(tx, person_id, holding_id)
        assert found is not None
        copies = await awards.write_state(stack, tx, found[0], rules.change(found[0], wanted, reason))
        kind = (await kinds.known(stack)).by_name.get(found[0].kind)
        if kind is not None and kind.open and found[0].institution == stack.profile.authority.member:
            copies += await cards.change_all(stack, tx, person_id, wanted, reason)
        log.append(tx, permit, subject=person_id, detail={"kind": found[0].kind, "state": wanted, "copies": copies})
    return HoldingChange(holding_id, wanted, reason, copies)


async def register_changed(stack: Stack, ctx: Context, person_id: PersonId) -> int:
    """The register has a new version of a person: facts are read again before the next copy; how many holdings."""
    permit = policy.decide(ctx, "credentials.register_changed", person_id)
    async with stack.db.transaction(permit) as tx:
        changed = await store.mark_stale(tx, person_id)
        log.append(tx, permit, subject=person_id, detail={"credentials": changed})
    return changed


async def make_offer(
    stack: Stack, ctx: Context, person_id: PersonId, kind_name: str, *, with_code: bool = True, by_sms: bool = False,
    code_by_sms: bool = False,
) -> Offered:  # fmt: skip
    """An offer of a kind to the person's wallet, for 15 minutes; `by_sms` sends the link to the person's phone.

    `code_by_sms` sends the transaction code there, where there is a phone; the answer is then without it.

    Raises NoSuchKind, NoSuchHolding, RequestDenied.
    """
    kind = await kinds.named(stack, kind_name)
    policy.decide(ctx, "credentials.make_offer", person_id, own_institution=kind.institution == ctx.actor.institution)
    holding = await hold(stack, job_context("credentials", "credential-issuance"), person_id, kind_name)
    rules.may_copy(holding, clock.today())
    return await offers.make(stack, ctx, person_id, kind, with_code=with_code, by_sms=by_sms, code_by_sms=code_by_sms)


async def issue_copies(stack: Stack, ctx: Context, order: CopyOrder) -> Copies:
    """Sign one copy for each proven key, durable when this returns; orders that come together share a transaction.

    Raises InvalidNonce for a nonce that was used, InvalidProofOfKey for too many keys, RequestDenied.
    """
    kind = await kinds.named(stack, order.kind)
    rules.check_keys(kind, order.holders)
    permit = policy.decide(ctx, "credentials.issue_copies", order.person_id)
    try:
        return await engine.line(stack).sign(permit, order, kind)
    except Stale:
        await hold(stack, job_context("credentials", "credential-issuance"), order.person_id, order.kind)
        return await engine.line(stack).sign(permit, msgspec.structs.replace(order, nonces=()), kind)


async def ask_copies(stack: Stack, ctx: Context, order: CopyOrder) -> str:
    """Keep an order until an officer decides; gives the transaction id by which the wallet collects (law 4)."""
    kind = await kinds.named(stack, order.kind)
    rules.check_keys(kind, order.holders)
    holding = rules.may_copy(
        await hold(stack, job_context("credentials", "credential-issuance"), order.person_id, order.kind), clock.today()
    )
    return await waiting.keep(stack, ctx, order, kind, holding)


async def waiting_requests(stack: Stack, ctx: Context) -> list[Waiting]:
    """The requests that wait for an officer of the actor's institution, the oldest first, at most 200."""
    permit = policy.decide(ctx, "credentials.waiting_requests", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.waiting_requests(tx, ctx.actor.institution, 200)
        log.append(tx, permit, detail={"requests": len(rows)})
    return [waiting.read(row) for row in rows]


async def decide_request(stack: Stack, ctx: Context, person_id: PersonId, request_id: UUID, approve: bool) -> Waiting:
    """Approve or refuse a wallet's request. Raises NoSuchRequest."""
    return await waiting.decide(stack, ctx, person_id, request_id, approve)


async def collect(stack: Stack, ctx: Context, person_id: PersonId, transaction_id: str, client: str) -> Copies | None:
    """The copies of an approved request, once; None while nobody has decided.

    Raises InvalidTransaction, RequestDenied.
    """
    return await waiting.collect(stack, ctx, person_id, transaction_id, client)


async def notify(stack: Stack, ctx: Context, person_id: PersonId, holding_id: HoldingId, event: str) -> None:
    """Keep in the person's log what the wallet says became of copies: accepted, failed or deleted."""
    permit = policy.decide(ctx, "credentials.notify", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.holding(tx, person_id, holding_id)
        log.append(tx, permit, subject=person_id, detail={"event": event, "kind": found[0].kind if found else ""})


async def sweep(stack: Stack, ctx: Context) -> int:
    """Forget nonces, offers, requests and copies that have expired, each after its time; how many."""
    permit = policy.decide(ctx, "credentials.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        gone = await store.forget(tx, ctx.at)
        log.append(tx, permit, detail={"forgotten": gone})
    return gone


def offer_context(request_id: str) -> Context:
    """The context in which anybody shows the code of an offer."""
    return context(ANYBODY, "credential-issuance", "legal-obligation", request_id=request_id, channel="wallet")
