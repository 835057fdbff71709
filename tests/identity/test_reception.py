"""Reception: told ahead and found by nobody else, no desk twice; packets are not lost, doubled or forged."""

import asyncio
import io
from datetime import timedelta

import asyncpg
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OKPKey
from PIL import Image, ImageFilter
from tests.identity.test_acts import adjudicator, enrolled, key, nobody, officer, registrar, someone
from tests.signin.party import b64 as b64url

from msingi.countries.portrait import portrait
from msingi.identity import acts, photo
from msingi.identity.errors import (
    DeviceExists,
    PacketNotWaiting,
    PacketUnreadable,
    TooManyApplications,
    UnknownApplication,
    UnknownCentre,
    UnknownDevice,
    UnknownPacket,
)
from msingi.identity.lifecycle import guardians
from msingi.identity.model import Address, Birth, Enrolled, EnrolmentOrder, Held, Name
from msingi.identity.reception import acts as reception
from msingi.identity.reception import envelope, field, rules
from msingi.identity.reception.model import ApplicationOrder, Centre, DeviceOrder, PacketId, PacketState
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted
from msingi.kernel.ids import uuid7

__all__ = ["adjudicator", "nobody", "officer", "registrar"]  # fixtures, imported by name
HOUSE = Centre("kituo-1", {"sw": "Kituo cha Mwembeni", "en": "Mwembeni centre"}, "R01", desks=1)


@pytest.fixture
def anybody(ctx_of):
    return ctx_of(Kind.PUBLIC, "anybody", purpose="identity-registration", assurance=0)


@pytest.fixture
async def centre(stack, registrar):
    made = msgspec.structs.replace(HOUSE, centre=f"kituo-{uuid7().hex[-12:]}")
    await reception.keep_centre(stack, registrar, made)
    return made.centre


class Tablet:
    """A device in the field: counts, chains and signs its packets."""

    def __init__(self, stack, name: str) -> None:
        self.stack, self.name, self.key = stack, name, Ed25519PrivateKey.generate()
        self.sequence = 0

    def order(self, officer: str = "officer-7") -> DeviceOrder:
        return DeviceOrder(self.name, officer, envelope.device_jwk(self.key))

    def pack(self, order: EnrolmentOrder, *, at=None, skip: int = 0, **more) -> str:
        self.sequence += 1 + skip
        made = field.made_packet(self.name, self.sequence, "", order, "Under the tree", at or clock.now())
        made = msgspec.structs.replace(made, **more)
        return envelope.sealed(made, self.key, envelope.registry_jwk(self.stack))


@pytest.fixture
async def tablet(stack, registrar):
    made = Tablet(stack, f"tablet-{uuid7().hex[-8:]}")
    await field.register_device(stack, registrar, made.order())
    return made


# --- told ahead ------------------------------------------------------------------------------------------------------


async def test_what_is_told_ahead_is_kept_used_once_and_forgotten(stack, anybody, officer, centre):
    told = someone(phone="0754 000 601")
    slot = (await reception.free_slots(stack, centre))[0]
    order = ApplicationOrder(told, centre, slot.day, slot.at_min)
    reference, made = await reception.apply(stack, anybody, order, "192.0.2.1")
    assert len(reference) == 12 and made.appointment.day == slot.day
    spoken = rules.reference_text(reference).lower().replace("0", "o").replace("1", "l")
    seen = await reception.read_application(stack, anybody, spoken)
    assert (seen.state, seen.appointment, seen.person) == ("waiting", made.appointment, None)
    opened = await reception.open_application(stack, officer, reference)
    assert opened.person.name == told.name and opened.person.phone == "+255754000601"
    assert await reception.day_of_centre(stack, officer, centre, slot.day) == [(slot.at_min, 1)]
    again = key()
    outcome = await reception.enrol_application(stack, officer, reference, opened.person, again)
    assert isinstance(outcome, Enrolled)
    assert await reception.enrol_application(stack, officer, reference, opened.person, again) == outcome
    after = await reception.open_application(stack, officer, reference)
    assert (after.state, after.person) == ("enrolled", None)  # what was used is not kept twice
    with clock.freeze(clock.now() + timedelta(days=61)):
        assert await reception.forget_applications(stack, job_context("identity-reception")) >= 1
        with pytest.raises(UnknownApplication):
            await reception.read_application(stack, anybody, reference)


