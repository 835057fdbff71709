"""The acts of the registries: who may what, on which fields, and what each leaves in the person's record."""

from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.consent.people import newborn, oneself

from msingi.kernel.context import Context, Kind, context
from msingi.kernel.errors import NotPermitted
from msingi.registries import acts, rules
from msingi.registries.errors import (
    Ambiguous,
    BadContent,
    BadDescription,
    FieldNotGranted,
    KeyTaken,
    NoRecord,
    PersonUnknown,
    RegisterExists,
    RegisterNotEmpty,
    RegisterUnknown,
)
from msingi.registries.model import Field, FieldType, Register, RegisterOrder

KEEPER, CLINIC, STRANGER = "kilimo", "hospitali", "benki"
CARE = {CLINIC: ("health-care",)}


def order(code: str, **more) -> RegisterOrder:
    """A register of bee-keepers: the clinic reads names and allergies, to treat people, and writes allergies."""
    fields = {
        "ID": Field(required=True, read=CARE),
        "Keeper": Field(required=True, read=CARE),
        "Name": Field(required=True, read=CARE),
        "Allergy": Field(read=CARE, write=CARE),
        "Hives": Field(FieldType.INTEGER),
    }
    given = {"subject": "Keeper", "purpose": "public-service", "basis": "public-task"} | more
    return RegisterOrder(code, "Bee-keepers", "Bees Act s.3", key="ID", fields=given.pop("fields", fields), **given)


def software(ctx_of, institution: str, purpose: str = "public-service", assurance: int = 2) -> Context:
    return ctx_of(
        Kind.CLIENT, f"GOV/{institution}/x", institution=institution, purpose=purpose, basis="public-task",
        assurance=assurance,
    )  # fmt: skip


@pytest.fixture
def keeper(ctx_of) -> Context:
    return software(ctx_of, KEEPER)


@pytest.fixture
def clinic(ctx_of) -> Context:
    return software(ctx_of, CLINIC, "health-care")


@pytest.fixture
def stranger(ctx_of) -> Context:
    return software(ctx_of, STRANGER)


@pytest.fixture
async def bees(stack, keeper) -> Register:
    return await acts.describe(stack, keeper, order(f"bees-{uuid4().hex[:8]}"))


@pytest.fixture
async def person(stack, owner_url):
    return await newborn(stack, owner_url)


def content(stack, person, id: str = "B1", **more) -> dict:
    return {"ID": id, "Keeper": stack.pseudonym.of(KEEPER, person), "Name": "Asha", "Hives": 3} | more


async def lines(stack, ctx_of, person, register) -> list[tuple[str, str]]:
    told = await acts.usage(stack, oneself(ctx_of, person, "subject-access"), register, person)
    return [(line.act, line.institution) for line in told]


async def test_access_describe(stack, ctx_of, keeper, stranger, bees):
    with pytest.raises(NotPermitted):
        await acts.describe(stack, software(ctx_of, KEEPER, assurance=1), order("weak"))
    with pytest.raises(NotPermitted):
        await acts.describe(stack, stranger, bees.order)
    with pytest.raises(BadDescription):
        await acts.describe(stack, keeper, order("bees", basis="consent"))
    renamed = order(bees.order.code, version="2.0")
    made = await acts.describe(stack, software(ctx_of, KEEPER), renamed)
    assert (await acts.register_of(stack, bees.order.code, "")).register_id == made.register_id != bees.register_id
    assert made in await acts.registers(stack, made.register_id - 1)


async def test_a_register_with_records_keeps_its_shape_and_may_change_its_rights(stack, keeper, clinic, bees, person):
    await acts.create(stack, keeper, bees, content(stack, person))
    fewer = {name: f for name, f in bees.order.fields.items() if name != "Hives"}
    with pytest.raises(RegisterExists):
        await acts.describe(stack, keeper, order(bees.order.code, fields=fewer))
    closed = {name: Field(f.type, f.required) for name, f in bees.order.fields.items()}
    now = await acts.describe(stack, keeper, order(bees.order.code, fields=closed))
    assert now.register_id == bees.register_id
    with pytest.raises(NotPermitted):
        await acts.read(stack, clinic, now, {"ID": "B1"})


