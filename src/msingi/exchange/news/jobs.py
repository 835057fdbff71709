"""What news does by itself: delivery to callbacks, answers to requests for later, news of the stack's own register."""

import asyncio
import logging
from typing import Any

import msgspec

from msingi.exchange import acts as exchange
from msingi.exchange import registry
from msingi.exchange.errors import ExchangeRefusal
from msingi.exchange.news import acts
from msingi.exchange.news import door as door  # registers what stands under /r1
from msingi.exchange.news.errors import EventTypeUnknown
from msingi.exchange.news.model import PublishOrder, TypeOrder
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import Malformed, Outage, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.news")
EVERY_S, FORGET_EVERY = 1.0, 3_600
OFFER = "identity-changes"  # the service whose rights say who hears of changes; the composition root offers it
# What the register says to the other rooms, and what relying institutions hear of it.
CHANGES = {
    "identity.person-changed": "changed",
    "identity.status-changed": "status",
    "identity.person-merged": "merged",
    "identity.person-unmerged": "unmerged",
    "identity.death-registered": "death",
}


class _About(msgspec.Struct, frozen=True):
    person_id: PersonId
    status: str = ""


def _ctx() -> Context:
    return job_context("news", "data-exchange", "legal-obligation")


def _publisher() -> str:
    return next((str(o.owner) for o in registry.offered() if o.service == OFFER), "")


async def describe_own(stack: Stack) -> None:
    """Describe the stack's own kind of event, once."""
    owner = _publisher()
    if owner and OFFER not in [t.event_type for t in await acts.types_of(stack, owner)]:
        await acts.describe_event(stack, _ctx(), owner, TypeOrder(OFFER, OFFER, "Changes of identities relied upon"))


def _teller(change: str) -> Any:
    async def tell(stack: Stack, payload: bytes) -> None:
        """Tell those who follow this person that something changed; never what, for that they ask."""
        owner = _publisher()
        if not owner:
            return
        about = msgspec.json.decode(payload, type=_About)
        try:
            told = PublishOrder({"change": about.status or change})
            await acts.publish(stack, _ctx(), owner, OFFER, told, about.person_id)
        except (EventTypeUnknown, ExchangeRefusal) as no:
            logger.info("not told: %s", no.code)

    return tell


async def answer_later(stack: Stack, payload: bytes) -> None:
    """Carry out a request that was taken before, and put the answer into the asker's mailbox."""
    sealed = msgspec.json.decode(payload, type=acts.Waiting).sealed
    try:
        later = msgspec.json.decode(stack.seal.unseal_with_room_key(acts.LATER, sealed), type=acts.Later)
    except (ValueError, msgspec.MsgspecError):
        raise Malformed("a request to be answered later cannot be read", field="payload", rule="sealed") from None
    try:
        told: Any = await exchange.ask(stack, later.caller, later.call)
        if told.stream is not None:
            told = msgspec.structs.replace(told, body=b"".join([c async for c in told.stream]), stream=None)
    except Refusal as no:
        told = {"status": no.status, "problem": no.problem(later.call.message_id)}
    await acts.put_answer(stack, _ctx(), later, told)


async def deliver(stack: Stack) -> None:
    """Send to callbacks what is due, every second; forget old mail every hour."""
    rounds = 0
    while True:
        try:
            await acts.deliver(stack, _ctx())
            rounds += 1
            if rounds % FORGET_EVERY == 0:
                await acts.forget_mail(stack, _ctx())
        except Outage as outage:
            logger.warning("delivery waits: %s", outage)
        await asyncio.sleep(EVERY_S)


doers = {kind: _teller(change) for kind, change in CHANGES.items()} | {acts.LATER: answer_later}
starts = [describe_own]
loops = [deliver]
