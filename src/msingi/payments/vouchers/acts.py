"""The verbs of whoever gives vouchers: open and close a scheme, put money in, approve shops, issue, hand out, look.

Money is put in before vouchers are given (`funding.py`), and goes back by itself where they end (`returning.py`). What
shops take of vouchers stands in `spending.py`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msingi.identity import acts as identity
from msingi.kernel import log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import store as bank_store
from msingi.payments.bank.errors import NoSuchMerchant
from msingi.payments.model import AccountKind
from msingi.payments.vouchers import errors, numbers, rules, store
from msingi.payments.vouchers.model import (
    Changed,
    Issued,
    OwnVoucher,
    Scheme,
    SchemeOrder,
    ShopOrder,
    State,
    Voucher,
    VoucherOrder,
    VoucherPage,
)

MAX_PAGE = 500
MAX_OWN = 50


def permit_of(ctx: Context, act: str, subject: policy.Subject = policy.NOBODY) -> policy.Permit:
    """The permit for an act in the schemes of the actor's own institution. Raises NotPermitted."""
    return policy.decide(ctx, act, subject, own_account=bool(ctx.actor.institution))


def who_is(ctx: Context) -> str:
    """The actor as rows name one."""
    return f"{ctx.actor.kind}:{ctx.actor.id}"


async def own_scheme(tx: store.Tx, ctx: Context, scheme_id: UUID, *, open_: bool = False) -> Scheme:
    """A scheme of the actor's institution. Raises NoSuchScheme, or SchemeClosed where it must be open."""
    found = await store.scheme(tx, scheme_id)
    if found is None or found.institution != ctx.actor.institution:
        raise errors.NoSuchScheme()
    if open_ and found.closed_at is not None:
        raise errors.SchemeClosed()
    return found


async def open_scheme(stack: Stack, ctx: Context, order: SchemeOrder) -> Scheme:
    """Open a scheme with a trust account of its own; the same order again gives the first answer.

    Raises Malformed, NoSuchAccount unless the payer is an account of the institution's, SchemeCodeTaken.
    """
    permit = permit_of(ctx, "payments.open-vouchers")
    rules.check_scheme(order)
    payer, institution = ledger_rules.id_of(order.payer), ctx.actor.institution
    async with stack.db.transaction(permit) as tx:
        holder = await accounts.institution_of(tx, payer)
        if holder is None or holder["institution"] != institution or holder["kind"] != AccountKind.GOVERNMENT:
            raise ledger_errors.NoSuchAccount(party="payer")
        known = await store.scheme_by_code(tx, institution, order.code)
        if known is None:
            made = await _made(stack, tx, ctx, order, holder["currency"])
            known = made if await store.add_scheme(tx, made) else None
        log.append(tx, permit, detail={"what": "voucher scheme opened", "scheme": order.code})
        if known is None or not _same(stack, known, order):
            raise errors.SchemeCodeTaken(scheme=order.code)
    return known


async def _made(stack: Stack, tx: store.Tx, ctx: Context, order: SchemeOrder, currency: str) -> Scheme:
    institution = ctx.actor.institution
    trust = await accounts.open_institution_account(
        *(tx, institution, parties.institution_ref(stack, institution), AccountKind.TRUST, currency, 0),
        *(f"vouchers {order.code}", ctx.at),
    )
    return Scheme(
        scheme_id=uuid7(), institution=institution, code=order.code, name=order.name.strip(), payer=order.payer,
        trust=ledger_rules.number_of(trust), currency=currency, digits=_digits(stack, order, currency),
        groups=order.groups, days=order.days, systems=order.systems, funded_minor=0, allotted_minor=0,
        opened_by=who_is(ctx), opened_at=ctx.at,
    )  # fmt: skip


def _digits(stack: Stack, order: SchemeOrder, currency: str) -> int:
    if currency == stack.profile.currency.code:
        return stack.profile.currency.digits
    if order.digits is None:
        raise Malformed("Say how many decimals this currency has.", field="digits", rule="0..4")
    return order.digits


def _same(stack: Stack, known: Scheme, order: SchemeOrder) -> bool:
    said = order.name.strip(), order.groups, order.days, order.systems, ledger_rules.id_of(order.payer)
    kept = known.name, known.groups, known.days, known.systems, ledger_rules.id_of(known.payer)
    return said == kept and known.digits == _digits(stack, order, known.currency)


async def schemes(stack: Stack, ctx: Context, *, after: str = "", limit: int = 50) -> list[Scheme]:
    """A page of the institution's schemes by code; `after` is the last code of the page before."""
    permit = permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await store.schemes(tx, ctx.actor.institution, after, max(1, min(limit, MAX_PAGE)))
        log.append(tx, permit, detail={"what": "voucher schemes listed"})
    return found


async def schemes_of_system(stack: Stack, ctx: Context, system: str) -> list[Scheme]:
    """The open schemes of the institution for which one of its systems acts, by code."""
    permit = permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await store.schemes_of_system(tx, ctx.actor.institution, system)
        log.append(tx, permit, detail={"what": "voucher schemes of a system"})
    return found


