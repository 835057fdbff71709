"""Verbs of wallet keys: send the code, bind, list, remove, and prove oneself with one."""

import asyncio
import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from msingi.identity.model import Person
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, store, wire
from msingi.signin.errors import NoPhone, TooManyTries
from msingi.signin.model import Client, Place, Proved, Verdict, Who
from msingi.signin.provider import rsakeys
from msingi.signin.provider.model import Once
from msingi.signin.provider.onces import claim_once, until_of
from msingi.signin.rules import is_staff_login, tidy_login
from msingi.signin.wallets import rules
from msingi.signin.wallets import store as kept
from msingi.signin.wallets.errors import WalletKeyTaken, WalletKeyWrong, WalletNotBound
from msingi.signin.wallets.model import FRESH_S, KEY_LIVES_S, Binding, Bound, WalletKey

METHODS = ("pop",)


def _bound_to(ctx: Context) -> bytes:
    """A code for binding can be used by the software that had it sent, and for nothing else."""
    return wire.secret_hash(f"wallet|{ctx.actor.institution}|{ctx.actor.id}".encode())


def _place(ctx: Context) -> str:
    return limits.wallets_of(ctx.actor.institution)


async def _account(stack: Stack, individual: str) -> PersonId | None:
    login = tidy_login(individual[:100])
    return None if is_staff_login(login) else await signin.find_account(stack, login, signin.own_work())


async def _until(begun: float) -> None:
    """Nobody's number takes as long as somebody's (law 1)."""
    await asyncio.sleep(max(0.0, begun + signin.ANSWER_FLOOR_S - asyncio.get_running_loop().time()))


async def send_binding_code(stack: Stack, ctx: Context, individual: str) -> None:
    """Send the code that binds a wallet; nobody's number looks like somebody's (law 1). Raises TooManyTries."""
    begun = asyncio.get_running_loop().time()
    policy.decide(ctx, "signin.send-binding-code", policy.NOBODY)
    client = await signin.client(stack, ctx.actor.id)
    person_id = await _account(stack, individual)
    if person_id is not None:
        try:
            person = await signin.active_person(stack, person_id, signin.own_work())
            language = (person.demographics.language if person else "") or stack.profile.language
            text = ("sms_binding", language, client.name)
            act = "signin.send-binding-code"
            await signin.send_code(stack, ctx, Who(person_id), _bound_to(ctx), _place(ctx), text, act=act)
        except NoPhone:
            person_id = None
    if person_id is None:
        await _count_nobody(stack, ctx, individual)
    await _until(begun)


async def _count_nobody(stack: Stack, ctx: Context, individual: str) -> None:
    permit = policy.decide(ctx, "signin.send-binding-code", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        whom = f"nobody|{limits.digits(individual)}"
        key = limits.way_key(stack, limits.Way.WALLET_CODES, whom, ctx.actor.institution)
        wait_s = (await limits.take_code(tx, key, ctx.at)).wait_s
        log.append(tx, permit, detail={"result": "locked" if wait_s else "sent"})
    if wait_s:
        raise TooManyTries(retry_after_s=wait_s)


async def bind_wallet(stack: Stack, ctx: Context, order: Binding) -> Bound:
    """Bind a key to somebody, with the code that they got, and their PIN if they typed it (laws 1, 2 and 4).

    Raises WalletKeyTaken for a key that was bound before, WalletNotBound for a wrong code, PIN or number, CoolingOff
    within three days of a recovery, and TooManyTries.
    """
    begun = asyncio.get_running_loop().time()
    policy.decide(ctx, "signin.bind-wallet", policy.NOBODY)
    client, until = await signin.client(stack, ctx.actor.id), ctx.at + timedelta(seconds=KEY_LIVES_S)
    mark = Once(rules.key_mark(order.public_key), int((until + timedelta(days=3650)).timestamp()))
    async with stack.db.reading("signin") as tx:
        if await kept.is_taken(tx, until_of(mark)[0]):
            raise WalletKeyTaken()
    person_id = await _account(stack, order.individual)
    by_pin = await _pin_is_right(stack, ctx, person_id, order, client)
    person = None if person_id is None else await signin.active_person(stack, person_id, signin.own_work())
    if person_id is None or person is None or by_pin is False:
        await _until(begun)
        raise WalletNotBound()
    permit = policy.decide(ctx, "signin.bind-wallet", person_id)
    key = WalletKey(
        client_id=client.client_id,
        name=client.name,
        public_key=order.public_key,
        by_pin=bool(by_pin),
        made_at=ctx.at,
        seen_at=ctx.at,
        expires_at=until,
    )
    async with stack.db.transaction(permit) as tx:
        await signin.check_not_recovering(tx, person_id, ctx.at)
        verdict = await _try_code(stack, tx, ctx, person_id, order.code)
        if verdict is Verdict.RIGHT:
            await claim_once(tx, (mark,))
            await kept.put(tx, person_id, key)
            await _tell(stack, tx, person, client)
            await store.forget_place(
                tx, await limits.code_place(stack, tx, person_id, _bound_to(ctx), _place(ctx), ctx.at)
            )
        log.append(tx, permit, subject=person_id, detail={"to": client.name, "result": verdict})
    if verdict is not Verdict.RIGHT:
        await _until(begun)
        raise WalletNotBound()
    return await _certified(stack, ctx, person_id, key)


async def _pin_is_right(
    stack: Stack, ctx: Context, person_id: PersonId | None, order: Binding, client: Client
) -> bool | None:
    """None where no PIN was typed. Raises TooManyTries.

    The PIN is looked at only if the code was right: whoever has not the phone learns nothing of the PIN, and cannot
    close this wallet to its owner (law 6).
    """
    if not order.pin:
        return None
    if person_id is None:
        return False
    permit = policy.decide(ctx, "signin.bind-wallet", person_id)
    async with stack.db.transaction(permit) as tx:
        verdict = await _try_code(stack, tx, ctx, person_id, order.code, use=False)
        log.append(tx, permit, subject=person_id, detail={"to": client.name, "result": f"code {verdict}"})
    if verdict is not Verdict.RIGHT:
        return False
    place, proving = Place(_bound_to(ctx), _place(ctx)), signin.proving(ctx.request_id)
    held = (person_id, _place(ctx))
    result = await signin.verify_pin(stack, proving, order.individual, order.pin, place, client.name, held=held)
    if result.verdict is Verdict.LOCKED:
        raise TooManyTries(retry_after_s=result.retry_after_s)
    return result.verdict is Verdict.RIGHT


async def _try_code(stack: Stack, tx: Tx, ctx: Context, person_id: PersonId, code: str, *, use: bool = True) -> Verdict:
    challenge = await kept.newest_code(tx, person_id, _bound_to(ctx))
    if challenge is None:
        return Verdict.EXPIRED
    return await signin.try_code(stack, tx, ctx, person_id, challenge, _bound_to(ctx), code, use=use)


async def _tell(stack: Stack, tx: Tx, person: Person, client: Client) -> None:
    if phone := person.demographics.phone:
        text = wire.say("sms_wallet", person.demographics.language or stack.profile.language, client=client.name)
        await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, text, "wallet"))