async def test_law_2_of_many_who_want_one_desk_one_gets_it(stack, anybody, centre):
    slot = (await reception.free_slots(stack, centre))[3]
    orders = [ApplicationOrder(someone(), centre, slot.day, slot.at_min) for _ in range(6)]
    ends = await asyncio.gather(
        *(reception.apply(stack, anybody, order, f"192.0.2.{n}") for n, order in enumerate(orders)),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ends) == ["NoFreeDesk"] * 5 + ["tuple"]
    [(reference, _)] = [end for end in ends if isinstance(end, tuple)]
    assert slot not in await reception.free_slots(stack, centre)
    await reception.withdraw_application(stack, anybody, reference)
    await reception.withdraw_application(stack, anybody, reference)  # again is harmless
    assert slot in await reception.free_slots(stack, centre)
    assert (await reception.read_application(stack, anybody, reference)).state == "withdrawn"


async def test_law_1_references_cannot_be_enumerated_and_a_flood_is_stopped(stack, anybody, officer, owner_url):
    references = set()
    for _ in range(rules.MOST_AN_HOUR):
        reference, _ = await reception.apply(stack, anybody, ApplicationOrder(someone()), "203.0.113.9")
        references.add(reference)
    with pytest.raises(TooManyApplications):
        await reception.apply(stack, anybody, ApplicationOrder(someone()), "203.0.113.9")
    await reception.apply(stack, anybody, ApplicationOrder(someone()), "203.0.113.10")
    assert len(references) == rules.MOST_AN_HOUR
    known = next(iter(references))
    neighbours = [known[:-1] + letter for letter in rules.LETTERS if letter != known[-1]]
    for guess in neighbours:
        with pytest.raises(UnknownApplication):
            await reception.read_application(stack, anybody, guess)
    for wrong in ("", "1234", "U" * 11, "000000000000' OR 1=1", "\u0661" * 12):
        with pytest.raises((Malformed, UnknownApplication)):
            await reception.read_application(stack, anybody, wrong)
    conn = await asyncpg.connect(owner_url)  # and whoever steals the table finds no reference and no name in it
    dump = str(await conn.fetch("SELECT * FROM identity.application"))
    await conn.close()
    assert not any(reference in dump for reference in references)


async def test_impossible_applications_and_centres_are_refused(stack, anybody, registrar, centre):
    slot = (await reception.free_slots(stack, centre))[0]
    for wrong in (
        ApplicationOrder(someone(photo=b"x")),
        ApplicationOrder(someone(), centre),
        ApplicationOrder(someone(), centre, clock.today(), slot.at_min),
        ApplicationOrder(someone(), centre, slot.day, slot.at_min + 1),
        ApplicationOrder(someone(), centre, slot.day + timedelta(days=400), slot.at_min),
        ApplicationOrder(EnrolmentOrder(Name())),
        ApplicationOrder(someone(guardian="1234")),
    ):
        with pytest.raises(Malformed):
            await reception.apply(stack, anybody, wrong, "192.0.2.77")
    with pytest.raises(UnknownCentre):
        await reception.apply(stack, anybody, ApplicationOrder(someone(), "nowhere", slot.day, 480), "192.0.2.77")
    for change in ({"region": "R99"}, {"desks": 0}, {"closes_min": 400}, {"weekdays": (8,)}, {"centre": "a b"}):
        with pytest.raises(Malformed):
            await reception.keep_centre(stack, registrar, msgspec.structs.replace(HOUSE, **change))


