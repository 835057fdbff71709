"""Death and merge, through the acts and doors that people use, reach every form of what the person can show."""

from datetime import timedelta

from tests.identity.test_acts import adjudicator, enrolled, held, key, officer, registrar, someone

from msingi.credentials import acts as cards
from msingi.credentials import cose, publish, statuslist
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import DeathOrder
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle.model import ProposalDecision
from msingi.identity.model import Birth, BirthOrder
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.offers import count_registered_births

__all__ = ["adjudicator", "held", "officer", "registrar"]  # fixtures, imported by name
BULK = job_context("bulk", "credential-issuance")


async def status_of(stack, client, card):
    """What the public status list says, fetched by HTTP like a verifier does."""
    found = await client.get(
        f"/credentials/status/{card.status_list}", headers={"Accept": "application/statuslist+jwt"}
    )
    assert found.status_code == 200
    keys = cose.keys_of_jwks(publish.issuer_keys(stack))
    return statuslist.read(found.text, keys).entries.status(card.status_index)


async def test_a_death_that_a_clinic_told_and_a_registrar_registered_ends_the_card(
    stack, client, officer, registrar, ctx_of
):
    person = await enrolled(stack, officer)
    card = await cards.issue_card(stack, BULK, person.person_id)
    assert await status_of(stack, client, card) == 0
    clinic = ctx_of(Kind.STAFF, "nurse", institution="mwembeni", roles=["clinician"], purpose="identity-registration")
    order = DeathOrder(number=person.number, died_on=clock.today() - timedelta(days=1), region="R03", place="Clinic")
    told = await civil.notify_death(stack, clinic, order, key())
    await stack.outbox.drain(stack)
    assert await status_of(stack, client, card) == 0  # nobody has registered it
    await civil.register_notified(stack, registrar, told)
    await stack.outbox.drain(stack)
    assert await status_of(stack, client, card) == 1


async def test_a_merge_pauses_the_card_of_the_merged_record_and_parting_gives_it_back(
    stack, client, officer, adjudicator, ctx_of
):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    kept, merged = [await cards.issue_card(stack, BULK, p.person_id) for p in (one, two)]
    second = ctx_of(Kind.STAFF, "judge-2", institution="rita", roles=["adjudicator"], purpose="identity-registration")

    async def decided(proposal):
        await life.decide_proposal(stack, second, proposal, ProposalDecision(True, "compared"))
        await stack.outbox.drain(stack)

    await decided(await life.propose_merge(stack, adjudicator, two.person_id, one.person_id, "the same face"))
    assert (await status_of(stack, client, merged), await status_of(stack, client, kept)) == (2, 0)
    await decided(await life.propose_unmerge(stack, adjudicator, two.person_id, "twins after all"))
    assert (await status_of(stack, client, merged), await status_of(stack, client, kept)) == (0, 0)


async def test_a_birth_that_was_told_and_registered_counts_for_indicator_16_9_1(stack, registrar, ctx_of):
    job = job_context("evidence", "statistics")
    before = sum(cell.count for cell in await count_registered_births(stack, job))
    clinic = ctx_of(Kind.STAFF, "nurse", institution="mwembeni", roles=["clinician"], purpose="identity-registration")
    born = (clock.today() - timedelta(days=3)).isoformat()
    told = await civil.notify_birth(stack, clinic, BirthOrder(someone(birth=Birth(born))), key())
    assert sum(cell.count for cell in await count_registered_births(stack, job)) == before
    await civil.register_notified(stack, registrar, told)
    await stack.outbox.drain(stack)
    assert sum(cell.count for cell in await count_registered_births(stack, job)) == before + 1
