"""Laws 6 and 7: what is stored matches the definitions, and a decimal keeps its digits."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.health import samples, structure, wire
from msingi.health.errors import NotFhir
from msingi.health.primitives import TESTS

OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "subject": {"reference": "Patient/0192f3a1-0000-7000-8000-000000000000"},
    "effectiveDateTime": "2026-02-28",
    "valueQuantity": {"value": Decimal("61.50"), "unit": "kg"},
}
PATIENT = {"resourceType": "Patient", "name": [{"family": "Mfano"}], "birthDate": "1979-02-14"}

# (what is wrong, resource, expression named, words of the rule)
BAD = [
    ("unknown element", OBSERVATION | {"colour": "red"}, "Observation.colour", "not an element"),
    ("unknown nested", OBSERVATION | {"code": {"txt": "x"}}, "Observation.code.txt", "not an element"),
    ("missing mandatory", {"resourceType": "Observation", "status": "final"}, "Observation.code", "mandatory"),
    ("code not of the set", OBSERVATION | {"status": "done"}, "Observation.status", "observation-status"),
    ("two choices", OBSERVATION | {"valueString": "x"}, "Observation.value", "only one"),
    ("array for one", OBSERVATION | {"code": [OBSERVATION["code"]]}, "Observation.code", "JSON object"),
    ("one for array", OBSERVATION | {"category": {"text": "x"}}, "Observation.category", "JSON array"),
    ("empty array", OBSERVATION | {"category": []}, "Observation.category", "empty array"),
    ("empty object", OBSERVATION | {"code": {}}, "Observation.code", "empty object"),
    ("null", OBSERVATION | {"issued": None}, "Observation.issued", "null"),
    ("number as text", OBSERVATION | {"valueQuantity": {"value": "61.5"}}, "Observation.value.value", "JSON number"),
    ("text as number", OBSERVATION | {"issued": 5}, "Observation.issued", "instant"),
    ("day that is none", OBSERVATION | {"effectiveDateTime": "2026-02-30"}, "Observation.effective", "calendar"),
    (
        "time without zone",
        OBSERVATION | {"effectiveDateTime": "2026-02-03T10:00:00"},
        "Observation.effective",
        "offset",
    ),
    ("blank string", OBSERVATION | {"note": [{"text": "  "}]}, "Observation.note[0].text", "empty"),
    ("bad id", OBSERVATION | {"id": "a/b"}, "Observation.id", "letters"),
    ("wrong target", OBSERVATION | {"subject": {"reference": "Condition/1"}}, "Observation.subject", "point at"),
    (
        "value and reason for its absence",
        OBSERVATION | {"dataAbsentReason": {"text": "x"}},
        "Observation",
        "obs-6",
    ),
    ("boolean as text", PATIENT | {"active": "true"}, "Patient.active", "true or false"),
    ("period backwards", PATIENT | {"name": [{"period": {"start": "2026", "end": "2025"}}]}, "", "per-1"),
    ("script in narrative", PATIENT | {"text": {"status": "generated", "div": "<div><script/></div>"}}, "", "txt-1"),
    ("event in narrative", PATIENT | {"text": {"status": "generated", "div": '<div onclick="x"/>'}}, "", "txt-1"),
    ("torn narrative", PATIENT | {"text": {"status": "generated", "div": "<div><p></div>"}}, "", "well-formed"),
    ("extension without value", PATIENT | {"extension": [{"url": "http://x"}]}, "Patient.extension[0]", "ext-1"),
    ("local reference to nothing", OBSERVATION | {"subject": {"reference": "#p"}}, "Observation.subject", "ref-1"),
    ("contact value without system", PATIENT | {"telecom": [{"value": "1"}]}, "Patient.telecom[0]", "cpt-2"),
    ("another standard's type", {"resourceType": "Animal"}, "Resource", "FHIR R4"),
    ("not an object", ["Patient"], "Resource", "JSON object"),
]


@pytest.mark.parametrize(("resource", "expression", "rule"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_law_6_bad_input_is_named_by_path_and_rule(resource, expression, rule):
    issues = structure.check(resource)
    assert any(rule in i.rule and i.expression.startswith(expression) for i in issues), issues


def test_law_6_an_issue_never_repeats_a_value():
    secret = "Asha Mwakyusa 1984"
    broken = OBSERVATION | {"status": secret, "effectiveDateTime": secret, secret: 1, "issued": secret}
    assert secret not in repr(structure.check(broken))


@pytest.mark.parametrize("resource", [OBSERVATION, PATIENT], ids=["Observation", "Patient"])
def test_law_6_good_input_passes(resource):
    assert structure.check(resource) == []


def test_law_6_extensions_of_primitives_stand_beside_them():
    unknown = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "x"}]}
    assert structure.check({"resourceType": "Patient", "_birthDate": unknown}) == []
    given_names = {"given": ["A", None], "_given": [None, unknown]}
    assert structure.check({"resourceType": "Patient", "name": [given_names]}) == []
    assert structure.check({"resourceType": "Patient", "name": [{"given": ["A", None]}]})
    # A mandatory primitive is there when its extension says why it is not.
    assert structure.check({k: v for k, v in OBSERVATION.items() if k != "status"} | {"_status": unknown}) == []


@pytest.mark.parametrize("name", samples.NAMES)
def test_law_6_the_samples_of_the_package_pass(name):
    bundle = samples.load(name)
    assert structure.check(bundle) == []
    assert {e["request"]["method"] for e in bundle["entry"]} == {"POST"}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=4)
)
def test_law_6_any_object_gets_an_answer(extra):
    issues = structure.check(OBSERVATION | {"code": extra})
    known = {"id", "extension", "coding", "text", "_text", "_id"}
    assert issues or set(extra) <= known


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(sorted(structure.resource_types())))
def test_law_6_no_input_breaks_the_walker(content, kind):
    structure.check({"resourceType": kind, "identifier": content, "extension": content, "contained": content})


@settings(max_examples=100, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**20), max_value=10**20))
def test_law_7_a_decimal_keeps_its_digits(number):
    raw = b'{"value":%s}' % format(number, "f").encode()
    body = wire.decode(raw)
    again = wire.decode(wire.encode(body))["value"]
    assert isinstance(again, int | Decimal)
    assert str(Decimal(again)) == str(Decimal(body["value"]))
    assert wire.unpack(wire.pack(body)) == body


@pytest.mark.parametrize("text", ["1.10", "2.50", "0.000", "-4.0", "100", "123456789012345678901234567890"])
def test_law_7_precision_is_part_of_the_value(text):
    raw = b'{"value":%s}' % text.encode()
    assert wire.encode(wire.decode(raw)) == raw
    assert wire.encode(wire.unpack(wire.pack(wire.decode(raw)))) == raw


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a":NaN}', b"\xff\xfe", b"[" * 100_000, b'{"a":1e999999999}'])
def test_what_is_not_json_is_told(raw):
    try:
        found = wire.decode(raw)
    except NotFhir as refusal:
        assert refusal.issues[0].rule == "must be JSON in UTF-8"
    else:
        assert structure.check(found)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", ["2026", "2026-02", "2024-02-29"], ["2026-13", "2025-02-29", "26", "2026-2-3", "0000", ""]),
        ("dateTime", ["2026", "2026-02-03T10:00:00Z", "2026-02-03T10:00:00.5+14:00"], ["2026-02-03T10:00Z", "T10"]),
        ("instant", ["2026-02-03T23:59:60Z"], ["2026-02-03", "2026-02-03T24:00:00Z", "2026-02-03T10:00:00+15:00"]),
        ("time", ["10:00:00", "10:00:00.123"], ["10:00", "25:00:00"]),
        ("id", ["a", "A-1.b", "x" * 64], ["", "a b", "x" * 65, "é"]),
        ("code", ["a", "a b"], ["", " a", "a ", "a  b"]),
        ("uri", ["urn:x", "a/b"], ["", "a b"]),
        ("uuid", ["urn:uuid:0192f3a1-0000-7000-8000-000000000000"], ["0192f3a1-0000-7000-8000-000000000000"]),
        ("oid", ["urn:oid:1.2.3"], ["1.2.3", "urn:oid:3.1"]),
        ("integer", [0, -(2**31), 2**31 - 1], [True, 2**31, "1", Decimal("1.0")]),
        ("positiveInt", [1], [0, -1]),
        ("unsignedInt", [0], [-1]),
        ("decimal", [1, Decimal("1.10")], [True, "1", float("nan")]),
        ("base64Binary", ["aGVqIQ=="], ["a", "aGVq*Q==", 5]),
        ("boolean", [True, False], ["true", 1]),
        ("string", ["x", "a\nb"], ["", " ", "\x00", 5]),
        (
            "xhtml",
            ["<div>a<br/>b</div>", '<div xmlns="x"><p>é</p></div>'],
            ["x", "<div>", "<div/><p/>", "<div><a b/></div>"],
        ),
    ],
)
def test_law_6_primitives(kind, good, bad):
    assert [v for v in good if TESTS[kind](v)] == []
    assert [v for v in bad if not TESTS[kind](v)] == []
