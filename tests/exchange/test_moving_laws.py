"""The laws of moving, of news and of rights on other machines, as properties of their pure functions."""

import base64
import os
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msingi.exchange.errors import BadCall
from msingi.exchange.federation.model import Peer, PeerId, PeerStanding, PublicKey
from msingi.exchange.model import Right, ServiceCode, SubsystemId
from msingi.exchange.moving import rules, wire
from msingi.exchange.moving.errors import PackageWrong, RoomNotClosed, RoomStays
from msingi.exchange.moving.model import FORMAT, Manifest, Move, Sum
from msingi.exchange.news import rules as news
from msingi.exchange.news.errors import CallbackRefused
from msingi.exchange.news.model import SubscribeOrder
from msingi.governance.apart import rules as apart
from msingi.governance.apart.model import Errand, Receipt, What
from msingi.governance.keeping.model import Hold
from msingi.kernel import clock
from msingi.kernel.ids import PersonId
from msingi.kernel.keys import SoftwareSigner, public_jwk

few = settings(max_examples=25, deadline=None)
names = st.sampled_from(["XT+health", "XT+payments", "XW"])
cells = st.lists(st.one_of(st.none(), st.text(max_size=3), st.binary(max_size=3)), min_size=1, max_size=3)


def signer() -> tuple[SoftwareSigner, PublicKey]:
    made = SoftwareSigner("Ed25519", os.urandom(32))
    jwk = public_jwk(made.public_key)
    return made, PublicKey(jwk["kid"], jwk["x"])


READER, STRANGER = signer(), signer()


@few
@given(st.none() | st.sampled_from(["out", "in"]), names, names)
def test_moving_law_1_only_a_room_closed_for_this_peer_is_sent(side, other, peer):
    move = None if side is None else Move("health", side, other, "closed", clock.now())
    if side == "out" and other == peer:
        assert rules.check_closed(move, peer) is move
    else:
        with pytest.raises(RoomNotClosed):
            rules.check_closed(move, peer)


@few
@given(st.lists(cells, min_size=1, max_size=5), st.integers(0, 5), st.integers(0, 99), st.integers(0, 99))
def test_moving_law_2_pages_do_not_matter_and_every_cell_and_its_place_does(rows, cut, row, cell):
    def tallied(*pages):
        tally = rules.Tally()
        for page in pages:
            tally.add(page)
        return tally.sum("a.x", ("c",))

    whole = tallied(rows)
    assert tallied(rows[:cut], rows[cut:]) == whole and whole.rows == len(rows)
    other = [list(one) for one in rows]
    changed = other[row % len(rows)]
    changed[cell % len(changed)] = "another"
    assert tallied(other) != whole and tallied(rows + rows[:1]) != whole
    assert (tallied(rows[::-1]) == whole) == (rows[::-1] == rows)


@few
@given(st.lists(cells, max_size=3), st.integers(0, 10_000), st.integers(1, 255))
def test_moving_law_3_a_package_is_opened_by_its_reader_and_by_nobody_if_a_byte_changed(rows, at, flip):
    key = bytes(range(32))
    raw = bytearray(wire.part(key, 7, rows))
    assert wire.rows_of(key, 7, bytes(raw)) == rows
    with pytest.raises(PackageWrong):
        wire.rows_of(key, 8, bytes(raw))  # a part does not stand for another
    raw[at % len(raw)] ^= flip
    with pytest.raises(PackageWrong):
        wire.rows_of(key, 7, bytes(raw))
    box = wire.boxed(key, READER[1])
    assert wire.unboxed(box, READER[0]) == key
    broken = bytearray(base64.b64decode(box))
    broken[at % len(broken)] ^= flip
    for wrong, reader in ((box, STRANGER[0]), (base64.b64encode(broken).decode(), READER[0])):
        with pytest.raises(PackageWrong):
            wire.unboxed(wrong, reader)


@few
@given(st.sampled_from([FORMAT, "other"]), st.sampled_from(["XT", "XW"]), st.sampled_from(["k1", "k2"]),
       st.sampled_from(["health", "payments"]))  # fmt: skip
