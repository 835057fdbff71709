"""Who may do what with a health record: for each act one yes and one no, and what the person learns of it."""

import msgspec
import pytest
from tests.health.conftest import only

from msingi.health import acts, samples
from msingi.kernel import policy
from msingi.kernel.context import Kind, job_context
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound, NotPermitted
from msingi.kernel.log import leaf


@pytest.fixture
def nurse(ctx_of):
    """Staff of the same institution without the role."""
    return ctx_of(Kind.STAFF, "clerk", institution="zahanati", roles=["clerk"], purpose="health-care", basis="contract")


@pytest.fixture
def as_person(ctx_of):
    """The person at the portal."""

    def make(person_id):
        return ctx_of(Kind.PERSON, person_id, purpose="subject-access", basis="legal-obligation")

    return make


async def refused(call) -> None:
    with pytest.raises(NotPermitted):
        await call


async def test_access_store_bundle(stack, clinician, nurse, enrolled, ctx_of):
    person = await enrolled()
    bundle = samples.for_person("infant", stack.profile.number_system, person.number)
    await refused(acts.store_bundle(stack, nurse, bundle))
    await refused(acts.store_bundle(stack, clinician(purpose="payment"), bundle))
    await refused(acts.store_bundle(stack, clinician(""), bundle))
    assert (await acts.store_bundle(stack, clinician(), bundle))["type"] == "transaction-response"


async def test_access_create(stack, clinician, nurse, recorded):
    _, locations = await recorded()
    body = {"resourceType": "Condition", "subject": {"reference": f"Patient/{only(locations, 'Patient')}"}}
    await refused(acts.create(stack, nurse, "Condition", body))
    assert (await acts.create(stack, clinician(), "Condition", body)).status == 201


async def test_access_update(stack, clinician, nurse, recorded, as_person):
    person, locations = await recorded()
    id = only(locations, "Condition")
    body = (await acts.read(stack, clinician(), "Condition", id)).body
    await refused(acts.update(stack, nurse, "Condition", id, body))
    with pytest.raises((NotPermitted, NotFound)):
        await acts.update(stack, as_person(person.id), "Condition", id, body)
    assert (await acts.update(stack, clinician(), "Condition", id, body)).stored.version == 2


async def test_access_read(stack, clinician, nurse, recorded, enrolled, as_person, ctx_of):
    person, locations = await recorded()
    id = only(locations, "Condition")
    await refused(acts.read(stack, nurse, "Condition", id))
    await refused(acts.read(stack, clinician(purpose="statistics"), "Condition", id))
    await refused(acts.read(stack, as_person((await enrolled()).id), "Condition", id))
    assert (await acts.read(stack, clinician(), "Condition", id)).rtype == "Condition"
    assert (await acts.read(stack, as_person(person.id), "Condition", id)).rtype == "Condition"
    # Registries are open to whoever is signed in, and to nobody else.
    organisation = only(locations, "Organization")
    assert (await acts.read(stack, nurse, "Organization", organisation)).body["name"] == "Sample Clinic"
    await refused(acts.read(stack, ctx_of(Kind.PUBLIC, "anybody"), "Organization", organisation))


async def test_access_history(stack, clinician, nurse, recorded, as_person):
    person, locations = await recorded()
    id = only(locations, "Condition")
    await refused(acts.history(stack, nurse, "Condition", id))
    assert len(await acts.history(stack, clinician(), "Condition", id)) == 1
    assert len(await acts.history(stack, as_person(person.id), "Condition", id)) == 1


async def test_access_search(stack, clinician, nurse, recorded, as_person):
    person, locations = await recorded()
    other, _ = await recorded()
    pairs = (("patient", only(locations, "Patient")),)
    await refused(acts.search(stack, nurse, "Condition", pairs))
    page, _ = await acts.search(stack, clinician(), "Condition", pairs)
    assert len(page.matches) == 3 and {one.person_id for one in page.matches} == {person.id}
    page, _ = await acts.search(stack, clinician(), "Condition", (("_count", "100"),))
    assert {person.id, other.id} <= {one.person_id for one in page.matches}
    # A person's search reaches their own record, whatever it asks for.
    page, _ = await acts.search(stack, as_person(person.id), "Condition", (("_count", "100"),))
    assert {one.person_id for one in page.matches} == {person.id}
    await refused(acts.search(stack, as_person(other.id), "Condition", pairs))


async def test_access_everything(stack, clinician, nurse, recorded, as_person):
    person, locations = await recorded()
    await recorded(institution="hospitali", person=person)
    id = only(locations, "Patient")
    await refused(acts.everything(stack, nurse, id))
    one = await acts.everything(stack, clinician(), id)
    assert {m.institution for m in one.matches} == {"zahanati"} and len(one.matches) == 34
    all_of_it = await acts.everything(stack, as_person(person.id), id)
    assert {m.institution for m in all_of_it.matches} == {"zahanati", "hospitali"}


