"""HAIP 1.0 as a rule of one kind of credential: a foreign wallet that keeps it gets one, and no weaker way does."""

import base64
import os
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.credentials.test_issuance import approver, at  # noqa: F401 - fixtures
from tests.credentials.test_wallets import BACK, Node, asha, live, own, read_by_others  # noqa: F401 - fixtures
from tests.credentials.wallet_kit import Provider, bare, jwt, offer_in
from tests.signin.conftest import PIN
from tests.signin.party import Browser

from msingi.credentials.forms import jose
from msingi.credentials.forms.model import Format
from msingi.credentials.issuance import acts, grants, kinds, metadata, offers, proofs, wallets
from msingi.credentials.issuance.errors import InvalidProofOfKey, KindWrong, RequestDenied
from msingi.credentials.presentation import acts as presentation
from msingi.credentials.presentation.errors import QueryMalformed
from msingi.credentials.presentation.model import Identify, Mode, Order
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.signin import acts as signin
from msingi.signin.errors import InvalidAuthorizationDetails, InvalidScope
from msingi.signin.model import Client, Profile
from msingi.signin.provider import extend, rules
from msingi.signin.provider.model import Held

PERMIT: dict[str, Any] = {
    "kind": "residence-permit",
    "institution": "rita",
    "name": {"sw": "Kibali cha ukaazi", "en": "Residence permit"},
    "formats": ["dc+sd-jwt", "mso_mdoc"],
    "doctype": "example.residence",
    "open": True,
    "haip": True,
    "claims": [
        {
            "path": [name],
            "name": {"sw": name, "en": name},
            "source": f"register.{name}",
            "element": ["example.residence", name],
        }
        for name in ("given_name", "family_name")
    ],
}
NAMES = ("residence-permit.sd-jwt", "residence-permit.mdoc")


@pytest.fixture
async def permit(stack, at, approver):  # noqa: F811
    """The kind, proposed by one and approved by another."""
    if "residence-permit" not in (await kinds.known(stack)).by_name:
        await acts.propose_kind(stack, at("rita"), PERMIT)
        await acts.decide_kind(stack, approver, "residence-permit", True)
    return await kinds.named(stack, "residence-permit")


def wallet_client(client_id: str, profile: Profile = Profile.FAPI) -> Client:
    return Client(
        client_id=client_id,
        name="The wallet of Utopia",
        institution="benki",
        profile=profile,
        redirect_uris=(BACK,),
        scopes=frozenset({"openid"}),
        auth="attest_jwt_client_auth",
    )


async def test_a_wallet_of_others_that_keeps_haip_gets_both_formats(live, asha, permit):  # noqa: F811
    """Offer without a code, PAR, PKCE, attested wallet, DPoP, scope, and an attestation for every key."""
    stack, sms = live
    kinds.forget(stack)
    provider = Provider("wallet-" + os.urandom(3).hex())
    await signin.add_client(stack, job_context("sample"), wallet_client(provider.client_id))
    actor = Actor(Kind.STAFF, "approver-2", "rita", frozenset({"credential-approver"}), 2)
    ctx = context(actor, "credential-issuance", "legal-obligation")
    root = base64.b64encode(provider.root).decode()
    await acts.accept_wallet_provider(stack, ctx, provider.client_id, "Utopia", root)
    made = await acts.make_offer(stack, own(asha.person_id), asha.person_id, "residence-permit")
    assert made.link.startswith("haip-vci://") and made.by_value.startswith("haip-vci://") and not made.tx_code
    assert offer_in(made.by_value)["grants"] == {"authorization_code": {}}
    private = provider.instance.private_key.private_numbers()  # type: ignore[union-attr]
    wallet = await Node.start(
        offer=offers.by_value(offer_in(made.by_value)),
        client_id=provider.client_id,
        redirect_uri=BACK,
        scope=" ".join(NAMES),
        attestation=provider.attestation(),
        instance={**bare(provider.instance), "d": jose.b64(private.private_value.to_bytes(32))},
        count=1,
        configurations=list(NAMES),
        attested=True,
    )
    opened = await wallet.hear()
    assert "request_uri=urn" in opened["open"]
    async with httpx.AsyncClient(base_url=stack.settings.url, headers={"Origin": stack.settings.url}) as http:
        browser = Browser(http, stack.settings.url)
        await browser.open(opened["open"])
        await browser.send("/signin/pin", login=asha.number, pin=PIN)
        await browser.send("/signin/code", code=await sms.code(asha.phone))
        agreed = [f"scope:{name}" for name in NAMES]
        wallet.say((await browser.send("/signin/consent", claim=agreed, decision="agree")).headers["location"])
    for _ in NAMES:
        told = await wallet.hear()
        wallet.say(provider.key_attestation([], attested_keys=[told["attest"]]))
    found = await wallet.hear()
    assert found["token_type"] == "DPoP"
    read = await read_by_others(stack, *(copies[0] for copies in found["credentials"].values()))
    assert read["sdjwt"]["given_name"] == "Asha" and read["mdoc"]["docType"] == "example.residence"


