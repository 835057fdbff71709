"""Measures of the house about SQL: described, used, prepared; walls and retention on everything personal."""

import re

import asyncpg
import pytest
from tests.house.code import SRC, name, settle

from msingi.kernel import sql
from msingi.kernel.postgres import migrate, migrations, rewritten

QUERY_FILES = sorted(SRC.rglob("queries.sql"))
SCHEMA_FILES = sorted(SRC.rglob("schema.sql"))
CREATE = re.compile(r"CREATE TABLE IF NOT EXISTS\s+([a-z_]+\.[a-z_]+)\s*\(", re.I)
LAWS = re.compile(r"^-- (distributed by \w+|reference table|local)\b", re.M)


@pytest.fixture(scope="module")
async def owner(owner_url):
    conn = await asyncpg.connect(owner_url)
    yield conn
    await conn.close()


@pytest.mark.parametrize("file", QUERY_FILES, ids=lambda f: f.parent.name)
async def test_every_statement_is_described_used_and_prepares(file, owner):
    statements = sql.parse(file.read_text("utf-8"), name(file))
    code = "\n".join(p.read_text("utf-8") for p in file.parent.rglob("*.py"))
    for statement in statements.values():
        assert re.search(rf"\bQ\.{statement.name}\b", code), f"{name(file)}: {statement.name} is not used"
        try:
            await owner.prepare(statement.text)
        except asyncpg.PostgresError as wrong:
            pytest.fail(f"{name(file)}: {statement.name} does not prepare: {wrong}")


async def test_each_migration_can_be_applied_twice(owner):
    for file, text in migrations():
        try:
            await owner.execute(text)
        except asyncpg.PostgresError as wrong:
            pytest.fail(f"{file} cannot be applied twice: {wrong}")


SHAPE = """
SELECT n.nspname || '.' || c.relname AS tab, a.attname AS col, format_type(a.atttypid, a.atttypmod) AS typ,
       a.attnotnull AS needed, c.relrowsecurity AS walled, coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS def
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'i', 'v')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg_t%'
ORDER BY 1, a.attnum
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text || ': ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


async def test_sum_of_migrations_equals_the_schemas_of_the_rooms(server, owner):
    """Tables as they are today stand in each room's schema.sql; the history leads to the same place."""
    await owner.execute("CREATE DATABASE by_schema")
    other_url = rewritten(server.url, database="by_schema")
    ordered = sorted(SCHEMA_FILES, key=lambda f: (f != SRC / "kernel" / "schema.sql", "log" not in str(f), str(f)))
    await migrate(other_url, [(name(f), f.read_text("utf-8")) for f in ordered])
    other = await asyncpg.connect(other_url)
    for query in (SHAPE, CONSTRAINTS):
        mine = [tuple(r) for r in await owner.fetch(query)]
        assert mine == [tuple(r) for r in await other.fetch(query)]
    await other.close()


@pytest.mark.parametrize("file", SCHEMA_FILES, ids=lambda f: f.parent.name)
def test_every_table_names_its_distribution(file):
    text = file.read_text("utf-8")
    faults = []
    for match in CREATE.finditer(text):
        before = text[: match.start()].rsplit("\n\n", 1)[-1]
        if not LAWS.search(before):
            faults.append(match[1])
    settle("no-distribution", faults)


async def test_keys_contain_the_distribution_key_because_no_row_moves_when_the_nation_grows(owner):
    """Law 2 of the tables: primary keys and unique constraints contain the distribution key."""
    faults = []
    for file in SCHEMA_FILES:
        text = file.read_text("utf-8")
        for match in CREATE.finditer(text):
            law = LAWS.search(text[: match.start()].rsplit("\n\n", 1)[-1])
            if not law or not law[1].startswith("distributed by "):
                continue
            key = law[1].removeprefix("distributed by ")
            rows = await owner.fetch(
                "SELECT i.indexrelid::regclass::text AS index, array(SELECT attname::text FROM pg_attribute WHERE "
                "attrelid = i.indrelid AND attnum = ANY (i.indkey)) AS cols FROM pg_index i "
                "WHERE i.indrelid = $1::text::regclass AND i.indisunique",
                match[1],
            )
            faults += [f"{match[1]} {r['index']}" for r in rows if key not in r["cols"]]
    settle("key-without-distribution", faults)


async def test_every_table_about_people_stands_behind_a_wall(owner):
    rows = await owner.fetch(
        "SELECT n.nspname || '.' || c.relname AS tab FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attname IN ('person_id', 'owner_person') "
        "AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND n.nspname NOT IN ('pg_catalog')"
    )
    settle("no-wall", [r["tab"] for r in rows])


def test_foreign_keys_stay_inside_a_room_because_rooms_move_out():
    faults = []
    for file in SCHEMA_FILES:
        room = file.parent.name
        for target in re.findall(r"REFERENCES\s+([a-z_]+)\.", file.read_text("utf-8"), re.I):
            if target != room:
                faults.append(f"{room} -> {target}")
    settle("foreign-key-across-rooms", faults)


PERSONAL = re.compile(r"^\s+(\w+)\s+.*-- personal: ([a-z-]+), keep (.+)$")


def test_personal_columns_name_purpose_and_retention():
    from msingi.kernel.context import PURPOSES

    faults, seen = [], 0
    for file in SCHEMA_FILES:
        for line in file.read_text("utf-8").splitlines():
            if "-- personal" not in line:
                continue
            seen += 1
            match = PERSONAL.match(line)
            if not match or match[2] not in PURPOSES:
                faults.append(f"{file.parent.name}: {line.strip()}")
    assert seen > 20
    settle("personal-column", faults)
