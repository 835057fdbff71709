"""Virtual ids: sixteen random digits that a person hands out instead of the number, limited and revocable.

Whoever gets one can do with it what the number allows there, for as long as the person wants it, and learns nothing
by which two institutions could compare what they have. Wherever a number is taken a virtual id is, too.
"""

from datetime import datetime, timedelta
from typing import Final, NewType
from uuid import UUID

from msgspec import Struct

from msingi.identity import numbers, store, store_notices
from msingi.identity.errors import TooManyAliases, UnknownAlias
from msingi.identity.model import Status
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

AliasId = NewType("AliasId", UUID)
LABEL: Final = "identity.alias"
MOST_LIVE: Final = 20
LONGEST_DAYS: Final = 3650
ERRAND: Final = timedelta(minutes=10)
"""What one asker does within this time is one errand, and one use: a code is sent, and then answered."""


class AliasOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A virtual id to make: how many days it lives (0: until revoked), how often it may be used (0: any number)."""

    days: int = 0
    uses: int = 0


class VirtualId(Struct, frozen=True, omit_defaults=True):
    """A virtual id of one's own. `state`: live, used-up, expired or revoked."""

    alias_id: AliasId
    number: str
    state: str
    made_at: datetime
    expires_at: datetime | None = None
    uses_left: int | None = None


def alias_key(stack: Stack, number: str) -> bytes:
    """The blinded key (32 bytes) under which a virtual id is kept."""
    return stack.keys.blind(f"alias:{number}")


async def create_alias(stack: Stack, ctx: Context, person_id: PersonId, order: AliasOrder) -> VirtualId:
    """Make a virtual id. Raises Malformed, TooManyAliases with 20 live ones, NotPermitted for anybody else's."""
    if not 0 <= order.days <= LONGEST_DAYS:
        raise Malformed("From 0 (until revoked) to 3650 days.", field="days", rule="0-3650")
    if not 0 <= order.uses <= 10_000:
        raise Malformed("From 0 (any number) to 10000 uses.", field="uses", rule="0-10000")
    permit = policy.decide(ctx, "identity.create-alias", person_id)
    now = clock.now()
    expires = now + timedelta(days=order.days) if order.days else None
    async with stack.db.transaction(permit) as tx:
        status, _ = await store.lock_person(tx, person_id) or (Status.HELD, None)
        if status is not Status.ACTIVE:
            raise UnknownAlias()
        if await store_notices.live_aliases(tx, person_id, now) >= MOST_LIVE:
            raise TooManyAliases(most=MOST_LIVE)
        alias_id = AliasId(uuid7())
        while True:  # drawn again until it is one that never was (16 digits: practically never)
            number = numbers.draw_alias()
            sealed = await stack.seal.seal(tx, person_id, number.encode(), LABEL)
            key, uses = alias_key(stack, number), order.uses or None
            if await store_notices.add_alias(tx, key, alias_id, person_id, sealed, now, expires, uses):
                break
        log.append(tx, permit, subject=person_id, detail={"what": "virtual id made", "days": order.days})
    return VirtualId(alias_id, number, "live", now, expires, order.uses or None)


async def list_aliases(stack: Stack, ctx: Context, person_id: PersonId, limit: int = 50) -> tuple[VirtualId, ...]:
    """A person's virtual ids, newest first, ended ones included."""
    permit = policy.decide(ctx, "identity.list-aliases", person_id)
    now = clock.now()
    async with stack.db.transaction(permit) as tx:
        made = []
        for row in await store_notices.aliases(tx, person_id, limit):
            number = (await stack.seal.unseal(tx, person_id, row["sealed"], LABEL)).decode()
            left, ends = row["uses_left"], row["expires_at"]
            state = state_of(row["revoked_at"] is not None, ends, left, now)
            made.append(VirtualId(AliasId(row["alias_id"]), number, state, row["made_at"], ends, left))
        log.append(tx, permit, subject=person_id, detail={"what": "virtual ids listed"})
    return tuple(made)


def state_of(revoked: bool, expires_at: datetime | None, uses_left: int | None, now: datetime) -> str:
    """What a virtual id is worth now: revoked, expired, used-up or live."""
    if revoked:
        return "revoked"
    if expires_at is not None and expires_at <= now:
        return "expired"
    return "used-up" if uses_left == 0 else "live"


async def revoke_alias(stack: Stack, ctx: Context, person_id: PersonId, alias_id: AliasId) -> None:
    """End a virtual id; again is harmless. Raises UnknownAlias."""
    permit = policy.decide(ctx, "identity.revoke-alias", person_id)
    async with stack.db.transaction(permit) as tx:
        if not await store_notices.revoke_alias(tx, person_id, alias_id, clock.now()):
            raise UnknownAlias()
        log.append(tx, permit, subject=person_id, detail={"what": "virtual id revoked"})


async def resolve(tx: Tx, stack: Stack, ctx: Context, text: str) -> tuple[PersonId, Status] | None:
    """Whom a virtual id stands for now, counting the use; None for nobody's, an ended one, and a wrong one alike.

    Raises NumberWrong, so that a slip of the pen is told as one.
    """
    key = alias_key(stack, numbers.parse_alias(text))
    asker = stack.keys.blind(f"alias-asker:{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}")[:16]
    person_id = await store_notices.use_alias(tx, key, clock.now(), asker, ERRAND)
    if person_id is None:
        return None
    found = await store.status_of(tx, person_id)
    return None if found is None else (person_id, found[0])