async def _certified(stack: Stack, ctx: Context, person_id: PersonId, key: WalletKey) -> Bound:
    """The receipt, with a certificate by the provider's RSA key, which eSignet's wallets keep."""
    name = stack.pseudonym.of(ctx.actor.institution, person_id)
    by, times = await rsakeys.signer(stack), (key.made_at - timedelta(minutes=5), key.expires_at)
    public = wire.public_key(key.public_key).public_key
    made = rsakeys.certificate(name, public, by.key, stack.settings.url, times)  # type: ignore[arg-type]
    return Bound(name, made.public_bytes(Encoding.PEM).decode(), key.expires_at)


async def list_wallets(stack: Stack, ctx: Context, person_id: PersonId) -> list[WalletKey]:
    """One's wallet keys, newest first."""
    permit = policy.decide(ctx, "signin.list-wallets", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await kept.keys(tx, person_id, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"wallets": len(found)})
    return found


async def remove_wallet(stack: Stack, ctx: Context, person_id: PersonId, client_id: str) -> bool:
    """Remove the key that one software bound; False if there was none."""
    permit = policy.decide(ctx, "signin.remove-wallet", person_id)
    async with stack.db.transaction(permit) as tx:
        gone = await kept.remove(tx, person_id, client_id)
        log.append(tx, permit, subject=person_id, detail={"client": client_id, "removed": gone})
    return gone


async def prove(stack: Stack, ctx: Context, individual: str, token: str, link: str, via: str) -> tuple[Proved, bool]:
    """Whose wallet key signed this for a link, and whether it may stand alone (laws 2 and 3). Raises WalletKeyWrong.

    An attempt at somebody who has such a key leaves a record that its owner sees, right or wrong.
    """
    person_id = await _account(stack, individual)
    if person_id is None:
        raise WalletKeyWrong(rule="signature by a bound key")
    permit = policy.decide(ctx, "signin.verify-wallet", person_id)
    wrong: WalletKeyWrong | None = None
    alone = False
    async with stack.db.transaction(permit) as tx:
        found = await kept.keys(tx, person_id, ctx.at)
        if not found:
            raise WalletKeyWrong(rule="signature by a bound key")
        try:
            jwks = [key.public_key for key in found]
            by = rules.verify(token, jwks, individual, (stack.settings.url,), link, ctx.at.timestamp())
            once = Once(f"wallet|{hashlib.sha256(token.encode()).hexdigest()}", int(ctx.at.timestamp()) + FRESH_S * 2)
            if await kept.is_taken(tx, until_of(once)[0]):
                raise WalletKeyWrong(rule="used once")
            await claim_once(tx, (once,))
            await kept.used(tx, person_id, found[by].client_id, ctx.at)
            alone = found[by].by_pin
        except WalletKeyWrong as refused:
            wrong = refused
        log.append(tx, permit, subject=person_id, detail={"result": "wrong" if wrong else "right", "to": via})
    if wrong is not None:
        raise wrong
    return Proved(person_id, METHODS, 1), alone
