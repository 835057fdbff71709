"""Whatever is sent, the answer is a result or a refusal that names its reason: never a bug."""

import copy
import random
from decimal import Decimal
from urllib.parse import quote

import pytest
from tests.health.test_doors import DOCTOR

from msingi.health import acts, samples, wire
from msingi.kernel.errors import Refusal

PIECES = [
    None, True, 0, -1, "", " ", "x", "²", "\x00", "Patient/1", "urn:uuid:1", "#", "?", "2026-02-30", [], {}, [None],
          {"reference": "Patient?identifier=|"}, Decimal("1E+400"), 10**40, "9999-12-31", "0001-01-01",
]  # fmt: skip


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def changed(bundle: dict, chance: random.Random) -> dict:
    """The bundle with one to three places changed, removed or given a new name."""
    bundle = copy.deepcopy(bundle)
    for _ in range(chance.randrange(1, 4)):
        *way, last = chance.choice([p for p in places(bundle) if p])
        target = bundle
        for step in way:
            target = target[step]
        kind = chance.randrange(4)
        if kind == 0 and isinstance(target, dict):
            del target[last]
        elif kind == 1 and isinstance(target, dict):
            target[chance.choice(["x", "_" + str(last), "contained", "extension", "value"])] = target.pop(last)
        else:
            target[last] = copy.deepcopy(chance.choice(PIECES))
    return bundle


@pytest.mark.parametrize("seed", range(6))
async def test_changed_bundles_are_stored_or_refused(stack, clinician, enrolled, seed):
    person = await enrolled()
    chance = random.Random(seed)
    good = samples.for_person("infant", stack.profile.number_system, person.number)
    good["entry"] = good["entry"][:8]
    for _ in range(40):
        try:
            await acts.store_bundle(stack, clinician(), wire.decode(wire.encode(changed(good, chance))))
        except Refusal as refusal:
            assert wire.outcome(refusal, "x")[0]["issue"][0]["code"]


async def test_any_search_is_answered_or_refused(client, acting, stack):
    acting(DOCTOR)
    names = [
        "code",
        "date",
        "patient",
        "_id",
        "_count",
        "_lastUpdated",
        "_sort",
        "_page",
        "identifier",
        "patient.identifier",
    ]
    values = [
        "²", "\x00", "a|b|c", "|", "\\", ",", "-1", "0", "9" * 40, "٢٠٢٦", "9999-12-31", "gt0001-01-01", "Patient/",
        "%", "ap2026", "'; DROP TABLE x", "urn:uuid:1", "ne9999", f"{stack.profile.number_system}|1",
    ]  # fmt: skip
    for name in names:
        for value in values:
            answer = await client.get(f"/fhir/Observation?{name}={quote(value)}")
            assert answer.status_code < 500, (name, value, answer.text)
            assert wire.decode(answer.content)["resourceType"] in ("Bundle", "OperationOutcome")
    for path in ("%00", "..", "a" * 500, "_history", "$everything", "²"):
        for door in (f"/fhir/Patient/{path}", f"/fhir/{path}", f"/fhir/Patient/x/_history/{path}"):
            answer = await client.get(door)
            assert answer.status_code < 500, (door, answer.text)
