"""Finding people by number or phone, without letting anybody find out who exists by trying.

At a nation's size one in some thousand well-formed numbers is somebody's. A look-up that finds nobody is therefore
counted for whoever asked, in the transaction of its leaf, and after too many the next is refused, whatever it asks.
"""

from collections.abc import Iterable

from msingi.identity import aliases, numbers, rules, store
from msingi.identity.enrolment import number_key, phone_key
from msingi.identity.errors import NotInUse, TooManyMisses, UnknownNumber
from msingi.identity.model import Status
from msingi.kernel import log, policy, tally
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound, TooMany
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

MISSES = {
    Kind.PERSON: tally.Limit("identity.find: misses of a person", 20, 3600),
    Kind.STAFF: tally.Limit("identity.find: misses of a member of staff", 40, 3600),
    Kind.CLIENT: tally.Limit("identity.find: misses of software", 400, 3600),
}
LIST_MISSES = tally.Limit("identity.find: misses in lists", 4_000, 24 * 3600)


class _Misses:
    """Counts the look-ups of one caller that find nobody; the stack's own jobs are not counted.

    Raises TooManyMisses, before anything is looked up, for a caller who has had too many.
    """

    def __init__(self, stack: Stack, ctx: Context, lists: bool = False) -> None:
        self.stack, self.at = stack, ctx.at
        self.who = f"{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}"
        self.limit = MISSES.get(ctx.actor.kind)
        if self.limit is not None and lists:
            self.limit = LIST_MISSES
        if self.limit is not None:
            try:
                tally.check(stack, self.limit, self.who, ctx.at)
            except TooMany as over:
                raise TooManyMisses(retry_after_s=over.facts["retry_after_s"]) from None

    async def add(self, tx: Tx, count: int) -> None:
        """Count look-ups that found nobody, in their own transaction."""
        if self.limit is not None and count:
            await tally.add(self.stack, tx, self.limit, self.who, self.at, int(count))


@crossing("payments")
async def persons_by_number(
    stack: Stack, ctx: Context, wanted: Iterable[str], *, any_status: bool = False
) -> dict[str, PersonId]:
    """The person behind each identity number (written in any way); numbers in use by nobody are absent.

    With `any_status`, suspended and deactivated people are found too. Raises NumberWrong for a malformed number,
    TooManyMisses.
    """
    wanted = list(wanted)
    keys = {number_key(stack, numbers.parse(text)): text for text in wanted if not numbers.is_alias(text)}
    permit = policy.decide(ctx, "identity.find", policy.ANYONE)
    misses = _Misses(stack, ctx, lists=True)
    async with stack.db.transaction(permit) as tx:
        found = await store.by_numbers(tx, keys)
        people = {keys[k]: p for k, (p, status) in found.items() if any_status or status is Status.ACTIVE}
        unknown = len(keys) - len(found)
        for text in filter(numbers.is_alias, wanted):
            meant = await aliases.resolve(tx, stack, ctx, text)
            unknown += meant is None
            if meant is not None and (any_status or meant[1] is Status.ACTIVE):
                people[text] = meant[0]
        for person_id in dict.fromkeys(people.values()):
            log.append(tx, permit, subject=person_id, detail={"what": "found by number"})
        if not people:
            log.append(tx, permit, detail={"what": "nobody found by number"})
        await misses.add(tx, unknown)
    return people


@crossing("health", "payments")
async def person_by_number(
    stack: Stack, ctx: Context, number: str, *, any_status: bool = False, to: str = ""
) -> PersonId:
    """The person behind an identity number or a virtual id. Raises NumberWrong, UnknownNumber, NotInUse unless active,
    TooManyMisses.

    `to` names the act that the look-up is for: who may not do that does not learn either which numbers exist.
    """
    if to:
        policy.decide(ctx, to, policy.NOBODY)
    alias = numbers.is_alias(number)
    key = b"" if alias else number_key(stack, numbers.parse(number))
    permit = policy.decide(ctx, "identity.find", policy.ANYONE)
    misses = _Misses(stack, ctx)
    async with stack.db.transaction(permit) as tx:
        if alias:
            found = await aliases.resolve(tx, stack, ctx, number)
        else:
            found = (await store.by_numbers(tx, [key])).get(key)
        person_id = found and found[0]
        log.append(tx, permit, subject=person_id, detail={"what": "found by number" if found else "nobody found"})
        await misses.add(tx, not found)
    if found is None:
        raise UnknownNumber()
    if found[1] is not Status.ACTIVE and not any_status:
        raise NotInUse(status=found[1])
    return found[0]


@crossing("payments")
async def person_by_phone(stack: Stack, ctx: Context, phone: str) -> PersonId:
    """The active person whom a phone finds. Raises Malformed, NotFound if it finds nobody, NotInUse,
    TooManyMisses."""
    key = phone_key(stack, rules.phone(phone, stack.profile))
    permit = policy.decide(ctx, "identity.find", policy.ANYONE)
    misses = _Misses(stack, ctx)
    async with stack.db.transaction(permit) as tx:
        found = await store.by_phone(tx, key)
        person_id = found and found[0]
        log.append(tx, permit, subject=person_id, detail={"what": "found by phone" if found else "nobody found"})
        await misses.add(tx, not found)
    if found is None:
        raise NotFound("No person is found by this phone.")
    if found[1] is not Status.ACTIVE:
        raise NotInUse(status=found[1])
    return found[0]
