"""Fixtures of the health room: enrolled people, clinicians of two institutions, a caller for the doors."""

import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, NamedTuple

import pytest

from msingi.health import acts, samples
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name, Sex
from msingi.kernel import web
from msingi.kernel.context import Actor, Context, Kind, job_context
from msingi.kernel.ids import PersonId

_counter = itertools.count(1)


class Known(NamedTuple):
    """An enrolled person: id and identity number."""

    id: PersonId
    number: str


@pytest.fixture
def enrolled(stack) -> Callable[..., Awaitable[Known]]:
    """Enrol a person, unlike any other so that nobody is held as a duplicate."""

    async def make(region: str = "", born: date | None = None, sex: str = "") -> Known:
        n = next(_counter)
        chance = random.Random(n)
        letters = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=18))
        day = born or date(1940 + chance.randrange(60), chance.randrange(1, 13), chance.randrange(1, 29))
        order = EnrolmentOrder(
            name=Name(given=letters[:9].capitalize(), family=letters[9:].capitalize()),
            birth=Birth(date=day.isoformat()),
            sex=Sex(sex) if sex else chance.choice([Sex.FEMALE, Sex.MALE]),
            region=region,
        )
        ctx = job_context("test", purpose="identity-registration")
        outcome = await identity.enrol(stack, ctx, order, f"health-{n}-{letters}")
        assert isinstance(outcome, Enrolled), outcome
        return Known(outcome.person_id, outcome.number)

    return make


@pytest.fixture
def clinician(ctx_of) -> Callable[..., Context]:
    """A clinician at work in an institution."""

    def make(institution: str = "zahanati", **more: Any) -> Context:
        given = {"roles": ["clinician"], "purpose": "health-care", "basis": "contract"} | more
        return ctx_of(Kind.STAFF, f"doctor of {institution}", institution=institution, **given)

    return make


@pytest.fixture
def recorded(stack, enrolled, clinician):
    """Enrol a person and store a sample bundle for them; gives the person and the transaction's locations."""

    async def make(sample: str = "adult", institution: str = "zahanati", **more: Any) -> tuple[Known, list[str]]:
        person = more.pop("person", None) or await enrolled()
        bundle = samples.for_person(sample, stack.profile.number_system, person.number, **more)
        answer = await acts.store_bundle(stack, clinician(institution), bundle)
        return person, [e["response"]["location"].partition("/_history")[0] for e in answer["entry"]]

    return make


def only(locations: list[str], rtype: str) -> str:
    """The id of the first resource of a type among locations."""
    return next(one.partition("/")[2] for one in locations if one.startswith(rtype + "/"))


@pytest.fixture
def acting(client, monkeypatch) -> Callable[[Actor | None], None]:
    """Say who calls the doors from now on; signing in is the matter of another room."""
    current: list[Actor | None] = [None]

    async def authenticate(_stack: Any, _request: Any) -> Actor | None:
        return current[0]

    monkeypatch.setattr(web, "_authenticators", [authenticate])

    def act(actor: Actor | None) -> None:
        current[0] = actor

    return act
