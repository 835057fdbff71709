"""A room moves to a machine of its own with its records: closed, whole, for one reader, once; between two databases."""

import json

import asyncpg
import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.conftest import fresh_database
from tests.payments import kit

from msingi import app, countries
from msingi.cli.operate import _fsck_database
from msingi.exchange import registry
from msingi.exchange.federation import acts as federation
from msingi.exchange.federation import rooms
from msingi.exchange.moving import acts, rules, wire
from msingi.exchange.moving.errors import NotTheSame, PackageWrong, RoomBusy, RoomNotClosed, RoomStays
from msingi.exchange.moving.model import Sum
from msingi.health import acts as health
from msingi.health import samples
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted, Outage
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments import files
from msingi.payments.model import Alias, TransferOrder

SETUP, OTHER = job_context("setup"), job_context("other")
PEER = "XT+payments"


@pytest.fixture(scope="module")
async def new_url(server, template):
    return await fresh_database(server, template)


@pytest.fixture(scope="module")
async def there(stack, new_url, tmp_path_factory):
    """The other machine: its own database and keys, started for the payments alone; each is the other's peer."""
    home = tmp_path_factory.mktemp("there")
    chosen = Settings(home=home, base_url="http://127.0.0.1:8081", sandbox=True, rooms="payments")
    made = await Stack.open(chosen, as_app(new_url), countries.load("taifa"))
    offered = dict(registry._offered)  # one program runs one machine, and here are two
    app.furnish(made)
    await app.start_rooms(made)
    ctx = job_context("setup", "data-exchange")
    await federation.propose_peer(made, ctx, await federation.anchor(stack))
    await federation.propose_peer(stack, ctx, await federation.anchor(made))
    yield made
    await made.close()
    registry._offered.clear()
    registry._offered.update(offered)


@pytest.fixture(scope="module")
async def asha(stack):
    """Somebody with money, who paid somebody, reserved something, and stands in a payment file that waits."""
    source = await kit.treasury(stack, 10**7)
    asha, juma = await kit.enrolled(stack), await kit.enrolled(stack)
    account = await kit.wallet(stack, asha.id, 50_000, source)
    other = await kit.wallet(stack, juma.id, 0, None)
    order = TransferOrder("first", account.number, Alias("account", other.number), 1_500, account.currency)
    receipt = await payments.transfer(stack, kit.as_person(asha.id), order)
    clerk = kit.as_staff("payment-clerk", id="clerk")
    xml = kit.pain_001(source.number, [("E1", asha.number, "12")])
    file = await files.upload_payment_file(stack, clerk, xml)
    return asha, order, receipt, file


async def rows(url, query, *args):
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetch(query, *args)
    finally:
        await conn.close()


async def test_access_close_room(stack, there, asha, owner_url):
    with pytest.raises(NotPermitted):
        await acts.close_room(stack, OTHER, "payments", PEER)
    for room, peer in (("identity", PEER), ("health", PEER), ("payments", "XW"), ("kernel", PEER)):
        with pytest.raises(RoomStays):
            await acts.close_room(stack, SETUP, room, peer)
    writing = await asyncpg.connect(owner_url)
    try:
        async with writing.transaction():
            await writing.execute("INSERT INTO payments.alias_rate VALUES ('x', now(), 1)")
            with pytest.raises(RoomBusy):  # it waits, and not for ever
                await acts.close_room(stack, SETUP, "payments", PEER, wait_ms=100)
    finally:
        await writing.close()
    person, order, *_ = asha
    assert (
        await payments.transfer(stack, kit.as_person(person.id), replace(order, key="second"))
    ).amount_minor == 1_500
    for _ in range(2):
        assert (await acts.close_room(stack, SETUP, "payments", PEER)).state == "closed"
    with pytest.raises(Outage):
        await payments.transfer(stack, kit.as_person(person.id), replace(order, key="third"))
    (held,) = await payments.accounts(stack, kit.as_person(person.id))  # to look is no change
    assert held.balance_minor == 47_000


async def test_access_reopen_room(stack, there, asha):
    with pytest.raises(NotPermitted):
        await acts.reopen_room(stack, OTHER, "payments")
    with pytest.raises(RoomNotClosed):
        await acts.reopen_room(stack, SETUP, "health")
    await acts.close_room(stack, SETUP, "payments", PEER)
    await acts.reopen_room(stack, SETUP, "payments")
    person, order, *_ = asha
    assert await payments.transfer(stack, kit.as_person(person.id), replace(order, key="third"))


