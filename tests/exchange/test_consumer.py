"""A consumer program against a listening server, about enrolled people, with only a key of its own."""

import asyncio

import pytest
import uvicorn
from msgspec.structs import replace
from tests.consent.people import agreement_order, oneself, steward
from tests.exchange.places import HOSPITAL, KEYS, governor, join_order
from tests.running import free_port
from tests.site import web_app

from msingi.consent import acts as consents
from msingi.consent.model import AskOrder, GrantOrder
from msingi.exchange import acts, client
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.model import RightOrder, ServiceCode, SubsystemId
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel.context import job_context

SERVICE = "XT/GOV/rita/identity/person-facts"
FIELDS = ("name.given", "birth_date")


@pytest.fixture(scope="module")
async def base_url(stack, ctx_of):
    """A listening server on the stack, with the hospital as member and its right to two facts, on consent."""
    await acts.publish_registered(stack)
    await acts.join_institution(stack, governor(ctx_of), join_order(HOSPITAL))
    await acts.approve(stack, governor(ctx_of), "hospitali")
    order = RightOrder(
        SubsystemId(HOSPITAL), ServiceCode("person-facts"), "health-care", "consent", "Health Services Act", FIELDS,
        by_number=True,
    )  # fmt: skip
    await acts.grant_right(stack, governor(ctx_of), order)
    port = free_port()
    # The exchange takes messages for its public address only.
    stack.settings = replace(stack.settings, base_url=f"http://127.0.0.1:{port}")
    config = uvicorn.Config(web_app(stack), port=port, lifespan="off", log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield stack.settings.url
    server.should_exit = True
    await running


@pytest.fixture(scope="module")
async def enrolled(stack) -> Enrolled:
    ctx = job_context("loader", "identity-registration")
    order = EnrolmentOrder(name=Name("Neema", "Massawe"), birth=Birth("1984-05-06"))
    made = await identity.enrol(stack, ctx, order, "consumer-1")
    assert isinstance(made, Enrolled)
    return made


async def test_the_whole_way_by_number_and_by_pseudonym(base_url, stack, ctx_of, enrolled):
    def ask(person: str, **more):
        return client.ask(base_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], SERVICE, person, "health-care", **more)

    with pytest.raises(client.Refused) as no:
        await ask(enrolled.number)
    assert no.value.answer.problem == "consent.missing"
    with pytest.raises(client.Refused) as nobody:
        await ask("123456789012")
    assert nobody.value.answer.problem == "consent.missing"  # a stranger to the register is told the same

    fields = tuple(f"person-facts.{name}" for name in FIELDS)
    agreed = await consents.publish_agreement(stack, steward(ctx_of), agreement_order("facts", fields=fields))
    named = await consents.person_named(stack, steward(ctx_of), enrolled.number, agreed.order.agreement)
    order = AskOrder(enrolled.number, agreed.order.agreement)
    asked = await consents.request_consent(stack, steward(ctx_of), named, order)
    order = GrantOrder(agreed.order.agreement, agreed.version, request_id=asked.request_id)
    me = oneself(ctx_of, enrolled.person_id)
    receipt = await consents.grant(stack, me, enrolled.person_id, order)

    answer = await ask(enrolled.number)
    assert answer.json == {"name": {"given": "Neema"}, "birth_date": "1984-05-06"}
    assert (await ask(receipt.receipt["pii_principal_id"], fields=("birth_date",))).json == {"birth_date": "1984-05-06"}
    await consents.withdraw(stack, me, enrolled.person_id, receipt.consent_id)
    with pytest.raises(client.Refused):
        await ask(enrolled.number)

    page = await consents.accesses(stack, oneself(ctx_of, enrolled.person_id, "subject-access"), enrolled.person_id)
    told = [line.act for line in reversed(page.items) if line.act.startswith("exchange.")]
    assert told == ["exchange.refused", "exchange.answered", "exchange.answered", "exchange.refused"]
    assert all(line.institution == "hospitali" for line in page.items if line.act.startswith("exchange."))


async def test_an_answer_by_another_exchange_is_not_believed(base_url, enrolled):
    other = client.new_key()
    with pytest.raises(SignatureRefused):
        await client.ask(
            base_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], SERVICE, enrolled.number, "health-care",
            exchange_keys=[client.public_part(other) | {"kid": other["kid"]}],
        )  # fmt: skip


async def test_the_light_client_reaches_any_door(base_url, stack, ctx_of):
    prepared = client.prepare(base_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], client.service_path(SERVICE, "a/b c%"))
    assert prepared.url.endswith("/person-facts/a%2Fb%20c%25")
    answer = await client.send(replace(prepared), await client.keys_of(base_url))
    assert (answer.status, answer.error) == (400, "Client.BadRequest")  # no purpose was stated
