"""Issuance on a real database: kinds, awards, copies, one status for all forms; who may do what."""

import asyncio
import gzip
import json

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.credentials.wallet_kit import Wallet, new_key, offer_in

from msingi.credentials import acts as cards
from msingi.credentials import cose, publish, statuslist
from msingi.credentials.forms import jose
from msingi.credentials.forms.model import Format
from msingi.credentials.issuance import acts, kinds, nonces, offers, rules, waiting
from msingi.credentials.issuance.errors import (
    HoldingEnded,
    InvalidNonce,
    InvalidProofOfKey,
    InvalidTransaction,
    KindTaken,
    KindWrong,
    NoSuchHolding,
    NoSuchKind,
    NoSuchRequest,
    OwnProposal,
    RequestDenied,
    ValueWrong,
    WalletProviderWrong,
)  # fmt: skip
from msingi.credentials.issuance.model import AwardOrder, CopyOrder, Holding, HoldingId
from msingi.credentials.model import CardState, Reason
from msingi.identity import acts as identity
from msingi.kernel import clock
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import PersonId, uuid7

OWN_KIND = {
    "kind": "fishing-permit",
    "institution": "hazina",
    "name": {"sw": "Kibali cha uvuvi", "en": "Fishing permit"},
    "formats": ["dc+sd-jwt"],
    "claims": [
        {
            "path": ["full_name"],
            "name": {"sw": "Jina", "en": "Name"},
            "source": "register.full_name",
        },
        {"path": ["lake"], "name": {"sw": "Ziwa", "en": "Lake"}, "required": True, "choices": ["Nyasa", "Victoria"]},
    ],
}
VALUES = {
    "birth-certificate": {"registration_number": "B-1", "place_of_birth": "Mwanza"},
    "driving-licence": {
        "driving_privileges": [
            {"vehicle_category_code": "B", "issue_date": "2026-01-02", "expiry_date": "2031-01-01"},
        ]
    },
    "vaccination": {
        "vaccine": "Penta", "disease": "Diphtheria", "dose_number": 1, "date_of_vaccination": "2026-10-01",
    },
    "farmer-card": {"farmer_number": "F-9", "crops": ["maize"], "hectares": 2, "subsidy": True},
}  # fmt: skip


@pytest.fixture
def at(ctx_of):
    """A new request of a credential officer of an institution."""
    return lambda institution, **more: ctx_of(
        Kind.STAFF,
        more.pop("id", f"officer-{institution}"),
        roles=more.pop("roles", ["credential-officer"]),
        institution=institution,
        purpose=more.pop("purpose", "credential-issuance"),
        basis="legal-obligation",
        **more,
    )


@pytest.fixture
def approver(ctx_of):
    """Who puts kinds in force."""
    return ctx_of(
        Kind.STAFF, "approver-1", roles=["credential-approver"], purpose="credential-issuance", basis="legal-obligation"
    )


def phone(person_id: PersonId):
    """The context of the person's wallet."""
    actor = Actor(Kind.PERSON, str(person_id), assurance=1)
    return context(actor, "credential-issuance", "legal-obligation", channel="wallet")


def job():
    """The room's own work."""
    return job_context("credentials", "credential-issuance")


async def number_of(stack, person_id):
    """A person's identity number."""
    return (await identity.read_person(stack, job(), person_id)).number


async def awarded(stack, at, person_id, kind):
    """An award of one of the country's kinds."""
    institution = (await kinds.named(stack, kind)).institution
    order = AwardOrder(kind=kind, number=await number_of(stack, person_id), values=VALUES[kind])
    return await acts.award(stack, at(institution), order)


async def copies(stack, person_id, kind="national-id", form=Format.SD_JWT, count=1, **more):
    """Signed copies, straight from the engine."""
    order = CopyOrder(
        person_id=person_id, kind=kind, form=form, holders=tuple(jose.bare_key(new_key().jwk) for _ in range(count)),
        **more,
    )  # fmt: skip
    return await acts.issue_copies(stack, phone(person_id), order)


def told(credential: str) -> dict:
    """The signed part of a JWT form."""
    return json.loads(jose.unb64(credential.split("~")[0].split(".")[1]))


def place_in(credential: str) -> tuple[int, int]:
    """List and index of a copy's status, in any form."""
    if "." in credential:
        status = told(credential)["status"]["status_list"]
    else:
        auth = cbor2.loads(jose.unb64(credential))["issuerAuth"]
        status = cbor2.loads(cbor2.loads(auth[2]).value)["status"]["status_list"]
    return int(status["uri"].rpartition("/")[2]), status["idx"]


