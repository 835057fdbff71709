"""The life cycle against a small model: whatever officers try, in whatever order, both agree, and no law breaks."""

from itertools import pairwise

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.identity.test_acts import adjudicator, enrolled, key, officer, registrar
from tests.identity.test_lifecycle import YES, judge_2

from msingi.identity import acts
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import DeathOrder
from msingi.identity.errors import NotInThisState
from msingi.identity.lifecycle import acts as life
from msingi.identity.model import Status
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed

__all__ = ["adjudicator", "judge_2", "officer", "registrar"]  # fixtures, imported by name
PEOPLE = 3
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["suspend", "reactivate", "deactivate", "die", "revive", "merge", "merge", "unmerge"]),
        st.integers(0, PEOPLE - 1),
        st.integers(0, PEOPLE - 1),
    ),
    min_size=4,
    max_size=14,
)


class Model:
    """What should be: a status each, whom it merged into, and what it was before it died or was merged."""

    def __init__(self) -> None:
        self.status = ["active"] * PEOPLE
        self.into: list[int | None] = [None] * PEOPLE
        self.before = ["active"] * PEOPLE

    def step(self, verb: str, who: int, other: int) -> bool:
        """Whether the step is allowed; then it is done."""
        now, stands = self.status[who], ("active", "suspended")
        if verb in ("suspend", "reactivate", "deactivate"):
            wanted = {"suspend": "suspended", "reactivate": "active", "deactivate": "deactivated"}[verb]
            allowed = now in ("active", "suspended", "deactivated") and now != wanted
            allowed &= not (verb == "suspend" and now == "deactivated")
            after = wanted
        elif verb == "die":
            allowed, after = now in ("active", "suspended", "deactivated"), "deceased"
        elif verb == "merge":
            allowed, after = who != other and now in stands and self.status[other] in stands, "merged"
        else:
            allowed, after = now == {"revive": "deceased", "unmerge": "merged"}[verb], self.before[who]
        if allowed:
            if verb in ("die", "merge"):
                self.before[who] = now
            self.status[who] = after
            self.into[who] = other if verb == "merge" else None
        return allowed


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_law_7_the_life_cycle_has_no_short_cut(stack, officer, adjudicator, judge_2, registrar, owner_url, steps):
    people = [await enrolled(stack, officer) for _ in range(PEOPLE)]
    model = Model()

    async def do(verb: str, who: int, other: int) -> None:
        one, two = people[who].person_id, people[other].person_id
        if verb == "die":
            order = DeathOrder(people[who].number, clock.today())
            await civil.register_death(stack, registrar, order, key())
        elif verb in ("suspend", "reactivate", "deactivate"):
            await getattr(acts, verb)(stack, adjudicator, one, "Because.")
        else:
            if verb == "merge":
                asked = await life.propose_merge(stack, adjudicator, one, two, "Because.")
            elif verb == "unmerge":
                asked = await life.propose_unmerge(stack, adjudicator, one, "Because.")
            else:
                asked = await life.propose_revival(stack, registrar, one, "Because.")
            await life.decide_proposal(stack, judge_2, asked, YES)

    for verb, who, other in steps:
        if model.step(verb, who, other):
            await do(verb, who, other)
        else:
            with pytest.raises((NotInThisState, Malformed)):
                await do(verb, who, other)
    for place, person in enumerate(people):
        stands, into = await acts.status_of(stack, job_context("test"), person.person_id)
        target = model.into[place]
        assert (stands, into) == (Status(model.status[place]), None if target is None else people[target].person_id)
        found = await acts.person_by_number(stack, officer, person.number, any_status=True)
        assert found == person.person_id  # a number stays its record's, merged, parted or dead
    conn = await asyncpg.connect(owner_url)
    for person in people:  # the history is a chain: it begins with the enrolment, and ends where the record stands
        rows = await conn.fetch(
            "SELECT status FROM identity.status_change WHERE person_id = $1 ORDER BY at", person.person_id
        )
        stands = await conn.fetchval("SELECT status FROM identity.person WHERE person_id = $1", person.person_id)
        chain = [row["status"] for row in rows]
        assert chain[0] == "active" and chain[-1] == stands
        assert all(one != two for one, two in pairwise(chain))
    await conn.close()
