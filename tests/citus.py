"""The tests on a Citus cluster of yours, in place of the embedded server: a plugin of pytest, not a test of its own.

    MSINGI_TEST_CITUS="postgresql://postgres@host:5432/postgres postgresql://postgres@worker:5432/postgres ..." \\
        python -m pytest -p tests.citus -n0 tests/payments/test_shards.py

The coordinator stands first. The machines hold the extension's library (`shared_preload_libraries = 'citus'`), let a
superuser in without a password among themselves, and nobody else uses them: databases are made there and left.
A migrated database is spread once by `msingi spread`; each module's is a copy of it on every machine.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from msingi.kernel import spreading
from msingi.kernel.postgres import migrate, rewritten

TEMPLATE = "template_msingi"
SHARDS = 4


class Cluster:
    """Stands where the embedded server stands: its address is the coordinator's."""

    def __init__(self, *_: Any) -> None:
        self.machines = os.environ["MSINGI_TEST_CITUS"].split()
        self.url = self.machines[0]
        self.directory = Path(tempfile.mkdtemp(prefix="msingi-citus-"))

    def stop(self) -> None:
        """The machines go on."""


async def _everywhere(cluster: Cluster, *orders: str, database: str = "") -> None:
    for machine in reversed(cluster.machines):
        conn = await asyncpg.connect(rewritten(machine, database=database) if database else machine)
        try:
            for order in orders:
                await conn.execute(order)
        finally:
            await conn.close()


async def spread_template(owner_url: str) -> None:
    """Make the template on every machine, migrate it on the coordinator, and spread its tables."""
    cluster = Cluster()
    workers = [machine for machine in cluster.machines if machine != cluster.url]
    gone = (f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE false ALLOW_CONNECTIONS false",)
    for machine in workers:
        conn = await asyncpg.connect(machine)
        if await conn.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", TEMPLATE):
            await conn.execute(gone[0])
            await conn.execute(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")
        await conn.execute(f"CREATE DATABASE {TEMPLATE}")
        await conn.close()
    await _everywhere(cluster, "CREATE EXTENSION citus", database=TEMPLATE)
    conn = await asyncpg.connect(owner_url)
    here = conn._addr  # asyncpg keeps it; the driver has no other word for where it arrived
    await conn.execute("SELECT citus_set_coordinator_host($1, $2)", here[0], here[1])
    for machine in workers:
        there = await asyncpg.connect(machine)
        await conn.execute("SELECT citus_add_node($1, $2)", there._addr[0], there._addr[1])
        await there.close()
    await conn.execute(f"ALTER DATABASE {TEMPLATE} SET citus.shard_count = {SHARDS}")
    await conn.close()
    await migrate(owner_url)
    found = await spreading.spread(owner_url)
    for table, why in sorted(found.stayed.items()):
        print(f"stays on the coordinator: {table}: {why}")
    conn = await asyncpg.connect(owner_url)
    await conn.execute("VACUUM ANALYZE")  # the catalogue grew by hundreds of tables, and the driver asks it for types
    await conn.close()
    await _everywhere(cluster, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")


async def copied(server: Cluster, template: str) -> str:
    """A copy of the spread template on every machine; gives the coordinator's address of it."""
    from tests import conftest

    name = f"t{os.getpid()}_{next(conftest._numbers)}"
    leave = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'"
    settings = ("citus.enable_repartition_joins = on", "citus.propagate_set_commands = 'local'")
    more = [f"ALTER DATABASE {name} SET {one}" for one in (*settings, f"citus.shard_count = {SHARDS}")]
    await _everywhere(server, leave, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy", *more)
    return rewritten(server.url, database=name)


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Before any test is read: the cluster stands where the embedded server would."""
    from tests import conftest

    conftest.EmbeddedServer = Cluster
    conftest.migrate = spread_template
    conftest.fresh_database = copied
