"""The charter's laws that need no database: number, versions, index, inclusion, life cycle; and the comparison."""

import io
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from msingi import countries
from msingi.identity import blocking, numbers, photo, rules, scoring, wire
from msingi.identity.errors import MappingWrong, NotInThisState, NumberWrong, PhotoRefused
from msingi.identity.model import Address, Birth, Demographics, EnrolmentOrder, Name, Sex, Status
from msingi.kernel.errors import Malformed

TODAY = date(2026, 11, 21)
TAIFA = countries.load("taifa")
payloads = st.integers(10**10, 10**11 - 1).map(str)
names = st.text(st.characters(categories=("L",)), min_size=1, max_size=20)
digits = st.text("0123456789", min_size=8, max_size=8)


@given(payloads, st.integers(0, 11), st.integers(1, 9))
def test_law_2_every_wrong_digit_is_found(payload: str, place: int, by: int):
    number = payload + numbers.check_digit(payload)
    assert numbers.is_valid(number)
    wrong = str((int(number[place]) + by) % 10)
    assert not numbers.is_valid(number[:place] + wrong + number[place + 1 :])


@given(payloads, st.integers(0, 10))
def test_law_2_every_exchange_of_neighbours_is_found(payload: str, place: int):
    number = payload + numbers.check_digit(payload)
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert swapped == number or not numbers.is_valid(swapped)


def test_law_2_known_values_of_verhoeff():
    assert [numbers.check_digit(p) for p in ("236", "12345", "142857")] == ["3", "1", "0"]


@given(st.integers(0, 50))
def test_law_2_drawn_numbers_are_valid_and_read_back_in_any_writing(_: int):
    number = numbers.draw()
    assert numbers.is_valid(number)
    assert numbers.parse(TAIFA.number_text(number)) == number
    assert numbers.parse("-".join(number)) == number
    assert numbers.parse(number.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))) == number


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "12-digits"),
        ("12345678901", "12-digits"),
        ("12345678901x", "12-digits"),
        ("1" * 70, "12-digits"),
        ("012345678901", "first-digit"),
        ("123456789012", "check-digit"),
    ],
)
def test_a_wrong_number_is_refused_with_its_rule(text: str, rule: str):
    with pytest.raises(NumberWrong) as refused:
        numbers.parse(text)
    assert refused.value.facts["rule"] == rule


