"""Fixtures of the world: one running sandbox for all tests that leave it standing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.running import Running


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running sandbox of 60 people (Taifa). Tests may act in it; they must not kill or change it from behind."""
    running = Running(tmp_path_factory.mktemp("sandbox") / "home", 60).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def backup_file(sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the sandbox, taken while it runs."""
    file = tmp_path_factory.mktemp("backup") / "country.tar"
    made = sandbox.run("backup", "--home", str(sandbox.home), str(file))
    assert made.returncode == 0, made.stdout + made.stderr
    return file
