"""Access control: whose data each caller can reach, through every kind of door."""

from typing import Any

import pytest

from msingi.exchange import client
from msingi.kernel.context import Actor, Kind

PURPOSES = ("social-protection", "data-exchange", "identity-proofing", "health-care", "redress")


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_software_cannot_read_the_register_beside_the_exchange(town: Any, desks: Any, purpose: str) -> None:
    """Rights, fields and consents are decided by the exchange; the officers' door must not be a way around it."""
    desk, path = desks.bank, f"/v1/identity/persons/{town.asha.number}"
    named = {"msingi-purpose": purpose}
    signed = client.prepare(desk.stack.settings.url, f"XT/{desk.subsystem}", desk.key, path, headers=named)
    got = await desk.raw(signed)
    assert got.status_code == 403, got.text
    assert "Asha" not in got.text


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_nor_with_a_token_of_its_own(town: Any, http: Any, token_of: Any, purpose: str) -> None:
    shown = token_of(Actor(Kind.CLIENT, "any-client", "benki", frozenset({"authenticate"})))
    got = await http().get(f"/v1/identity/persons/{town.asha.number}", headers=shown | {"msingi-purpose": purpose})
    assert got.status_code == 403, got.text


async def test_who_may_do_nothing_with_a_person_does_not_learn_whether_there_is_one(
    town: Any, http: Any, token_of: Any
) -> None:
    """The answer about somebody's number and about nobody's is the same, and nobody's record is filled by strangers."""
    nobody, client = "100000000016", http()
    system = "urn:msingi:taifa:number"
    seen = await client.get("/v1/consent/accesses", headers=token_of(Actor(Kind.PERSON, str(town.asha.id), assurance=2)))
    before = len(seen.json()["items"])
    for actor in (
        Actor(Kind.CLIENT, "any-client", "benki", frozenset({"authenticate"}), 1),
        Actor(Kind.STAFF, "treasurer-1", "hazina", frozenset({"treasurer"}), 2),
    ):
        shown, told = token_of(actor), []
        for number in (town.asha.number, nobody):
            patient = {"resourceType": "Patient", "identifier": [{"system": system, "value": number}]}
            asked = {"agreement": "no-such", "person": number, "reason": "x"}
            found = await client.get(f"/fhir/Patient?identifier={system}|{number}", headers=shown)
            fhir = shown | {"content-type": "application/fhir+json"}
            made = await client.post("/fhir/Patient", headers=fhir, json=patient)
            wish = await client.post("/v1/consent/requests", headers=shown, json=asked)
            purpose = shown | {"msingi-purpose": "redress"}
            read = await client.get(f"/v1/identity/persons/{number}", headers=purpose)
            told.append([a.status_code for a in (found, made, wish, read)])
        assert told[0] == told[1] and set(told[0]) <= {403, 404}, (actor, told)
    seen = await client.get("/v1/consent/accesses", headers=token_of(Actor(Kind.PERSON, str(town.asha.id), assurance=2)))
    assert len(seen.json()["items"]) == before + 1  # the person's own look at the list
