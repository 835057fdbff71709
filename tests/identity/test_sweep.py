"""Comparing many records at once: the same weights as at enrolment, questions and no joins, no question twice."""

import asyncio
import inspect
import json
from collections import Counter

import pyarrow.parquet
import pytest
import sqlglot
from click.testing import CliRunner
from tests.identity import febrl
from tests.identity.test_acts import adjudicator, enrolled, job_ctx, key, nobody, officer, someone

from msingi.cli import cli
from msingi.identity import acts, adjudication, blocking, rules, scoring, standing, wire
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle.model import ProposalDecision, ProposalState
from msingi.identity.model import CaseKind, Decision, Row, Status
from msingi.identity.sweep import acts as sweeps
from msingi.identity.sweep import files, linkage
from msingi.identity.sweep.model import Record
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Kind
from msingi.kernel.errors import NotPermitted

__all__ = ["adjudicator", "nobody", "officer"]  # fixtures, imported by name
SECRET = b"s" * 32


def records(stack, number):
    """A FEBRL set as records to compare, and its truth."""
    rows, truth = febrl.records(number)
    mapping = wire.mapping(febrl.MAPPING.read_text("utf-8"))
    traits = {}
    for row in wire.rows(rows, list(febrl.COLUMNS), mapping):
        person = rules.demographics(row.order, stack.profile, clock.today()) if row.order else None
        if person is not None:
            traits[row.key] = blocking.traits(person)
    bearers = Counter(k for t in traits.values() for k in blocking.name_keys(SECRET, t).values())
    law = scoring.weights()

    def rarity(t):
        found = blocking.name_keys(SECRET, t)
        return {part: law.rarity(bearers[k] - 1, len(traits)) for part, k in found.items()}

    made = [Record(k, t, tuple(blocking.search_keys(SECRET, t)), rarity(t)) for k, t in traits.items()]
    return made, truth


async def test_law_1_splink_weighs_a_pair_as_enrolment_does_and_finds_what_is_to_be_found(stack):
    made, truth = records(stack, 1)
    of = {r.key: r for r in made}
    found = await asyncio.to_thread(linkage.compare, made, -1000.0)
    apart = 0
    for pair in found:
        one, other = of[pair.one], of[pair.other]
        bits = scoring.bits(scoring.reasons(one.traits, other.traits, one.rarity))
        # where a name is written crosswise, or the two names' frequencies differ, Splink takes the other's
        apart += abs(bits - pair.bits) > 1.0
    assert apart <= len(found) * 0.1
    bound = scoring.weights().threshold(len(made))
    joined = febrl.pairs(febrl.clusters(of, [(p.one, p.other) for p in found if p.bits >= bound]))
    assert len(joined & truth) / len(truth) >= 0.98
    assert len(joined & truth) / len(joined) >= 0.999


