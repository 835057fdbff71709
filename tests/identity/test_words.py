"""What officers write about people stands nowhere in clear, is read again by whoever may, and goes with the key."""

import asyncpg
import msgspec
import pytest
from tests.identity.test_acts import adjudicator, enrolled, held, key, nobody, officer, registrar, someone
from tests.identity.test_civil import newborn, nurse
from tests.identity.test_lifecycle import judge_2
from tests.identity.test_reception import anybody, tablet

from msingi.identity import acts
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import EventKind
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle import guardians
from msingi.identity.lifecycle.model import Amendment, GuardianKind, GuardianOrder, ProposalDecision, UpdateOrder
from msingi.identity.model import Address, Birth, Decision, Document, Name
from msingi.identity.reception import field
from msingi.kernel import clock
from msingi.kernel.errors import Erased

__all__ = ["adjudicator", "anybody", "judge_2", "nobody", "nurse", "officer", "registrar", "tablet"]  # fixtures
TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname IN ('identity', 'log', 'kernel') AND c.relkind = 'r'"
)


@pytest.fixture
async def owner(owner_url):
    conn = await asyncpg.connect(owner_url)
    yield conn
    await conn.close()


async def in_clear(owner: asyncpg.Connection, word: str) -> list[str]:
    """Tables where a word can be read, as text or as bytes that hold it."""
    found = []
    for (table,) in await owner.fetch(TABLES):
        query = f"SELECT count(*) FROM {table} t WHERE t::text LIKE $1 OR t::text LIKE $2"
        if await owner.fetchval(query, f"%{word}%", f"%{word.encode().hex()}%"):
            found.append(table)
    return found


async def test_no_word_of_an_officer_stands_in_clear_and_every_one_is_read_again(
    stack, owner, officer, adjudicator, judge_2, registrar, nurse, anybody, tablet
):
    word = "Qwaribana"  # an officer's word that no field of anybody's record has
    why = f"{word} said so."
    one, other = await enrolled(stack, officer), await enrolled(stack, officer)
    await acts.suspend(stack, adjudicator, one.person_id, why)
    assert (await life.read_as_of(stack, officer, one.person_id, clock.now())).status.because == why
    await acts.reactivate(stack, adjudicator, one.person_id, why)
    _, second = await held(stack, officer)
    await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(None, why))
    change = UpdateOrder(Amendment(name=Name("Zawadi")), why, (Document("court order", "12/2026"),))
    asked = await life.propose_update(stack, officer, one.person_id, change, key())
    await life.decide_proposal(stack, judge_2, asked, ProposalDecision(False, f"{word} is no court."))
    seen = await life.read_proposal(stack, judge_2, asked)
    assert (seen.because, seen.decision) == (why, f"{word} is no court.")
    order = GuardianOrder(other.number, GuardianKind.KIN, why)
    born = clock.today().replace(day=1, year=clock.today().year - 5)
    child = await enrolled(stack, officer, birth=Birth(born.isoformat()))
    await guardians.grant_guardian(stack, registrar, child.person_id, order)
    await guardians.end_guardian(stack, registrar, child.person_id, other.person_id, why)
    await life.update_contact(stack, officer, one.person_id, Amendment(address=Address(("Mtaa 1",))), why)
    told = await civil.notify_birth(stack, nurse, newborn(), key())
    await civil.reject_notification(stack, registrar, told, why)
    assert (await civil.read_notification(stack, registrar, told))[0].because == why
    packet = await field.receive_packet(stack, anybody, tablet.pack(someone(guardian="507429214777")))
    await field.work_off(stack)
    await field.resolve_packet(stack, registrar, packet.packet_id, why, None)
    assert (await field.read_packet(stack, registrar, packet.packet_id))[0].because == why
    assert await in_clear(owner, word) == []
    assert await in_clear(owner, tablet.name)  # the search finds what does stand in clear


async def test_a_held_childs_birthplace_is_sealed_for_the_child_that_it_turns_out_to_be(
    stack, owner, officer, registrar, adjudicator
):
    order = msgspec.structs.replace(newborn(), place="Kijiji cha Mbwezeleni")
    known = await acts.enrol(stack, officer, order.child, key())
    outcome = await acts.record_birth(stack, registrar, order, key())
    await acts.decide_duplicate(stack, adjudicator, outcome.case_id, Decision(0, "The same child."))
    paper = await civil.certify(stack, registrar, known.person_id, EventKind.BIRTH)
    assert paper.entry.facts.place == "Kijiji cha Mbwezeleni"
    assert await in_clear(owner, "Mbwezeleni") == []


async def test_words_go_with_the_key(stack, owner, officer, adjudicator):
    one = await enrolled(stack, officer)
    await acts.suspend(stack, adjudicator, one.person_id, "Lost.")
    await owner.execute("DELETE FROM kernel.person_key WHERE person_id = $1", one.person_id)
    stack.seal.forget((one.person_id,))
    with pytest.raises(Erased):
        await life.read_as_of(stack, officer, one.person_id, clock.now())
