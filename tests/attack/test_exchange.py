"""Messages of institutions: changed, repeated, moved to another place, or signed by somebody else."""

from typing import Any

import httpx
import pytest

from msingi.exchange import client
from msingi.exchange.client import Prepared


@pytest.fixture
def asks(town: Any, desks: Any) -> Any:
    """A good message of the hospital about Asha, to be spoilt; refused only because she has not consented."""

    def make(**more: Any) -> Prepared:
        return desks.hospital.prepare(town.asha.id, **more)

    return make


async def _told(got: httpx.Response) -> str:
    return got.headers.get("msingi-problem", "")


async def test_the_good_message_passes_the_signature(desks: Any, asks: Any) -> None:
    assert await _told(await desks.hospital.raw(asks())) == "consent.missing"


async def test_a_message_for_another_host(desks: Any, town: Any) -> None:
    """A test installation holds the same keys: who runs it must not repeat its messages here."""
    sent = client.prepare(
        "https://test.example", f"XT/{desks.hospital.subsystem}", desks.hospital.key,
        f"/r1/XT/GOV/rita/identity/person/{town.asha.number}", headers={"msingi-purpose": "health-care"},
    )  # fmt: skip
    here = desks.hospital.stack.settings.url + sent.message.path
    got = await desks.hospital.raw(sent, url=here, headers={"host": "test.example"})
    assert await _told(got) == "exchange.signature-refused"


async def test_the_same_message_again(desks: Any, asks: Any) -> None:
    """Also at another door than the first: an id is used up everywhere."""
    sent = asks()
    await desks.hospital.raw(sent)
    assert await _told(await desks.hospital.raw(sent)) == "exchange.message-seen"


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"msingi-purpose": "payment"}},
        {"headers": {"msingi-fields": "phone"}},
        {"headers": {"msingi-basis": "vital-interest"}},
        {"headers": {"x-road-userid": "somebody-else"}},
        {"headers": {"x-road-client": "XT/COM/benki/accounts"}},
        {"headers": {"x-road-client": "XT/COM/benki/accounts, XT/GOV/hospitali/records"}},
        {"headers": {"content-digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, md5=:AA==:"}},
        {"headers": {"content-digest": "sha=:2jmj7l5rSw0yVb/vlWAYkK/YBwk=:"}},
        {"headers": {"signature": ""}},
        {"body": b"x"},
        {"method": "POST"},
    ],
)
async def test_a_message_that_was_changed(desks: Any, asks: Any, changes: dict[str, Any]) -> None:
    got = await desks.hospital.raw(asks(), **changes)
    assert await _told(got) in ("exchange.signature-refused", "exchange.bad-call"), got.text


@pytest.mark.parametrize("component", ["@method", "@authority", "@path", "@query", "content-digest", "x-road-client",
                                       "x-road-id", "msingi-purpose"])  # fmt: skip
async def test_a_signature_that_covers_less(desks: Any, asks: Any, component: str) -> None:
    sent = asks()
    narrow = sent.headers["signature-input"].replace(f'"{component}" ', "").replace(f' "{component}"', "")
    assert narrow != sent.headers["signature-input"]
    got = await desks.hospital.raw(sent, headers={"signature-input": narrow})
    assert await _told(got) == "exchange.signature-refused"


@pytest.mark.parametrize(
    "parameter",
    [('created=', 'created=9'), ('alg="ed25519"', 'alg="hmac-sha256"'), ('alg="ed25519"', 'alg="none"'),
     ('tag="msingi-exchange"', 'tag="other"'), ('created=', 'expires=1;created=')],
)  # fmt: skip
async def test_a_signature_with_other_parameters(desks: Any, asks: Any, parameter: tuple[str, str]) -> None:
    sent = asks()
    got = await desks.hospital.raw(
        sent, headers={"signature-input": sent.headers["signature-input"].replace(*parameter)}
    )
    assert await _told(got) == "exchange.signature-refused"


async def test_another_institutions_key(desks: Any, town: Any) -> None:
    """The bank signs well, and says that it is the hospital."""
    bank, hospital = desks.bank, desks.hospital
    asha = hospital.stack.pseudonym.of("hospitali", town.asha.id)
    path = client.service_path("XT/GOV/rita/identity/person", asha)
    named = {"msingi-purpose": "health-care"}
    sent = client.prepare(bank.stack.settings.url, f"XT/{hospital.subsystem}", bank.key, path, headers=named)
    assert await _told(await bank.raw(sent)) == "exchange.signature-refused"
    hijacked = sent.headers["signature-input"].replace(bank.key["kid"], hospital.key["kid"])
    assert await _told(await bank.raw(sent, headers={"signature-input": hijacked})) == "exchange.signature-refused"


async def test_an_actor_is_not_named_by_a_header(http: Any) -> None:
    """Who calls is proved; headers of the exchange without a signature prove nothing."""
    named = {"x-road-client": "XT/GOV/hospitali/records", "x-road-userid": "doc-1", "msingi-purpose": "health-care"}
    for door in ("/fhir/Patient", "/v1/identity/duplicates", "/v1/consent/consents"):
        assert (await http().get(door, headers=named)).status_code == 401
