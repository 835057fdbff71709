"""Connections are lent without the pool where they came back well, and with it where anything was wrong."""

import asyncio

import asyncpg
import pytest

from msingi.kernel.db import Database


async def test_more_askers_than_connections_are_all_served_whatever_some_of_them_do(stack):
    db = await Database.connect(stack.db.dsn, size=2)

    async def ask(number: int) -> str:
        try:
            async with asyncio.timeout(0.005 if number % 5 == 1 else 30), db.glance() as conn:
                await conn.execute("SELECT nonsense" if number % 5 == 2 else "SELECT pg_sleep(0.01)")
                return "served"
        except asyncpg.UndefinedColumnError:
            return "refused"
        except TimeoutError:
            return "late"

    ended = await asyncio.wait_for(asyncio.gather(*[ask(number) for number in range(30)]), 60)
    wanted = ["served", "late", "refused", "served", "served"] * 6
    assert [one for one in ended if one != "late"] == [one for one in wanted if one != "late"]
    assert await asyncio.gather(ask(0), ask(3)) == ["served", "served"]  # nothing is left of those who gave up
    await asyncio.wait_for(db.close(), 30)


async def test_a_connection_that_died_while_nobody_used_it_is_not_lent_again(stack):
    db = await Database.connect(stack.db.dsn, size=1)
    async with db.glance() as conn:
        first = await conn.fetchval("SELECT pg_backend_pid()")
        dead = conn
    await dead.close()
    async with db.glance() as conn:
        assert await conn.fetchval("SELECT pg_backend_pid()") != first
    await db.close()
    with pytest.raises(asyncpg.InterfaceError):
        async with db.glance():
            pass
