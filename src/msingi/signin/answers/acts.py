"""Verbs of yes/no authentication: send a code, and answer a question."""

import asyncio
import unicodedata
from contextlib import nullcontext
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, token, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, rules, store, wire
from msingi.signin.errors import FlowLost, NoPhone, TooManyTries
from msingi.signin.model import CODE_TTL_S, Answer, CodeSent, Question, Verdict, Who

ANSWER_TTL_S = 300
ANSWER_TYPE = "msingi-answer+jwt"


async def _asked_about(stack: Stack, ctx: Context, act: str, question: Question) -> PersonId | None:
    """The person that the question names; None for nobody. Raises NotPermitted before anything is looked up."""
    policy.decide(ctx, act, policy.NOBODY)
    if question.number:
        login = rules.tidy_login(question.number[:100])
        return None if rules.is_staff_login(login) else await signin.find_account(stack, login, ctx)
    try:
        person_id = stack.pseudonym.person(ctx.actor.institution, question.pseudonym)
    except Malformed:
        return None
    own_work = job_context("signin", "identity-proofing")
    return None if await signin.active_person(stack, person_id, own_work) is None else person_id


def _bound(ctx: Context) -> bytes:
    """A code sent for one institution's software can be answered by that software alone."""
    return wire.secret_hash(f"{ctx.actor.institution}|{ctx.actor.id}".encode())


async def send_answer_code(stack: Stack, ctx: Context, question: Question, language: str, name: str) -> CodeSent:
    """Send the person a one-time code that they can tell the institution; `name` is how the message calls it.

    Nobody's number gets the same receipt, and the same no after six codes (law 1). Raises BadQuestion, TooManyTries.
    """
    begun = asyncio.get_running_loop().time()
    rules.check_question(question, sending=True)
    person_id = await _asked_about(stack, ctx, "signin.send-answer-code", question)
    challenge_id = uuid7()
    if person_id is not None:
        place = f"institution:{ctx.actor.institution}"
        try:
            text = ("sms_answer", language, name)
            challenge_id, _ = await signin.send_code(stack, ctx, Who(person_id), _bound(ctx), place, text)
        except NoPhone:
            person_id = None
    if person_id is None:
        await _count_nobody(stack, ctx, question)
    receipt = wire.seal(stack.seal, "challenge", (person_id or PersonId(uuid7()), challenge_id))
    await asyncio.sleep(max(0.0, begun + signin.ANSWER_FLOOR_S - asyncio.get_running_loop().time()))
    return CodeSent(receipt, CODE_TTL_S)


def _nobody(question: Question) -> str:
    """What nobody is counted by: however a number is written, it is one number, as it would be somebody's."""
    digits = "".join(c for c in unicodedata.normalize("NFKC", question.number) if c.isdecimal())
    return digits[-9:] or question.pseudonym


async def _count_nobody(stack: Stack, ctx: Context, question: Question) -> None:
    """Count a code that was sent to nobody like one that was sent. Raises TooManyTries, as for somebody."""
    permit = policy.decide(ctx, "signin.send-answer-code", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        key = stack.keys.blind(f"signin.sms|nobody|{_nobody(question)}|{ctx.actor.institution}")
        wait_s = await limits.take_code(tx, key, ctx.at)
        log.append(tx, permit, detail={"result": "locked" if wait_s else "sent"})
    if wait_s:
        raise TooManyTries(retry_after_s=wait_s)


async def answer(stack: Stack, ctx: Context, question: Question) -> Answer:
    """A signed yes or no: the claim `result` of a JWS by the provider's key, for the asking client alone.

    Raises BadQuestion, and TooManyTries once five proofs from one institution were wrong (law 3).
    """
    rules.check_question(question)
    person_id = await _asked_about(stack, ctx, "signin.answer", question)
    permit = policy.decide(ctx, "signin.answer", policy.NOBODY if person_id is None else person_id)
    method = "pin" if question.pin else "otp"
    gate = signin.pin_gate(stack) if method == "pin" else nullcontext()
    async with gate, stack.db.transaction(permit) as tx:
        place = f"institution:{ctx.actor.institution}"
        named = str(person_id or _nobody(question))
        key = stack.keys.blind(rules.place_key(named, None, place))
        tries = await store.open_place(tx, key, ctx.at)
        wait = rules.locked_s(tries, ctx.at)
        right = False
        if not wait:
            right = await _is_right(stack, tx, ctx, person_id, question)
            if right:
                await store.forget_place(tx, key)
            else:
                await store.count_failure(tx, key, rules.after_failure(tries, ctx.at))
        detail: leaf.Detail = {"result": "locked" if wait else "yes" if right else "no", "method": method}
        log.append(tx, permit, subject=None if wait else person_id, detail=detail)
    if wait:
        raise TooManyTries(retry_after_s=wait)
    now = int(ctx.at.timestamp())
    claims = {
        "iss": stack.settings.url,
        "aud": ctx.actor.id,
        "iat": now,
        "exp": now + ANSWER_TTL_S,
        "jti": token(12),
        "nonce": question.nonce[:200],
        "method": method,
        "result": "yes" if right else "no",
    }
    return Answer(wire.sign(stack.keys, ANSWER_TYPE, claims))


async def _is_right(stack: Stack, tx: Tx, ctx: Context, person_id: PersonId | None, question: Question) -> bool:
    if question.pin:
        return await signin.pin_is_right(stack, tx, person_id, question.pin)
    try:
        sent_to, challenge = wire.unseal(stack.seal, "challenge", question.challenge, tuple[UUID, UUID])
    except FlowLost:
        return False
    if person_id is None or sent_to != person_id:
        return False
    verdict = await signin.try_code(stack, tx, ctx, person_id, challenge, _bound(ctx), question.code)
    return verdict is Verdict.RIGHT
