"""The rows of the channels: the only file of the room that runs SQL."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from msingi.channels.model import Delivery, Dialogue, Message
from msingi.channels.rules import SESSION_S
from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.seal import Seals

Q = sql.load(__name__)
LABEL, MESSAGE_LABEL = "channels.dialogue", "channels.message"


async def keep_message(
    tx: Tx, seals: Seals, phone_hash: bytes, message_id: UUID, at: datetime, message: SmsRequested, taken: Delivery
) -> None:
    """Keep that a message left; whom it was for and what it said only if no phone will show it, sealed (law 2)."""
    said: tuple[bytes | None, bytes | None] = (None, None)
    if taken.simulated:
        words = msgspec.msgpack.encode((message.to, message.text))
        said = (phone_hash, seals.seal_with_room_key(MESSAGE_LABEL, words))
    await tx.do(Q.keep_message, message_id, at, message.why, taken.gateway, taken.reference, taken.simulated, *said)


async def newest_messages(tx: Tx, seals: Seals, phone_hash: bytes | None, limit: int) -> list[Message]:
    """The newest messages first, of one phone (its keyed hash) or of all."""
    found = []
    for row in map(dict, await tx.rows(Q.newest_messages, phone_hash, limit)):
        sealed = row.pop("sealed")
        to, text = "", ""
        if sealed is not None:
            to, text = msgspec.msgpack.decode(seals.unseal_with_room_key(MESSAGE_LABEL, bytes(sealed)))
        found.append(msgspec.convert(row | {"to": to, "text": text}, Message))
    return found


async def forget(tx: Tx, now: datetime, keep: timedelta) -> int:
    """Forget messages older than `keep`, and dialogues that are over; how many rows went."""
    return await tx.do(Q.forget_messages, now - keep) + await tx.do(Q.forget_dialogues, now)


async def dialogue(tx: Tx, seals: Seals, session_key: bytes, now: datetime) -> Dialogue | None:
    """The state of a live dialogue."""
    sealed = await tx.value(Q.dialogue, session_key, now)
    if sealed is None:
        return None
    return msgspec.msgpack.decode(seals.unseal_with_room_key(LABEL, sealed), type=Dialogue)


async def put_dialogue(tx: Tx, seals: Seals, session_key: bytes, state: Dialogue, now: datetime) -> None:
    """Keep a dialogue for the time that a network keeps it."""
    sealed = seals.seal_with_room_key(LABEL, msgspec.msgpack.encode(state))
    await tx.do(Q.put_dialogue, session_key, sealed, now + timedelta(seconds=SESSION_S))


async def drop_dialogue(tx: Tx, session_key: bytes) -> None:
    """Forget a dialogue."""
    await tx.do(Q.drop_dialogue, session_key)


async def tongue(tx: Tx, line_key: bytes) -> str:
    """The language chosen on a phone line, or empty."""
    return await tx.value(Q.tongue, line_key) or ""


async def put_tongue(tx: Tx, line_key: bytes, language: str) -> None:
    """Keep the language of a phone line."""
    await tx.do(Q.put_tongue, line_key, language)
