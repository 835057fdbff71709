"""What `msingi doctor` looks at: the machine, the database, its walls, the keystore, and what waits or failed."""

import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

import asyncpg
import httpx
from msgspec import Struct

from msingi import countries
from msingi.cli.running import Server, recalled
from msingi.kernel.errors import Outage
from msingi.kernel.postgres import migrations
from msingi.kernel.settings import Settings
from msingi.kernel.stack import keystore_of


class Finding(Struct, frozen=True):
    """One look: `state` is good, warn or bad; `remedy` says what to do."""

    state: str
    what: str
    remedy: str = ""


async def examine(home: Path) -> list[Finding]:
    """All findings about this machine and the stack in `home`."""
    found = _machine(home)
    try:
        settings = recalled(home)
        profile = countries.load(settings.country)
        found.append(Finding("good", f"settings are readable; country profile {settings.country} is valid"))
    except ValueError as wrong:
        return [*found, Finding("bad", f"settings: {wrong}", "Correct the named variable or profile.")]
    found += _keystore(home, settings)
    if not settings.database_url and not (home / "pg").exists():
        return [*found, Finding("warn", f"{home} holds no database yet", f"Start one: msingi up --home {home}")]
    try:
        server = Server(settings)
    except Exception as wrong:
        return [*found, Finding("bad", f"the database server does not start: {wrong}", f"See {home / 'pg' / 'log'}.")]
    try:
        found += await _database(server.owner_url, profile.alpha2)
    except (Outage, OSError, asyncpg.PostgresError) as wrong:
        found.append(Finding("bad", f"the database does not answer: {wrong}", "Check MSINGI_DATABASE_URL."))
    finally:
        server.stop()
    return found


def _machine(home: Path) -> list[Finding]:
    found = [Finding("good", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")]
    place = home if home.exists() else Path(".")
    free = shutil.disk_usage(place).free / 1e9
    enough = free > 2
    found.append(
        Finding("good" if enough else "bad", f"{free:.1f} GB of disk free", "" if enough else "Free at least 2 GB.")
    )
    probe = place / f".doctor-{os.getpid()}"
    began = time.perf_counter()
    try:
        with probe.open("wb") as file:
            for _ in range(20):
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
        each = (time.perf_counter() - began) / 20 * 1000
        slow = each > 20
        found.append(
            Finding(
                "warn" if slow else "good",
                f"one durable write takes {each:.2f} ms",
                "Use a faster disk." if slow else "",
            )
        )
    except OSError as wrong:
        found.append(Finding("bad", f"{place} cannot be written: {wrong}", "Give --home a writable folder."))
    finally:
        probe.unlink(missing_ok=True)
    if sys.flags.optimize:
        found.append(Finding("bad", "Python runs with -O, which removes checks", "Start it without -O."))
    return found


def _keystore(home: Path, settings: Settings) -> list[Finding]:
    if not (home / "keystore").exists():
        return []
    try:
        keystore_of(settings)
    except ValueError as wrong:
        return [Finding("bad", f"keystore: {wrong}", "Set MSINGI_KEY_PASSPHRASE, or put keystore.secret back.")]
    found = [Finding("good", "the keystore opens")]
    secret = home / "keystore.secret"
    if secret.exists() and secret.stat().st_mode & 0o077:
        found.append(Finding("bad", f"{secret} can be read by others", f"chmod 600 {secret}"))
    if secret.exists() and not settings.sandbox:
        found.append(
            Finding(
                "warn", "the keystore's passphrase lies beside it", "Set MSINGI_KEY_PASSPHRASE and delete the file."
            )
        )
    return found


async def _peers(conn: asyncpg.Connection, own: str) -> list[Finding]:
    """Whether the other installations, and the machines that run rooms of this one, answer."""
    found = []
    async with httpx.AsyncClient(timeout=5, trust_env=False) as web:
        for peer in await conn.fetch("SELECT * FROM exchange.peer WHERE standing = 'active' ORDER BY peer"):
            runs = f", which runs {', '.join(peer['rooms'])}," if peer["rooms"] else ""
            what = f"{peer['peer']} at {peer['url']}{runs}"
            try:
                told = (await web.get(f"{peer['url']}/v1/exchange/anchor")).json()
                pinned = {key["kid"] for key in json.loads(peer["keys"])}
                known = pinned & {key["kid"] for key in told["keys"]}
                remedy = "Compare the fingerprints by telephone: msingi peers list."
                wrong = Finding("bad", f"{what} answers with other keys", remedy)
                found.append(Finding("good", f"{what} answers") if known else wrong)
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                state = "bad" if peer["instance"] == own else "warn"  # rooms of ours run there, or the rest of them
                found.append(Finding(state, f"{what} does not answer", "Start it, or look at the network between."))
    return found


async def _database(owner_url: str, own: str) -> list[Finding]:
    conn = await asyncpg.connect(owner_url)
    try:
        version = conn.get_server_version()
        found = [Finding("good" if version.major >= 18 else "bad", f"PostgreSQL {version.major}.{version.minor}")]
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            value = await conn.fetchval("SELECT current_setting($1)", setting)
            if value == "off":
                found.append(Finding("bad", f"{setting} is off: acknowledged acts can be lost", f"Turn {setting} on."))
        ran = {r["name"] for r in await conn.fetch("SELECT name FROM kernel.migration")}
        waiting = [name for name, _ in migrations() if name not in ran]
        found.append(
            Finding("warn", f"migrations wait: {', '.join(waiting)}", "Restart the stack; it runs them.")
            if waiting
            else Finding("good", f"{len(ran)} migrations have run")
        )
        bare = await conn.fetch(
            "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = "
            "c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'person_id' WHERE c.relkind IN "
            "('r', 'p') AND NOT c.relrowsecurity AND has_table_privilege('msingi_app', c.oid, 'SELECT')"
        )
        names = ", ".join(r["name"] for r in bare)
        found.append(
            Finding("bad", f"tables about people without a wall: {names}", "Raise it: SELECT kernel.wall(...).")
            if bare
            else Finding("good", "every table about people stands behind row-level security")
        )
        strong = await conn.fetchval("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'msingi_app'")
        if strong:
            found.append(
                Finding(
                    "bad", "the role msingi_app can pass the walls", "ALTER ROLE msingi_app NOSUPERUSER NOBYPASSRLS"
                )
            )
        waits, failed = await conn.fetchrow(
            "SELECT count(*) FILTER (WHERE failed IS NULL), count(*) FILTER (WHERE failed IS NOT NULL) "
            "FROM kernel.outbox"
        ) or (0, 0)
        if failed:
            found.append(
                Finding("bad", f"{failed} events failed for good", "See kernel.outbox and the log of the stack.")
            )
        found.append(Finding("good" if waits < 1000 else "warn", f"{waits} events wait for delivery"))
        found += await _peers(conn, own)
        pending = await conn.fetchval("SELECT count(*) FROM log.pending")
        found.append(Finding("good" if pending < 1000 else "warn", f"{pending} leaves wait for their place in the log"))
    finally:
        await conn.close()
    return found
