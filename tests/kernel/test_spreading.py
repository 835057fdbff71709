"""Spreading the tables over Citus: every table has a law, and no policy keeps a subquery. Citus itself is not here."""

import pytest

from msingi.kernel import link, spreading
from msingi.kernel.errors import Outage
from msingi.kernel.postgres import migrations


async def test_every_table_states_its_law_and_the_law_names_a_column_of_it(owner_url):
    import asyncpg

    conn = await asyncpg.connect(owner_url)
    try:
        columns = await conn.fetch(
            "SELECT c.oid::regclass::text AS name, array_agg(a.attname::text) AS columns, c.relispartition AS part "
            "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_|public$)' "
            "GROUP BY c.oid, c.relispartition"
        )
    finally:
        await conn.close()
    known = spreading.laws(migrations())
    made = {row["name"].replace('"', ""): row["columns"] for row in columns if not row["part"]}
    assert set(made) <= set(known), set(made) - set(known)
    for table, law in known.items():
        assert law in (spreading.LOCAL, spreading.REFERENCE, *made[table]), (table, law)


async def test_without_citus_nothing_is_touched(owner_url):
    with pytest.raises(Outage, match="citus"):
        await spreading.spread(owner_url)


def test_a_policy_loses_its_subqueries_and_nothing_else():
    asked = "(( SELECT kernel.room() AS room) = 'x'::text) AND (( SELECT kernel.reach_all() AS reach_all) OR a)"
    assert spreading.plain(asked) == "(kernel.room() = 'x'::text) AND (kernel.reach_all() OR a)"
    assert spreading.plain("(a = 1)") == "(a = 1)"


def test_a_message_with_facts_falls_into_its_parts_and_no_text_can_make_it_fall_elsewhere():
    facts = "SET LOCAL msingi.room = 'payments'; SET LOCAL msingi.actor = E'job:a\\'; b''; COMMIT; c\\\\'"
    for head in ("BEGIN", "BEGIN; DISCARD PLANS; COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ"):
        assert link.parts(f"{head}; {facts}; SELECT 1; COMMIT") == [head, facts, "SELECT 1; COMMIT"]
        assert link.parts(f"{head}; {facts}") == [head, facts, ""]
    for whole in ("SELECT 1", "ROLLBACK", "BEGIN", f"SELECT 'BEGIN; {facts}'"):
        assert link.parts(whole) == [whole]


def test_a_function_brings_rows_by_insert_and_asks_for_a_column():
    body = "BEGIN\n  INSERT INTO a.b (c)\n  SELECT x FROM unnest(y) AS u (x);\n  IF EXISTS (SELECT FROM a.b) THEN"
    told = spreading.by_insert(body + "\n  INSERT INTO a.b SELECT x FROM unnest(y) AS u (x) ON CONFLICT DO NOTHING;")
    assert "FOR one IN INSERT INTO a.b (c)\n  SELECT x FROM unnest(y) AS u (x) RETURNING 1 LOOP END LOOP" in told
    assert "(SELECT 1 FROM a.b)" in told and told.endswith("ON CONFLICT DO NOTHING;")
