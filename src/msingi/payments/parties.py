"""Who stands behind an account or an alias: references, names as strangers may see them, and payees found."""

from uuid import UUID

from msgspec import structs

from msingi.identity import acts as identity
from msingi.identity.errors import NotInUse
from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Erased, Malformed, NotFound, NotPermitted, TooMany
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, rules, store, store_shared
from msingi.payments.model import Alias

NAMES = "payments-names"
ALIAS_LOOKUPS = 10
ALIAS_WINDOW_S = 60
ALIASES = ("phone", "identity", "account")


def person_of(ctx: Context) -> PersonId:
    """The person who acts; the id was made by the stack, so its form needs no judging. Raises NotPermitted."""
    if ctx.actor.kind is not Kind.PERSON:
        raise NotPermitted("This is for people; institutions and their staff have no account of this kind.")
    return PersonId(UUID(int=int(ctx.actor.id.replace("-", ""), 16)))


def person_ref(stack: Stack, person: PersonId) -> int:
    """The ledger's reference of a person as holder: a keyed hash."""
    return holder_ref(stack, f"person:{person}")


def institution_ref(stack: Stack, institution: str) -> int:
    """The ledger's reference of an institution as holder: a keyed hash."""
    return holder_ref(stack, f"institution:{institution}")


def holder_ref(stack: Stack, holder: str) -> int:
    """The ledger's reference of "person:<id>" or "institution:<code>"."""
    return rules.owner_ref(stack.local.get("payments.secret") or _secret(stack), holder)  # type: ignore[arg-type]


def _secret(stack: Stack) -> bytes:
    """The blinding secret, which is never rotated; kept, because it is needed for every order."""
    found = stack.local.get("payments.secret")
    if not isinstance(found, bytes):
        found = stack.local["payments.secret"] = stack.keys.mac("blind", "payments")
    return found


def permit_text(permit: Permit) -> str:
    """What the journal keeps of a permit: who ordered, for which purpose, on which basis."""
    ctx = permit.context
    actor = ctx.actor
    return f"{actor.kind}:{actor.id}@{actor.institution} {ctx.purpose} {ctx.basis}"


def institution_name(stack: Stack, institution: str) -> str:
    """An institution's name in the country's language, or its code."""
    for member in stack.profile.institutions:
        if member.code == institution:
            return stack.profile.say(member.name)
    return institution


def own_name(stack: Stack, ctx: Context) -> str:
    """How the actor appears to the payee: masked for a person, in full for an institution."""
    if ctx.actor.kind is not Kind.PERSON:
        return institution_name(stack, ctx.actor.institution)
    given, _, family = ctx.actor.name.rpartition(" ")
    return rules.masked(given, family) if ctx.actor.name else ""


async def count_lookup(stack: Stack, ctx: Context, alias: Alias) -> None:
    """Count a look-up of whoever acts. Raises TooMany after ten in a minute."""
    permit = policy.decide(ctx, "payments.resolve-alias", policy.NOBODY)
    actor = f"{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}"
    async with stack.db.transaction(permit) as tx:
        n = await store.count_alias(tx, actor, ctx.at, ALIAS_WINDOW_S)
        log.append(tx, permit, detail={"what": "alias look-up", "alias": alias.kind})
    if n > ALIAS_LOOKUPS:
        raise TooMany(retry_after_s=ALIAS_WINDOW_S)


async def payee(stack: Stack, ctx: Context, alias: Alias) -> tuple[int, str, str]:
    """The account that an alias leads to: its id, the masked name of its holder, its currency.

    Raises NoSuchAccount if there is nobody, or no account; Malformed for an unknown kind of alias.
    """
    if alias.kind not in ALIASES:
        raise Malformed(f"An alias is one of {', '.join(ALIASES)}.", field="payee.kind", rule="known-alias")
    if alias.kind == "account":
        return await _by_account(stack, ctx, rules.id_of(alias.value))
    person, name = await _identified(stack, ctx, alias)
    permit = policy.decide(ctx, "payments.resolve-alias", person)
    async with stack.db.transaction(permit) as tx:
        wallets = await store.default_wallets(tx, [person])
        log.append(tx, permit, subject=person, detail={"what": "initials and account for a payment"})
    if person not in wallets:
        raise errors.NoSuchAccount(party="payee")
    account, currency = wallets[person]
    return account, name, currency


async def _by_account(stack: Stack, ctx: Context, account: int) -> tuple[int, str, str]:
    async with stack.db.reading("payments") as tx:
        holder = await store.institution_of(tx, account)
    async with homes.home(stack, rules.shard_of(account)).db.reading("payments") as tx:
        row = await store.account(tx, account)
    if row is None:
        raise errors.NoSuchAccount(party="payee")
    if holder is not None:
        return account, institution_name(stack, holder["institution"]), row["currency"]
    permit = policy.decide(ctx, "payments.resolve-alias", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        people = await store_shared.owners_of(tx, account)
        for person in people or [None]:
            log.append(tx, permit, subject=person, detail={"what": "initials for a payment"})
    if not people:
        raise errors.NoSuchAccount(party="payee")
    names = [await initials_of(stack, ctx, person) for person in people]
    return account, " & ".join(names), row["currency"]


async def _identified(stack: Stack, ctx: Context, alias: Alias) -> tuple[PersonId, str]:
    """The person that a phone number or an identity number belongs to, with the masked name."""
    find = identity.person_by_phone if alias.kind == "phone" else identity.person_by_number
    try:
        person = await find(stack, ctx, alias.value)
    except (NotFound, NotInUse):
        raise errors.NoSuchAccount(party="payee") from None
    return person, await initials_of(stack, ctx, person)


@crossing("payments", room="identity")
async def initials_of(stack: Stack, ctx: Context, person: PersonId) -> str:
    """The initials of a person, made where the record is. The room itself reads it: whoever asked sees no more."""
    reader = structs.replace(ctx, actor=Actor(Kind.JOB, NAMES, assurance=2), purpose="payment")
    try:
        name = (await identity.read_person(stack, reader, person)).demographics.name
    except (NotFound, Erased):
        return "?"
    return rules.masked(name.given, name.family)
