"""Fixtures of the world: one running sandbox for all tests that leave it standing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from tests.running import Running
from tests.world.callers import Caller, register_desk


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running sandbox of 60 people (Taifa). Tests may act in it; they must not kill or change it from behind."""
    running = Running(tmp_path_factory.mktemp("sandbox") / "home", 60).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
async def desk(sandbox: Running) -> ECKey:
    """The key of software of the stack's own house, through which tests sign people and staff in."""
    return await register_desk(sandbox.home)


@pytest.fixture(scope="session")
async def backup_file(sandbox: Running, desk: ECKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the sandbox, taken while it runs, with a log that is higher than one tile."""
    person = await Caller.sign_in(sandbox.url, desk, sandbox.sample["people"][5])
    for _ in range(60):
        (await person.http.get("/v1/consent/accesses", params={"limit": 1})).raise_for_status()
    await person.http.aclose()
    file = tmp_path_factory.mktemp("backup") / "country.tar"
    made = await asyncio.to_thread(sandbox.run, "backup", "--home", str(sandbox.home), str(file))
    assert made.returncode == 0, made.stdout + made.stderr
    return file
