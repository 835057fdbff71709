"""Verbs of the channels: deliver a message, read the simulated ones, carry a dialogue one step on, forget."""

from datetime import timedelta

from msingi.channels import dialogue, gateway, store
from msingi.channels.model import Dial, Message, Screen
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, Outage, Refusal
from msingi.kernel.ids import uuid7
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack

KEEP = timedelta(days=1)
MOST = 200


async def deliver(stack: Stack, ctx: Context, message: SmsRequested) -> Message:
    """Hand a message to the gateway, and keep that it went. Raises Outage where the gateway does not take it.

    The message leaves before the row is written: after a crash in between it is sent twice rather than not at all.
    """
    permit = policy.decide(ctx, "channels.deliver", policy.NOBODY)
    taken = await gateway.gateway_of(stack).send(message)
    message_id = uuid7()
    async with stack.db.transaction(permit) as tx:
        await store.keep_message(tx, stack.seal, _line(stack, message.to), message_id, ctx.at, message, taken)
        log.append(tx, permit, detail={"why": message.why, "gateway": taken.gateway, "simulated": taken.simulated})
    said = (message.to, message.text) if taken.simulated else ("", "")
    return Message(message_id, ctx.at, *said, message.why, taken.gateway, taken.simulated)


def _line(stack: Stack, phone: str) -> bytes:
    """A keyed hash of a phone, by which its messages are found again."""
    return stack.keys.blind(f"channels.message|{phone}")


async def messages(stack: Stack, ctx: Context, to: str = "", limit: int = 50) -> list[Message]:
    """The newest simulated messages, to one phone (E.164) or to all. Outside a sandbox nobody may."""
    if not 1 <= limit <= MOST:
        raise Malformed(f"From 1 to {MOST}.", field="limit", rule=f"1-{MOST}")
    permit = policy.decide(ctx, "channels.read-messages", policy.NOBODY, sandbox=stack.settings.sandbox)
    async with stack.db.transaction(permit) as tx:
        found = await store.newest_messages(tx, stack.seal, _line(stack, to) if to else None, limit)
        log.append(tx, permit, detail={"messages": len(found)})
    return found


async def dial(stack: Stack, ctx: Context, request: Dial) -> Screen:
    """What the phone shows next. Whatever goes wrong, the answer is one plain sentence and nothing is done twice.

    The state is read without an act; what the person asks for are acts of other rooms, each with its own leaf;
    the new state is this act.
    """
    permit = policy.decide(ctx, "channels.continue-dialogue", policy.NOBODY)
    key = stack.keys.blind(f"channels.session|{request.session_id}|{request.phone}")
    line = stack.keys.blind(f"channels.line|{request.phone}")
    async with stack.db.reading("channels") as tx:
        state = None if request.said is None else await store.dialogue(tx, stack.seal, key, ctx.at)
        language = await store.tongue(tx, line)
    talk = dialogue.Talk(stack, request, state, language, ctx.request_id)
    try:
        after, screen = await talk.answer()
    except (Refusal, Outage) as ending:
        after, screen = talk.trouble(ending)
    async with stack.db.transaction(permit) as tx:
        if screen.more:
            await store.put_dialogue(tx, stack.seal, key, after, ctx.at)
        else:
            await store.drop_dialogue(tx, key)
        if after.language != language and talk.tongue_chosen:
            await store.put_tongue(tx, line, after.language)
        log.append(tx, permit, detail={"screen": after.step, "more": screen.more})
    return screen


async def forget(stack: Stack, ctx: Context) -> int:
    """Forget messages older than a day and dialogues that are over; how many rows went."""
    permit = policy.decide(ctx, "channels.forget", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        gone = await store.forget(tx, ctx.at, KEEP)
        if gone:
            log.append(tx, permit, detail={"removed": gone})
        tx.repeated = not gone  # nothing was old, so nothing was done, and no leaf is owed
    return gone