async def test_access_copy_of(stack, clinician, recorded):
    from msingi.kernel.context import job_context

    person, _ = await recorded()
    await refused(acts.copy_of(stack, job_context("another", "subject-access", "legal-obligation"), person.id))
    copied = await acts.copy_of(stack, job_context("subject-access", "subject-access", "legal-obligation"), person.id)
    assert copied["type"] == "collection" and len(copied["entry"]) == 34


async def test_access_summary(stack, clinician, nurse, recorded, enrolled, as_person):
    person, _ = await recorded()
    await refused(acts.summary(stack, nurse, person.id))
    await refused(acts.summary(stack, as_person((await enrolled()).id), person.id))
    assert (await acts.summary(stack, clinician(), person.id))["type"] == "document"
    assert (await acts.summary(stack, as_person(person.id), person.id))["type"] == "document"


async def test_access_summary_of_patient(stack, clinician, nurse, recorded):
    _, locations = await recorded()
    await refused(acts.summary_of_patient(stack, nurse, only(locations, "Patient")))
    assert (await acts.summary_of_patient(stack, clinician(), only(locations, "Patient")))["type"] == "document"


async def test_access_summary_for_exchange(stack, clinician, recorded, ctx_of):
    """Without a consent nothing crosses to another institution, whoever asks."""
    person, _ = await recorded()
    more = {"institution": "hospitali", "purpose": "health-care", "basis": "consent"}
    await refused(acts.summary_for_exchange(stack, ctx_of(Kind.CLIENT, "ehr", **more), person.id, "zahanati"))
    await refused(acts.summary_for_exchange(stack, clinician("hospitali"), person.id, "zahanati"))
    more["consent"] = "01a20036-0000-7000-8000-000000000000"
    elsewhere = ctx_of(Kind.CLIENT, "ehr", **(more | {"purpose": "payment"}))
    await refused(acts.summary_for_exchange(stack, elsewhere, person.id, "zahanati"))
    document = await acts.summary_for_exchange(stack, ctx_of(Kind.CLIENT, "ehr", **more), person.id, "zahanati")
    patient = document["entry"][1]["resource"]
    system = f"urn:msingi:{stack.profile.code}:pseudonym:hospitali"
    assert patient["identifier"] == [{"system": system, "value": stack.pseudonym.of("hospitali", person.id)}]
    assert stack.pseudonym.of("zahanati", person.id) not in str(document)
    with pytest.raises(NotFound):
        await acts.summary_for_exchange(stack, ctx_of(Kind.CLIENT, "ehr", **more), person.id, "rita")


async def test_access_immunisation_counts(stack, clinician, ctx_of):
    await refused(acts.immunisation_counts(stack, clinician()))
    await refused(acts.immunisation_counts(stack, clinician(purpose="statistics")))
    await refused(acts.immunisation_counts(stack, job_context("evidence")))
    assert isinstance(await acts.immunisation_counts(stack, job_context("evidence", purpose="statistics")), list)


async def test_each_person_found_learns_of_it(stack, clinician, recorded, monkeypatch):
    """One leaf for each person whose record was shown, with what was done; a person not shown gets none."""
    person, locations = await recorded()
    other, _ = await recorded()
    left: list[leaf.Staged] = []
    flush = leaf.flush

    async def watch(tx: Tx, seals) -> None:
        left.extend(tx.staged)
        await flush(tx, seals)

    monkeypatch.setattr(leaf, "flush", watch)
    await acts.search(stack, clinician(), "Condition", (("_count", "200"),))
    assert {person.id, other.id} <= {one.subject for one in left}
    left.clear()
    await acts.search(stack, clinician(), "Condition", (("patient", only(locations, "Patient")),))
    assert [one.subject for one in left] == [person.id]
    told = msgspec.json.decode(left[0].body)
    assert told["act"] == "health.search" and told["detail"] == {"type": "Condition", "found": 3}
    assert told["institution"] == "zahanati" and told["purpose"] == "health-care"
    left.clear()
    # Even a search that finds nothing is a look at the person whom it names.
    await acts.search(stack, clinician(), "Flag", (("patient", only(locations, "Patient")),))
    assert [one.subject for one in left] == [person.id]


def test_every_act_of_the_policy_is_decided_somewhere():
    decided = {name for name in policy._policies.texts if name.startswith("health.")}
    assert decided >= {"health.read", "health.search", "health.summary-for-exchange"}