def test_moving_law_3_only_what_is_for_this_machine_and_signed_by_whom_it_knows(form, instance, to, room):
    told = Manifest(room, instance, to, "", "", (Sum("a.x", ("c",), 1, "p"),), {}, form)
    raw = wire.signed(told, READER[0])
    assert wire.opened(raw, Manifest, [READER[1]])[0] == told
    with pytest.raises(PackageWrong):
        wire.opened(raw, Manifest, [STRANGER[1]])
    with pytest.raises(PackageWrong):
        wire.opened(raw.replace(b"a.x", b"a.y"), Manifest, [READER[1]])
    if (form, instance, to, room) == (FORMAT, "XT", "k1", "health"):
        rules.check_manifest(told, "XT", ("health",), ("k1",))
    else:
        with pytest.raises(PackageWrong):
            rules.check_manifest(told, "XT", ("health",), ("k1",))


@few
@given(st.booleans(), st.sampled_from(["health", "payments", "identity"]), st.sampled_from(PeerStanding), st.booleans())
def test_moving_law_4_no_room_goes_to_a_machine_that_has_served_people(known, room, standing, same_names):
    peer = Peer(PeerId("XT+health"), "XT", {}, "http://h", (READER[1],), ("health",), standing, "a", "", clock.now(), 0,
                None, same_names=same_names)  # fmt: skip
    may = known and room == "health" and (standing is PeerStanding.PROPOSED or same_names)
    if may:
        assert rules.check_reader(peer, room, ("health", "payments")) is peer
    else:
        with pytest.raises(RoomStays):
            rules.check_reader(peer if known else None, room, ("health", "payments"))


parts = st.sampled_from(["name", "name.given", "name.family", "birth_date", "salary"])


@few
@given(st.lists(st.sets(parts, min_size=1), max_size=3), st.booleans())
def test_news_law_1_a_part_of_a_field_is_granted_alone_and_the_widest_comes_first(granted, salary):
    data = {"name": {"given": "Neema", "family": "Massawe"}, "birth_date": "1984-05-06"} | (
        {"salary": 1} if salary else {}
    )
    made = [
        Right(SubsystemId("GOV/a/b"), ServiceCode("p"), "payment", "contract", "x", tuple(fields), (), False, 1)
        for fields in granted
    ]
    told = news.readable(made, data)
    for right, seen in told:
        flat = {f"name.{k}" for k in seen.get("name", {})} | (set(seen) - {"name"})
        assert all(any(f == g or f.startswith(g + ".") for g in right.fields) for f in flat)
    assert [len(seen) for _, seen in told] == sorted((len(seen) for _, seen in told), reverse=True)


hosts = st.sampled_from(
    ["a.example", "b.example:8443", "A.example", "127.0.0.1:5432", "a.example@b.example", "user:p@a.example"]
)


@settings(max_examples=100, deadline=None)
@given(hosts, st.sampled_from(["https", "http", "ftp"]), st.sets(st.sampled_from(["a.example", "b.example:8443"])))
def test_news_law_3_a_callback_goes_only_to_a_host_that_the_operator_named(host, scheme, named):
    order = SubscribeOrder(callback=f"{scheme}://{host}/told")
    if scheme in ("http", "https") and host.lower() in named:
        assert news.callback(order, named) == order.callback
    else:
        with pytest.raises(CallbackRefused):
            news.callback(order, named)
    with pytest.raises(BadCall):
        news.callback(replace(order, follow=("x",) * (news.MOST_FOLLOWED + 1)), named)


@few
@given(
    st.sampled_from(What),
    st.booleans(),
    st.text(max_size=5),
    st.booleans(),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3),
)
def test_apart_laws_2_and_3_an_erasure_carries_no_words_and_each_leaf_names_the_certificate(
    what, held, case, done, gone
):
    now, hold_id = clock.now(), uuid4()
    hold = (
        Hold(hold_id, PersonId(uuid4()), "Order 17", "high-court", now, now + timedelta(days=9), None) if held else None
    )
    errand = Errand(uuid4(), PersonId(uuid4()), "XT+health", what, case, hold_id, now)
    order = apart.order_of(errand, hold)
    assert (order.errand_id, order.what) == (errand.errand_id, what)
    if what is What.ERASE:
        assert "Order 17" not in str(order) and "high-court" not in str(order) and str(hold_id) not in str(order)
    elif hold is not None:
        assert "Order 17" in str(order)
    certificate = uuid4() if done else None
    told = apart.told(what, case, Receipt("http://h", now, True, gone, {}, certificate, "k", "j"))
    assert (told.get("certificate") == str(certificate)) == done and ("case" in told) == bool(case)
    assert told.get("destroyed", 0) == (sum(gone.values()) if done else 0)
