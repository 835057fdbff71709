"""A town with the offices that answer for data: an officer of the clinic, one of the register, and the authority."""

from types import SimpleNamespace

import pytest
from tests.portal.conftest import PIN, surf, town

from msingi.kernel.context import Kind, job_context
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

__all__ = ["surf", "town"]
OFFICES = (
    ("dpo", ("data-protection-officer",), "rita"),
    ("clinic-dpo", ("data-protection-officer",), "zahanati"),
    ("authority", ("data-protection-authority",), "tume"),
)


@pytest.fixture(scope="module")
async def offices(stack, town) -> SimpleNamespace:
    """Logins of the offices, besides those of the town."""
    found = {}
    for place, (name, roles, institution) in enumerate(OFFICES):
        phone = f"+25562200000{place}"
        new = NewStaff(
            staff_id=f"{name}-1", institution=institution, roles=frozenset(roles), name=f"{name.title()} One",
            phone=phone, pin=PIN,
        )  # fmt: skip
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        found[name.replace("-", "_")] = SimpleNamespace(login=f"{name}-1", phone=phone)
    return SimpleNamespace(**found)


@pytest.fixture(scope="session")
def as_person(ctx_of):
    """The person's own context."""

    def make(person_id, purpose="redress", **more):
        return ctx_of(Kind.PERSON, person_id, purpose=purpose, basis="legal-obligation", **more)

    return make


@pytest.fixture(scope="session")
def as_office(ctx_of):
    """The context of an office: an institution's, or the authority's."""

    def make(institution="rita", role="data-protection-officer", purpose="redress", **more):
        return ctx_of(
            Kind.STAFF, f"{institution}-dpo", institution=institution, roles=[role], purpose=purpose,
            basis="legal-obligation", **more,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def as_job():
    """The stack's own context under a name."""

    def make(name, purpose="redress"):
        return job_context(name, purpose, "legal-obligation")

    return make
