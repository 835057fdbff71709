"""Spreading the tables over Citus: every table has a law, and no policy keeps a subquery. Citus itself is not here."""

import pytest

from msingi.kernel import spreading
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
