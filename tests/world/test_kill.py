"""kill -9 during load: whatever was acknowledged is there, once; the books balance; every record is provable."""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.running import Running
from tests.world.callers import Caller, Institution, register_desk
from tests.world.load import Intention, Load

from msingi import countries, trust
from msingi.cli.running import at_work
from msingi.cli.visitor import Visitor
from msingi.kernel.context import Actor, Kind, context
from msingi.kernel.log import proof
from msingi.payments import acts as payments
from msingi.payments.model import Alias, TransferOrder

ROUNDS = int(os.environ.get("MSINGI_TEST_ROUNDS", "3"))
SEED = int(os.environ.get("MSINGI_TEST_SEED", "2022"))
FAULTS = ("program", "database", "both", "backend")
PAYERS, CONSENTING = 4, 3
PURSE = 9_000
PROOFS = 120


def owner_url(home: Path) -> str:
    """The superuser's URL of a home's running embedded database."""
    lines = (home / "pg" / "postmaster.pid").read_text().splitlines()
    return f"postgresql://postgres:@/postgres?host={lines[4].strip()}"


async def counted(home: Path) -> dict[str, int]:
    """How many things of each kind the database holds, seen from behind its walls."""
    conn = await asyncpg.connect(owner_url(home))
    try:
        return {
            "enrol": await conn.fetchval("SELECT count(*) FROM identity.person"),
            "record": await conn.fetchval("SELECT count(*) FROM health.resource WHERE rtype = 'Observation'"),
            "pay": await conn.fetchval("SELECT count(*) FROM payments.journal WHERE status = 1 AND code = 'P2P'"),
            "paid": await conn.fetchval("SELECT sum(amount) FROM payments.journal WHERE status = 1 AND code = 'P2P'"),
        }
    finally:
        await conn.close()


async def _fund(home: Path, known: dict[str, Any]) -> None:
    """The treasury gives the payers something to send."""
    actor = Actor(Kind.STAFF, "approver-1", known["treasury"]["institution"], frozenset({"treasurer"}), 2, "treasurer")
    async with at_work(home) as stack:
        for n, person in enumerate(known["people"][:PAYERS]):
            ctx = context(actor, "payment", "public-task")
            payee, currency = Alias("account", person["account"]), stack.profile.currency
            minor = PURSE * 10**currency.digits
            order = TransferOrder(f"purse-{n}", known["treasury"]["number"], payee, minor, currency.code)
            await payments.transfer(stack, ctx, order)


class Crowd:
    """Everybody who takes part in the load, signed in."""

    def __init__(self, running: Running, known: dict[str, Any]) -> None:
        self.running, self.known = running, known
        self.payers: list[Visitor] = []
        self.consenting: list[Caller] = []

    async def gather(self) -> None:
        """Sign everybody in."""
        desk = await register_desk(self.running.home)
        staff = {s["role"]: s for s in self.known["staff"]}
        url, people = self.running.url, self.known["people"]
        self.officer = await Caller.sign_in(url, desk, staff["officer"])
        self.clinician = await Caller.sign_in(url, desk, staff["clinician"])
        for person in people[PAYERS : PAYERS + CONSENTING]:
            self.consenting.append(await Caller.sign_in(url, desk, person))
        for person in people[:PAYERS]:
            visitor = Visitor(url)
            await visitor.sign_in(person["number"], person["pin"], person["phone"])
            self.payers.append(visitor)
        profile = countries.load(self.known["country"])
        hospital = next(i for i in self.known["institutions"] if i["kind"] == "hospital")
        self.hospital = Institution(url, profile.alpha2, hospital)
        self.number_system = profile.number_system
        for person in people[:3]:
            patient = {"resourceType": "Patient"}
            patient["identifier"] = [{"system": self.number_system, "value": person["number"]}]  # type: ignore[assignment]
            entry = {"resource": patient, "request": {"method": "POST", "url": "Patient"}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
            (await self.clinician.http.post("/fhir", json=bundle)).raise_for_status()

    def begin(self, load: Load) -> list[asyncio.Task[None]]:
        """Let everybody do what they do, until `load.going` ends."""
        people = self.known["people"]
        numbers = [p["number"] for p in people]
        phones = [p["phone"] for p in people[:PAYERS]]
        work = [load.enrol(self.officer), load.record(self.clinician, numbers[:3]), load.ask(self.hospital, numbers)]
        work += [load.consent(person) for person in self.consenting]
        for payer, own in zip(self.payers, phones, strict=True):
            work.append(load.pay(payer, [phone for phone in phones if phone != own]))
        return [asyncio.create_task(one) for one in work]


@pytest.fixture
async def crowd(tmp_path: Path) -> AsyncIterator[Crowd]:
    """A fresh sandbox of 60 people, its payers funded, everybody signed in."""
    running = Running(tmp_path / "home", 60).start()
    try:
        made = Crowd(running, running.sample)
        await _fund(running.home, running.sample)
        await made.gather()
        yield made
        for one in (*made.payers, *made.consenting, made.officer, made.clinician):
            await (one.client if isinstance(one, Visitor) else one.http).aclose()
    finally:
        running.stop()


def _kill_backend(home: Path, chance: random.Random) -> None:
    """kill -9 of one connection's process: PostgreSQL then restarts all of its own by itself."""
    pid = (home / "pg" / "postmaster.pid").read_text().splitlines()[0]
    found = subprocess.run(["pgrep", "-P", pid, "-f", "msingi_app"], capture_output=True, text=True).stdout.split()
    os.kill(int(chance.choice(found)), signal.SIGKILL)


async def _strike(running: Running, fault: str, chance: random.Random) -> None:
    """Do the fault, and wait until the stack answers again; only a killed program is started again by us."""
    if fault in ("program", "both"):
        running.kill()
    if fault in ("database", "both"):
        await asyncio.to_thread(running.kill_database)
    if fault == "backend":
        _kill_backend(running.home, chance)
    if fault in ("program", "both"):
        await asyncio.to_thread(running.start)
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=5) as http:
        for _ in range(300):
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError(f"the stack did not come back after the fault {fault}: {running.log()[-3000:]}")


