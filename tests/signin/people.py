"""People for the tests of sign-in, enrolled as everybody is."""

from datetime import date
from typing import NamedTuple

from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel.context import job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack


class Somebody(NamedTuple):
    """A person as the tests know them."""

    person_id: PersonId
    number: str
    full_name: str
    phone: str
    birth_date: date


async def enrol(stack: Stack, given: str, family: str, phone: str, born: date = date(1990, 1, 2)) -> Somebody:
    """Enrol an active person with a phone."""
    order = EnrolmentOrder(name=Name(given, family), birth=Birth(born.isoformat()), phone=phone)
    ctx = job_context("sample", "identity-registration", "legal-obligation")
    outcome = await identity.enrol(stack, ctx, order, f"{given}-{phone}")
    assert isinstance(outcome, Enrolled), outcome
    return Somebody(outcome.person_id, outcome.number, f"{given} {family}", phone, born)