async def scheme(stack: Stack, ctx: Context, scheme_id: UUID) -> Scheme:
    """A scheme, with what was put in and what was given to vouchers. Raises NoSuchScheme."""
    permit = permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await own_scheme(tx, ctx, scheme_id)
        log.append(tx, permit, detail={"what": "voucher scheme", "scheme": found.code})
    return found


async def approve_shop(stack: Stack, ctx: Context, scheme_id: UUID, order: ShopOrder) -> ShopOrder:
    """Let a registered shop take a scheme's vouchers of some groups; no groups: none any more.

    Raises FourEyes for whoever opened the scheme, NoSuchScheme, NoSuchMerchant, Malformed.
    """
    permit = permit_of(ctx, "payments.approve-voucher-shop")
    if len(order.details) > 80 or (order.details and not order.details.isprintable()):
        raise Malformed("Details have at most 80 characters.", field="details", rule="length<=80")
    async with stack.db.transaction(permit) as tx:
        found = await own_scheme(tx, ctx, scheme_id)
        if found.opened_by == who_is(ctx):
            raise ledger_errors.FourEyes()
        if set(order.groups) - set(found.groups):
            raise Malformed("The scheme has no such group.", field="groups", rule="known-group")
        shop = await bank_store.merchant(tx, order.shop) if bank_rules.is_merchant_code(order.shop) else None
        if shop is None or (order.groups and not shop.merchant.is_open):
            raise NoSuchMerchant()
        if order.groups:
            await store.approve_shop(tx, scheme_id, order, who_is(ctx), ctx.at)
        else:
            await store.strike_shop(tx, scheme_id, order.shop)
        log.append(tx, permit, detail={"what": "shop for vouchers", "scheme": found.code, "shop": order.shop})
    return order


async def approved_shops(
    stack: Stack, ctx: Context, scheme_id: UUID, *, after: str = "", limit: int = 100
) -> list[ShopOrder]:
    """A page of the shops that take a scheme's vouchers; `after` is the last number of the page before."""
    permit = permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await own_scheme(tx, ctx, scheme_id)
        shops = await store.shops(tx, scheme_id, after, max(1, min(limit, MAX_PAGE)))
        log.append(tx, permit, detail={"what": "shops for vouchers", "scheme": found.code})
    return shops


async def issue_vouchers(
    stack: Stack, ctx: Context, scheme_id: UUID, wanted: Sequence[VoucherOrder]
) -> list[Issued]:  # fmt: skip
    """Issue up to 1,000 vouchers, all or none, out of the money that was put in; they can be spent once handed out.

    The same order under an id gives the first voucher. Raises NotCovered, SerialTaken, NoSuchScheme, SchemeClosed,
    Malformed, and what identity says of a wrong number.
    """
    _ = permit_of(ctx, "payments.issue-voucher")
    people = await _people(stack, ctx, wanted)
    permit = permit_of(ctx, "payments.issue-voucher", tuple(dict.fromkeys(people.values())))
    async with stack.db.transaction(permit) as tx:
        found = await own_scheme(tx, ctx, scheme_id, open_=True)
        rules.check_vouchers(wanted, found.groups, 1 if stack.settings.sandbox else rules.SHORTEST_NUMBER)
        known = await store.instructions(tx, scheme_id, [one.instruction_id for one in wanted])
        told = {one.instruction_id: _again(stack, one, known) for one in wanted if one.instruction_id in known}
        new = [one for one in wanted if one.instruction_id not in known]
        if new:
            made, until = await _new(stack, tx, ctx, found, new)
            given = {serial: people[one.person] for serial, (one, _) in made.items() if one.person}
            if given:
                await store.add_holders(tx, list(given.values()), list(given), ctx.at)
            for person in dict.fromkeys(given.values()):
                log.append(tx, permit, subject=person, detail={"what": "voucher", "scheme": found.name})
            for serial, (one, number) in made.items():
                told[one.instruction_id] = Issued(one.instruction_id, serial, number, until)
        log.append(tx, permit, detail={"what": "vouchers issued", "scheme": found.code, "count": len(new)})
    return [told[one.instruction_id] for one in wanted]


async def _new(
    stack: Stack, tx: store.Tx, ctx: Context, found: Scheme, new: list[VoucherOrder]
) -> tuple[dict[str, tuple[VoucherOrder, str]], datetime]:
    """Allot money to vouchers and keep them: order and number of each by serial, and until when they last."""
    places = await store.places(tx, len(new))
    made = {one.serial or rules.serial_of(place): one for one, place in zip(new, places, strict=True)}
    if len(made) < len(new):
        raise errors.SerialTaken()
    if not await store.allot(tx, found.scheme_id, sum(one.amount_minor for one in new)):
        raise errors.NotCovered()
    secrets = [one.number or numbers.number_of(stack, serial) for serial, one in made.items()]
    keys = [numbers.key_of(stack, number) for number in secrets]
    content, until = [once.content_hash(one) for one in new], ctx.at + timedelta(days=found.days)
    if not await store.add_vouchers(tx, found.scheme_id, made, keys, content, (who_is(ctx), ctx.at, until)):
        raise errors.SerialTaken()
    return {serial: (one, number) for (serial, one), number in zip(made.items(), secrets, strict=True)}, until


