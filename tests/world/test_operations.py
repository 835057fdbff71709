"""What an operator relies on: clean stops, clear words, metrics and logs that name nobody, another PostgreSQL."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.running import Running, free_port

from msingi.cli.visitor import Visitor
from msingi.kernel.postgres import EmbeddedServer, rewritten


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a stack that these tests start and stop, one after the other."""
    return tmp_path_factory.mktemp("operations") / "home"


@pytest.fixture
def country(home: Path) -> Iterator[Running]:
    """That stack, with a sample of 20 people, for one test to start; it finds the log empty."""
    running = Running(home, 20)
    (home.parent / f"{home.name}.log").write_text("")
    yield running
    running.stop()


@pytest.fixture
def made(country: Running) -> Running:
    """The same, not running, with its sample made; so that each test can be run by itself."""
    if not (country.home / "sample.json").exists():
        country.start()
        assert country.stop() == 0
    return country


def programs_of(home: Path) -> list[str]:
    """The command lines of what still runs on a home."""
    found = subprocess.run(["pgrep", "-af", str(home)], capture_output=True, text=True).stdout
    return [line for line in found.splitlines() if "pgrep" not in line]


def _well_started(running: Running) -> None:
    """sample.json names the address at which the stack runs now: programs that read it find it."""
    assert running.sample["base_url"] == running.sample["issuer"] == running.url
    metadata = httpx.get(f"{running.url}/.well-known/openid-configuration").json()
    assert metadata["issuer"] == running.url


async def test_ctrl_c_stops_cleanly(country: Running) -> None:
    """Exit code 0, no stack trace, no PostgreSQL left; also with a connection open and after a sign-in."""
    country.start()
    person = country.sample["people"][0]
    async with Visitor(country.url) as visitor:
        page = await visitor.sign_in(person["number"], person["pin"], person["phone"])
        assert page.status == 200
        began = time.monotonic()
        assert country.stop() == 0
    assert time.monotonic() - began < 60, "an open connection, kept for 75 s, was waited for"
    assert "Traceback" not in country.log() and "Nothing is lost" in country.log()
    assert programs_of(country.home) == []
    assert not (country.home / "pg" / "postmaster.pid").exists()


def test_warm_start_on_another_port_and_sigterm(made: Running) -> None:
    """The second start makes nothing again (`make bench` measures its time), and a service manager's SIGTERM stops it
    as cleanly as Ctrl-C."""
    country = made
    country.start()
    _well_started(country)
    print(f"warm start to ready: {country.took_s:.2f} s")
    assert "Making a sample" not in country.log()
    assert country.process is not None
    country.process.send_signal(signal.SIGTERM)
    assert country.process.wait(120) == 0
    assert "Traceback" not in country.log()
    assert programs_of(country.home) == []


def test_ctrl_c_during_the_first_start(tmp_path: Path) -> None:
    """Whoever stops it while the sample is being made sees no stack trace, and leaves no PostgreSQL behind."""
    running = Running(tmp_path / "home", 300).launch()
    assert running.process is not None
    while "Making a sample" not in running.log():
        time.sleep(0.1)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(120) in (0, 130)
    assert "Traceback" not in running.log(), running.log()
    assert programs_of(running.home) == []


def test_used_port_is_told_with_a_remedy(sandbox: Running, tmp_path: Path) -> None:
    """A second stack on the port of the first one says so, and how to go on, before it does any work."""
    second = sandbox.run("up", "--home", str(tmp_path / "home"), "--port", str(sandbox.port), "--sample", "5")
    assert second.returncode == 1
    assert f"port {sandbox.port}" in second.stderr and "--port" in second.stderr
    assert "Traceback" not in second.stderr and not (tmp_path / "home" / "pg").exists()
    assert httpx.get(f"{sandbox.url}/readyz").status_code == 200


def test_doctor_is_content_with_a_sandbox(sandbox: Running) -> None:
    """`msingi doctor` beside a running sandbox finds nothing bad, and does not stop it."""
    ran = sandbox.run("doctor", "--home", str(sandbox.home))
    assert ran.returncode == 0 and "BAD" not in ran.stdout, ran.stdout
    assert "PostgreSQL 18" in ran.stdout and "row-level security" in ran.stdout
    assert httpx.get(f"{sandbox.url}/readyz").status_code == 200


def test_another_country_in_the_same_home_is_refused(sandbox: Running) -> None:
    """A home keeps its country: data of one are not read by the rules of another."""
    port = str(free_port())
    ran = sandbox.run("up", "--home", str(sandbox.home), "--port", port, "--country", "wahat", "--sample", "5")
    assert ran.returncode == 1 and "holds the country taifa" in ran.stderr, ran.stderr


def names_of(sample: dict) -> set[str]:
    """Everything in a sample that would name a person in a log or metric."""
    found: set[str] = set()
    for person in sample["people"]:
        found |= {person["number"], person["phone"], person["phone"].lstrip("+"), person["name"], person["account"]}
    return found