@given(st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=12))
def test_law_4_versions_never_overlap_whatever_the_clocks_say(clock_ms: list[int]):
    """Each version begins when a (wrongly) running clock says, yet always after the one before."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    person = Demographics(Name("Asha"))
    begun = [(start, "enrolment", person)]
    for offset in clock_ms:
        at = rules.next_valid_from(begun[-1][0], start + timedelta(milliseconds=offset))
        begun.append((at, "changed", person))
    found = rules.with_ends(list(reversed(begun)))
    assert [v.valid_to for v in found[:-1]] == [v.valid_from for v in found[1:]] and found[-1].valid_to is None
    assert all(v.valid_to is None or v.valid_from < v.valid_to for v in found)


@given(names, names, digits, st.binary(min_size=32, max_size=32))
def test_law_5_keys_are_numbers_that_depend_on_the_secret(given_: str, family: str, birth: str, secret: bytes):
    person = blocking.Traits(given=blocking.compact(given_), family=blocking.compact(family), birth=birth)
    keys = blocking.search_keys(secret, person)
    assert keys == sorted(set(keys)) and all(0 <= key < 2**63 for key in keys)
    assert keys == blocking.search_keys(secret, person)
    other = bytes([secret[0] ^ 1]) + secret[1:]
    assert not set(keys) & set(blocking.search_keys(other, person))


@given(names, st.booleans())
@settings(max_examples=40)
def test_law_6_a_name_is_enough(name: str, family_only: bool):
    order = EnrolmentOrder(name=Name(family=name) if family_only else Name(given=name))
    person = rules.demographics(order, TAIFA, TODAY)
    assert person.name.full and person.birth == Birth() and person.language == TAIFA.language


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_law_7_only_listed_changes_of_status_happen(present: Status, wanted: Status):
    if (present, wanted) in rules.CHANGES:
        rules.check_change(present, wanted)
    else:
        with pytest.raises(NotInThisState):
            rules.check_change(present, wanted)
    if present in (Status.HELD, Status.MERGED):
        with pytest.raises(NotInThisState):
            rules.check_officer_change(present, wanted)


@pytest.mark.parametrize(
    ("order", "field", "rule"),
    [
        (EnrolmentOrder(Name()), "name", "one-name"),
        (EnrolmentOrder(Name("123")), "name.given", "letter"),
        (EnrolmentOrder(Name("A" * 101)), "name.given", "max-100-characters"),
        (EnrolmentOrder(Name("Asha\u202e")), "name.given", "no-control-characters"),
        (EnrolmentOrder(Name("Asha\x07x")), "name.given", "no-control-characters"),
        (EnrolmentOrder(Name("A"), birth=Birth("12/3/1990")), "birth.date", "iso-8601-date"),
        (EnrolmentOrder(Name("A"), birth=Birth("2023-02-29")), "birth.date", "calendar-date"),
        (EnrolmentOrder(Name("A"), birth=Birth("2027")), "birth.date", "not-in-the-future"),
        (EnrolmentOrder(Name("A"), birth=Birth("1850-01-01")), "birth.date", "within-130-years"),
        (EnrolmentOrder(Name("A"), region="R99"), "region", "known-region"),
        (EnrolmentOrder(Name("A"), phone="071234567x"), "phone", "digits"),
        (EnrolmentOrder(Name("A"), phone="071234567"), "phone", "national-length"),
        (EnrolmentOrder(Name("A"), phone="+1 23"), "phone", "e164"),
        (EnrolmentOrder(Name("A"), language="Swahili"), "language", "iso-639"),
        (EnrolmentOrder(Name("A"), address=Address(("x",) * 6)), "address.lines", "max-5-lines"),
        (EnrolmentOrder(Name("A"), second_name=Name()), "second_name", "one-name"),
    ],
)
def test_a_wrong_order_is_refused_with_field_and_rule(order: EnrolmentOrder, field: str, rule: str):
    with pytest.raises(Malformed) as refused:
        rules.demographics(order, TAIFA, TODAY)
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == (field, rule)


@pytest.mark.parametrize("text", ["0712 345 678", "+255 712-345-678", "255712345678", "712345678", "00255712345678"])
def test_phones_become_e164(text: str):
    assert rules.phone(text, TAIFA) == "+255712345678"


@given(st.text(max_size=30))
def test_any_phone_text_is_a_number_or_malformed(text: str):
    try:
        found = rules.phone(text, TAIFA)
    except Malformed:
        return
    assert found == "" or (
        found[0] == "+" and found[1:].isascii() and found[1:].isdigit() and 8 <= len(found) - 1 <= 15
    )


def _traits(given_: str, family: str, birth: str, **more: str) -> blocking.Traits:
    return blocking.traits(
        Demographics(
            Name(given_, family),
            Birth(birth),
            Sex(more.get("sex", "unknown")),
            region=more.get("region", ""),
            address=Address(tuple(filter(None, [more.get("line", "")])), more.get("locality", "")),
            phone=more.get("phone", ""),
        )
    )


KNOWN = _traits("Mariamu", "Ngonyani", "1984-07-12", line="Mtaa wa Uhuru 12", locality="Songea", phone="+255712000001")


@pytest.mark.parametrize(
    "again",
    [
        ("Mariam", "Ngonyani", "1984-07-12"),
        ("Ngonyani", "Mariamu", "1984-07-12"),
        ("Maryamu", "Ngoniani", "1984-07-12"),
        ("Mariamu", "Ngonyani", "1984-12-07"),
        ("Mariamu", "Ngonyani", "1984-07-21"),
        ("Mariamu", "N'gonyani", "1984"),
    ],
)
def test_the_same_person_written_otherwise_is_met_and_recognised(again: tuple[str, str, str]):
    other = _traits(*again, line="Mtaa wa Uhuru 12", locality="Songea")
    assert blocking.key_texts(KNOWN) & blocking.key_texts(other)
    assert scoring.bits(scoring.reasons(KNOWN, other)) >= scoring.weights().most_bits


def test_someone_who_moved_is_recognised_by_name_and_birth_date():
    moved = _traits("Mariamu", "Ngonyani", "1984-07-12", line="Barabara ya Soko 3", locality="Mtwara")
    assert scoring.bits(scoring.reasons(KNOWN, moved)) >= 20


def test_a_brother_under_the_same_roof_is_somebody_else():
    brother = _traits(
        "Joseph", "Ngonyani", "1979-01-30", line="Mtaa wa Uhuru 12", locality="Songea", phone="+255712000001"
    )
    assert scoring.bits(scoring.reasons(KNOWN, brother)) < scoring.weights().least_bits


def test_a_common_name_weighs_less_than_a_rare_one():
    law = scoring.weights()
    assert law.rarity(300, 10_000) < 0 < law.rarity(1, 10_000) <= law.name_most_bits
    same = _traits("Mariamu", "Ngonyani", "1990-01-01")
    rare, common = (scoring.bits(scoring.reasons(KNOWN, same, {"given": x, "family": x})) for x in (2.0, -3.0))
    assert rare - common == pytest.approx(10, abs=0.2)


@given(names, names, digits, names, names, digits)
def test_comparison_is_symmetric_and_names_only_fields(g1: str, f1: str, b1: str, g2: str, f2: str, b2: str):
    one, other = blocking.Traits(g1, f1, b1), blocking.Traits(g2, f2, b2)
    there, back = scoring.reasons(one, other), scoring.reasons(other, one)
    # Where names are exchanged, which of them counts as the given one depends on the side one looks from. It makes no
    # more difference than the two names' weights differ between one level and another.
    table = scoring.weights().bits
    apart = [table["given"][level] - table["family"][level] for level in scoring.LEVELS[1:]]
    crossed = len({r.level for r in there if r.field == "order"} & {"different"})
    allowed = (max(apart) - min(apart)) * crossed
    assert scoring.bits(there) == pytest.approx(scoring.bits(back), abs=allowed + 0.01)
    assert all(r.field in scoring.weights().bits and r.level in scoring.LEVELS for r in there)


contacts = st.sampled_from(["", "255712000001", "255712000002", "255712000011"])
streets = st.sampled_from([(), ("uhururoad",), ("uhuruload", "songea"), ("marketstreet",)])
people = st.builds(
    blocking.Traits,
    given=st.sampled_from(["asha", "aisha", "mariamu", "juma"]),
    family=st.sampled_from(["mushi", "mushy", "ngonyani", "asha"]),
    birth=st.sampled_from(["19900102", "19900201", "19900103", "1990", "", "19721231"]),
    sex=st.sampled_from(["", "female", "male"]),
    phone=contacts,
    house=st.sampled_from(["", "12", "21"]),
    lines=streets,
    postal_code=st.sampled_from(["", "11101", "11102"]),
    region=st.sampled_from(["", "R01", "R02"]),
)


@given(people, people, st.floats(-6, 3), st.floats(-6, 3), st.floats(5, 24))
def test_whoever_is_passed_over_early_would_not_have_been_held(one, other, given_, family, bound):
    rarity = {"given": given_, "family": family}
    if scoring.bits(scoring.reasons(one, other, rarity)) >= bound:
        assert scoring.sieve(one, rarity, bound)(other)


def test_a_stranger_with_the_same_sound_of_the_name_is_passed_over_early():
    stranger = _traits("Mariamu", "Ngonyani", "1951-03-30", line="Mtaa wa Uhuru 12", locality="Songea")
    assert not scoring.sieve(KNOWN, {"given": -6.0, "family": -6.0}, 20.0)(stranger)
    assert scoring.sieve(KNOWN, {}, scoring.weights().most_bits)(KNOWN)


def picture(size: tuple[int, int] = (480, 640), form: str = "JPEG", mode: str = "RGB") -> bytes:
    """A portrait-like picture with some structure."""
    made = Image.linear_gradient("L").resize(size).convert(mode)
    target = io.BytesIO()
    made.save(target, form)
    return target.getvalue()


@pytest.mark.parametrize(
    "raw", [picture(), picture(form="PNG"), picture(form="PNG", mode="RGBA"), picture((3000, 4000))]
)
def test_photos_become_small_portraits(raw: bytes):
    small = photo.normalised(raw)
    shown = Image.open(io.BytesIO(small))
    assert (shown.format, shown.size) == ("JPEG", photo.RECORD_SIZE) and len(small) <= photo.RECORD_BYTES
    assert not shown.getexif()
    tiny = photo.tiny(small)
    assert Image.open(io.BytesIO(tiny)).format == "WEBP" and len(tiny) <= photo.TINY_BYTES


def test_a_noisy_photo_still_fits():
    noise = Image.effect_noise((480, 640), 90).convert("RGB")
    target = io.BytesIO()
    noise.save(target, "JPEG", quality=95)
    small = photo.normalised(target.getvalue())
    assert len(small) <= photo.RECORD_BYTES and len(photo.tiny(small)) <= photo.TINY_BYTES


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "image"),
        (b"GIF89a", "image"),
        (picture()[:200], "image"),
        (b"x" * (photo.MOST_BYTES + 1), "bytes"),
        (picture((100, 120)), "pixels"),
        (picture((640, 480)), "shape"),
    ],
)
def test_a_useless_photo_is_refused_with_its_rule(raw: bytes, rule: str):
    with pytest.raises(PhotoRefused) as refused:
        photo.normalised(raw)
    assert refused.value.facts["rule"] == rule


def test_a_blank_photo_is_refused():
    target = io.BytesIO()
    Image.new("RGB", (480, 640), "grey").save(target, "JPEG")
    with pytest.raises(PhotoRefused) as refused:
        photo.normalised(target.getvalue())
    assert refused.value.facts["rule"] == "contrast"


@given(st.integers(0, 60_000), st.binary(min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_damaged_photo_is_used_or_refused_but_never_a_bug(place: int, garbage: bytes):
    raw = picture((240, 320), "PNG")
    place %= len(raw)
    with suppress(PhotoRefused):
        photo.normalised(raw[:place] + garbage + raw[place + len(garbage) :])


MAPPING = """
row_key = "id"
ignore = ["secret"]
[fields]
"name.given" = "first"
"name.family" = "last"
"address.lines" = ["{no} {street}"]
sex = "sex"
birth = { column = "dob", format = "%d/%m/%Y" }
region = { column = "state", values = { nsw = "R01" } }
"""
HEADER = "id, first ,last,no,street,sex,dob,state,secret\n"


def _rows(lines: str, mapping: str = MAPPING) -> list:
    return list(wire.read_csv(io.StringIO(HEADER + lines), wire.mapping(mapping)))


def test_a_csv_is_read_through_its_mapping():
    one, two, three, four = _rows(
        "1, Asha ,Mushi,7,Uhuru St,F,12/03/1991,nsw,999\n2,Juma,,,,,31/31/1990,,\n3,X,Y,,,,,mars,\n,Z,,,,,,,\n"
    )
    assert one.order == EnrolmentOrder(
        Name("Asha", "Mushi"), Birth("1991-03-12"), Sex.FEMALE, "R01", Address(("7 Uhuru St",))
    )
    assert two.order is not None and two.order.birth == Birth(reported="31/31/1990")
    assert three.fault is not None and three.fault.facts == {"field": "state", "rule": "listed-value"}
    assert four.fault is not None and four.key == "row-4"


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ("row_key = 1", "mapping"),
        ('row_key = "id"\n[fields]\nnom = "first"', "nom"),
        ('row_key = "id"\n[fields]\nsex = "sex"', "name"),
        (MAPPING.replace('"first"', '"vorname"'), "vorname"),
        (MAPPING.replace('["secret"]', "[]"), "secret"),
        (MAPPING.replace('row_key = "id"', 'row_key = "id"\ndelimiter = ";;"'), "delimiter"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_before_the_first_row(mapping: str, field: str):
    with pytest.raises(MappingWrong) as refused:
        _rows("1,A,B,,,,,,\n", mapping)
    assert refused.value.facts["field"] == field
