"""What the operator of the switch does about who takes part: currencies, participants, their keys and accounts."""

from hashlib import sha256

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import token
from msingi.kernel.stack import Stack
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.model import AccountKind
from msingi.payments.switch import errors, jws, moving, post, roll, rules, store
from msingi.payments.switch.model import Fsp, FspAccount, Member, Proof, SettledCurrency, Settlement, Speaks, Standing

MOST_FSPS = 2_000
LONGEST_TEXT = 200
MOST_PAGE = 200


async def settle_currency(
    stack: Stack, ctx: Context, currency: str, digits: int, settlement: Settlement = Settlement.NET
) -> SettledCurrency:
    """Settle a currency from now on: `digits` decimals, net in windows or gross at once. Repeating it is harmless.

    Raises Malformed.
    """
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise Malformed("A currency is an ISO 4217 code.", field="currency", rule="iso4217")
    if not 0 <= digits <= 4:
        raise Malformed("A currency has 0 to 4 decimals.", field="digits", rule="0..4")
    permit = policy.decide(ctx, "payments.switch-settle-currency", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        known = next((c for c in await store.currencies(tx) if c.currency == currency), None)
        if known is None:
            floor = -ledger_rules.MAX_BALANCE_MINOR
            outside = await ledger_store.open_institution_account(
                tx, "switch/hub", moving.holder(stack, roll.HUB), AccountKind.SETTLEMENT, currency, floor, "outside",
                ctx.at,
            )  # fmt: skip
            known = SettledCurrency(currency, digits, settlement, outside)
            await store.put_currency(tx, known)
            await store.open_window(tx, ctx.at)
        log.append(tx, permit, detail={"currency": currency, "settlement": known.settlement})
    roll.forget(stack)
    return known


async def join(
    stack: Stack, ctx: Context, fsp: str, institution: str, name: str, key: str, endpoint: str,
    proof: Proof = Proof.SIGNATURE, speaks: Speaks = Speaks.ANY,
) -> str:  # fmt: skip
    """Let a participant join: its public RSA key in PEM, and where its callbacks go; gives its token, once.

    The token proves requests to read without a signature. An empty key with the endpoint "inside:" is our own bank's,
    whose key is made and kept here. Raises BadKey, BadSyntax, FspExists, Malformed.
    """
    permit = policy.decide(ctx, "payments.switch-join", policy.NOBODY)
    rules.fsp_id(fsp, "fsp")
    secret = None
    if not key and (endpoint == post.INSIDE or fsp == roll.HUB):
        private, key = jws.new_key()
        secret = stack.seal.seal_with_room_key(f"payments.switch-key/{fsp}", private)
    else:
        checked(endpoint, name)
    jws.public_key(key)
    if proof is Proof.NETWORK and not stack.settings.sandbox:
        raise Malformed("Outside a sandbox every message is signed.", field="proof", rule="signature")
    shown = token(32)
    made = Fsp(fsp, institution, name, key, endpoint, True, proof, ctx.at, speaks)
    async with stack.db.transaction(permit) as tx:
        known = await store.fsps(tx)
        if len(known) >= MOST_FSPS or not await store.put_fsp(tx, made, sha256(shown.encode()).digest(), secret):
            raise errors.FspExists()
        log.append(tx, permit, detail={"participant": fsp, "institution": institution})
    roll.forget(stack)
    return shown


def checked(endpoint: str, name: str) -> None:
    """Raises Malformed for an address that is none, or names that are too long."""
    if not endpoint.startswith(("http://", "https://")) or len(endpoint) > LONGEST_TEXT or not endpoint.isprintable():
        raise Malformed("An endpoint is an http or https address.", field="endpoint", rule="http(s)")
    if any(sign in endpoint for sign in " @?#\\"):
        raise Malformed("An endpoint is an address without credentials or query.", field="endpoint", rule="plain-url")
    if not 0 < len(name) <= LONGEST_TEXT or not name.isprintable():
        raise Malformed("A name has 1 to 200 characters.", field="name", rule="length<=200")


async def change(
    stack: Stack, ctx: Context, fsp: str, *, endpoint: str | None = None, key: str | None = None,
    active: bool | None = None,
) -> Fsp:  # fmt: skip
    """Change a participant's address or key, suspend it or let it take part again.

    What is under way ends by itself. Raises UnknownFsp, BadKey, Malformed.
    """
    stops = active is False and endpoint is None and key is None
    permit = policy.decide(ctx, "payments.switch-change", policy.NOBODY, stops=stops)
    if endpoint is not None:
        checked(endpoint, fsp)
    if key is not None:
        jws.public_key(key)
    async with stack.db.transaction(permit) as tx:
        if not await store.change_fsp(tx, fsp, endpoint, key, active, None):
            raise errors.UnknownFsp(party="fsp")
        found = next(f for f in await store.fsps(tx) if f.fsp == fsp)
        new = {"new_endpoint": endpoint is not None, "new_key": key is not None, "active": found.active}
        log.append(tx, permit, detail={"participant": fsp, **new})
    roll.forget(stack)
    return found


async def open_accounts(stack: Stack, ctx: Context, fsp: str, currency: str) -> FspAccount:
    """Let a participant settle in a currency: a cover account and a position, both empty. Repeating it is harmless.

    Raises UnknownFsp, BadCurrency.
    """
    permit = policy.decide(ctx, "payments.switch-open-accounts", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        rules.settled_in(await store.currencies(tx), currency)
        if fsp not in {f.fsp for f in await store.fsps(tx)}:
            raise errors.UnknownFsp(party="fsp")
        held = await store.locked(tx, fsp, currency)
        if held is None:
            opened = [
                await ledger_store.open_institution_account(
                    tx, f"switch/{fsp}", moving.holder(stack, fsp), AccountKind.SETTLEMENT, currency, floor, label,
                    ctx.at,
                )
                for label, floor in (("cover", 0), ("position", 0), ("guarantee", -ledger_rules.MAX_BALANCE_MINOR))
            ]  # fmt: skip
            held = FspAccount(fsp, currency, opened[0], opened[1], opened[2], 0, True)
            await store.put_account(tx, held)
        log.append(tx, permit, detail={"participant": fsp, "currency": currency})
    roll.forget(stack)
    return held


async def stop_account(stack: Stack, ctx: Context, fsp: str, currency: str, active: bool) -> None:
    """Stop a participant in one currency, or let it go on. Raises UnknownFsp."""
    permit = policy.decide(ctx, "payments.switch-change", policy.NOBODY, stops=not active)
    async with stack.db.transaction(permit) as tx:
        if await store.locked(tx, fsp, currency) is None:
            raise errors.UnknownFsp(party="fsp")
        await store.change_account(tx, fsp, currency, None, active)
        log.append(tx, permit, detail={"participant": fsp, "currency": currency, "active": active})
    roll.forget(stack)


async def participants(stack: Stack, ctx: Context, after: str = "", limit: int = 25) -> list[Member]:
    """Participants with how they stand, by name; `after` is the last name of the page before. Raises Malformed."""
    if not 1 <= limit <= MOST_PAGE:
        raise Malformed(f"A page has 1 to {MOST_PAGE} participants.", field="limit", rule=f"1..{MOST_PAGE}")
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=False)
    async with stack.db.transaction(permit) as tx:
        found = [f for f in await store.fsps(tx) if f.fsp != roll.HUB and f.fsp > after][:limit]
        names = {f.fsp for f in found}
        held = [a for a in await store.accounts(tx) if a.fsp in names]
        digits = {c.currency: c.digits for c in await store.currencies(tx)}
        pairs = await store.pairs(tx)
        stands: dict[str, list[Standing]] = {}
        for account in held:
            stands.setdefault(account.fsp, []).append(await store.standing(tx, account))
        log.append(tx, permit, detail={"what": "participants of the switch", "count": len(found)})
    return [
        Member(
            *(f.fsp, f.institution, f.name, f.endpoint, f.active, f.endpoint == post.INSIDE, f.joined_at),
            *(tuple(stands.get(f.fsp, ())), digits, tuple(pair for pair in pairs if pair.fsp == f.fsp)),
        )
        for f in found
    ]


async def standing(stack: Stack, ctx: Context, fsp: str, currency: str) -> Standing:
    """How a participant stands in a currency. Raises UnknownFsp."""
    own = ctx.actor.id == fsp
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=own)
    async with stack.db.transaction(permit) as tx:
        held = await store.locked(tx, fsp, currency)
        if held is None:
            raise errors.UnknownFsp(party="fsp")
        found = await store.standing(tx, held)
        log.append(tx, permit, detail={"what": "standing", "participant": fsp, "currency": currency})
    return found
