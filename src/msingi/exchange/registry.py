"""Services that rooms of this stack answer: registered by the composition root, published when the stack starts."""

from typing import Any

from msingi.exchange import rules
from msingi.exchange.model import Handler, Offer, ServiceCode, SubsystemId

_offered: dict[str, tuple[Offer, Handler]] = {}


def register_offer(
    name: str, owner_subsystem: str, handler: Handler, openapi: dict[str, Any], *, fields: tuple[str, ...],
    purposes: tuple[str, ...], bases: tuple[str, ...], title: dict[str, str], needs_consent: bool = False,
    about_person: bool = True, document: str = "", media_type: str = "application/json",
) -> Offer:  # fmt: skip
    """Offer what `handler` answers as service `name` of `owner_subsystem` ("GOV/zahanati/records").

    `openapi` describes it (OpenAPI 3), with its yes/no questions in `x-questions`. It appears in the catalogue at the
    next start of the exchange's room, and only institutions with a right may ask.

    Raises BadCall when the offer is not well formed.
    """
    entry = Offer(
        service=ServiceCode(name),
        owner=SubsystemId(owner_subsystem),
        title=title,
        fields=fields,
        purposes=purposes,
        bases=bases,
        needs_consent=needs_consent,
        about_person=about_person,
        openapi=openapi,
        document=document,
        media_type=media_type,
        questions=rules.questions_of(openapi),
    )
    rules.check_offer(entry)
    _offered[name] = (entry, handler)
    return entry


def offered() -> list[Offer]:
    """What rooms of this stack offer."""
    return [entry for entry, _ in _offered.values()]


def handler_of(service: str) -> Handler | None:
    """What answers a service in this program."""
    known = _offered.get(service)
    return None if known is None else known[1]