async def test_the_metadata_says_that_keys_are_attested(stack, permit):
    told = metadata.configuration(stack, permit, Format.MDOC)
    assert told["proof_types_supported"]["jwt"]["key_attestations_required"] == {} and told["scope"] == NAMES[1]


async def test_no_weaker_way_leads_to_the_kind(stack, permit):
    more = extend.of(stack)
    grants.connect(stack)
    await kinds.known(stack)
    with pytest.raises(InvalidScope):
        rules.read_scopes(NAMES[0], wallet_client("x", Profile.CONFIDENTIAL), more)
    assert rules.read_scopes(NAMES[0], wallet_client("x"), more) == (NAMES[0],)
    with pytest.raises(InvalidAuthorizationDetails):
        detail = {"type": "openid_credential", "credential_configuration_id": NAMES[0]}
        more.check_details(wallet_client("x"), [detail])
    held = Held(person_id=uuid4(), grant_id=uuid4(), client_id="", institution="", scopes=NAMES)  # type: ignore[arg-type]
    with pytest.raises(RequestDenied) as refused:
        await wallets.check_haip(stack, permit, held)
    assert "attested wallet" in str(refused.value.facts["rule"])
    asked = proofs.Asked(
        issuer="x", client_id="", kind=permit, form=Format.SD_JWT, anchors=(), now=0, nonce=lambda text: (b"", 0)
    )
    key = Provider().instance
    text = jwt(key, {"typ": "openid4vci-proof+jwt", "jwk": bare(key)}, {})
    with pytest.raises(InvalidProofOfKey) as lacking:
        proofs.verify(asked, {"jwt": [text]})
    assert lacking.value.facts["rule"] == "key_attestation"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"client_id_prefix": Identify.REDIRECT_URI}, "client_id_prefix"),
        ({"client_id_prefix": Identify.X509_SAN_DNS}, "client_id_prefix"),
        ({"response_mode": Mode.PLAIN}, "response_mode"),
    ],
    ids=["unsigned", "san", "plain"],
)
@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc"])
async def test_the_kind_is_asked_for_as_haip_says_or_not_at_all(stack, permit, form, more, field):
    meta = {"vct_values": [kinds.vct(stack, permit)]} if form == "dc+sd-jwt" else {"doctype_value": permit.doctype}
    query = {"credentials": [{"id": "p", "format": form, "meta": meta}]}
    order = Order(purpose="identity-proofing", basis="contract", dcql_query=query, **more)
    with pytest.raises(QueryMalformed) as wrong:
        await presentation.ask_presentation(stack, job_context("signin", "identity-proofing"), order)
    assert wrong.value.facts["field"] == field


async def test_the_profile_has_two_formats(stack, at):  # noqa: F811
    with pytest.raises(KindWrong) as wrong:
        await acts.propose_kind(stack, at("rita"), PERMIT | {"formats": ["jwt_vc_json"], "types": ["X"]})
    assert wrong.value.facts["field"] == "haip"
