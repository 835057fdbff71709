"""The door under /r1/{owner}/rights: software asks the owner of a service for a right, at home or in another country.

`POST` takes an AskRight and answers with the request and its number; `GET .../rights/NUMBER` says what became of it.
Such a message goes the way of every other: from another country it comes through, and is vouched for by, its exchange.
"""

from uuid import UUID

import msgspec
from msgspec.structs import replace

from msingi.exchange import acts as exchange
from msingi.exchange import rules, wire
from msingi.exchange.acts import CHANNEL, client_actor
from msingi.exchange.errors import BadCall
from msingi.exchange.federation import door
from msingi.exchange.federation.door import Reply
from msingi.exchange.membership import acts
from msingi.exchange.membership.errors import ApplicationUnknown
from msingi.exchange.membership.model import AskRight, RightAsked
from msingi.exchange.model import SubsystemId
from msingi.exchange.signature import Message
from msingi.kernel import clock
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack

WORD = "rights"


async def rights(stack: Stack, message: Message, body: bytes) -> Reply:
    """One request about rights, recognised, counted once and recorded like every message."""
    parts = message.path.split("/")
    owner, rest = "/".join(parts[3:6]), [part for part in parts[7:] if part]
    rules.member_parts(owner, 3, "owner")
    caller = await door.caller_of(stack, message, body)
    message_id = wire.message_id(message.fields)
    await exchange.admit(stack, caller, UUID(message_id))
    ctx = Context(client_actor(caller), "data-exchange", "legal-obligation", message_id, clock.now(), CHANNEL)
    if message.method == "POST" and not rest:
        return _told(await acts.ask_right(stack, ctx, _order(body, caller.subsystem), owner), 201)
    if message.method == "GET" and len(rest) == 1:
        return _told(await _own_request(stack, caller.subsystem, owner, rest[0]), 200)
    raise BadCall(f"POST .../{WORD}, or GET .../{WORD}/NUMBER", field="method")


def _order(body: bytes, subsystem: SubsystemId) -> AskRight:
    """What is asked for. It names the software that signed, as at home, where there is no country before it."""
    try:
        order = msgspec.json.decode(body, type=AskRight)
    except msgspec.DecodeError as wrong:
        raise Malformed(str(wrong), field="body", rule="json") from None
    if order.client != subsystem and not (subsystem.count("/") == 3 and subsystem.endswith(f"/{order.client}")):
        raise BadCall("software asks for itself", field="client")
    return replace(order, client=subsystem)


async def _own_request(stack: Stack, subsystem: str, owner: str, text: str) -> RightAsked:
    try:
        found = await acts.request(stack, UUID(text))
    except ValueError:
        raise BadCall("the number of a request is a UUID", field="number") from None
    if found is None or found.order.client != subsystem or found.owner != owner:
        raise ApplicationUnknown()
    return found


def _told(asked: RightAsked, status: int) -> Reply:
    return Reply(status, msgspec.json.encode(asked), {"content-type": "application/json"})


door.besides[WORD] = rights
