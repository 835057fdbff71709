"""The laws of the stewardship room: a true inventory, judged licences, a register of decisions."""

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from tests.house.code import ROOT

from msingi.stewardship import acts, rules
from msingi.stewardship.model import Verdict

LICENCES = st.recursive(
    st.sampled_from(["MIT", "Apache-2.0", "MPL-2.0", "GPL-3.0-only", "Weird-1.0"]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=6,
)
ORDER = [Verdict.ALLOWED, Verdict.REVIEW, Verdict.UNKNOWN, Verdict.REFUSED]


@given(LICENCES, LICENCES)
def test_law_2_one_may_choose_but_not_ignore(one, other):
    first, second = ORDER.index(rules.judge(one)), ORDER.index(rules.judge(other))
    assert ORDER.index(rules.judge(f"{one} OR {other}")) == min(first, second)
    assert ORDER.index(rules.judge(f"{one} AND {other}")) == max(first, second)


def test_law_1_the_inventory_is_what_is_installed():
    import asyncpg

    found = {c.name: c for c in acts.inventory()}
    assert found["asyncpg"].version == asyncpg.__version__ and found["asyncpg"].direct
    assert {"msgspec", "cryptography", "litestar"} <= found.keys() and "pytest" not in found


def test_law_1_vendored_packages_are_listed_with_their_licence_and_version():
    listed = {v.folder: v for v in acts.vendored()}
    own = ROOT / "src" / "msingi"
    shipped = {file.parent.relative_to(own).as_posix() for file in own.rglob("LICENSE*") if "samples" not in file.parts}
    assert shipped == listed.keys()
    for folder, package in listed.items():
        assert f"`{package.name}` {package.version}" in (own / folder / "README.md").read_text("utf-8")


def test_law_2_nothing_refused_or_unreadable_runs():
    wrong = [c for c in acts.inventory() if c.verdict in (Verdict.REFUSED, Verdict.UNKNOWN)]
    assert not wrong, [(c.name, c.licence) for c in wrong]


def test_law_3_the_register_names_its_source():
    for entry in acts.algorithms().values():
        assert (ROOT / entry.source).exists(), entry.source
        assert {"en", "sw", "fr", "ar"} <= entry.contest.keys()


async def test_the_bill_of_materials_is_valid_cyclonedx(client):
    answer = await client.get("/v1/stewardship/sbom.cdx.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(answer.text) is None
    refs = {c["bom-ref"] for c in answer.json()["components"]}
    assert all(set(d["dependsOn"]) <= refs for d in answer.json()["dependencies"])


@pytest.mark.parametrize("path", ["licences", "algorithms?lang=sw"])
async def test_the_public_can_read_it(client, path):
    assert (await client.get(f"/v1/stewardship/{path}")).status_code == 200