async def test_acknowledged_acts_survive_kills(crowd: Crowd) -> None:
    """Seeded rounds of load and kills of every kind; then every law that can be checked from outside and inside."""
    running, chance = crowd.running, random.Random(SEED)
    before = await counted(running.home)
    load = Load(SEED, crowd.number_system)
    load.going = True
    working = crowd.begin(load)
    for n in range(ROUNDS):
        await asyncio.sleep(1.0 + chance.random() * 1.5)
        fault = FAULTS[n] if n < len(FAULTS) else chance.choice(FAULTS)
        await _strike(running, fault, chance)
    await asyncio.sleep(1.5)
    load.going = False
    await asyncio.wait_for(asyncio.gather(*working), 60)
    assert not load.wrong, "\n".join(load.wrong[:10])
    for kind in ("enrol", "record", "pay", "ask"):
        assert len([made for made in load.of(kind) if made.acknowledged]) >= 5, f"too little load: {kind}"

    await _replay(load)
    assert not load.wrong, "\n".join(load.wrong[:10])
    await _compare(crowd, load, before)
    checked = await asyncio.to_thread(running.run, "fsck", "--home", str(running.home))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    await _prove(crowd)
    acknowledged = sum(bool(made.acknowledged) for made in load.intentions)
    sent = sum(made.sent for made in load.intentions)
    print(f"{ROUNDS} kills: {acknowledged} acts acknowledged ({sent} requests sent), none lost; {checked.stdout}")


async def _replay(load: Load) -> None:
    """Send every intention that has an idempotency key once more: each gives its first answer, or happens now."""
    waiting = [made for kind in ("enrol", "record", "pay") for made in load.of(kind)]
    load.chance.shuffle(waiting)
    limit = asyncio.Semaphore(8)

    async def again(made: Intention) -> None:
        async with limit:
            for _ in range(60):  # an outage right after a start says: try again
                if await made.attempt():
                    return
                await asyncio.sleep(0.5)
            raise AssertionError(f"{made.key} is not answered: {made.faults}")

    await asyncio.gather(*(again(made) for made in waiting))


async def _compare(crowd: Crowd, load: Load, before: dict[str, int]) -> None:
    """The database holds each intention exactly once, and nothing that nobody wanted."""
    after = await counted(crowd.running.home)
    for kind in ("enrol", "record", "pay"):
        assert after[kind] - before[kind] == len(load.of(kind)), kind
    units = countries.load(crowd.known["country"]).currency.digits
    wanted = sum(int(made.key.rpartition(":")[2]) for made in load.of("pay")) * 10**units
    assert after["paid"] - before["paid"] == wanted
    asked = {one for made in load.of("ask") for one in made.acknowledged}  # who is asked already is not asked twice
    conn = await asyncpg.connect(owner_url(crowd.running.home))
    kept = await conn.fetch(
        "SELECT request_id::text FROM consent.request WHERE request_id = ANY ($1::uuid[])", list(asked)
    )
    await conn.close()
    assert sorted(row[0] for row in kept) == sorted(asked)
    for mine in load.consents:
        assert mine.told, "nobody consented to anything"
        answer = await mine.who.http.get("/v1/consent/consents", params={"limit": 200})
        state = {c["consent_id"]: c["state"] for c in answer.json()["items"]}
        assert len(state) == len(answer.json()["items"])
        for consent_id, told in mine.told:
            assert state[consent_id] == "withdrawn" or told == "granted", f"{consent_id} was withdrawn, and is not"
        assert list(state.values()).count("granted") <= 1


async def _prove(crowd: Crowd) -> None:
    """The people of the load take proofs of what was done with their data; all of them verify."""
    vkeys = trust.read(crowd.running.home / trust.FILE).log
    for who in crowd.consenting:
        answer = await who.http.get("/v1/consent/accesses", params={"limit": PROOFS // CONSENTING})
        lines = answer.json()["items"]
        assert len(lines) > 5
        for line in lines:
            text = await _proof_of(who, line["record_id"])
            assert proof.verify(text, vkeys).record["act"] == line["act"]


async def _proof_of(who: Caller, record_id: str) -> bytes:
    for _ in range(50):
        answer = await who.http.get(f"/v1/consent/accesses/{record_id}/proof")
        if answer.status_code == 200:
            return answer.content
        await asyncio.sleep(0.2)
    raise AssertionError(f"no proof of {record_id}: {answer.status_code} {answer.text}")


async def test_a_start_cut_off_is_finished_by_the_next(tmp_path: Path) -> None:
    """Kills during the very first start, at several moments, the last when all is made but not yet told: the next
    start makes the sample, nothing twice that has a key, and all is in order."""
    running = Running(tmp_path / "home", 20)
    for wait_s in (1.2, 2.5):
        running.launch()
        await asyncio.sleep(wait_s)
        running.kill()
    await asyncio.to_thread(running.start)
    told = running.sample
    running.kill()
    (running.home / "sample.json").unlink()
    await asyncio.to_thread(running.start)
    try:
        assert told["people"] and running.sample["treasury"] == told["treasury"]
        assert running.sample["people"] == told["people"], "each has the wallet that was opened first"
        checked = await asyncio.to_thread(running.run, "fsck", "--home", str(running.home))
        assert checked.returncode == 0, checked.stdout + checked.stderr
    finally:
        running.stop()