async def statuses(stack, places):
    """What the published lists say, in all three forms, which must agree."""
    keys = {k["kid"].encode(): cose.key_of_jwk(k) for k in stack.keys.public("issuer")}
    found = []
    for list_id, index in places:
        published = await publish.status_list(stack, list_id)
        as_jwt = statuslist.read(published.jwt, keys).entries.status(index)
        assert as_jwt == statuslist.read(published.cwt, keys).entries.status(index)
        found.append(as_jwt)
        for purpose, value in (("revocation", 1), ("suspension", 2)):
            document = told(await publish.bitstring(stack, list_id, purpose))
            bits = gzip.decompress(jose.unb64(document["credentialSubject"]["encodedList"][1:]))
            assert bool(bits[index // 8] & 0x80 >> index % 8) == (as_jwt == value), "W3C's list says the same"
    return found


async def test_access_propose_kind(stack, at):
    made = await acts.propose_kind(stack, at("hazina"), OWN_KIND)
    assert made.state == "proposed"
    with pytest.raises(NoSuchKind):
        await kinds.named(stack, "fishing-permit")
    for nobody in (at("rita"), at("hazina", roles=["teller"])):
        with pytest.raises(NotPermitted):
            await acts.propose_kind(stack, nobody, OWN_KIND)
    with pytest.raises(KindTaken):
        await acts.propose_kind(stack, at("hazina"), OWN_KIND | {"kind": "national-id"})


async def test_access_decide_kind(stack, at, approver, ctx_of, person):
    await acts.propose_kind(stack, at("hazina"), OWN_KIND)
    with pytest.raises(NotPermitted):
        await acts.decide_kind(stack, at("hazina"), "fishing-permit", True)
    both = at("hazina", roles=["credential-officer", "credential-approver"])
    with pytest.raises(OwnProposal):
        await acts.decide_kind(stack, both, "fishing-permit", True)
    assert (await acts.decide_kind(stack, approver, "fishing-permit", True)).state == "in-force"
    order = AwardOrder(kind="fishing-permit", number=await number_of(stack, person), values={"lake": "Nyasa"})
    await acts.award(stack, at("hazina"), order)
    [credential] = (await copies(stack, person, "fishing-permit")).credentials
    assert told(credential)["vct"].endswith("/credentials/types/fishing-permit"), "a new kind without a line of code"
    with pytest.raises(NoSuchKind):
        await acts.decide_kind(stack, approver, "fishing-permit", True)


async def test_access_kind_proposals(stack, at, approver):
    await acts.propose_kind(stack, at("hazina"), OWN_KIND | {"kind": "boat-licence"})
    assert {p.description.kind for p in await acts.kind_proposals(stack, at("hazina"))} >= {"boat-licence"}
    assert not await acts.kind_proposals(stack, at("zahanati"))
    assert await acts.kind_proposals(stack, approver)
    with pytest.raises(NotPermitted):
        await acts.kind_proposals(stack, at("hazina", roles=["teller"]))


async def test_access_accept_wallet_provider(stack, approver, at):
    from tests.credentials.wallet_kit import Provider

    provider = Provider()
    pem = jose.b64(provider.root)
    with pytest.raises(WalletProviderWrong):
        await acts.accept_wallet_provider(stack, approver, provider.client_id, "Utopia", pem[:40])
    with pytest.raises(NotPermitted):
        await acts.accept_wallet_provider(stack, at("rita"), "x", "x", _b64(provider.root))
    await acts.accept_wallet_provider(stack, approver, provider.client_id, "Utopia", _b64(provider.root))


def _b64(raw: bytes) -> str:
    import base64

    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("kind", list(VALUES))
async def test_any_institution_has_its_kind_by_configuration_alone(stack, at, person, kind):
    """Birth certificate, licence, vaccination, farmer card: awarded, signed in each of their forms."""
    await awarded(stack, at, person, kind)
    description = await kinds.named(stack, kind)
    for form in description.formats:
        [credential] = (await copies(stack, person, kind, form)).credentials
        if form is not Format.MDOC:
            assert len(credential.split(".")) == 3
            continue
        items = cbor2.loads(jose.unb64(credential))["nameSpaces"]["org.iso.18013.5.1"]
        elements = {(i := cbor2.loads(t.value))["elementIdentifier"]: i["elementValue"] for t in items}
        mandatory = (
            "family_name given_name birth_date issue_date expiry_date issuing_country issuing_authority "
            "document_number portrait driving_privileges un_distinguishing_sign"
        )
        assert set(mandatory.split()) <= set(elements)


async def test_access_award(stack, at, own, person):
    await awarded(stack, at, person, "farmer-card")
    order = AwardOrder(kind="farmer-card", number=await number_of(stack, person), values=VALUES["farmer-card"])
    for nobody in (at("rita"), at("hazina", roles=["teller"]), own(person)):
        with pytest.raises(NotPermitted):
            await acts.award(stack, nobody, order)
    for values, field in (
        ({}, "farmer_number"),
        ({"farmer_number": "F", "crops": ["poppies"]}, "crops"),
        ({"farmer_number": "F", "hectares": "two"}, "hectares"),
        ({"farmer_number": "F", "salary": 3}, "salary"),
    ):
        with pytest.raises(ValueWrong) as refused:
            await acts.award(stack, at("hazina"), replace(order, values=values))
        assert refused.value.facts["field"] == field
    once = replace(order, order_id="same")
    assert await acts.award(stack, at("hazina"), once) == await acts.award(stack, at("hazina"), once)
    live = [h for h in await acts.holdings_of(stack, own(person), person) if h.state == "active"]
    assert len(live) == 1, "a single kind replaces the award before it"


async def test_access_hold(stack, own, person, enrolled):
    holding = await acts.hold(stack, own(person), person, "national-id")
    assert holding == await acts.hold(stack, own(person), person, "national-id")
    with pytest.raises(NotPermitted):
        await acts.hold(stack, own(await enrolled()), person, "national-id")
    with pytest.raises(NoSuchHolding):
        await acts.hold(stack, own(person), person, "farmer-card")


async def test_access_holdings_of(stack, own, person, enrolled):
    await copies(stack, person, count=3)
    [held] = await acts.holdings_of(stack, own(person), person)
    assert held.copies == 3 and held.values["birth_date"] and "picture" not in held.values
    with pytest.raises(NotPermitted):
        await acts.holdings_of(stack, own(await enrolled()), person)


async def test_access_change_holding(stack, own, at, person, enrolled):
    """One suspension reaches every form and the card's QR; what was ended stays ended (laws 2 and 3)."""
    issuing = job_context("bulk", "credential-issuance")
    card = await cards.issue_card(stack, issuing, person)
    signed = [c for f in Format for c in (await copies(stack, person, form=f, count=2)).credentials]
    places = [place_in(c) for c in signed] + [(card.status_list, card.status_index)]
    assert len(set(places)) == 7 and await statuses(stack, places) == [0] * 7
    [held] = await acts.holdings_of(stack, own(person), person)
    change = (person, held.holding_id)
    with pytest.raises(NotPermitted):
        await acts.change_holding(stack, at("hazina"), *change, CardState.REVOKED, Reason.MISTAKE)
    with pytest.raises(NotPermitted):
        await acts.change_holding(stack, own(person, assurance=1), *change, CardState.REVOKED, Reason.LOST)
    done = await acts.change_holding(stack, own(person, assurance=1), *change, CardState.SUSPENDED, Reason.LOST)
    assert done.copies == 7 and await statuses(stack, places) == [2] * 7
    with pytest.raises(RequestDenied):
        await copies(stack, person)
    await acts.change_holding(stack, at("rita"), *change, CardState.ACTIVE, Reason.FOUND)
    assert await statuses(stack, places) == [0] * 7
    await acts.change_holding(stack, at("rita"), *change, CardState.REVOKED, Reason.MISTAKE)
    assert await statuses(stack, places) == [1] * 7
    with pytest.raises(HoldingEnded):
        await acts.change_holding(stack, at("rita"), *change, CardState.ACTIVE, Reason.FOUND)
    with pytest.raises(NoSuchHolding):
        await acts.change_holding(stack, at("rita"), await enrolled(), held.holding_id, CardState.ACTIVE, Reason.FOUND)


async def test_what_becomes_of_the_identity_reaches_every_form(stack, at, person):
    card = await cards.issue_card(stack, job_context("bulk", "credential-issuance"), person)
    await awarded(stack, at, person, "farmer-card")
    signed = [copy for form in Format for copy in (await copies(stack, person, form=form)).credentials]
    places = [*map(place_in, signed), (card.status_list, card.status_index)]
    for change, value in ((identity.suspend, 2), (identity.reactivate, 0), (identity.deactivate, 1)):
        judge = context(
            Actor(Kind.STAFF, "j", "rita", frozenset({"adjudicator"}), 2), "fraud-prevention", "public-task"
        )
        await change(stack, judge, person, "a reason that is long enough")
        await stack.outbox.drain(stack)
        assert await statuses(stack, places) == [value] * 4


async def test_access_register_changed(stack, own, person):
    [before] = (await copies(stack, person)).credentials
    assert await acts.register_changed(stack, job(), person) == 1
    [after] = (await copies(stack, person)).credentials
    assert told(before)["vct"] == told(after)["vct"]
    with pytest.raises(NotPermitted):
        await acts.register_changed(stack, own(person), person)


async def test_access_make_offer(stack, own, at, person, enrolled):
    offer = await acts.make_offer(stack, own(person), person, "national-id")
    assert offer.link.startswith("openid-credential-offer://?credential_offer_uri=http") and len(offer.tx_code) == 6
    fetched = await offers.fetched(stack, offer.link.rpartition("%2F")[2])
    assert fetched == offer_in(offer.by_value)
    await acts.make_offer(stack, at("rita"), person, "national-id", by_sms=False)
    for nobody in (own(await enrolled()), at("hazina")):
        with pytest.raises(NotPermitted):
            await acts.make_offer(stack, nobody, person, "national-id")


async def test_access_issue_copies(stack, own, person, enrolled):
    made = await copies(stack, person, count=5)
    assert len(made.credentials) == 5 and len({told(c)["cnf"]["jwk"]["x"] for c in made.credentials}) == 5
    order = CopyOrder(person_id=person, kind="national-id", form=Format.SD_JWT, holders=(None,))
    for nobody in (own(person), phone(await enrolled())):
        with pytest.raises(NotPermitted):
            await acts.issue_copies(stack, nobody, order)
    key = jose.bare_key(new_key().jwk)
    with pytest.raises(InvalidProofOfKey):
        await acts.issue_copies(stack, phone(person), replace(order, holders=(key, key)))
    with pytest.raises(InvalidProofOfKey):
        await acts.issue_copies(stack, phone(person), replace(order, holders=()))


async def test_orders_that_come_together_share_a_transaction_and_spoil_nothing(stack, person, enrolled):
    """Each gets its own; a nonce works once even among those that arrive at the same moment (law 4)."""
    people = [person, *[await enrolled(photo=False) for _ in range(5)]]
    for one in people:
        await acts.hold(stack, job(), one, "national-id")
    now = clock.now().timestamp()
    nonce = nonces.read(stack, nonces.make(stack, now), now)
    good = [copies(stack, one, count=2) for one in people]
    bad = [copies(stack, people[0], "farmer-card"), *[copies(stack, people[1], nonces=(nonce,)) for _ in range(3)]]
    outcomes = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert all(len(o.credentials) == 2 for o in outcomes[:6])
    assert isinstance(outcomes[6], RequestDenied)
    assert sorted(type(o).__name__ for o in outcomes[7:]) == ["Copies", "InvalidNonce", "InvalidNonce"]
    places = [place_in(c) for o in outcomes[:6] for c in o.credentials]
    assert len(set(places)) == 12
    indices = [i for _, i in places]
    assert indices != sorted(indices) and max(indices) - min(indices) > 1000, "unpredictable"


async def test_access_ask_copies(stack, at, own, person):
    await awarded(stack, at, person, "farmer-card")
    holder = jose.bare_key(new_key().jwk)
    order = CopyOrder(person_id=person, kind="farmer-card", form=Format.SD_JWT, holders=(holder,), client="w")
    assert await acts.ask_copies(stack, phone(person), order)
    with pytest.raises(NotPermitted):
        await acts.ask_copies(stack, own(person), order)


async def test_access_waiting_requests(stack, at, person):
    await test_access_ask_copies(stack, at, lambda p: at("hazina"), person)
    assert await acts.waiting_requests(stack, at("hazina"))
    assert await acts.waiting_requests(stack, at("rita")) == []
    with pytest.raises(NotPermitted):
        await acts.waiting_requests(stack, at("hazina", roles=["teller"]))


async def test_access_decide_request(stack, at, person):
    await test_access_ask_copies(stack, at, lambda p: at("hazina"), person)
    request = next(w for w in await acts.waiting_requests(stack, at("hazina")) if w.person_id == person)
    with pytest.raises(NoSuchRequest):
        await acts.decide_request(stack, at("rita"), person, request.request_id, True)
    with pytest.raises(NotPermitted):
        await acts.decide_request(stack, at("hazina", roles=["teller"]), person, request.request_id, True)
    assert (await acts.decide_request(stack, at("hazina"), person, request.request_id, False)).state == "refused"
    with pytest.raises(NoSuchRequest):
        await acts.decide_request(stack, at("hazina"), person, request.request_id, True)


async def test_access_collect(stack, at, person, enrolled):
    await awarded(stack, at, person, "farmer-card")
    holder = jose.bare_key(new_key().jwk)
    order = CopyOrder(person_id=person, kind="farmer-card", form=Format.SD_JWT, holders=(holder,), client="w")
    named = await acts.ask_copies(stack, phone(person), order)
    assert await acts.collect(stack, phone(person), person, named, "w") is None
    request = next(w for w in await acts.waiting_requests(stack, at("hazina")) if w.person_id == person)
    await acts.decide_request(stack, at("hazina"), person, request.request_id, True)
    stranger = await enrolled()
    for who, client in ((stranger, "w"), (person, "another")):
        with pytest.raises(InvalidTransaction):
            await acts.collect(stack, phone(who), who, named, client)
    with pytest.raises(NotPermitted):
        await acts.collect(stack, at("hazina"), person, named, "w")
    done = await acts.collect(stack, phone(person), person, named, "w")
    assert done and told(done.credentials[0])["cnf"]["jwk"] == holder
    with pytest.raises(InvalidTransaction):
        await acts.collect(stack, phone(person), person, named, "w")
    assert waiting


async def test_access_notify(stack, own, person):
    made = await copies(stack, person)
    await acts.notify(stack, phone(person), person, made.holding_id, "credential_accepted")
    with pytest.raises(NotPermitted):
        await acts.notify(stack, own(person), person, made.holding_id, "credential_accepted")


async def test_access_sweep(stack, own, person):
    assert await acts.sweep(stack, job()) >= 0
    with pytest.raises(NotPermitted):
        await acts.sweep(stack, own(person))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "Bad Name"}, "kind"),
        ({"institution": "nobody"}, "institution"),
        ({"batch": 1}, "batch"),
        ({"copy_days": 0}, "copy_days"),
        ({"formats": ["mso_mdoc"]}, "doctype, element"),
        ({"formats": ["jwt_vc_json"]}, "types"),
        ({"name": {"en": "x"}}, "name"),
        ({"claims": [{"path": ["exp"], "name": {"en": "x", "sw": "x"}}]}, "claims.exp.path"),
        ({"claims": [{"path": ["a"], "name": {"en": "x", "sw": "x"}, "source": "spy"}]}, "claims.a.source"),
        ({"surprise": 1}, "description"),
    ],
)
async def test_a_bad_description_is_refused_by_name(stack, at, change, field):
    with pytest.raises((KindWrong, NotPermitted)) as refused:
        await acts.propose_kind(stack, at("hazina"), OWN_KIND | change)
    assert getattr(refused.value, "facts", {}).get("field") == field