async def use(running: Running) -> None:
    """Sign in, look around, and knock at doors whose paths hold numbers and ids, well and badly."""
    person, other = running.sample["people"][:2]
    async with Visitor(running.url) as visitor:
        await visitor.sign_in(person["number"], person["pin"], person["phone"])
        page = await visitor.open("/me/accesses")
        await visitor.open(page.link("/me/accesses/"))
        send = await visitor.open("/me/money/send")
        order = dict(send.form("phone").form_values()) | {"phone": other["phone"], "amount": "1"}
        await visitor.client.post("/me/money/send", data=order)
        for path in (
            f"/v1/identity/persons/{other['number']}",
            f"/v1/identity/persons/{other['phone']}",
            f"/fhir/Patient?identifier=urn%3Ax%7C{other['number']}&name={other['name']}",
            f"/nowhere/{other['number']}?phone={other['phone']}",
            f"/me/money/receipts/{other['number']}",
        ):
            await visitor.client.get(path)
        await visitor.client.post("/oauth/token", data={"grant_type": "x", "username": other["number"]})
        await visitor.client.post(
            "/v1/identity/enrolments", json={"name": {"given": other["name"]}, "phone": other["phone"], "sex": 1}
        )
        wrong = await visitor.open("/sign-in")
        await visitor.client.post(
            "/signin/pin", data=dict(wrong.form().form_values()) | {"login": other["number"], "pin": "999999"}
        )


async def test_metrics_traces_and_logs_name_nobody(made: Running) -> None:
    """Metrics on, traces to an address where nobody listens, JSON logs: all work, and none holds a person's data."""
    country = made
    settings = {"MSINGI_METRICS": "1", "MSINGI_OTEL_ENDPOINT": f"http://127.0.0.1:{free_port()}/v1/traces"}
    country.start(400, "--quiet", **settings)
    await use(country)
    metrics = httpx.get(f"{country.url}/metrics")
    assert metrics.status_code == 200 and "msingi_requests_total" in metrics.text
    paths = set(re.findall(r'path="([^"]*)"', metrics.text))
    assert "/v1/identity/persons/{number}" in paths, paths
    for text in (metrics.text, country.log()):
        named = [name for name in names_of(country.sample) if name in text]
        assert not named, named
    assert not re.search(r'path="[^"]*[0-9a-f]{8}-[0-9a-f]{4}|path="[^"]*\d{6}', metrics.text)
    assert country.stop() == 0
    lines = [json.loads(line) for line in country.log().splitlines()]
    answered = [line for line in lines if line["message"] == "answered"]
    assert len(answered) > 10 and {"at", "level", "door", "status", "ms", "request_id"} <= answered[0].keys()
    assert {"/v1/identity/persons/{number}", "/me/accesses/{record_id}"} <= {line["door"] for line in answered}
    assert not [line for line in lines if line["level"] in ("error", "critical") and line["message"] == "bug"]


def test_metrics_stay_off_unless_switched_on(sandbox: Running) -> None:
    """Nobody learns from the outside how much a stack does, unless its operator wants it."""
    assert httpx.get(f"{sandbox.url}/metrics").status_code == 404


def test_outside_a_sandbox_messages_cannot_be_read(made: Running) -> None:
    """Started without --sample, the same home has no door for simulated messages, and says nothing of logins."""
    plain = Running(made.home, 0)
    plain.start()
    try:
        phone = made.sample["people"][0]["phone"]
        for path in ("/sandbox/sms", f"/sandbox/sms?to={phone.replace('+', '%2B')}", "/sandbox"):
            assert httpx.get(f"{plain.url}{path}").status_code == 404
        assert "/sandbox" not in httpx.get(f"{plain.url}/openapi.json").text
        assert made.sample["people"][0]["pin"] not in plain.log()
    finally:
        assert plain.stop() == 0


def test_a_sandbox_keeps_to_this_machine(tmp_path: Path, country: Running) -> None:
    """--sample on an address that others reach is refused."""
    ran = country.run("up", "--home", str(tmp_path / "x"), "--host", "0.0.0.0", "--sample", "5")
    assert ran.returncode == 1 and "loopback" in ran.stderr


async def test_stack_on_another_postgresql(tmp_path_factory: pytest.TempPathFactory) -> None:
    """MSINGI_DATABASE_URL: nothing is kept in the home but keys, and commands find the same database."""
    folder = tmp_path_factory.mktemp("elsewhere")
    server = EmbeddedServer(folder / "theirs")
    running = Running(folder / "home", 10)
    try:
        conn = await asyncpg.connect(server.url)
        await conn.execute("CREATE DATABASE country")
        await conn.close()
        elsewhere = {"MSINGI_DATABASE_URL": rewritten(server.url, database="country")}
        running.start(400, **elsewhere)
        _well_started(running)
        person = running.sample["people"][0]
        async with Visitor(running.url) as visitor:
            page = await visitor.sign_in(person["number"], person["pin"], person["phone"])
            assert page.url.endswith("/me")
        assert not (running.home / "pg").exists()
        for command in ("fsck", "doctor"):
            ran = running.run(command, "--home", str(running.home), **elsewhere)
            assert ran.returncode == 0, ran.stdout + ran.stderr
        assert running.stop() == 0
        conn = await asyncpg.connect(elsewhere["MSINGI_DATABASE_URL"])
        assert await conn.fetchval("SELECT count(*) FROM identity.person") > 5
        await conn.close()
    finally:
        running.stop()
        server.stop()


def test_unreachable_database_is_told(tmp_path: Path, country: Running) -> None:
    """A database that is not there is one sentence with a remedy, not a stack trace."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://postgres@127.0.0.1:{nobody.getsockname()[1]}/country"
        port = str(free_port())
        ran = country.run("up", "--home", str(tmp_path / "home"), "--port", port, MSINGI_DATABASE_URL=url)
    assert ran.returncode == 1 and "the database does not answer" in ran.stderr
    assert "Traceback" not in ran.stderr and "doctor" in ran.stderr