async def test_access_end(stack, keeper, stranger, bees, person):
    await acts.create(stack, keeper, bees, content(stack, person))
    with pytest.raises(NotPermitted):
        await acts.end(stack, stranger, bees.register_id)
    with pytest.raises(RegisterNotEmpty):
        await acts.end(stack, keeper, bees.register_id)
    await acts.delete(stack, keeper, bees, "B1")
    await acts.end(stack, keeper, bees.register_id)
    await acts.end(stack, keeper, bees.register_id)
    with pytest.raises(RegisterUnknown):
        await acts.register_by_id(stack, bees.register_id)
    with pytest.raises(RegisterUnknown):
        await acts.create(stack, keeper, bees, content(stack, person))


async def test_access_create(stack, ctx_of, keeper, clinic, stranger, bees, person, owner_url):
    """Sealed under the person's key, found by blinded keys: nothing of it stands in the database in plain."""
    seen = await acts.create(stack, keeper, bees, content(stack, person, Name="Zawadi Wa Nyuki"))
    assert seen.content["Keeper"] == stack.pseudonym.of(KEEPER, person)
    with pytest.raises(KeyTaken):
        await acts.create(stack, keeper, bees, content(stack, person))
    with pytest.raises(NotPermitted):
        await acts.create(stack, stranger, bees, content(stack, person, "B2"))
    with pytest.raises(FieldNotGranted):
        await acts.create(stack, clinic, bees, content(stack, person, "B2"))
    for wrong in ({"Hives": "3"}, {"Hives": True}, {"Name": ""}, {"Wings": 2}, {"ID": 5}, {"Name": "a\0"}):
        with pytest.raises(BadContent):
            await acts.create(stack, keeper, bees, content(stack, person, "B3") | wrong)
    for nobody in ("x", stack.pseudonym.of(CLINIC, person)):
        with pytest.raises(PersonUnknown):
            await acts.create(stack, keeper, bees, content(stack, person, "B4", Keeper=nobody))
    conn = await asyncpg.connect(owner_url)
    rows = await conn.fetch("SELECT r::text AS t, sealed FROM registries.record r WHERE person_id = $1", person)
    await conn.close()
    assert len(rows) == 1 and b"Zawadi" not in rows[0]["sealed"] and "B1" not in rows[0]["t"].split(",")
    assert await lines(stack, ctx_of, person, bees) == [("registries.create", KEEPER)]


async def test_access_find(stack, ctx_of, keeper, clinic, stranger, bees, owner_url):
    people = [await newborn(stack, owner_url) for _ in range(5)]
    for number, one in enumerate(people):
        await acts.create(stack, keeper, bees, content(stack, one, f"F{number}", Name="Same" if number else "Other"))
    first = await acts.find(stack, clinic, bees, {"Name": "Same"}, limit=2)
    second = await acts.find(stack, clinic, bees, {"Name": "Same"}, limit=2, after=first.records[-1].record_id)
    assert [r.content["ID"] for r in first.records + second.records] == ["F1", "F2", "F3", "F4"]
    assert first.after and not second.after
    assert "Hives" not in first.records[0].content
    assert first.records[0].content["Keeper"] == stack.pseudonym.of(CLINIC, people[1])
    down = await acts.find(stack, keeper, bees, {}, limit=2, down=True)
    assert [r.content["ID"] for r in down.records] == ["F4", "F3"]
    mine = await acts.find(stack, clinic, bees, {"Keeper": stack.pseudonym.of(CLINIC, people[2])})
    assert [r.content["ID"] for r in mine.records] == ["F2"]
    with pytest.raises(FieldNotGranted):
        await acts.find(stack, clinic, bees, {"Hives": 3})
    with pytest.raises(NotPermitted):
        await acts.find(stack, stranger, bees, {})
    with pytest.raises(NotPermitted):
        await acts.find(stack, software(ctx_of, CLINIC, "statistics"), bees, {})
    assert await lines(stack, ctx_of, people[0], bees) == [("registries.create", KEEPER)]
    assert ("registries.find", CLINIC) in await lines(stack, ctx_of, people[1], bees)


