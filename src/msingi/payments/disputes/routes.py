"""Doors of disputes: for both sides, and for account officers."""

from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.payments.disputes import acts
from msingi.payments.disputes.model import Dispute, DisputeCounts, DisputeOrder, DisputePage

AnyRequest = Request[Any, Any, Any]
Words = Annotated[str, Meta(min_length=1, max_length=1_000)]
Place = Annotated[str, QueryParameter(max_length=80, description="What the page before gave as `next_place`.")]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many items at most.")]


class AnswerBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The other side's words; with `accept` all is paid back at once."""

    text: Words
    accept: bool = False


class FurtherBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why the decision is not accepted."""

    text: Words


class DecisionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much is paid back (minor units, 0: nothing), and the reason that both sides read."""

    refund_minor: Annotated[int, Meta(ge=0, le=10**15)]
    reason: Words


async def _ctx(request: AnyRequest) -> Context:
    return await web.context(request, "redress", "legal-obligation", signed_in=True)


@post("")
async def open_dispute(request: AnyRequest, data: JSONBody[DisputeOrder]) -> Dispute:
    """Dispute a transfer that the caller paid; repeated, the same dispute. 404, 409 payments.cannot-dispute."""
    return await acts.open_dispute(web.stack(request), await _ctx(request), data)


@get("")
async def disputes(request: AnyRequest, place: Place = "", limit: Limit = 25) -> DisputePage:
    """The disputes in which the caller takes part, on either side, newest first. 401, 403."""
    return await acts.disputes(web.stack(request), await _ctx(request), place=place, limit=limit)


@get("/counts")
async def counts(request: AnyRequest) -> DisputeCounts:
    """Disputes of a year, how they ended, and how many wait: for everybody."""
    return await acts.dispute_counts(web.stack(request), await web.context(request, "statistics", "public-task"))


@get("/queue")
async def queue(request: AnyRequest, place: Place = "", limit: Limit = 25) -> DisputePage:
    """Disputes that wait for a decision, the most urgent first, for account officers. 403."""
    return await acts.queue(web.stack(request), await _ctx(request), place=place, limit=limit)


@get("/{dispute_id:str}")
async def one(request: AnyRequest, dispute_id: str) -> Dispute:
    """One dispute in which the caller takes part. 404 payments.no-such-dispute."""
    return await acts.dispute(web.stack(request), await _ctx(request), dispute_id)


@post("/{dispute_id:str}/answer", status_code=200)
async def answer(request: AnyRequest, dispute_id: str, data: JSONBody[AnswerBody]) -> Dispute:
    """Answer as the side that was paid; accepted, all is paid back. 404, 409 payments.dispute-ended."""
    stack, ctx = web.stack(request), await _ctx(request)
    return await acts.answer(stack, ctx, dispute_id, data.text, accept=data.accept)


@post("/{dispute_id:str}/complaint", status_code=200)
async def further(request: AnyRequest, dispute_id: str, data: JSONBody[FurtherBody]) -> Dispute:
    """Take it to the register of complaints, once decided or late. 404, 409 payments.not-yet-further."""
    return await acts.take_further(web.stack(request), await _ctx(request), dispute_id, data.text)


@get("/{dispute_id:str}/review")
async def review(request: AnyRequest, dispute_id: str) -> Dispute:
    """One dispute, for an account officer; the payer sees that it was read. 403, 404."""
    return await acts.review(web.stack(request), await _ctx(request), dispute_id)


@post("/{dispute_id:str}/decision", status_code=200)
async def decide(request: AnyRequest, dispute_id: str, data: JSONBody[DecisionBody]) -> Dispute:
    """Decide, with a reason that both sides read. 403, 404, 409 payments.dispute-ended or the ledger's reason."""
    return await acts.decide(web.stack(request), await _ctx(request), dispute_id, data.refund_minor, data.reason)


routers = [
    Router(
        "/v1/payments/disputes",
        route_handlers=[open_dispute, disputes, counts, queue, one, answer, further, review, decide],
        tags=["payments"],
    )
]
