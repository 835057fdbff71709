"""Doors of recalls: for customers, for account officers, and for whoever runs the switch."""

from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.payments.recalls import acts
from msingi.payments.recalls.model import Recall, RecallOrder, RecallPage
from msingi.payments.switch import recalling

AnyRequest = Request[Any, Any, Any]
Words = Annotated[str, Meta(min_length=1, max_length=1_000)]
Place = Annotated[str, QueryParameter(max_length=90, description="What the page before gave as `next_place`.")]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many items at most.")]
Late = Annotated[bool, QueryParameter(description="Only those that should have been answered, the oldest first.")]


class HeardBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The words of whoever was paid, and whether the money may go back."""

    text: Words
    agree: bool = False


class FurtherBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why the answer is not accepted."""

    text: Words


class DecisionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is paid back (minor units, 0: nothing), the words that the customer reads, and for a refusal the reason
    as a code of camt.029."""

    refund_minor: Annotated[int, Meta(ge=0, le=10**15)]
    text: Words
    reason: Annotated[str, Meta(max_length=4)] = ""


async def _ctx(request: AnyRequest) -> Context:
    return await web.context(request, "redress", "legal-obligation", signed_in=True)


@post("")
async def ask_back(request: AnyRequest, data: JSONBody[RecallOrder]) -> Recall:
    """Ask another bank for a payment back; repeated, the same recall. 404, 409 payments.cannot-recall."""
    return await acts.ask_back(web.stack(request), await _ctx(request), data)


@get("")
async def recalls(request: AnyRequest, place: Place = "", limit: Limit = 25) -> RecallPage:
    """The recalls that concern the caller, newest first. 401, 403."""
    return await acts.recalls(web.stack(request), await _ctx(request), place=place, limit=limit)


@get("/queue")
async def queue(request: AnyRequest, place: Place = "", limit: Limit = 25) -> RecallPage:
    """What other banks wish and nobody decided, and own recalls that are late, for account officers. 403."""
    return await acts.recall_queue(web.stack(request), await _ctx(request), place=place, limit=limit)


@get("/of/{transfer_id:str}")
async def of_transfer(request: AnyRequest, transfer_id: str) -> Recall:
    """The recall of a payment that the caller made. 404 payments.no-such-recall, payments.no-such-transfer."""
    stack, ctx = web.stack(request), await _ctx(request)
    return await acts.recall(stack, ctx, await acts.recall_of(stack, ctx, transfer_id))


@get("/{recall_id:str}")
async def one(request: AnyRequest, recall_id: str) -> Recall:
    """One recall that concerns the caller, with its steps. 404 payments.no-such-recall."""
    return await acts.recall(web.stack(request), await _ctx(request), recall_id)


@post("/{recall_id:str}/answer", status_code=200)
async def answer(request: AnyRequest, recall_id: str, data: JSONBody[HeardBody]) -> Recall:
    """Say as whoever was paid whether the money may go back. 404, 409 payments.recall-ended."""
    stack, ctx = web.stack(request), await _ctx(request)
    return await acts.answer_recall(stack, ctx, recall_id, data.text, agree=data.agree)


@post("/{recall_id:str}/complaint", status_code=200)
async def further(request: AnyRequest, recall_id: str, data: JSONBody[FurtherBody]) -> Recall:
    """Take it to the register of complaints, once refused, decided or late. 404, 409."""
    return await acts.take_recall_further(web.stack(request), await _ctx(request), recall_id, data.text)


@get("/{recall_id:str}/review")
async def review(request: AnyRequest, recall_id: str) -> Recall:
    """One recall, for an account officer; the customer sees that it was read. 403, 404."""
    return await acts.review_recall(web.stack(request), await _ctx(request), recall_id)


@post("/{recall_id:str}/decision", status_code=200)
async def decide(request: AnyRequest, recall_id: str, data: JSONBody[DecisionBody]) -> Recall:
    """Decide what another bank wishes. 400, 403, 404, 409 payments.recall-ended or the ledger's reason, 503."""
    stack, ctx = web.stack(request), await _ctx(request)
    return await acts.decide_recall(stack, ctx, recall_id, data.refund_minor, data.text, reason=data.reason)


@get("/recalls")
async def between(request: AnyRequest, late: Late = False, limit: Limit = 50) -> list[recalling.Recalled]:
    """The recalls between participants, for whoever runs the switch: all, or those not answered in time. 401, 403."""
    ctx = await web.context(request, "operations", "public-task", signed_in=True)
    return await recalling.see_recalls(web.stack(request), ctx, late=late, limit=limit)


routers = [
    Router(
        "/v1/payments/recalls",
        route_handlers=[ask_back, recalls, queue, of_transfer, one, answer, further, review, decide],
        tags=["payments"],
    ),
    Router("/v1/switch", route_handlers=[between], tags=["payments"]),
]
