"""Laws 3 to 7 of the registries: random lives of a register, held against a model of what it must say."""

import random
from uuid import uuid4

import asyncpg
import pytest
from tests.consent.people import newborn, oneself
from tests.registries.test_acts import CLINIC, KEEPER, content, order, software

from msingi.governance.keeping import acts as keeping
from msingi.kernel.context import job_context
from msingi.registries import acts
from msingi.registries.errors import KeyTaken, NoRecord, RegisterNotEmpty, RegisterUnknown

KEYS = ("B1", "B2", "B3")


class Life:
    """A register, and beside it what it must hold: hives by key, and whose the record is."""

    def __init__(self, stack, ctx_of, register, people, seed: int) -> None:
        self.stack, self.ctx_of, self.register, self.people = stack, ctx_of, register, people
        self.keeper, self.clinic = software(ctx_of, KEEPER), software(ctx_of, CLINIC, "health-care")
        self.held: dict[str, tuple[int, int]] = {}
        self.chance = random.Random(seed)

    async def step(self) -> None:
        """One random act, and what the laws say of it."""
        key = self.chance.choice(KEYS)
        touched = self.held.get(key, (None,))[0]
        before = None if touched is None else await self.lines(touched)
        await self.chance.choice((self.create, self.change, self.rename, self.delete, self.look, self.end))(key)
        if before is not None:  # law 4: whose record was shown, found or changed, learns of it
            assert await self.lines(touched) >= before + self.told

    async def lines(self, whose: int) -> int:
        person = self.people[whose]
        asking = oneself(self.ctx_of, person, "subject-access")
        return len(await acts.usage(self.stack, asking, self.register, person))

    async def create(self, key: str) -> None:
        whose, hives = self.chance.randrange(len(self.people)), self.chance.randrange(9)
        made = content(self.stack, self.people[whose], key, Hives=hives)
        self.told = 0
        if key in self.held:  # law 5
            with pytest.raises(KeyTaken):
                await acts.create(self.stack, self.keeper, self.register, made)
        else:
            await acts.create(self.stack, self.keeper, self.register, made)
            self.held[key] = (whose, hives)

    async def change(self, key: str) -> None:
        hives = self.chance.randrange(9)
        self.told = 2 * (key in self.held)
        for _ in range(2):  # law 6: the second time changes nothing, and is answered as the first
            if key not in self.held:
                with pytest.raises(NoRecord):
                    await acts.update(self.stack, self.keeper, self.register, {"ID": key}, {"Hives": hives})
            else:
                changed = await acts.update(self.stack, self.keeper, self.register, {"ID": key}, {"Hives": hives})
                assert changed[1].content["Hives"] == hives
                self.held[key] = (self.held[key][0], hives)

    async def rename(self, key: str) -> None:
        other = self.chance.choice(KEYS)
        self.told = 0
        if key not in self.held or other == key:
            return
        asked = (self.stack, self.keeper, self.register, {"ID": key}, {"ID": other})
        if other in self.held:  # law 5
            with pytest.raises(KeyTaken):
                await acts.update(*asked)
        else:
            await acts.update(*asked)
            self.held[other] = self.held.pop(key)
            self.told = 1

    async def delete(self, key: str) -> None:
        self.told = int(key in self.held)
        for _ in range(2):  # law 6
            await acts.delete(self.stack, self.keeper, self.register, key)
        self.held.pop(key, None)

    async def look(self, key: str) -> None:
        """Law 3: each institution has its own name of the person."""
        self.told = 2 * (key in self.held)
        for ctx, institution in ((self.keeper, KEEPER), (self.clinic, CLINIC)):
            page = await acts.find(self.stack, ctx, self.register, {"ID": key})
            names = [one.content["Keeper"] for one in page.records]
            held = self.held.get(key)
            assert names == ([] if held is None else [self.stack.pseudonym.of(institution, self.people[held[0]])])

    async def end(self, _: str) -> None:
        """Law 7: a register that holds records is not ended."""
        self.told = 0
        if self.held:
            with pytest.raises(RegisterNotEmpty):
                await acts.end(self.stack, self.keeper, self.register.register_id)

    async def all(self) -> dict[str, tuple[str, int]]:
        page = await acts.find(self.stack, self.keeper, self.register, {}, limit=50)
        return {one.content["ID"]: (one.content["Keeper"], one.content["Hives"]) for one in page.records}


@pytest.fixture(scope="module")
async def people(stack, owner_url):
    return [await newborn(stack, owner_url) for _ in range(3)]


@pytest.mark.parametrize("seed", range(4))
async def test_laws_3_to_7_hold_in_every_life_of_a_register(stack, ctx_of, owner_url, people, seed):
    keeper = software(ctx_of, KEEPER)
    register = await acts.describe(stack, keeper, order(f"life-{seed}-{uuid4().hex[:8]}"))
    life = Life(stack, ctx_of, register, people, seed)
    for _ in range(14):
        await life.step()
        expected = {k: (stack.pseudonym.of(KEEPER, people[w]), h) for k, (w, h) in life.held.items()}
        assert await life.all() == expected
    conn = await asyncpg.connect(owner_url)
    rows = await conn.fetch("SELECT * FROM registries.record WHERE register_id = $1", register.register_id)
    places = await conn.fetchval("SELECT count(*) FROM registries.place WHERE register_id = $1", register.register_id)
    await conn.close()
    assert len(rows) == places == len(life.held)
    assert not any("Asha" in str(row) or b"Asha" in b"".join(v for v in row.values() if isinstance(v, bytes))
                   for row in rows)  # fmt: skip
    for key in list(life.held):
        await acts.delete(stack, keeper, register, key)
    await acts.end(stack, keeper, register.register_id)
    await acts.end(stack, keeper, register.register_id)  # law 6
    with pytest.raises(RegisterUnknown):
        await acts.register_by_id(stack, register.register_id)


async def test_retention_destroys_a_record_with_its_key_which_is_free_again(stack, ctx_of, owner_url, people):
    keeper = software(ctx_of, KEEPER)
    register = await acts.describe(stack, keeper, order(f"old-{uuid4().hex[:8]}"))
    for key in ("B1", "B2"):
        await acts.create(stack, keeper, register, content(stack, people[0], key))
    conn = await asyncpg.connect(owner_url)
    old = "now() - interval '20 years'"
    aged = await conn.fetchval(
        f"UPDATE registries.record SET updated = {old} WHERE record_id = (SELECT record_id FROM registries.record"
        f" WHERE register_id = $1 ORDER BY record_id LIMIT 1) RETURNING record_id", register.register_id,
    )  # fmt: skip
    await conn.execute(f"UPDATE registries.place SET since = {old} WHERE register_id = $1", register.register_id)
    for _ in range(2):  # a key goes once its record has gone
        await keeping.sweep(stack, job_context("retention"))
    left = await conn.fetch("SELECT record_id FROM registries.place WHERE register_id = $1", register.register_id)
    await conn.close()
    assert len(left) == 1 and left[0]["record_id"] != aged  # the other record's key is as old, and is kept with it
    page = await acts.find(stack, keeper, register, {}, limit=50)
    assert [one.content["ID"] for one in page.records] == ["B2"]
    await acts.create(stack, keeper, register, content(stack, people[1], "B1"))