async def test_access_read(stack, ctx_of, keeper, clinic, stranger, bees, person):
    await acts.create(stack, keeper, bees, content(stack, person))
    seen = await acts.read(stack, clinic, bees, {"ID": "B1"})
    assert set(seen.content) == {"ID", "Keeper", "Name"}
    with pytest.raises(NoRecord):
        await acts.read(stack, clinic, bees, {"Name": "Nobody"})
    with pytest.raises(NotPermitted):
        await acts.read(stack, stranger, bees, {"ID": "B1"})
    assert ("registries.read", CLINIC) in await lines(stack, ctx_of, person, bees)


async def test_access_exists(stack, ctx_of, keeper, clinic, stranger, bees, person):
    await acts.create(stack, keeper, bees, content(stack, person))
    assert await acts.exists(stack, clinic, bees, {"ID": "B1", "Name": "Asha"})
    assert not await acts.exists(stack, clinic, bees, {"ID": "B1", "Name": "Juma"})
    for nothing in ({}, {"Nope": 1}):
        with pytest.raises(BadContent):
            await acts.exists(stack, clinic, bees, nothing)
    with pytest.raises(NotPermitted):
        await acts.exists(stack, stranger, bees, {"ID": "B1"})
    assert [act for act, _ in await lines(stack, ctx_of, person, bees)].count("registries.exists") == 2


async def test_access_value(stack, ctx_of, keeper, clinic, stranger, bees, person):
    made = await acts.create(stack, keeper, bees, content(stack, person))
    assert await acts.value(stack, clinic, bees, "B1", "Name") == "Asha"
    assert await acts.value(stack, keeper, bees, str(made.record_id), "Hives") == 3
    with pytest.raises(FieldNotGranted):
        await acts.value(stack, clinic, bees, "B1", "Hives")
    with pytest.raises(NotPermitted):
        await acts.value(stack, stranger, bees, "B1", "Name")
    with pytest.raises(NoRecord):
        await acts.value(stack, keeper, bees, "B9", "Name")


async def test_access_update(stack, ctx_of, keeper, clinic, stranger, bees, person, owner_url):
    await acts.create(stack, keeper, bees, content(stack, person))
    was, now = await acts.update(stack, clinic, bees, {"ID": "B1"}, {"Allergy": "bees"})
    assert "Allergy" not in was.content and now.content["Allergy"] == "bees"
    with pytest.raises(FieldNotGranted):
        await acts.update(stack, clinic, bees, {"ID": "B1"}, {"Hives": 9})
    with pytest.raises(NotPermitted):
        await acts.update(stack, stranger, bees, {"ID": "B1"}, {"Allergy": "none"})
    with pytest.raises(NoRecord):
        await acts.update(stack, keeper, bees, {"ID": "B7"}, {"Hives": 1})
    other = await newborn(stack, owner_url)
    with pytest.raises(BadContent):
        await acts.update(stack, keeper, bees, {"ID": "B1"}, {"Keeper": stack.pseudonym.of(KEEPER, other)})
    await acts.create(stack, keeper, bees, content(stack, other, "B2"))
    with pytest.raises(Ambiguous):
        await acts.update(stack, keeper, bees, {"Name": "Asha"}, {"Hives": 1})
    with pytest.raises(KeyTaken):
        await acts.update(stack, keeper, bees, {"ID": "B1"}, {"ID": "B2"})
    for _ in range(2):  # law 6
        await acts.update(stack, keeper, bees, {"ID": "B1"}, {"ID": "B8", "Name": "Asha M."})
    assert not await acts.exists(stack, keeper, bees, {"ID": "B1"})
    assert (await acts.read(stack, keeper, bees, {"ID": "B8"})).content["Hives"] == 3
    assert ("registries.update", CLINIC) in await lines(stack, ctx_of, person, bees)


async def test_access_update_all(stack, keeper, stranger, bees, person, owner_url):
    other = await newborn(stack, owner_url)
    for one, id in ((person, "B1"), (other, "B2")):
        await acts.create(stack, keeper, bees, content(stack, one, id))
    done = await acts.update_all(stack, keeper, bees, {"Name": "Asha"}, {"Hives": 7})
    assert [(w.content["Hives"], n.content["Hives"]) for w, n in done] == [(3, 7), (3, 7)]
    assert await acts.update_all(stack, keeper, bees, {"Hives": 3}, {"Hives": 7}) == []
    with pytest.raises(KeyTaken):
        await acts.update_all(stack, keeper, bees, {"Hives": 7}, {"ID": "B3"})
    assert await acts.exists(stack, keeper, bees, {"ID": "B1"})  # all or none
    with pytest.raises(NotPermitted):
        await acts.update_all(stack, stranger, bees, {"Name": "Asha"}, {"Hives": 0})


