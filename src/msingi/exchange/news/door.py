"""The doors of news under /r1/{publisher}: GovStack's publish/subscribe paths, and requests to be answered later."""

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from msingi.exchange import acts as exchange
from msingi.exchange import gateway, rules, wire
from msingi.exchange.acts import CHANNEL, client_actor
from msingi.exchange.errors import BadCall
from msingi.exchange.federation import door
from msingi.exchange.federation.door import Reply
from msingi.exchange.model import Caller, SubsystemId
from msingi.exchange.news import acts
from msingi.exchange.news import rules as laws
from msingi.exchange.news.errors import EventTypeUnknown
from msingi.exchange.news.model import PublishOrder, SubscribeOrder, TypeOrder
from msingi.exchange.signature import Message
from msingi.kernel import clock
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack

MOST = 200


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(value), {"content-type": "application/json"})


async def _admitted(stack: Stack, message: Message, body: bytes) -> tuple[Caller, Context]:
    """Whose message this is, recorded and counted once like every other. Raises what recognise and admit raise."""
    caller, _ = await gateway.recognise(stack, message, body)
    message_id = wire.message_id(message.fields)
    await exchange.admit(stack, caller, UUID(message_id))
    ctx = Context(client_actor(caller), "data-exchange", "legal-obligation", message_id, clock.now(), CHANNEL)
    return caller, ctx


def _order(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as wrong:
        raise Malformed(str(wrong), field="body", rule="json") from None


async def news(stack: Stack, message: Message, body: bytes) -> Reply:
    """One request of publish/subscribe (GovStack Information Mediator)."""
    parts = message.path.split("/")
    owner = SubsystemId("/".join(parts[3:6]))
    rules.member_parts(owner, 3, "publisher")
    word, rest = parts[6], [part for part in parts[7:] if part]
    if not rest or rest[0] not in ("v1",) or len(rest) > 4:
        raise BadCall("the path is .../api/v1/..., .../pub/v1/... or .../pull/v1/...", field="path")
    _, ctx = await _admitted(stack, message, body)
    asked = (stack, ctx, owner, message.method, rest[1:], body)
    if word == "api" and rest[1:2] == ["eventType"]:
        return await _types(*asked)
    if word == "api" and rest[1:2] == ["subs"]:
        return await _subscriptions(*asked)
    if word == "pub":
        return await _publications(*asked)
    if word == "pull":
        return await _pull(*asked, dict(parse_qsl(message.query)))
    raise BadCall("there is no such door of publish/subscribe", field="path")


def _wrong_method() -> BadCall:
    return BadCall("this door does not open by this method", field="method")


async def _types(stack: Stack, ctx: Context, owner: str, method: str, rest: list[str], body: bytes) -> Reply:
    if method == "POST" and len(rest) == 1:
        return _json(await acts.describe_event(stack, ctx, owner, _order(body, TypeOrder)), 201)
    known = await acts.types_of(stack, owner)
    if method == "GET" and len(rest) == 1:
        return _json({"eventTypes": known})
    one = next((t for t in known if len(rest) == 2 and t.event_type == rest[1]), None)
    if one is None:
        raise EventTypeUnknown()
    if method == "DELETE":
        await acts.describe_event(stack, ctx, owner, TypeOrder(one.event_type, one.service), end=True)
        return Reply(204, b"", {})
    if method == "GET":
        return _json(one)
    raise _wrong_method()


async def _subscriptions(stack: Stack, ctx: Context, owner: str, method: str, rest: list[str], body: bytes) -> Reply:
    if method in ("POST", "PUT") and len(rest) == 2:
        made = await acts.subscribe(stack, ctx, owner, rest[1], _order(body, SubscribeOrder))
        return _json(made, 201 if method == "POST" else 200)
    if method == "DELETE" and len(rest) == 2:
        await acts.unsubscribe(stack, ctx, owner, rest[1])
        return Reply(204, b"", {})
    if method != "GET":
        raise _wrong_method()
    found = await acts.subscriptions(stack, ctx.actor.id, owner)
    if len(rest) == 1:
        return _json({"subscriptions": found})
    one = next((s for s in found if s.event_type == rest[1]), None)
    if one is None:
        raise EventTypeUnknown()
    return _json(one)


async def _publications(stack: Stack, ctx: Context, owner: str, method: str, rest: list[str], body: bytes) -> Reply:
    if method == "POST" and len(rest) == 1:
        return _json(await acts.publish(stack, ctx, owner, rest[0], _order(body, PublishOrder)), 202)
    raise _wrong_method()


async def _pull(
    stack: Stack, ctx: Context, owner: str, method: str, rest: list[str], body: bytes, query: dict[str, str]
) -> Reply:
    if method == "GET" and len(rest) == 1:
        text = query.get("limit", "50")
        limit = int(text) if text.isdecimal() and 1 <= int(text[:6]) <= MOST else 0
        if not limit:
            raise BadCall(f"1 to {MOST}", field="limit")
        dead = query.get("dead", "") in ("1", "true")
        return _json(await acts.fetch(stack, ctx, owner, rest[0], after=query.get("after", ""), limit=limit, dead=dead))
    if method == "DELETE" and len(rest) == 2:
        try:
            event_id = UUID(rest[1])
        except ValueError:
            raise BadCall("the id of an event is a UUID", field="eventId") from None
        await acts.acknowledge(stack, ctx, event_id)
        return Reply(204, b"", {})
    raise _wrong_method()


async def later(stack: Stack, message: Message, body: bytes) -> Reply:
    """Take a request now, answer it later: 202, and where the answer will lie (law 5).

    `Msingi-Reply: mailbox`, or the address of a callback whose host the operator has named.
    """
    aim = wire.target(message.path, gateway.instance_of(stack))
    caller, proof = await gateway.recognise(stack, message, body)
    about_person = await exchange.about_person(stack, aim.service)
    call = wire.call_of(aim, message, body, caller, proof, about_person)
    wish = message.fields["msingi-reply"].strip()
    ctx = Context(
        client_actor(caller), call.purpose, call.basis or "public-task", call.message_id, clock.now(), CHANNEL
    )
    await acts.ask_later(stack, ctx, caller, call, "" if wish == "mailbox" else wish)
    place = f"/r1/{gateway.instance_of(stack)}/{caller.subsystem}/pull/v1/{laws.ANSWERS}"
    return _json({"id": call.message_id, "mailbox": place}, 202)


door.besides.update({"api": news, "pub": news, "pull": news, "": later})
