"""Who acts, and for what: the facts that every decision, row and leaf is about."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from msingi.kernel import clock
from msingi.kernel.ids import token

Institution = NewType("Institution", str)

PURPOSES = frozenset(
    (
        "identity-registration",
        "identity-proofing",
        "credential-issuance",
        "payment",
        "social-protection",
        "health-care",
        "public-health",
        "statistics",
        "subject-access",
        "consent-management",
        "data-exchange",
        "audit",
        "fraud-prevention",
        "redress",
        "public-service",
        "operations",
    )
)
BASES = frozenset(["consent", "contract", "legal-obligation", "vital-interest", "public-task"])


class Kind(StrEnum):
    """What sort of actor: a person, a staff member, an institution's software, the stack itself, or anybody."""

    PERSON = "person"
    STAFF = "staff"
    CLIENT = "client"
    JOB = "job"
    PUBLIC = "public"


class Actor(Struct, frozen=True):
    """Who acts. For a person `id` is the person id as text; `institution` is empty for people and the public.

    `assurance` counts the factors that were proved: 0 none, 1 one factor, 2 two factors.
    """

    kind: Kind
    id: str
    institution: str = ""
    roles: frozenset[str] = frozenset()
    assurance: int = 0
    name: str = ""


class Context(Struct, frozen=True):
    """One act's circumstances: actor, purpose (one of PURPOSES), legal basis (one of BASES), request id, instant.

    `consent` is the id of the consent that the basis rests on, when the basis is consent.
    """

    actor: Actor
    purpose: str
    basis: str
    request_id: str
    at: datetime
    channel: str = "web"
    consent: str = ""


ANYBODY = Actor(Kind.PUBLIC, "anybody")


def context(actor: Actor, purpose: str, basis: str, *, request_id: str = "", channel: str = "web") -> Context:
    """A context of the present instant; a request id is made where none is given."""
    return Context(actor, purpose, basis, request_id or token(9), clock.now(), channel)


def job_context(name: str, purpose: str = "operations", basis: str = "public-task") -> Context:
    """The context of the stack's own work, such as a scheduled job called `name`."""
    return context(Actor(Kind.JOB, name, assurance=2), purpose, basis, channel="job")