# --- nobody is turned away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"exceptions": ("no-fingers",)},
        {"exceptions": ("no-fingers", "no-face")},
        {"birth": Birth()},
        {"birth": Birth("1948", approximate=True)},
        {"birth": Birth(reported="the year of the great rain")},
        {"address": Address(), "region": "", "exceptions": ("no-fixed-address",)},
        {"name": Name("Suhartoyo")},
        {"phone": ""},
        {"documents": ()},
    ],
    ids=["no fingers", "no fingers, no face", "no birth date", "a year", "an event", "no address", "one name",
         "no phone", "no document"],
)  # fmt: skip
async def test_each_exception_is_walked_through_at_a_centre_and_in_the_field(
    stack, anybody, officer, tablet, more, registrar
):
    """Told ahead, enrolled by an officer, given a number; the same in the field. Law 6 of the room."""
    reference, _ = await reception.apply(stack, anybody, ApplicationOrder(someone(**more)), key())
    opened = (await reception.open_application(stack, officer, reference)).person
    outcome = await reception.enrol_application(stack, officer, reference, opened, key())
    outcome = outcome if isinstance(outcome, Enrolled) else None
    if outcome is not None:  # somebody with little to tell apart may be held, never refused
        person = await acts.read_person(stack, officer, outcome.person_id)
        assert person.number and person.demographics.exceptions == more.get("exceptions", ())
    line = await field.receive_packet(stack, anybody, tablet.pack(someone(**more)))
    await field.work_off(stack)
    after, _ = await field.read_packet(stack, registrar, line.packet_id)
    assert after.state in (PacketState.ENROLLED, PacketState.HELD)


async def test_an_introducer_vouches_and_a_child_comes_with_its_guardian(stack, officer, registrar):
    elder, mother = await enrolled(stack, officer), await enrolled(stack, officer)
    adult = await enrolled(stack, officer, documents=(), introducer=elder.number)
    links = (await acts.read_person(stack, officer, adult.person_id)).links
    assert [(link.kind.value, link.other) for link in links] == [("introducer", elder.person_id)]
    born = clock.today() - timedelta(days=2000)
    child = await enrolled(stack, officer, birth=Birth(born.isoformat()), guardian=mother.number)
    assert [g.guardian_id for g in await guardians.guardians_of(stack, registrar, child.person_id)] == [
        mother.person_id
    ]
    with pytest.raises(Malformed):
        await acts.enrol(stack, officer, someone(exceptions=("no-mood",)), key())