async def test_access_update_or_create(stack, keeper, clinic, bees, person):
    for hives in (3, 4):
        now = await acts.update_or_create(
            stack, keeper, bees, {"ID": "B1"}, content(stack, person, "B1", Hives=hives)
        )  # fmt: skip
        assert now.content["Hives"] == hives
    assert len((await acts.find(stack, keeper, bees, {})).records) == 1
    with pytest.raises(FieldNotGranted):
        await acts.update_or_create(stack, clinic, bees, {"ID": "B1"}, {"Name": "Me"})


async def test_access_delete(stack, ctx_of, keeper, clinic, bees, person):
    await acts.create(stack, keeper, bees, content(stack, person))
    with pytest.raises(NotPermitted):
        await acts.delete(stack, clinic, bees, "B1")
    for _ in range(2):
        await acts.delete(stack, keeper, bees, "B1")
    assert not await acts.exists(stack, keeper, bees, {"ID": "B1"})
    assert ("registries.delete", KEEPER) in await lines(stack, ctx_of, person, bees)


async def test_access_usage(stack, ctx_of, keeper, clinic, bees, person, owner_url):
    await acts.create(stack, keeper, bees, content(stack, person))
    await acts.read(stack, clinic, bees, {"ID": "B1"})
    assert await lines(stack, ctx_of, person, bees) == [("registries.read", CLINIC), ("registries.create", KEEPER)]
    with pytest.raises(NotPermitted):
        await acts.usage(stack, keeper, bees)
    other = await newborn(stack, owner_url)
    with pytest.raises(NotPermitted):
        await acts.usage(stack, oneself(ctx_of, other, "subject-access"), bees, person)


async def test_access_copy_of(stack, ctx_of, keeper, bees, person, owner_url):
    await acts.create(stack, keeper, bees, content(stack, person))
    told = await acts.copy_of(stack, oneself(ctx_of, person, "subject-access"), person)
    assert [(r["register"], r["keeper"], r["content"]["Name"]) for r in told] == [(bees.order.code, KEEPER, "Asha")]
    for stranger in (oneself(ctx_of, await newborn(stack, owner_url), "subject-access"), keeper):
        with pytest.raises(NotPermitted):
            await acts.copy_of(stack, stranger, person)


async def test_a_key_left_empty_is_numbered(stack, keeper):
    fields = {"ID": Field(numbered="BR{indexNoByCode}"), "Breed": Field()}
    breeds = await acts.describe(stack, keeper, order("breeds", subject="", fields=fields, first_number=30))
    made = [(await acts.create(stack, keeper, breeds, {"Breed": name})).content for name in ("a", "b")]
    assert made == [{"ID": "BR30", "Breed": "a"}, {"ID": "BR31", "Breed": "b"}]
    assert await acts.usage(stack, keeper, breeds) == []


names = st.sampled_from(["a", "b", "c", "d"])
purposes = st.sampled_from(["health-care", "statistics", "public-service"])
grants = st.dictionaries(st.sampled_from(["one", "two", "*"]), st.lists(purposes, max_size=2).map(tuple), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, grants, min_size=1), st.sampled_from(["one", "two", "other", ""]), purposes)
def test_law_2_nobody_reads_a_field_that_is_not_granted(rights, institution, purpose):
    fields = {name: Field(read=told) for name, told in rights.items()}
    made = Register(1, "keeper", order("r", fields=fields), context(None, "", "").at)  # type: ignore[arg-type]
    may = rules.granted(made, institution, purpose)
    for name, told in rights.items():
        named = purpose in told.get(institution, ()) or purpose in told.get("*", ())
        assert (name in may) == (named and institution != "")
    assert rules.granted(made, institution, purpose, write=True) == frozenset()
    assert set(rules.seen(dict.fromkeys(rights, 1), may)) == may


