"""Law 8: a search is understood wholly or refused; every match is judged on its own content."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.health import extraction, searching
from msingi.health.errors import BadSearchValue, TypeNotStored, UnknownParameter
from msingi.health.extraction import Index, interval

NOW = datetime(2026, 11, 21, tzinfo=UTC)
INDEX = Index(b"k" * 32)
PATIENT = "0192f3a1-0000-7000-8000-000000000000"
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "identifier": [{"value": "no-system"}],
    "category": [{"coding": [{"system": "urn:c", "code": "vital-signs"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}, {"code": "w,1"}]},
    "subject": {"reference": f"Patient/{PATIENT}"},
    "effectivePeriod": {"start": "2026-03-01", "end": "2026-03-10"},
}


def fits(*pairs: tuple[str, str], resource=OBSERVATION) -> bool:
    query = searching.parse(resource["resourceType"], pairs, "http://me/fhir")
    every, some = searching.probes(query, INDEX)
    keys = set(INDEX.keys(resource))
    judged = searching.fits(query, resource, NOW, NOW)
    indexed = set(every) <= keys and (not some or bool(keys & set(some)))
    start, end = extraction.clinical_time(resource, NOW)
    b = searching.bounds(query)
    timed = b.started_from <= start <= b.started_to and b.ended_from <= end <= b.ended_to
    assert not judged or (indexed and timed), "the index lost a match"
    return judged


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code", "http://loinc.org|29463-7", True),
        ("code", "29463-7", True),
        ("code", "http://loinc.org|", True),
        ("code", "|29463-7", False),
        ("code", r"|w\,1", True),
        ("code", "http://other|29463-7", False),
        ("code", "x,29463-7,y", True),
        ("code", "29463-7,w,1", True),
        ("status", "final", True),
        ("status", "http://hl7.org/fhir/observation-status|final", True),
        ("status", "amended", False),
        ("identifier", "|no-system", True),
        ("identifier", "urn:x|no-system", False),
        ("patient", PATIENT, True),
        ("patient", f"Patient/{PATIENT}", True),
        ("subject", f"Patient/{PATIENT}", True),
        ("subject:Patient", PATIENT, True),
        ("patient", f"http://me/fhir/Patient/{PATIENT}", True),
        ("patient", "other", False),
        ("date", "2026-03", True),
        ("date", "2026", True),
        ("date", "2026-03-05", False),
        ("date", "ge2026-03-05", True),
        ("date", "gt2026-03-10", False),
        ("date", "lt2026-03-01", False),
        ("date", "le2026-03-01", False),
        ("date", "le2026-03-02", True),
        ("date", "sa2026-02", True),
        ("date", "eb2026-04", True),
        ("date", "ne2026-03-05", True),
        ("date", "2025,2026", True),
        ("_lastUpdated", "ge2026-11", True),
        ("_lastUpdated", "lt2026", False),
    ],
)
def test_law_8_values(name, value, expected):
    assert fits((name, value)) is expected


def test_law_8_repetition_is_and_comma_is_or():
    assert fits(("code", "29463-7"), ("status", "final"))
    assert not fits(("code", "29463-7"), ("status", "amended"))
    assert fits(("date", "ge2026-02"), ("date", "le2026-04"))
    assert not fits(("date", "ge2026-02"), ("date", "lt2026-02-15"))


@pytest.mark.parametrize(
    ("rtype", "name", "value", "refusal"),
    [
        ("Observation", "colour", "red", UnknownParameter),
        ("Observation", "code:in", "x", UnknownParameter),
        ("Observation", "_include", "Observation:patient", UnknownParameter),
        ("Observation", "_sort", "code", UnknownParameter),
        ("Observation", "_total", "accurate", UnknownParameter),
        ("Observation", "subject:Thing", "1", UnknownParameter),
        ("Observation", "patient.name", "x", UnknownParameter),
        ("Observation", "date", "yesterday", BadSearchValue),
        ("Observation", "date", "2026-13", BadSearchValue),
        ("Observation", "subject", "bare", BadSearchValue),
        ("Observation", "code", "a|b|c", BadSearchValue),
        ("Observation", "code", "|", BadSearchValue),
        ("Observation", "_count", "-1", BadSearchValue),
        ("Observation", "_count", "many", BadSearchValue),
        ("Patient", "name", "x", UnknownParameter),
        ("Animal", "name", "x", TypeNotStored),
        ("Bundle", "type", "x", TypeNotStored),
    ],
)
def test_law_8_what_is_not_understood_is_refused(rtype, name, value, refusal):
    with pytest.raises(refusal):
        searching.parse(rtype, ((name, value),))


def test_empty_parameters_are_ignored_and_results_are_limited():
    query = searching.parse("Observation", (("code", ""), ("_count", "99999"), ("_format", "json")))
    assert query.clauses == () and query.count == searching.PAGE_LIMIT
    assert query.pairs == (("_count", "99999"),)


def test_an_id_that_cannot_be_ours_finds_nothing():
    assert searching.parse("Patient", (("_id", "abc"),)).nothing
    assert not searching.parse("Patient", (("_id", f"abc,{PATIENT}"),)).nothing


@pytest.mark.parametrize(
    ("resource", "name", "found"),
    [
        ({"resourceType": "Patient", "telecom": [{"system": "phone", "value": "1"}]}, "phone", [(None, "1")]),
        ({"resourceType": "Patient", "telecom": [{"system": "phone", "value": "1"}]}, "email", []),
        ({"resourceType": "Patient", "active": True}, "active", [(None, "true")]),
        ({"resourceType": "Encounter", "class": {"system": "s", "code": "AMB"}}, "class", [("s", "AMB")]),
        (
            {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"coding": [{"code": "A"}]}},
            "code",
            [("", "A")],
        ),
    ],
)
def test_tokens_of_other_shapes(resource, name, found):
    parameter = extraction.parameters(resource["resourceType"])[name]
    assert [tuple(t) for t in extraction.tokens(resource, parameter)] == found


def test_keys_are_blind_without_the_secret():
    assert INDEX.keys(OBSERVATION) == Index(b"k" * 32).keys(OBSERVATION)
    assert not set(INDEX.keys(OBSERVATION)) & set(Index(b"o" * 32).keys(OBSERVATION))


DATES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
WRITTEN = st.tuples(DATES, st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])).map(
    lambda pair: pair[0].strftime(pair[1])
)


@settings(max_examples=200, deadline=None)
@given(WRITTEN, WRITTEN)
def test_law_8_the_prefixes_agree_with_each_other(stored, asked):
    span = interval(stored)
    assert span is not None and span[0] < span[1]
    holds = {p: searching.compare(p, span, asked, NOW) for p in searching.PREFIXES}
    assert holds["eq"] != holds["ne"]
    assert holds["ge"] == (holds["gt"] or holds["eq"]) and holds["le"] == (holds["lt"] or holds["eq"])
    assert not (holds["sa"] and holds["eb"])
    assert not holds["sa"] or holds["gt"]
    assert not holds["eb"] or holds["lt"]


@settings(max_examples=100, deadline=None)
@given(WRITTEN, st.sampled_from(searching.PREFIXES), WRITTEN)
def test_law_8_the_index_never_loses_a_match(stored, prefix, asked):
    fits(("date", prefix + asked), resource=OBSERVATION | {"effectiveDateTime": stored, "effectivePeriod": {}})


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_any_value_is_understood_or_refused(text):
    for name in ("code", "date", "patient", "_id", "_count", "_lastUpdated"):
        try:
            query = searching.parse("Observation", ((name, text),))
        except (BadSearchValue, UnknownParameter):
            continue
        searching.probes(query, INDEX)
        searching.fits(query, OBSERVATION, NOW, NOW)


def test_zones_count():
    early, late = interval("2026-01-01T01:00:00+03:00"), interval("2025-12-31T22:00:00Z")
    assert early == late and early is not None and early[1] - early[0] == timedelta(seconds=1)