def test_the_quality_of_a_photo_is_told_and_stops_nobody():
    good = portrait("7:1", "female", 30)
    assert photo.quality(good) == ()
    picture = Image.open(io.BytesIO(good)).convert("RGB")
    cases = {
        "blurred": picture.filter(ImageFilter.GaussianBlur(7)),
        "dark": picture.point(lambda v: v // 4),
        "small": picture.resize((170, 227)),
        "framing": Image.new("RGB", (480, 640), (226, 231, 234)),
    }
    cases["framing"].paste(picture.resize((120, 160)), (0, 480))
    for expected, changed in cases.items():
        target = io.BytesIO()
        changed.save(target, "PNG")
        assert expected in photo.quality(target.getvalue()), expected


# --- the field -------------------------------------------------------------------------------------------------------


async def test_a_packet_is_enrolled_once_under_its_officers_name(stack, anybody, tablet, registrar, owner_url):
    text = tablet.pack(someone())
    lines = await asyncio.gather(*(field.receive_packet(stack, anybody, text) for _ in range(3)))
    assert {line.packet_id for line in lines} == {lines[0].packet_id}
    await asyncio.gather(field.work_off(stack), field.work_off(stack))  # two machines work at once
    again = await field.receive_packet(stack, anybody, text)
    assert again.state is PacketState.ENROLLED
    assert (await field.read_packet(stack, registrar, again.packet_id))[1] is None  # its content is not kept twice
    conn = await asyncpg.connect(owner_url)
    row = await conn.fetchrow("SELECT person_id FROM identity.packet WHERE packet_id = $1", again.packet_id)
    assert await conn.fetchval("SELECT count(*) FROM identity.person WHERE person_id = $1", row["person_id"]) == 1
    await conn.close()


async def test_a_crash_between_receiving_and_enrolling_loses_nothing(stack, anybody, tablet, registrar, monkeypatch):
    line = await field.receive_packet(stack, anybody, tablet.pack(someone()))
    settled = field.store.settle_packet

    async def dies(*_, **__):
        raise RuntimeError("killed")

    monkeypatch.setattr(field.store, "settle_packet", dies)
    with pytest.raises(RuntimeError):  # enrolled, and killed before that was written down
        await field.work_off(stack)
    monkeypatch.setattr(field.store, "settle_packet", settled)
    await field.work_off(stack)
    after, _ = await field.read_packet(stack, registrar, line.packet_id)
    assert after.state is PacketState.ENROLLED  # once: the second round found the receipt of the first


async def test_conflicts_wait_for_a_person_who_mends_or_dismisses_them(stack, anybody, officer, tablet, registrar):
    known = someone()
    await acts.enrol(stack, officer, known, key())
    wrong = someone(guardian="507429214777")  # well-formed, and nobody's
    texts = [tablet.pack(known), tablet.pack(wrong), tablet.pack(someone(guardian="507429214777"))]
    lines = [await field.receive_packet(stack, anybody, text) for text in texts]
    await field.work_off(stack)
    states = [(await field.read_packet(stack, registrar, line.packet_id))[0] for line in lines]
    assert [line.state for line in states] == [PacketState.HELD, PacketState.CONFLICT, PacketState.CONFLICT]
    page = await field.packets_waiting(stack, registrar)
    assert {line.packet_id for line in lines[1:]} <= {line.packet_id for line in page.packets}
    _, packet = await field.read_packet(stack, registrar, lines[1].packet_id)
    mended = msgspec.structs.replace(packet.order, guardian="")
    outcome = await field.resolve_packet(stack, registrar, lines[1].packet_id, "Guardian unknown.", mended)
    assert isinstance(outcome, Enrolled)
    assert await field.resolve_packet(stack, registrar, lines[2].packet_id, "Taken by mistake.", None) is None
    for line in lines:
        with pytest.raises(PacketNotWaiting):
            await field.resolve_packet(stack, registrar, line.packet_id, "Again.", None)


async def test_law_5_a_stolen_device_enrols_nobody_whatever_time_it_claims(stack, anybody, tablet, registrar):
    before = await field.receive_packet(stack, anybody, tablet.pack(someone()))
    await field.revoke_device(stack, registrar, tablet.name, "Stolen from the car.")
    backdated = tablet.pack(someone(), at=clock.now() - timedelta(days=30))
    after = await field.receive_packet(stack, anybody, backdated)
    await field.work_off(stack)
    lines = [(await field.read_packet(stack, registrar, p.packet_id))[0] for p in (before, after)]
    assert [line.state for line in lines] == [PacketState.QUARANTINED] * 2
    assert {line.rule for line in lines} == {"revoked-device"}
    _, packet = await field.read_packet(stack, registrar, before.packet_id)
    honest = await field.resolve_packet(stack, registrar, before.packet_id, "The officer confirms it.", packet.order)
    assert isinstance(honest, Enrolled | Held)


async def test_law_4_a_gap_shows_what_has_not_arrived(stack, anybody, tablet, registrar):
    for skip in (0, 2, 0):
        await field.receive_packet(stack, anybody, tablet.pack(someone(), skip=skip))
    mine = next(d for d in await field.devices(stack, registrar) if d.device == tablet.name)
    assert (mine.packets, mine.missing) == (3, (2, 3))


async def test_forged_packets_are_refused_with_their_rule(stack, anybody, tablet, registrar):
    stranger = Tablet(stack, tablet.name)  # the name of a known device, another key
    with pytest.raises(PacketUnreadable) as refused:
        await field.receive_packet(stack, anybody, stranger.pack(someone()))
    assert refused.value.facts["rule"] == "signature"
    unknown = Tablet(stack, "never-registered")
    with pytest.raises(PacketUnreadable):
        await field.receive_packet(stack, anybody, unknown.pack(someone()))
    other = Tablet(stack, f"other-{uuid7().hex[-6:]}")
    await field.register_device(stack, registrar, other.order())
    with pytest.raises(Malformed):  # signed by one, said to be of another: the header names the device
        await field.receive_packet(stack, anybody, other.pack(someone(), device=tablet.name))
    with pytest.raises(Malformed):
        await field.receive_packet(stack, anybody, tablet.pack(someone(), at=clock.now() + timedelta(days=1)))
    same = uuid7()
    await field.receive_packet(stack, anybody, tablet.pack(someone(), packet_id=same))
    with pytest.raises(DifferentContent):
        await field.receive_packet(stack, anybody, tablet.pack(someone(), packet_id=same))
    for junk in ("", "a.b.c.d.e", "x" * 100, "\u0661", "eyJhbGciOiJub25lIn0..e30.."):
        with pytest.raises(PacketUnreadable):
            await field.receive_packet(stack, anybody, junk)


def by_hand(stack, tablet, head=None, tail: str = "", **changes) -> str:
    """An envelope as no honest device makes it: another header inside, more behind it, or other members of it."""
    packet = msgspec.structs.replace(
        field.made_packet(tablet.name, 1, "", someone(), "Under the tree", clock.now()), **changes.pop("packet", {})
    )
    inner = {"alg": "EdDSA", "typ": envelope.TYPE, "kid": tablet.name} | (head or {})
    message = ".".join(b64url(msgspec.json.encode(part)) for part in (inner, packet))
    signed = f"{message}.{b64url(tablet.key.sign(message.encode()))}{tail}"
    registry = envelope.registry_jwk(stack)
    header = {**envelope.ALGORITHM, "cty": "JWS", "kid": registry["kid"]} | changes
    key = OKPKey.import_key({k: registry[k] for k in ("kty", "crv", "x", "kid")})
    return jwe.encrypt_compact(header, signed.encode(), key, algorithms=[*envelope.ALGORITHM.values(), "DEF"])


async def test_a_registered_device_speaks_for_itself_and_in_one_way(stack, anybody, tablet, registrar):
    other = Tablet(stack, f"other-{uuid7().hex[-6:]}")
    await field.register_device(stack, registrar, other.order())
    for rule, text in {
        "own-device": by_hand(stack, other, packet={"device": tablet.name}),
        "counted": by_hand(stack, tablet, packet={"sequence": 0}),
        "signed": by_hand(stack, tablet, {"alg": "none"}),
        "content": by_hand(stack, tablet, tail=".more"),
        "envelope": by_hand(stack, tablet, zip="DEF"),
    }.items():
        with pytest.raises(Malformed) as refused:
            await field.receive_packet(stack, anybody, text)
        assert refused.value.facts["rule"] == rule
    with pytest.raises(Malformed):
        await field.receive_packet(stack, anybody, by_hand(stack, tablet, {"typ": "JWT"}))
    assert await field.receive_packet(stack, anybody, by_hand(stack, tablet))


SEALED: dict[str, str] = {}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), letter=st.sampled_from("Aa0-_.z"))
async def test_law_3_no_changed_packet_is_taken(stack, anybody, tablet, place, letter):
    text = SEALED.setdefault("text", tablet.pack(someone()))
    at = place % len(text)
    changed = text[:at] + letter + text[at + 1 :]
    if changed == text:
        return
    with pytest.raises(PacketUnreadable):
        await field.receive_packet(stack, anybody, changed)


