"""The laws of the evidence room, its access rules, and what the public gets."""

import math
import xml.etree.ElementTree as ET
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.evidence import acts, noise, rules
from msingi.evidence.errors import BudgetSpent
from msingi.evidence.model import NATION, Cell, Population
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted

REGIONS = ["R01", "R02", "R03"]


def statistics_job(name="evidence.publish"):
    return job_context(name, "statistics", "public-task")


@given(
    st.lists(st.tuples(st.sampled_from(REGIONS), st.sampled_from("FMU"), st.integers(0, 500)), max_size=12), st.data()
)
@settings(max_examples=60, deadline=None)
def test_law_4_published_figures_are_consistent(cells, drawn):
    people = [Population("x", r, s, drawn.draw(st.integers(0, 300))) for r in REGIONS for s in "FM"]
    counts = rules.noisy([Cell(*c) for c in cells], REGIONS, 1000, lambda _: drawn.draw(st.integers(-90, 90)))
    found = rules.figures("16.9.1", counts, people, 1000)
    total = {f.region: f for f in found if f.sex == "_T"}
    assert all(0 <= f.numerator <= f.denominator for f in found)
    assert total[NATION].numerator == sum(total[r].numerator for r in REGIONS)
    assert all((f.percent is None) == (f.denominator < rules.THRESHOLD) for f in found)
    assert all(f.percent is None or 0 <= f.percent <= 100 for f in found)


@given(st.integers(0, 5000), st.integers(1, 2000))
def test_law_3_the_budget_is_never_overspent(spent, asked):
    if spent + asked > 4000:
        with pytest.raises(BudgetSpent):
            rules.spend(spent, asked, 4000)
    else:
        assert rules.spend(spent, asked, 4000) <= 4000


def test_law_2_the_noise_is_discrete_laplace():
    """Frequencies of 20,000 draws against the law, within five standard errors."""
    scale, draws = Fraction(2), 20_000
    seen = Counter(noise.discrete_laplace(scale) for _ in range(draws))
    p = math.exp(-1 / 2)
    for x in range(-4, 5):
        expected = (1 - p) / (1 + p) * p ** abs(x)
        error = math.sqrt(expected * (1 - expected) / draws)
        assert abs(seen[x] / draws - expected) < 5 * error


def test_absence_tells_nothing():
    """Every region and sex gets noise, also where nobody was counted."""
    drawn = []
    rules.noisy([], REGIONS, 1000, lambda scale: drawn.append(scale) or 0)
    assert len(drawn) == len(REGIONS) + 3


@pytest.fixture(scope="module")
async def published(stack):
    people = [Population("Y0T4", r.code, s, 500) for r in stack.profile.regions for s in "FM"]
    await acts.set_populations(stack, statistics_job("evidence.census"), people, "census of the test")

    async def counter(_, ctx):
        assert ctx.purpose == "statistics"
        return [Cell(r.code, s, 300) for r in stack.profile.regions for s in "FM"]

    acts.register_counter("16.9.1", counter)
    return await acts.publish(stack, statistics_job(), "16.9.1")


async def test_law_1_only_noisy_figures_are_kept(stack, published):
    again = await acts.newest(stack, "16.9.1")
    assert again == published
    exact = [f for f in again.figures if f.sex in "FM" and f.region == NATION]
    assert len(exact) == 2 and all(abs(f.percent - 60) < 3 for f in exact)
    assert any(f.numerator != 600 for f in again.figures if f.region != NATION)


async def test_law_5_the_public_gets_definition_caveat_edition_and_margin(client, published):
    page = (await client.get("/figures/16.9.1.json")).json()
    assert page["definition"] and page["caveat"] and page["privacy"]["epsilon"] == 1.0 and page["published_at"]
    assert all(f["margin_95"] is not None for f in page["figures"])
    table = await client.get("/figures/16.9.1.csv")
    assert table.headers["content-type"].startswith("text/csv") and len(table.text.splitlines()) == 1 + 3 + 31
    sdmx = (await client.get("/figures/16.9.1.sdmx.csv")).text.splitlines()
    assert sdmx[1].split(",")[5:9] == ["SG_REG_BRTH", "XTF", "_T", "Y0T4"] and len(sdmx[1].split(",")) == 24
    chart = ET.fromstring((await client.get("/figures/16.9.1.svg")).text)
    assert "60" in chart.attrib["aria-label"]


async def test_bad_requests_are_told(client):
    for path, status, code in (
        ("/figures/1.2.3.json", 404, "evidence.unknown-indicator"),
        ("/figures/8.10.2.json", 404, "evidence.no-edition"),
        ("/figures/16.9.1.exe", 400, "malformed"),
        ("/figures/16.9.1.csv?lang=klingon", 400, "malformed"),
    ):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


async def test_access_publish(stack, ctx_of, published):
    office = ctx_of(Kind.STAFF, "s1", roles=["statistician"], purpose="statistics")
    await acts.publish(stack, office, "16.9.1")
    for wrong in (
        ctx_of(Kind.STAFF, "s1", roles=["statistician"], purpose="audit"),
        ctx_of(Kind.STAFF, "s1", roles=["clinician"], purpose="statistics"),
        statistics_job("another job"),
    ):
        with pytest.raises(NotPermitted):
            await acts.publish(stack, wrong, "16.9.1")


async def test_access_set_populations(stack, ctx_of):
    office = ctx_of(Kind.STAFF, "s1", roles=["statistician"], purpose="statistics")
    await acts.set_populations(stack, office, [Population("x", "R01", "F", 1)], "test")
    with pytest.raises(NotPermitted):
        await acts.set_populations(stack, ctx_of(Kind.PERSON, "p", purpose="statistics"), [], "test")
