"""Verbs of yes/no authentication: send a code, and answer a question."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from msingi.identity import acts as identity
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId, token, uuid7
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, rules, wire
from msingi.signin.answers import store
from msingi.signin.answers.desk import Asked, bound, desk, find
from msingi.signin.errors import NoPhone, TooManyTries
from msingi.signin.model import CODE_TTL_S, Alarm, Answer, CodeSent, Question, Who

ANSWER_TTL_S = 300
ANSWER_TYPE = "msingi-answer+jwt"


async def send_answer_code(stack: Stack, ctx: Context, question: Question, language: str, name: str) -> CodeSent:
    """Send the person a one-time code that they can tell the institution; `name` is how the message calls it.

    Nobody's number gets the same receipt, and the same no after six codes (law 1). Raises BadQuestion, TooManyTries.
    """
    begun = asyncio.get_running_loop().time()
    rules.check_question(question, sending=True)
    policy.decide(ctx, "signin.send-answer-code", policy.NOBODY)
    person_id = (await find(stack, [Asked(ctx, question)]))[0].person_id
    challenge_id = uuid7()
    if person_id is not None:
        place = f"institution:{ctx.actor.institution}"
        try:
            text = ("sms_answer", language, name)
            challenge_id, _ = await signin.send_code(stack, ctx, Who(person_id), bound(ctx), place, text)
        except NoPhone:
            person_id = None
    if person_id is None:
        await _count_nobody(stack, ctx, question)
    receipt = wire.seal(stack.seal, "challenge", (person_id or PersonId(uuid7()), challenge_id))
    await asyncio.sleep(max(0.0, begun + signin.ANSWER_FLOOR_S - asyncio.get_running_loop().time()))
    return CodeSent(receipt, CODE_TTL_S)


async def _count_nobody(stack: Stack, ctx: Context, question: Question) -> None:
    """Count a code that was sent to nobody like one that was sent. Raises TooManyTries, as for somebody."""
    permit = policy.decide(ctx, "signin.send-answer-code", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        whom = f"nobody|{limits.nobody(question)}"
        key = limits.way_key(stack, limits.Way.CODES, whom, ctx.actor.institution)
        wait_s = (await limits.take_code(tx, key, ctx.at)).wait_s
        log.append(tx, permit, detail={"result": "locked" if wait_s else "sent"})
    if wait_s:
        raise TooManyTries(retry_after_s=wait_s)


async def answer(stack: Stack, ctx: Context, question: Question) -> Answer:
    """A signed yes or no: the claim `result` of a JWS by the provider's key, for the asking client alone.

    Raises BadQuestion, Malformed, and TooManyTries once five proofs from one institution were wrong (law 3), or once
    its software guesses. Questions that come at the same time are answered in one transaction.
    """
    begun = asyncio.get_running_loop().time()
    rules.check_question(question)
    policy.decide(ctx, "signin.answer", policy.NOBODY, each=question.each)
    if question.said is not None:
        question = msgspec.structs.replace(question, said=identity.tidy_said(stack, question.said))
    told = await desk(stack).ask(Asked(ctx, question))
    now = int(ctx.at.timestamp())
    claims: dict[str, Any] = {
        "iss": stack.settings.url,
        "aud": ctx.actor.id,
        "iat": now,
        "exp": now + ANSWER_TTL_S,
        "jti": token(12),
        "nonce": question.nonce[:200],
        "method": " ".join(rules.methods_of(question)),
        "result": "yes" if told.right else "no",
    }
    if question.each:
        assert question.said is not None
        named = [f for f in question.said.__struct_fields__ if getattr(question.said, f)]
        claims["said"] = {field: "yes" if told.so.get(field) else "no" for field in named}
    if not told.right:
        # A no for nobody must take as long as a no for somebody (law 1).
        await asyncio.sleep(max(0.0, begun + signin.ANSWER_FLOOR_S - asyncio.get_running_loop().time()))
    return Answer(wire.sign(stack.keys, ANSWER_TYPE, claims))


async def list_alarms(stack: Stack, ctx: Context, before: datetime | None = None, limit: int = 50) -> list[Alarm]:
    """Institutions whose software seemed to guess, newest first, `limit` (1 to 200) before an instant."""
    permit = policy.decide(ctx, "signin.list-alarms", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.alarms(tx, before or ctx.at, max(1, min(limit, 200)))
        log.append(tx, permit, detail={"alarms": len(found)})
    return found
