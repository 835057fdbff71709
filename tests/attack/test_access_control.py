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
