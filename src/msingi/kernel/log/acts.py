"""Verbs of the log itself: a court order veils what an investigation looks at, for a time, and everybody sees how many.

A veil changes nothing in the log: each access leaves its entry at once, and its proof will hold. What the veil decides
is whether the person sees the line already. It ends by itself on its day, at most as far away as the country's law
allows, and the order's own line appears with all it has hidden. Who may order and lift is `policy.cedar`'s to say.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from msingi.kernel import policy, sql
from msingi.kernel.context import Context
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.log.errors import VeilWrong

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack

Q = sql.load(__name__)
MAX_REFERENCE = 120


class VeilOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What a court orders: accesses of `institution` for `purpose` stay hidden `until`; `reference` names the order."""

    institution: str
    purpose: str
    until: datetime
    reference: str


class Veil(Struct, frozen=True):
    """An order in force, as the court that gave it sees it. The reference stands sealed in the log, with the order."""

    veil_id: UUID
    person_id: PersonId
    institution: str
    purpose: str
    ordered_at: datetime
    until: datetime


class VeiledCount(Struct, frozen=True):
    """How many orders were given, and how many entries were hidden, for one institution in one month."""

    institution: str
    month: date
    orders: int
    entries: int


def check(order: VeilOrder, now: datetime, most_days: int, purposes: Collection[str]) -> None:
    """Raises VeilWrong, naming the field, unless the country's law allows this order."""
    if not order.reference.strip() or len(order.reference) > MAX_REFERENCE:
        raise VeilWrong("An order has a reference of at most 120 characters.", field="reference", rule="given")
    if not order.institution or len(order.institution) > 100:
        raise VeilWrong("An order names an institution.", field="institution", rule="given")
    if order.purpose not in purposes:
        raise VeilWrong("The law lets nobody hide accesses for this purpose.", field="purpose", rule="law.veils")
    if order.until.tzinfo is None or not now < order.until <= now + timedelta(days=most_days):
        raise VeilWrong(f"An order ends within {most_days} days.", field="until", rule="law.veils.most_days")


async def order_veil(stack: "Stack", ctx: Context, person_id: PersonId, order: VeilOrder) -> UUID:
    """Hide an institution's accesses to a person from that person until a day; gives the order's id.

    What was accessed before the order stays visible. The order's own line is hidden with the rest.
    Raises VeilWrong, NotPermitted.
    """
    other = order.institution != ctx.actor.institution
    permit = policy.decide(ctx, "log.order-veil", person_id, other_institution=other)
    law = stack.profile.law.veils
    check(order, ctx.at, law.most_days, law.purposes)
    veil_id = uuid7()
    async with stack.db.transaction(permit) as tx:
        await tx.do(
            Q.put_veil, person_id, veil_id, order.institution, order.purpose, ctx.at, order.until, ctx.actor.institution
        )
        await tx.do(Q.count_order, order.institution, ctx.at)
        detail: leaf.Detail = {
            "institution": order.institution,
            "purpose": order.purpose,
            "until": order.until.isoformat(timespec="seconds"),
            "reference": order.reference,
        }
        leaf.append(tx, permit, subject=person_id, detail=detail, veil_id=veil_id)
    return veil_id


async def list_veils(stack: "Stack", ctx: Context, before: UUID | None = None, limit: int = 30) -> list[Veil]:
    """The orders in force of the caller's own court, newest first, `limit` (1 to 200) before an id."""
    permit = policy.decide(ctx, "log.list-veils", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await tx.rows(Q.veils_of_court, ctx.actor.institution, ctx.at, before, max(1, min(limit, 200)))
        leaf.append(tx, permit, detail={"orders": len(rows)})
    return [Veil(**row) for row in rows]


async def lift_veil(stack: "Stack", ctx: Context, person_id: PersonId, veil_id: UUID) -> None:
    """End an order before its day: the person sees all it has hidden. Raises NotFound if it is not in force."""
    permit = policy.decide(ctx, "log.lift-veil", person_id)
    async with stack.db.transaction(permit) as tx:
        institution = await tx.value(Q.lift_veil, person_id, veil_id, ctx.at)
        if institution is None:
            raise NotFound("No order in force has this id.")
        leaf.append(tx, permit, subject=person_id, detail={"institution": institution, "what": "an order ended early"})


async def veiled_counts(stack: "Stack", before: date | None = None, limit: int = 100) -> list[VeiledCount]:
    """How many orders and hidden entries there were, by month and institution; public, about nobody."""
    async with stack.db.plumbing() as conn:
        rows = await conn.fetch(Q.veiled_counts.text, before or date.max, limit)
    return [VeiledCount(**row) for row in rows]