VALUES = st.one_of(st.integers(), st.text("a0-", max_size=9), st.booleans(), st.none(), st.floats())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, VALUES))
def test_law_1_content_that_passes_has_the_types_described(given_content):
    kinds = {"a": FieldType.INTEGER, "b": FieldType.BOOLEAN, "c": FieldType.DATE}
    fields = {name: Field(kind) for name, kind in kinds.items()}
    try:
        rules.checked(fields, given_content, whole=True)
    except BadContent:
        return
    assert set(given_content) <= set(kinds)
    assert all(type(given_content[n]) is t for n, t in (("a", int), ("b", bool), ("c", str)) if n in given_content)


@settings(max_examples=40, deadline=None)
@given(st.dates())
def test_law_1_a_day_is_written_in_one_way(day):
    fields = {"c": Field(FieldType.DATE)}
    assert rules.checked(fields, {"c": day.isoformat()}, whole=True)
    year, week, weekday = day.isocalendar()
    for other in (day.strftime("%Y%m%d"), f"{year:04}-W{week:02}-{weekday}", day.isoformat() + "T00:00", ""):
        with pytest.raises(BadContent):
            rules.checked(fields, {"c": other}, whole=True)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, st.booleans(), min_size=1), st.dictionaries(names, st.sampled_from(["", "x", "0"])))
def test_law_1_what_is_mandatory_is_there(mandatory, told):
    fields = {name: Field(required=needed) for name, needed in mandatory.items()}
    lacking = any(needed and not told.get(name) for name, needed in mandatory.items())
    if lacking or not set(told) <= set(fields):
        with pytest.raises(BadContent):
            rules.checked(fields, told, whole=True)
    else:
        assert rules.checked(fields, told, whole=True) == told
    if set(told) <= set(fields):  # a change of some fields, or a question, need not name all
        assert rules.checked(fields, told, whole=False) == told


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(names, st.tuples(grants, grants), min_size=1), st.sampled_from(["one", "two", "keeper", ""]),
    purposes, st.sets(st.sampled_from(["a", "b", "c", "d", "e"])), st.booleans(),
)  # fmt: skip
def test_law_2_nobody_writes_or_asks_by_a_field_that_is_not_granted(rights, institution, purpose, wanted, write):
    """Rights to read say nothing about writing, nor the other way round; what was not granted is not asked by."""
    fields = {name: Field(read=read, write=write) for name, (read, write) in rights.items()}
    made = Register(1, "keeper", order("r", fields=fields), context(None, "", "").at)  # type: ignore[arg-type]
    may = rules.granted(made, institution, purpose, write=write)
    if institution == "keeper" and purpose == made.order.purpose:
        assert may == set(fields)
    else:
        told = {name: pair[write] for name, pair in rights.items()}
        both = {n for n, t in told.items() if purpose in (*t.get(institution, ()), *t.get("*", ()))}
        assert may == (both if institution else set())
    first = next((name for name in sorted(wanted) if name not in may), None)
    if first is None:
        rules.allow(sorted(wanted), made, may)
    else:
        with pytest.raises(FieldNotGranted if first in fields else BadContent):
            rules.allow(sorted(wanted), made, may)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, VALUES), st.dictionaries(names, VALUES, max_size=2), st.sets(names))
def test_law_2_a_record_is_found_by_all_of_the_question_and_shows_only_what_may_be_seen(content, query, may):
    assert rules.fits(content, query) == all(name in content and content[name] == v for name, v in query.items())
    assert rules.fits(content, {name: content[name] for name in content if content[name] == content[name]})
    shown = rules.seen(content, frozenset(may))
    assert set(shown) == set(content) & may and all(shown[name] is content[name] for name in shown)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, st.sampled_from(FieldType), min_size=1), grants, names, st.sampled_from(FieldType))
def test_law_7_records_stay_true_when_a_register_is_described_anew(kinds, told, name, kind):
    """Words and rights may change while records are there; no field comes, goes, or changes its type."""
    before = order("r", fields={n: Field(k) for n, k in kinds.items()})
    assert rules.same_shape(before, order("r", fields={n: Field(k, read=told, about="x") for n, k in kinds.items()}))
    changed = {n: Field(k) for n, k in (kinds | {name: kind}).items()}
    assert rules.same_shape(before, order("r", fields=changed)) == (kinds.get(name) is kind)
    fewer = {n: Field(k) for n, k in kinds.items() if n != name}
    assert rules.same_shape(before, order("r", fields=fewer)) == (name not in kinds)