async def test_access_send_room(stack, there, asha, tmp_path):
    with pytest.raises(NotPermitted):
        await acts.send_room(stack, OTHER, "payments", PEER, tmp_path)
    with pytest.raises(RoomNotClosed):  # it could still change
        await acts.send_room(stack, SETUP, "payments", PEER, tmp_path)


@pytest.fixture(scope="module")
async def package(stack, there, asha, tmp_path_factory):
    """The room closed and sent; sending was cut off once, and went on."""
    folder = tmp_path_factory.mktemp("package")
    await acts.close_room(stack, SETUP, "payments", PEER)

    def cut_off(line: str) -> None:
        if line.startswith("payments.journal"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await acts.send_room(stack, SETUP, "payments", PEER, folder, cut_off)
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert kept and wire.MANIFEST not in kept
    sent = await acts.send_room(stack, SETUP, "payments", PEER, folder, str)
    assert all((folder / name).stat().st_mtime_ns == at for name, at in kept.items())
    return folder, sent


async def test_access_begin_taking(stack, there, package):
    """Only on the machine that the package is for, and only while it has served nobody."""
    folder, _ = package
    for machine in (stack, there):
        with pytest.raises(NotPermitted):
            await acts.take_room(machine, OTHER, folder)
    with pytest.raises(PackageWrong):
        await acts.take_room(stack, SETUP, folder, str)
    with pytest.raises(PackageWrong):
        await acts.take_room(there, SETUP, folder / "nowhere", str)


async def test_access_take_part(there, package):
    """A part that is missing or changed is not taken, and everything before it stays taken."""
    folder, sent = package
    last = folder / wire.part_name(sent.parts - 1)
    good = last.read_bytes()
    last.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(PackageWrong, match="changed"):
        await acts.take_room(there, SETUP, folder, str)
    last.unlink()
    with pytest.raises(PackageWrong, match="missing"):
        await acts.take_room(there, SETUP, folder, str)
    last.write_bytes(good)


async def test_access_take_room(stack, there, package, asha, owner_url, new_url):
    folder, sent = package
    manifest = json.loads((folder / wire.MANIFEST).read_text())
    with pytest.raises(PackageWrong):
        forged = manifest | {"body": manifest["body"].replace('"rows":1', '"rows":2', 1)}
        wire.opened(msgspec.json.encode(forged), type(sent), federation.own_keys(stack))

    # A row that is not as it was sent is found, whoever changed it on the new machine.
    def almost(line: str) -> None:
        if line.startswith(sent.tables[-1].tab):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await acts.take_room(there, SETUP, folder, almost)
    await rows(
        new_url, "UPDATE payments.account SET posted = posted + 1 WHERE id = (SELECT max(id) FROM payments.account)"
    )
    with pytest.raises(NotTheSame, match=r"payments\.account"):
        await acts.take_room(there, SETUP, folder, str)
    with pytest.raises(PackageWrong):  # nobody answered yet
        await acts.confirm_move(stack, SETUP, "payments", folder)
    await rows(
        new_url, "UPDATE payments.account SET posted = posted - 1 WHERE id = (SELECT max(id) FROM payments.account)"
    )
    for _ in range(2):  # and a second time harmlessly
        taken = await acts.take_room(there, SETUP, folder, str)
    assert sum(t.rows for t in taken.tables) == sent.rows > 20
    # Of the old machine's secrets only those of the room went along.
    for name in ("blind", "room"):
        assert there.keys.mac(name, "payments") == stack.keys.mac(name, "payments")
        assert there.keys.mac(name) != stack.keys.mac(name) and there.keys.mac(name, "health") != stack.keys.mac(
            name, "health"
        )
    whole = b"".join(path.read_bytes() for path in folder.iterdir())
    assert str(asha[0].id).encode() not in whole and asha[0].number.encode() not in whole


async def test_the_books_go_on_where_they_were(stack, there, package, asha, new_url):
    """The chain is whole, its roots stand in the new log; a repeated order is the same order, and a new one is paid."""
    person, order, receipt, file = asha
    me = kit.as_person(person.id)
    again = await restarted(there, new_url)
    try:
        assert await _fsck_database(again, "") == 0
        assert (await payments.transfer(again, me, order)).transfer_id == receipt.transfer_id
        (held,) = await payments.accounts(again, me)
        before = held.balance_minor
        await payments.transfer(again, me, replace(order, key="after the move"))
        (held,) = await payments.accounts(again, me)
        assert held.balance_minor == before - 1_500
        (part,) = await rows(new_url, "SELECT sealed FROM payments.payment_part WHERE file_id = $1", file.file_id)
        assert person.number.encode() in again.seal.unseal_with_room_key(files.SEAL, bytes(part["sealed"]))
        assert await _fsck_database(again, "") == 0
    finally:
        await again.close()


async def restarted(old: Stack, url: str) -> Stack:
    """The program of a machine, started again."""
    made = await Stack.open(old.settings, as_app(url), countries.load("taifa"))
    app.furnish(made)
    await app.start_rooms(made)
    return made


async def test_access_confirm_move(stack, there, package):
    folder, _ = package
    with pytest.raises(NotPermitted):
        await acts.confirm_move(stack, OTHER, "payments", folder)
    answer = (folder / wire.ANSWER).read_bytes()
    told = json.loads(answer)
    (folder / wire.ANSWER).write_bytes(json.dumps(told | {"kid": "other"}).encode())
    with pytest.raises(PackageWrong):
        await acts.confirm_move(stack, SETUP, "payments", folder)
    (folder / wire.ANSWER).write_bytes(answer)
    assert (await acts.confirm_move(stack, SETUP, "payments", folder)).state == "confirmed"
    with pytest.raises(RoomStays):  # the other machine's records count now
        await acts.reopen_room(stack, SETUP, "payments")
    peer = next(p for p in await federation.peers(stack, fresh=True) if p.peer == PEER)
    out, back = rooms.swaps(stack, peer)
    who = PersonId(uuid7())
    assert peer.same_names and out(who) == who == back(who)  # by the ids that stand in the records that it took


sums = st.builds(Sum, st.sampled_from(["a.x", "a.y"]), st.just(("c",)), st.integers(0, 3), st.sampled_from("pq"))


@settings(max_examples=60, deadline=None)
@given(st.lists(sums, max_size=3, unique_by=lambda s: s.tab), st.lists(sums, max_size=3, unique_by=lambda s: s.tab))
def test_law_2_only_the_same_tables_rows_and_hashes_are_the_same(sent, found):
    def told(tables):
        return {(t.tab, t.cols, t.rows, t.sha256) for t in tables}

    if told(sent) == told(found):
        rules.check_same(sent, found)
    else:
        with pytest.raises(NotTheSame):
            rules.check_same(sent, found)


async def test_a_record_is_sealed_anew_with_the_new_machines_key_and_found_by_the_same_search(
    stack, owner_url, server, template, tmp_path
):
    """Health: what is sealed for a person is readable there, and not with the key that the person has here."""
    person = await kit.enrolled(stack)
    doctor = context(Actor(Kind.STAFF, "doctor", "zahanati", frozenset({"clinician"}), 2), "health-care", "contract")
    bundle = samples.for_person("adult", stack.profile.number_system, person.number)
    await health.store_bundle(stack, doctor, bundle)
    url = await fresh_database(server, template)
    chosen = Settings(home=tmp_path / "h", base_url="http://127.0.0.1:8082", sandbox=True, rooms="health")
    there = await Stack.open(chosen, as_app(url), countries.load("taifa"))
    registry._offered.pop("rights-acts", None)  # one program runs one machine, and here is one more
    try:
        app.furnish(there)
        await app.start_rooms(there)
        ctx = job_context("setup", "data-exchange")
        await federation.propose_peer(there, ctx, await federation.anchor(stack))
        await federation.propose_peer(stack, ctx, await federation.anchor(there))
        await acts.close_room(stack, SETUP, "health", "XT+health")
        sent = await acts.send_room(stack, SETUP, "health", "XT+health", tmp_path / "f", str)
        await acts.take_room(there, SETUP, tmp_path / "f", str)
        assert next(t.rows for t in sent.tables if t.tab == "health.resource") > 20
        (row,) = await rows(url, "SELECT * FROM health.resource ORDER BY id LIMIT 1")
        assert row["person_id"] == person.id
        label = f"health.{row['rtype']}/{row['id']}/{row['version']}".encode()
        keys = []
        for machine, base in ((there, url), (stack, owner_url)):
            (held,) = await rows(base, "SELECT wrapped FROM kernel.person_key WHERE person_id = $1", person.id)
            keys.append(AESGCM(machine.keys.unwrap(bytes(held["wrapped"]), person.id.bytes)))
        blob = bytes(row["body"])
        assert keys[0].decrypt(blob[:12], blob[12:], label)
        with pytest.raises(InvalidTag):
            keys[1].decrypt(blob[:12], blob[12:], label)
        everything, _ = await health.search(stack, doctor, "Condition", [])
        code = everything.matches[0].body["code"]["coding"][0]
        by_code = [("code", f"{code['system']}|{code['code']}")]
        found, before = [(await health.search(one, doctor, "Condition", by_code))[0] for one in (there, stack)]
        assert [one.id for one in found.matches] == [one.id for one in before.matches] != []
    finally:
        await there.close()
