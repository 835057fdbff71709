"""A court order hides an investigation from the person for a while: never from the log, never from the counts."""

from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from msingi import app
from msingi.consent import acts as consent
from msingi.consent.errors import LessDetail
from msingi.countries import law, load
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotFound, NotPermitted
from msingi.kernel.ids import PersonId
from msingi.kernel.log import acts, errors, sequencer
from msingi.kernel.log.audit import check_log

RULES = """
@id("demo.sweep: the sweeper job reaches everyone")
permit (principal is Job, action == Action::"demo.sweep", resource) when { principal.name == "sweeper" };
@id("demo.look: staff look at people")
permit (principal is Staff, action in [Action::"demo.look", Action::"identity.register-birth"], resource);
"""


def _with_demo() -> None:
    """The stack's own rules and those of a room called demo."""
    rooms = [r for r in app.ROOMS if (files(f"msingi.{r}") / "policy.cedar").is_file()]
    policy.load(rooms, {"demo": RULES})


@pytest.fixture(scope="module", autouse=True)
def rules(stack):
    before = policy._policies
    _with_demo()
    yield
    policy._policies = before


def order(days: float = 30, **changes: Any) -> acts.VeilOrder:
    facts: dict[str, Any] = {
        "institution": "police",
        "purpose": "fraud-prevention",
        "until": clock.now() + timedelta(days=days),
        "reference": "High Court 12/2026",
    }
    return acts.VeilOrder(**(facts | changes))


@pytest.fixture
def court(ctx_of) -> Any:
    def made(**more: Any) -> Any:
        facts = {"institution": "judiciary", "roles": ["court"], "purpose": "fraud-prevention"} | more
        return ctx_of(Kind.STAFF, "judge-1", basis="legal-obligation", **facts)

    return made


@pytest.fixture
def look(stack, ctx_of) -> Any:
    async def made(person: PersonId, institution: str = "police", purpose: str = "fraud-prevention") -> None:
        ctx = ctx_of(Kind.STAFF, "detective-1", institution=institution, purpose=purpose)
        permit = policy.decide(ctx, "demo.look", person)
        async with stack.db.transaction(permit) as tx:
            log.append(tx, permit, subject=person, detail={"what": "looked"})

    return made


@pytest.fixture
def seen(stack, ctx_of) -> Any:
    async def made(person: PersonId, at: datetime | None = None) -> list[tuple[str, str]]:
        own = ctx_of(Kind.PERSON, person, purpose="subject-access", basis="legal-obligation")
        if at is not None:
            with clock.freeze(at):
                own = ctx_of(Kind.PERSON, person, purpose="subject-access", basis="legal-obligation")
        page = await consent.accesses(stack, own, person, limit=100)
        return [(line.act, line.institution) for line in page.items if line.act != "consent.accesses"]

    return made


async def test_access_order_veil(stack, court, person, ctx_of):
    someone = await person()
    assert await acts.order_veil(stack, court(), someone, order())
    for no in (
        court(roles=["auditor"]),
        court(assurance=1),
        court(institution="police"),  # nobody hides what they do themselves
        court(purpose="audit"),
        ctx_of(Kind.PERSON, someone, purpose="fraud-prevention", basis="legal-obligation"),
        job_context("sweeper", "fraud-prevention", "legal-obligation"),
    ):
        with pytest.raises(NotPermitted):
            await acts.order_veil(stack, no, someone, order())


async def test_access_lift_veil(stack, court, person, look, seen, ctx_of):
    someone = await person()
    veil_id = await acts.order_veil(stack, court(), someone, order())
    await look(someone)
    assert ("demo.look", "police") not in await seen(someone)
    with pytest.raises(NotPermitted):
        await acts.lift_veil(stack, court(roles=["auditor"]), someone, veil_id)
    await acts.lift_veil(stack, court(), someone, veil_id)
    assert {("demo.look", "police"), ("log.order-veil", "judiciary")} <= set(await seen(someone))
    with pytest.raises(NotFound):
        await acts.lift_veil(stack, court(), someone, veil_id)


async def test_in_a_batch_each_act_is_hidden_by_its_own_institution_and_purpose(stack, court, person, seen, ctx_of):
    first, second = await person(), await person()
    for someone in (first, second):
        await acts.order_veil(stack, court(), someone, order())
    made = [
        policy.decide(ctx_of(Kind.STAFF, "d-1", institution=asker, purpose="fraud-prevention"), "demo.look", someone)
        for someone, asker in ((first, "bank"), (first, "police"), (second, "police"), (second, "bank"))
    ]
    for batch in (made[:2], made[2:]):  # whoever comes first in it
        async with stack.db.transaction(*batch) as tx:
            for permit in batch:
                log.append(tx, permit, subject=permit.subjects[0], detail={"what": "looked"})
    for someone in (first, second):
        assert [asker for act, asker in await seen(someone) if act == "demo.look"] == ["bank"]