# --- access ----------------------------------------------------------------------------------------------------------


async def test_access_keep_centre(stack, registrar, officer):
    with pytest.raises(NotPermitted):
        await reception.keep_centre(stack, officer, HOUSE)
    await reception.keep_centre(stack, registrar, HOUSE)
    assert HOUSE in await reception.centres(stack, "R01")


async def test_access_apply(stack, anybody, ctx_of):
    assert await reception.apply(stack, anybody, ApplicationOrder(someone()), "198.51.100.1")
    with pytest.raises(NotPermitted):
        await reception.apply(stack, ctx_of(Kind.PUBLIC, "x"), ApplicationOrder(someone()), "198.51.100.1")


async def test_access_read_application(stack, anybody, ctx_of):
    reference, _ = await reception.apply(stack, anybody, ApplicationOrder(someone()), "198.51.100.3")
    assert await reception.read_application(stack, anybody, reference)
    with pytest.raises(NotPermitted):
        await reception.read_application(stack, ctx_of(Kind.PUBLIC, "x", purpose="statistics"), reference)


async def test_access_withdraw_application(stack, anybody, ctx_of):
    reference, _ = await reception.apply(stack, anybody, ApplicationOrder(someone()), "198.51.100.4")
    with pytest.raises(NotPermitted):
        await reception.withdraw_application(stack, ctx_of(Kind.PUBLIC, "x", purpose="statistics"), reference)
    await reception.withdraw_application(stack, anybody, reference)


