"""Fixtures: a real embedded PostgreSQL, a fresh migrated database per test module, contexts and people."""

import functools
import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from httpx._transports import default as transports
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from tests.site import web_app

from msingi import app, countries
from msingi.credentials.issuance.certificates import ROOT_FOLDER
from msingi.kernel import context as contexts
from msingi.kernel import keys
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.postgres import CONF, EmbeddedServer, as_app, migrate, rewritten
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

gc.set_threshold(10_000, 20, 50)  # as the product does: what was loaded stays
hypothesis_settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any-machine")  # a slow machine is no failure
transports.create_ssl_context = functools.lru_cache(8)(transports.create_ssl_context)  # reads a file of authorities
keys.derived = functools.lru_cache(64)(keys.derived)  # once for each passphrase and salt: it is slow on purpose
_numbers = itertools.count(1)
TEMP_ROOT = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """A temporary folder of this run's own: pytest closes the shared one to other users whenever a run begins, and
    with it to the PostgreSQL of runs by root that are under way."""
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = config.stash[TEMP_ROOT] = tempfile.mkdtemp(prefix="msingi-tests-")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave nothing behind, unless something is to be looked into."""
    folder = session.config.stash.get(TEMP_ROOT, "")
    if folder and exitstatus == 0:
        shutil.rmtree(folder, ignore_errors=True)


SLOW = ("world", "browser", "cli", "identity")
# No machine loses its power while the tests run, and programs that are killed lose nothing of what is in the system's
# cache: the disk is not waited for. Stacks in processes of their own (tests/running.py) run as they are shipped.
TEST_CONF = (
    CONF
    + """
max_connections = 200
fsync = off
full_page_writes = off
"""
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that workers side by side end together."""
    order = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(SLOW)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One embedded PostgreSQL for the whole run (or MSINGI_TEST_DATABASE_URL)."""
    directory = tmp_path_factory.mktemp("pg")
    running = EmbeddedServer(directory, TEST_CONF)
    yield running
    running.stop()


@pytest.fixture(scope="session")
async def template(server: EmbeddedServer) -> str:
    """The name of a migrated database that others are copied from."""
    conn = await asyncpg.connect(server.url)
    await conn.execute("CREATE DATABASE template_msingi")
    await conn.close()
    await migrate(rewritten(server.url, database="template_msingi"))
    return "template_msingi"


async def fresh_database(server: EmbeddedServer, template: str) -> str:
    """A new database from the template; gives its owner URL."""
    name = f"t{os.getpid()}_{next(_numbers)}"
    conn = await asyncpg.connect(server.url)
    await conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    await conn.close()
    return rewritten(server.url, database=name)


@pytest.fixture(scope="module")
async def owner_url(server: EmbeddedServer, template: str) -> str:
    """The superuser's URL of this module's database: for tampering, and for looking behind the walls."""
    return await fresh_database(server, template)


@pytest.fixture(scope="session")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with nothing but keys, which the stacks of a run start with: making them takes a while, on purpose."""
    home: Path = tmp_path_factory.mktemp("first")
    keys.Keystore.open(home)
    keys.Keystore.open(home / ROOT_FOLDER)
    return home


@pytest.fixture(scope="module")
async def stack(owner_url: str, first_home: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A connected stack in the application's role, rules and event doers loaded, no background work."""
    home: Path = tmp_path_factory.mktemp("home")
    shutil.copytree(first_home, home, dirs_exist_ok=True)
    settings = Settings(home=home, base_url="http://127.0.0.1:8080", sandbox=True)
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    app.load_policies()
    app.furnish(made)
    await app.start_rooms(made)
    yield made
    await made.close()


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on the whole application (the stack's own life goes on after it)."""
    running = web_app(stack)
    transport = httpx.ASGITransport(app=running)
    async with httpx.AsyncClient(transport=transport, base_url=stack.settings.url) as made:
        yield made


@pytest.fixture(scope="session")
def ctx_of() -> Callable[..., Context]:
    """Make a context: `ctx_of(Kind.STAFF, "officer-1", roles=["enrolment-officer"], purpose=..., basis=...)`."""

    def make(kind: Kind, id: str, **more: Any) -> Context:
        actor = Actor(
            kind,
            str(id),
            more.get("institution", ""),
            frozenset(more.get("roles", ())),
            more.get("assurance", 2),
        )
        ctx = contexts.context(actor, more.get("purpose", "operations"), more.get("basis", "public-task"))
        consent = more.get("consent", "")
        return (
            ctx
            if not consent
            else Context(**{f: getattr(ctx, f) for f in ctx.__struct_fields__} | {"consent": consent})
        )

    return make