async def test_access_list_veils(stack, court, person, ctx_of):
    someone, other = await person(), await person()
    lawsuit = f"court-{someone.hex[-6:]}"
    mine = [await acts.order_veil(stack, court(institution=lawsuit), who, order()) for who in (someone, other)]
    await acts.order_veil(stack, court(), someone, order())  # another court's
    found = await acts.list_veils(stack, court(institution=lawsuit))
    assert [v.veil_id for v in found] == mine[::-1] and found[1].person_id == someone
    assert [v.veil_id for v in await acts.list_veils(stack, court(institution=lawsuit), mine[1])] == mine[:1]
    await acts.lift_veil(stack, court(institution=lawsuit), other, mine[1])
    assert [v.veil_id for v in await acts.list_veils(stack, court(institution=lawsuit))] == mine[:1]
    for no in (court(roles=["auditor"]), court(assurance=1), ctx_of(Kind.PERSON, someone, purpose="fraud-prevention")):
        with pytest.raises(NotPermitted):
            await acts.list_veils(stack, no)


async def test_what_an_order_covers_is_hidden_until_its_day_and_then_appears_by_itself(
    stack, court, person, look, seen, unsealed
):
    someone, other = await person(), await person()
    await look(someone)
    before = await seen(someone)
    assert ("demo.look", "police") in before
    await acts.order_veil(stack, court(), someone, order(30))
    for _ in range(3):
        await look(someone)
    await look(someone, institution="bank")
    await look(someone, purpose="redress")
    await look(other)
    now = await seen(someone)
    assert now.count(("demo.look", "police")) == 2  # from before the order, and for another purpose
    assert ("demo.look", "bank") in now and ("log.order-veil", "judiciary") not in now
    assert ("demo.look", "police") in await seen(other)
    later = await seen(someone, clock.now() + timedelta(days=31))
    assert later.count(("demo.look", "police")) == 5 and ("log.order-veil", "judiciary") in later
    # The log holds all of it all the while, and what is hidden cannot be asked for by its id either.
    await sequencer.catch_up(stack)
    assert (await check_log(stack)).ok


async def test_hidden_lines_are_not_found_by_their_ids(stack, court, person, look, ctx_of, owner):
    someone = await person()
    await acts.order_veil(stack, court(), someone, order())
    await look(someone)
    own = ctx_of(Kind.PERSON, someone, purpose="subject-access", basis="legal-obligation")
    hidden = await owner.fetch("SELECT record_id FROM log.record WHERE person_id = $1 AND veil_id IS NOT NULL", someone)
    assert len(hidden) == 2
    for row in hidden:
        with pytest.raises(NotFound):
            await consent.access(stack, own, someone, row["record_id"])
        with pytest.raises(NotFound):
            await consent.access_proof(stack, own, someone, row["record_id"])
    # A page that is full stays full: nobody counts the lines that are missing.
    page = await consent.accesses(stack, own, someone, limit=1)
    assert len(page.items) == 1


async def test_everybody_sees_how_many(stack, court, person, look, client):
    _with_demo()  # the application of the client has loaded its own
    someone = await person()
    counts = {c.institution: c for c in await acts.veiled_counts(stack)}
    before = counts.get("customs", acts.VeiledCount("customs", date.today(), 0, 0))
    await acts.order_veil(stack, court(), someone, order(institution="customs"))
    await look(someone, institution="customs")
    await look(someone, institution="customs")
    told = (await client.get("/log/veiled")).json()
    [mine] = [line for line in told if line["institution"] == "customs"]
    assert mine["orders"] == before.orders + 1 and mine["entries"] == before.entries + 2
    assert mine["month"] == datetime.now(UTC).date().replace(day=1).isoformat()
    assert (await client.post("/log/veils", json={})).status_code in (400, 401)


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": " "},
        {"reference": "x" * 121},
        {"institution": ""},
        {"purpose": "payment"},
        {"until": datetime(2020, 1, 1, tzinfo=UTC)},
        {"until": datetime(2100, 1, 1, tzinfo=UTC)},
        {"until": datetime(2027, 1, 1)},
    ],
)
async def test_the_law_of_the_country_bounds_an_order(stack, court, person, changes):
    with pytest.raises(errors.VeilWrong):
        await acts.order_veil(stack, court(), await person(), order(**changes))


async def test_a_relatives_affairs_are_shown_with_less_detail(stack, person, ctx_of):
    """By the country's data: the detail is left out, a sentence says why, and no proof carries it away."""
    mother = await person()
    ctx = ctx_of(Kind.STAFF, "officer-1", institution="registry", purpose="identity-registration")
    permit = policy.decide(ctx, "identity.register-birth", mother)
    async with stack.db.transaction(permit) as tx:
        ref = log.append(tx, permit, subject=mother, detail={"what": "a birth", "place": "Clinic 7", "child": "Asha"})
    own = ctx_of(Kind.PERSON, mother, purpose="subject-access", basis="legal-obligation")
    line = await consent.access(stack, own, mother, ref.record_id)
    assert line.detail["what"] == "a birth" and line.detail["less"]
    assert not {"place", "child"} & line.detail.keys()
    with pytest.raises(LessDetail):
        await consent.access_proof(stack, own, mother, ref.record_id)


def test_the_data_of_the_law_is_checked():
    profile = load("taifa")
    assert law.mistakes(profile.law, profile.languages) == []
    wrong = msgspec.structs.replace(
        profile.law,
        veils=law.Veils("s", 9_999, ("nonsense",), "hearsay"),
        disclosures=(law.Disclosure((), (), {}, ("nonsense",)),),
    )
    found = "; ".join(law.mistakes(wrong, profile.languages))
    for part in ("law.veils: nonsense", "most_days", "law.veils.checked", "law.disclosures: nonsense", "lacks the"):
        assert part in found