async def test_access_open_application(stack, anybody, officer, nobody):
    reference, _ = await reception.apply(stack, anybody, ApplicationOrder(someone()), "198.51.100.2")
    for ctx in (anybody, nobody):
        with pytest.raises(NotPermitted):
            await reception.open_application(stack, ctx, reference)
    assert (await reception.open_application(stack, officer, reference)).person


async def test_access_enrol_application(stack, anybody, officer, nobody):
    reference, _ = await reception.apply(stack, anybody, ApplicationOrder(someone()), "198.51.100.2")
    for ctx in (anybody, nobody):
        with pytest.raises(NotPermitted):
            await reception.enrol_application(stack, ctx, reference, someone(), key())
    assert await reception.enrol_application(stack, officer, reference, someone(), key())


async def test_access_day_of_centre(stack, officer, nobody):
    assert await reception.day_of_centre(stack, officer, "kituo-1", clock.today()) == []
    with pytest.raises(NotPermitted):
        await reception.day_of_centre(stack, nobody, "kituo-1", clock.today())


async def test_access_forget_applications(stack, officer):
    assert await reception.forget_applications(stack, job_context("identity-reception")) >= 0
    with pytest.raises(NotPermitted):
        await reception.forget_applications(stack, officer)


async def test_access_of_devices_and_packets(stack, anybody, officer, registrar, tablet, ctx_of):
    with pytest.raises(NotPermitted):
        await field.register_device(stack, officer, tablet.order())
    await field.register_device(stack, registrar, tablet.order())  # again is harmless
    with pytest.raises(DeviceExists):
        await field.register_device(stack, registrar, Tablet(stack, tablet.name).order())
    for jwk in ({}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, envelope.device_jwk(tablet.key) | {"d": "secret"}):
        with pytest.raises(Malformed):
            await field.register_device(stack, registrar, DeviceOrder("new", "officer-7", jwk))
    line = await field.receive_packet(stack, anybody, tablet.pack(someone()))
    for act in (
        field.revoke_device(stack, officer, tablet.name, "No."),
        field.devices(stack, officer),
        field.packets_waiting(stack, officer),
        field.read_packet(stack, officer, line.packet_id),
        field.resolve_packet(stack, officer, line.packet_id, "No.", None),
        field.receive_packet(stack, ctx_of(Kind.PUBLIC, "x"), tablet.pack(someone())),
    ):
        with pytest.raises(NotPermitted):
            await act
    with pytest.raises(UnknownDevice):
        await field.revoke_device(stack, registrar, "nothing", "No.")
    with pytest.raises(UnknownPacket):
        await field.read_packet(stack, registrar, PacketId(uuid7()))
