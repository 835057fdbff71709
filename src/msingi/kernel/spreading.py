"""Spread the tables over the machines of Citus, each by the law that its comment states in `schema.sql`.

What Citus asks for beside the laws is done here, so that one PostgreSQL alone keeps its own, faster form: policies
without subqueries, joins that move rows between machines, its consent to triggers, functions whose plans it may make
by their values, and tables whose triggers write to others on one machine. Safe to repeat.
"""

import re
from collections.abc import Iterable

import asyncpg
from msgspec import Struct

from msingi.kernel.errors import Outage
from msingi.kernel.postgres import migrations

_LAW = re.compile(r"^-- (?:distributed by (\w+)|(reference) table|(local))")
_TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+\.\w+)")
_FACT = re.compile(r"\( ?SELECT (\w+\.\w+\(\)) AS \w+\)")
_ONE_OF = re.compile(r"IN \( ?SELECT unnest\((kernel\.\w+\(\))\) AS \w+\)")
_NOTHING = re.compile(r"\bSELECT FROM\b")
_ASKS = re.compile(r" = ANY \(\(?(?!kernel\.)\w+\.\w+\(\)\)?(?:::\w+\[\])?\)")
LOCAL, REFERENCE = "local", "reference"
# Citus evaluates what is stable before a statement leaves, all arms of a CASE: here none fails on another's values.
_REACH = """
CREATE OR REPLACE FUNCTION kernel.reach() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE RETURN coalesce(
  string_to_array(nullif(nullif(current_setting('msingi.reach', true), '*'), ''), ',')::uuid[], '{}'::uuid[])
"""
# A plan for all values cannot choose the machine by its values: with it Citus knows no distributed plan.
_BY_VALUES = """
SELECT format('ALTER FUNCTION %s RESET plan_cache_mode', oid::regprocedure) FROM pg_proc
WHERE EXISTS (SELECT FROM unnest(proconfig) AS said WHERE said = 'plan_cache_mode=force_generic_plan')
"""
# What Citus brings to the machines by COPY, it brings past no policy; with RETURNING it brings it by INSERT.
_REST = r"(?:(?!;|ON CONFLICT|RETURNING)[\s\S])+"
_POURED = re.compile(rf"(?m)^ *(INSERT INTO{_REST}\bFROM unnest\({_REST});")
_FUNCTIONS = """
SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE l.lanname IN ('plpgsql', 'sql') AND p.prosrc ~ 'INSERT INTO[^;]+unnest|SELECT FROM'
  AND n.nspname !~ '^(pg_|information_|public$|citus)'
"""
# The rows of a view are asked for by whoever asks the view, not by its owner.
_VIEWS = """
SELECT c.oid::regclass::text AS name, pg_get_viewdef(c.oid) AS body, array_to_string(c.reloptions, ', ') AS options,
  ARRAY(SELECT DISTINCT quote_ident(u.table_schema) || '.' || quote_ident(u.table_name)
        FROM information_schema.view_table_usage u
        WHERE u.view_schema = n.nspname AND u.view_name = c.relname) AS tables
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND has_table_privilege('msingi_app', c.oid, 'SELECT')
  AND n.nspname !~ '^(pg_|information_|public$|citus)'
"""
# A trigger of a spread table runs where the row stands, and may not ask another machine from there.
_WRITTEN_BY_TRIGGERS = """
SELECT DISTINCT t.tgrelid::regclass::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND p.prosrc ~ '\\m(INSERT INTO|UPDATE|DELETE FROM) +\\w+\\.'
"""


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
    return _FACT.sub(r"\1", _ONE_OF.sub(r"= ANY (\1)", policy))


def by_insert(function: str) -> str:
    """A function whose rows from arrays reach other machines by INSERT: each such statement gives a row back. And what
    only asks whether something is there asks for a column, without which nothing travels between machines."""
    said = r"DECLARE one record; BEGIN FOR one IN \1 RETURNING 1 LOOP END LOOP; END;"
    return _POURED.sub(said, _NOTHING.sub("SELECT 1 FROM", function))


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
        await _views(conn)
        await conn.execute(_REACH)
        for (function,) in await conn.fetch(_FUNCTIONS):
            await conn.execute(by_insert(function))
        for (order,) in await conn.fetch(_BY_VALUES):
            await conn.execute(order)
        known, stayed = laws(migrations()), {}
        for (table,) in await conn.fetch(_WRITTEN_BY_TRIGGERS):
            stayed[table.replace('"', "")] = "its trigger writes to another table"
        spread_before = await conn.fetch("SELECT logicalrelid::text AS name FROM pg_dist_partition")
        done = {row["name"].replace('"', "") for row in spread_before}
        for table in sorted(known, key=lambda name: known[name] != REFERENCE):  # others may refer to these
            if known[table] == LOCAL or table in done or table in stayed:
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


async def _views(conn: asyncpg.Connection) -> None:
    """Let the application read what the views show; a view's own conditions go on holding, without subqueries. Where
    one asks another table (whose account it is), it asks nothing: a row may not ask another machine, so that there
    the room alone is the wall, beside the first one in the code."""
    for row in await conn.fetch(_VIEWS):
        await conn.execute(f"GRANT SELECT ON {', '.join(row['tables'])} TO msingi_app")
        kept = f" WITH ({row['options']})" if row["options"] else ""
        body = _ASKS.sub(" IS NOT NULL", plain(row["body"]))
        await conn.execute(f"CREATE OR REPLACE VIEW {row['name']}{kept} AS {body}")


async def _policies(conn: asyncpg.Connection) -> None:
    """Write the policies anew that hold subqueries, of which Citus knows none."""
    for row in await conn.fetch(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS place, quote_ident(policyname) AS name, "
        "qual, with_check FROM pg_policies WHERE qual LIKE '%SELECT%' OR with_check LIKE '%SELECT%'"
    ):
        both = (("USING", "qual"), ("WITH CHECK", "with_check"))
        parts = [f"{word} ({plain(row[part])})" for word, part in both if row[part]]
        await conn.execute(f"ALTER POLICY {row['name']} ON {row['place']} {' '.join(parts)}")
