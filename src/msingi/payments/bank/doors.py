"""What all doors of the bank share: how a caller, a key and an amount are read."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import HeaderParameter
from msgspec import Meta

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.payments import rules

AnyRequest = Request[Any, Any, Any]
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        required=True,
        min_length=1,
        max_length=64,
        description="One key for one intention: repeated, it gives the first answer and does nothing twice.",
    ),
]
Amount = Annotated[int, Meta(ge=1, le=rules.MAX_AMOUNT_MINOR)]


async def paying_context(request: AnyRequest) -> Context:
    """Who calls, in order to pay. Raises NotSignedIn for anybody."""
    return await web.context(request, "payment", "contract", signed_in=True)