def _again(stack: Stack, one: VoucherOrder, known: dict[str, store.Known]) -> Issued:
    """The answer for an id that was issued before. Raises SerialTaken for another content."""
    first = known[one.instruction_id]
    if first.content != once.content_hash(one):
        raise errors.SerialTaken("Another voucher was issued under this id.")
    number = one.number or numbers.number_of(stack, first.serial)
    return Issued(one.instruction_id, first.serial, number, first.expires_at)


async def _people(stack: Stack, ctx: Context, wanted: Sequence[VoucherOrder]) -> dict[str, PersonId]:
    """The people that vouchers are for, by identity number. Raises NoSuchAccount where a number is nobody's."""
    named = list(dict.fromkeys(one.person for one in wanted if one.person))
    if not named:
        return {}
    rules.check_list(len(wanted), "vouchers")
    found = await identity.persons_by_number(stack, ctx, named)
    if len(found) < len(named):
        raise ledger_errors.NoSuchAccount("A number is nobody's in use.", party="person")
    return found


async def activate_vouchers(stack: Stack, ctx: Context, serials: Sequence[str]) -> list[Changed]:
    """Let vouchers of the institution be spent: when they are handed out, or after they were blocked."""
    return await _change(stack, ctx, "payments.activate-voucher", serials, State.ACTIVE)


async def cancel_vouchers(stack: Stack, ctx: Context, serials: Sequence[str]) -> list[Changed]:
    """End vouchers of the institution for good; what was not taken goes back to where it came from."""
    return await _change(stack, ctx, "payments.cancel-voucher", serials, State.CANCELLED)


async def _change(stack: Stack, ctx: Context, act: str, serials: Sequence[str], to: State) -> list[Changed]:
    rules.check_list(len(serials), "serials")
    permit = permit_of(ctx, act, policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.vouchers(tx, list(dict.fromkeys(serials)), lock=True)
        mine = {s: k.voucher for s, k in found.items() if k.institution == ctx.actor.institution}
        if to is State.ACTIVE:
            fit = [s for s, one in mine.items() if rules.can_be_active(one, ctx.at)]
        else:
            live = (State.WAITING, State.ACTIVE, State.BLOCKED)
            fit = [s for s, one in mine.items() if one.state in live]
        await store.set_states(tx, fit, to)
        for person in dict.fromkeys((await store.holders(tx, fit)).values()):
            log.append(tx, permit, subject=person, detail={"what": f"voucher {to.value}"})
        log.append(tx, permit, detail={"what": f"vouchers {to.value}", "count": len(fit)})
    ended, nobody = errors.VoucherEnded.code, errors.NoSuchVoucher.code
    return [Changed(s, s in fit, "" if s in fit else ended if s in mine else nobody) for s in serials]


async def voucher(stack: Stack, ctx: Context, serial: str) -> tuple[Voucher, list[store.Spending]]:
    """A voucher of the institution, and what was taken of it. Raises NoSuchVoucher."""
    permit = permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = (await store.vouchers(tx, [serial])).get(serial)
        taken = await store.spendings_of(tx, serial, MAX_PAGE)
        log.append(tx, permit, detail={"what": "voucher looked up"})
    if found is None or found.institution != ctx.actor.institution:
        raise errors.NoSuchVoucher()
    return found.voucher, taken


async def vouchers(stack: Stack, ctx: Context, scheme_id: UUID, *, after: str = "", limit: int = 100) -> VoucherPage:
    """A page of a scheme's vouchers by serial number. Raises NoSuchScheme."""
    permit = permit_of(ctx, "payments.read-vouchers")
    most = max(1, min(limit, MAX_PAGE))
    async with stack.db.transaction(permit) as tx:
        found = await own_scheme(tx, ctx, scheme_id)
        page = await store.page(tx, scheme_id, after, most + 1)
        log.append(tx, permit, detail={"what": "vouchers of a scheme", "scheme": found.code})
    return VoucherPage(page[:most], page[most - 1].serial if len(page) > most else "")


async def own_vouchers(stack: Stack, ctx: Context) -> list[OwnVoucher]:
    """The vouchers that the actor was given, newest first, each with the number to show (none for printed paper)."""
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-vouchers", person)
    async with stack.db.transaction(permit) as tx:
        found = await store.vouchers_of(tx, person, MAX_OWN)
        log.append(tx, permit, subject=person, detail={"what": "own vouchers", "count": len(found)})
    return [
        OwnVoucher(
            parties.institution_name(stack, one.institution), one.scheme,
            "" if one.printed else numbers.number_of(stack, one.voucher.serial), one.voucher, one.digits,
        )
        for one in found
    ]  # fmt: skip
