"""Spread the tables over the machines of Citus, each by the law that its comment states in `schema.sql`.

What Citus asks for beside the laws is done here, so that one PostgreSQL alone keeps its own, faster form: policies
without subqueries, joins that move rows between machines, and its consent to triggers. Safe to repeat.
"""

import re
from collections.abc import Iterable

import asyncpg
from msgspec import Struct

from msingi.kernel.errors import Outage
from msingi.kernel.postgres import migrations

_LAW = re.compile(r"^-- (?:distributed by (\w+)|(reference) table|(local))")
_TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+\.\w+)")
_FACT = re.compile(r"\( ?SELECT (kernel\.\w+\(\)) AS \w+\)")
LOCAL, REFERENCE = "local", "reference"


class Spread(Struct, frozen=True):
    """What became of each table: its distribution key, "reference" or "local"; and why some stayed on one machine."""

    laws: dict[str, str]
    stayed: dict[str, str]


def laws(scripts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The law of each table that migrations create: its distribution key, "reference" or "local"."""
    found: dict[str, str] = {}
    for _, text in scripts:
        law = ""
        for line in text.splitlines():
            if stated := _LAW.match(line.strip()):
                law = stated[1] or stated[2] or stated[3]
            elif (made := _TABLE.match(line.strip())) and law:
                found[made[1]], law = law, ""
    return found


def plain(policy: str) -> str:
    """A policy without subqueries: the facts of the session are asked for each row, and not once for a statement."""
    return _FACT.sub(r"\1", policy)


async def spread(owner_url: str) -> Spread:
    """Make every table of a migrated database a distributed or reference table of Citus.

    Raises Outage if the server does not answer, or knows no Citus.
    """
    try:
        conn = await asyncpg.connect(owner_url)
    except (OSError, asyncpg.PostgresError) as lost:
        raise Outage(f"the database does not answer: {lost}") from lost
    try:
        if not await conn.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'citus'"):
            raise Outage("this database has no extension citus")
        await conn.execute("SET citus.enable_unsafe_triggers = on")
        database = await conn.fetchval("SELECT quote_ident(current_database())")
        await conn.execute(f"ALTER DATABASE {database} SET citus.enable_repartition_joins = on")
        await conn.execute(f"ALTER DATABASE {database} SET citus.propagate_set_commands = 'local'")
        await _policies(conn)
        known, stayed = laws(migrations()), {}
        spread_before = await conn.fetch("SELECT logicalrelid::text AS name FROM pg_dist_partition")
        done = {row["name"].replace('"', "") for row in spread_before}
        for table in sorted(known, key=lambda name: known[name] != REFERENCE):  # others may refer to these
            if known[table] == LOCAL or table in done:
                continue
            try:
                if known[table] == REFERENCE:
                    await conn.execute("SELECT create_reference_table($1::text::regclass)", table)
                else:
                    await conn.execute("SELECT create_distributed_table($1::text::regclass, $2)", table, known[table])
            except asyncpg.PostgresError as refused:
                stayed[table] = str(refused).splitlines()[0]
        return Spread(known, stayed)
    finally:
        await conn.close()


async def _policies(conn: asyncpg.Connection) -> None:
    """Write the policies anew that hold subqueries, of which Citus knows none."""
    for row in await conn.fetch(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS place, quote_ident(policyname) AS name, "
        "qual, with_check FROM pg_policies WHERE qual LIKE '%SELECT%' OR with_check LIKE '%SELECT%'"
    ):
        both = (("USING", "qual"), ("WITH CHECK", "with_check"))
        parts = [f"{word} ({plain(row[part])})" for word, part in both if row[part]]
        await conn.execute(f"ALTER POLICY {row['name']} ON {row['place']} {' '.join(parts)}")