STATES = st.lists(st.sampled_from(["suspended", "active", "deactivated", "deceased", "merged", "odd"]), max_size=6)


@settings(max_examples=60)
@given(STATES)
def test_law_3_what_was_ended_never_becomes_valid_again(news):
    holding = Holding(
        person_id=PersonId(uuid7()), holding_id=HoldingId(uuid7()), kind="k", institution="i", state=CardState.ACTIVE,
        reason="", document="K", issued_on=clock.today(), expires_on=None,
    )  # fmt: skip
    ended = False
    for status in news:
        holding = rules.follow(holding, status)
        ended = ended or status in ("deactivated", "deceased")
        assert (holding.state is CardState.REVOKED) == ended


@settings(max_examples=100)
@given(st.text(max_size=80) | st.integers() | st.none())
def test_law_4_no_invented_nonce_is_taken(text):
    class Bare:
        """As much of a stack as nonces look at."""

        class keys:
            """Its keystore."""

            mac = staticmethod(lambda _: bytes(32))

    with pytest.raises(InvalidNonce):
        nonces.read(Bare, text, 0)  # type: ignore[arg-type]
    made = nonces.make(Bare, 1000.0)  # type: ignore[arg-type]
    assert nonces.read(Bare, made, 1000.0)[1] == 1300  # type: ignore[arg-type]
    with pytest.raises(InvalidNonce):
        nonces.read(Bare, made, 1300.0)  # type: ignore[arg-type]


async def test_a_wallet_fetches_over_http(stack, client, own, person):
    """Offer, token with the transaction code, nonce, a batch, a notification: twice for one offer is refused."""
    offer = await acts.make_offer(stack, own(person), person, "national-id")
    wallet = Wallet(client, stack.settings.url)
    assert (await wallet.redeem(offer_in(offer.by_value), offer.tx_code, bound=True)).status_code == 200
    answer = await wallet.fetch("national-id.sd-jwt", 3)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["credentials"]) == 3
    named = answer.json()["notification_id"]
    for _ in range(2):
        event = {"notification_id": named, "event": "credential_accepted"}
        assert (await wallet.ask(event, "/oid4vci/notification")).status_code == 204
    again = await wallet.redeem(offer_in(offer.by_value), offer.tx_code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
