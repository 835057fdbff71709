"""What an award does inside its transaction: gather the facts, freeze them, and tell a change to every copy."""

import secrets
from typing import Any

import msgspec

from msingi.credentials import rules as cards
from msingi.credentials.issuance import facts, rules, store
from msingi.credentials.issuance.engine import FACTS
from msingi.credentials.issuance.facts import Seen
from msingi.credentials.issuance.model import Holding, HoldingChanged, HoldingId, Kind, Values
from msingi.credentials.model import CardState, Reason
from msingi.identity import acts as identity
from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Conflict
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

_ALPHABET = "23456789BCDFGHJKMNPQRTVWXYZ"  # no vowels, so no words; nothing that looks like something else


async def seen(stack: Stack, kind: Kind, person_id: PersonId) -> Seen:
    """What the kind's sources look at, read by the stack itself: the awarding officer need not see it.

    Raises HolderNotActive, HolderIncomplete, NotFound, Erased.
    """
    reading = job_context("credentials", "credential-issuance")
    person = await identity.read_person(stack, reading, person_id)
    cards.may_hold(person.status, person.demographics.name.full, person.number)
    photo = await identity.read_photo(stack, reading, person_id) if facts.needs_photo(kind) else b""
    today = clock.today()
    number = kind.kind[0].upper() + "".join(secrets.choice(_ALPHABET) for _ in range(9))
    return Seen(person, photo or b"", stack.profile, kind, number, today, rules.ends_on(kind, today))


async def live_ids(stack: Stack, person_id: PersonId, kind: Kind) -> list[HoldingId]:
    """What the person holds of a kind, the newest first."""
    permit = policy.decide(job_context("credentials", "credential-issuance"), "credentials.hold", person_id)
    async with stack.db.transaction(permit) as tx:
        found = (await store.live_holdings(tx, [(person_id, kind.kind)])).get((person_id, kind.kind), [])
        log.append(tx, permit, subject=person_id, detail={"kind": kind.kind, "held": len(found)})
    return [holding.holding_id for holding, _ in reversed(found)]


async def write(stack: Stack, tx: Tx, kind: Kind, person_id: PersonId, seen: Seen, stated: Values) -> Holding:
    """A new holding with its frozen facts; the one before it ends where there may be only one."""
    if not kind.several:
        before = await store.live_holding(tx, person_id, kind.kind)
        if before:
            await write_state(stack, tx, before[0], rules.change(before[0], CardState.REVOKED, Reason.REPLACED))
    holding = Holding(
        person_id=person_id,
        holding_id=HoldingId(uuid7()),
        kind=kind.kind,
        institution=kind.institution,
        state=CardState.ACTIVE,
        reason="",
        document=seen.document,
        issued_on=seen.issued_on,
        expires_on=seen.expires_on,
        single=not kind.several,
    )
    frozen = msgspec.msgpack.encode(facts.gathered(seen, stated))
    if not await store.add_holding(tx, holding, await stack.seal.seal(tx, person_id, frozen, FACTS)):
        raise Conflict("This credential is being awarded at this moment.")
    await _tell(stack, tx, holding)
    return holding


async def renew(stack: Stack, tx: Tx, kind: Kind, found: tuple[Holding, bytes], seen: Seen) -> Holding:
    """The holding with the register's facts as they are now; its number, dates and stated values stay."""
    holding, sealed = found
    old = msgspec.msgpack.decode(await stack.seal.unseal(tx, holding.person_id, sealed, FACTS))
    stated = {c.key: old[c.key] for c in kind.claims if c.source == "institution" and c.key in old}
    same = {"document": holding.document, "issued_on": holding.issued_on, "expires_on": holding.expires_on}
    now = facts.gathered(msgspec.structs.replace(seen, **same), stated)
    if now != old:
        # What was signed before states what is no longer so: it ends with its short life, or now if it states a lie.
        await store.renew_facts(
            tx, holding, await stack.seal.seal(tx, holding.person_id, msgspec.msgpack.encode(now), FACTS)
        )
    else:
        await store.renew_facts(tx, holding, sealed)
    return msgspec.structs.replace(holding, stale=False)


async def write_state(stack: Stack, tx: Tx, before: Holding, after: Holding) -> int:
    """Write a new state, the entries of all copies, and the news of it; the number of copies (law 2)."""
    if after is before:
        return 0
    reached = await store.set_state(tx, after, cards.listed(after.state), clock.today())
    await _tell(stack, tx, after)
    return reached


async def follow(stack: Stack, tx: Tx, person_id: PersonId, identity_status: str) -> int:
    """Bring everything that a person holds in line with the status of the identity; how many holdings changed."""
    changed = 0
    for holding, _, _ in await store.holdings_of(tx, person_id):
        after = rules.follow(holding, identity_status)
        if after is not holding:
            await write_state(stack, tx, holding, after)
            changed += 1
    return changed


async def _tell(stack: Stack, tx: Tx, holding: Holding) -> None:
    if stack.outbox.wanted("credentials.holding-changed"):
        news = HoldingChanged(holding.person_id, holding.holding_id, holding.kind, holding.state, holding.reason)
        await stack.outbox.emit(tx, "credentials.holding-changed", news)


def as_text(kind: Kind | None, values: Values) -> dict[str, str]:
    """The claims as a person reads them; pictures are left out."""
    order = [claim.key for claim in kind.claims] if kind else sorted(values)
    return {key: _text(values[key]) for key in order if key in values and not isinstance(values[key], bytes)}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_text(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(_text(v) for v in value.values())
    return {True: "✓", False: "–"}[value] if isinstance(value, bool) else str(value)