async def twins(stack, officer):
    """Two records of one person, as they come about when a difference hid the person at enrolment."""
    one = await enrolled(stack, officer)
    two = await enrolled(stack, officer)
    permit = policy.decide(job_ctx(), "identity.enrol", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        people = await adjudication.read_people(tx, stack, [one.person_id])
        await standing.revise(tx, stack, two.person_id, people[one.person_id].demographics, "made alike for a test")
        log.append(tx, permit, subject=two.person_id, detail={"what": "made alike for a test"})
    return one.person_id, two.person_id


async def case_of(stack, adjudicator, person_id):
    after = None
    while True:
        page = await acts.duplicates_waiting(stack, adjudicator, after, 200)
        for case in page.cases:
            if person_id in (case.person_id, *(c.person_id for c in case.candidates)) and case.kind is CaseKind.FOUND:
                return case
        after = page.next_after
        if after is None:
            return None


async def test_laws_2_and_3_a_pair_is_asked_about_once_and_two_officers_join_it(stack, officer, adjudicator, ctx_of):
    first, second = await twins(stack, officer)
    done = await sweeps.sweep(stack, job_ctx())
    assert done.over and done.opened >= 1
    case = await case_of(stack, adjudicator, second)
    assert case is not None and case.person_id == second and case.candidates[0].person_id == first
    assert case.candidates[0].reasons
    decided = await acts.decide_duplicate(stack, adjudicator, case.case_id, Decision(0, "the same face"))
    assert decided.proposed and not decided.merged
    assert (await acts.read_person(stack, officer, second)).status is Status.ACTIVE
    again = await acts.decide_duplicate(stack, adjudicator, case.case_id, Decision(0, "the same face"))
    assert again == decided
    [proposal] = [p for p in (await life.proposals_waiting(stack, adjudicator)).proposals if p.person_id == second]
    other = ctx_of(Kind.STAFF, "judge-2", institution="rita", roles=["adjudicator"], purpose="identity-registration")
    done = await life.decide_proposal(stack, other, proposal.proposal_id, ProposalDecision(True, "compared the photos"))
    assert done is ProposalState.APPROVED
    assert (await acts.read_person(stack, officer, second)).status is Status.MERGED


async def test_law_3_a_pair_that_was_told_apart_is_not_asked_about_again(stack, officer, adjudicator):
    _, second = await twins(stack, officer)
    await sweeps.sweep(stack, job_ctx())
    case = await case_of(stack, adjudicator, second)
    await acts.decide_duplicate(stack, adjudicator, case.case_id, Decision(None, "twins, both were here"))
    await sweeps.sweep(stack, job_ctx())
    assert await case_of(stack, adjudicator, second) is None


async def test_law_4_a_run_that_stopped_goes_on(stack, officer, adjudicator, monkeypatch):
    _, second = await twins(stack, officer)
    real, parts = sweeps._part, []

    async def stops(*more):
        parts.append(more[-1].done)
        if len(parts) == 2:
            raise RuntimeError("the power went")
        return await real(*more)

    monkeypatch.setattr(sweeps, "_part", stops)
    with pytest.raises(RuntimeError):
        await sweeps.sweep(stack, job_ctx(), share_people=2)
    done = await sweeps.sweep(stack, job_ctx(), share_people=2)
    assert parts[:3] == [0, 1, 1] and parts[-1] == done.shares - 1 and done.over
    assert await case_of(stack, adjudicator, second) is not None


async def test_a_file_is_compared_with_itself_and_with_the_register_and_nobody_is_held(stack, officer, adjudicator):
    known, new = someone(), someone()
    await acts.enrol(stack, officer, known, key())
    before = (await acts.duplicates_waiting(stack, adjudicator)).waiting
    rows = [Row("1", known), Row("2", new), Row("3", new), Row("3", new), Row("4", None)]
    found, faults = await files.compare_file(stack, job_ctx(), rows)
    assert {(p.row, p.other) for p in found} == {("1", ""), ("2", "3")}
    assert all(p.reasons and p.bits > 13 for p in found)
    assert [row for row, _ in faults] == ["3", "4"]
    assert (await acts.duplicates_waiting(stack, adjudicator)).waiting == before


def test_law_5_no_file_is_written_and_the_settings_are_told_for_spark_too():
    assert 'temp_directory": ""' in inspect.getsource(linkage.compare)
    for backend in ("duckdb", "spark"):
        told = json.loads(CliRunner().invoke(cli, ["duplicates", "--settings", backend]).output)
        assert told["settings"]["sql_dialect"] == backend and len(told["settings"]["comparisons"]) == 11
        assert len(told["functions"]) == 8
        assert told["least_bits"] == round(scoring.weights().threshold(1_000_000), 2)
        assert sqlglot.parse_one(told["bits"], dialect=backend).find(sqlglot.exp.Greatest)  # the household is bounded


async def test_the_table_for_another_machine_has_what_the_settings_use_and_weighs_the_same(stack, tmp_path):
    rows = [Row("1", one := someone()), Row("2", one), Row("3", None), Row("1", someone())]
    made, faults = await files.records_of(stack, rows)
    assert [r.key for r in made] == ["1", "2"] and [key for key, _ in faults] == ["3", "1"]
    linkage.write_table(made, str(tmp_path / "people.parquet"))
    kept = pyarrow.parquet.read_table(tmp_path / "people.parquet").to_pylist()
    assert set(kept[0]) == {"key", "search_keys", "tf_given", "tf_family", *linkage.COLUMNS}
    assert kept[0]["family"] == kept[1]["family"] == blocking.compact(one.name.family)
    [pair] = linkage.compare(made, 0.0)
    assert {pair.one, pair.other} == {"1", "2"}


async def test_access_sweep(stack, nobody):
    assert (await sweeps.sweep(stack, job_ctx())).over
    with pytest.raises(NotPermitted):
        await sweeps.sweep(stack, nobody)


async def test_access_compare_file(stack, nobody):
    assert await files.compare_file(stack, job_ctx(), [Row("1", someone())]) == ([], [])
    with pytest.raises(NotPermitted):
        await files.compare_file(stack, nobody, [Row("1", someone())])


async def test_access_sweeps(stack, adjudicator, nobody):
    await sweeps.sweep(stack, job_ctx())
    assert (await sweeps.sweeps(stack, adjudicator))[0].over
    with pytest.raises(NotPermitted):
        await sweeps.sweeps(stack, nobody)


def test_the_functions_for_spark_are_of_spark_s_dialect():
    for statement in linkage.prelude("spark"):
        body = statement.partition(" RETURN ")[2]
        assert sqlglot.parse_one(body, dialect="spark").sql("spark")
    assert "jaro_winkler_similarity" not in " ".join(linkage.prelude("spark"))
