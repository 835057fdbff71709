"""Everything that the conformance suite expects an issuer to refuse, with the right error: a table, over HTTP.

Each line breaks one rule of a request that is good otherwise.
"""

import base64
import json
import os
import time
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey
from tests.credentials.wallet_kit import Provider, Wallet, bare, dpop, jwt, new_key, offer_in, proof
from tests.site import web_app

from msingi.credentials.forms import jose
from msingi.credentials.forms.model import Format
from msingi.credentials.issuance import acts, kinds, proofs
from msingi.credentials.issuance.errors import CredentialRefusal
from msingi.credentials.issuance.model import AwardOrder
from msingi.credentials.issuance.offers import GRANT
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name, Sex
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.signin import acts as signin
from msingi.signin.model import Client, Profile

SD_JWT = "national-id.sd-jwt"
ATTESTED = {
    "kind": "tax-id",
    "institution": "hazina",
    "name": {"sw": "Kodi", "en": "Tax number"},
    "open": True,
    "key_storage": ["iso_18045_high", "iso_18045_moderate"],
    "claims": [{"path": ["full_name"], "name": {"sw": "Jina", "en": "Name"}, "source": "register.full_name"}],
}


@pytest.fixture(scope="module")
async def client(stack):
    """One application for all lines of the tables."""
    transport = httpx.ASGITransport(app=web_app(stack))
    async with httpx.AsyncClient(transport=transport, base_url=stack.settings.url) as made:
        yield made


@pytest.fixture(scope="module")
async def person(stack):
    """One holder for all lines of the tables."""
    order = EnrolmentOrder(name=Name("Zawadi", "Ngonyani"), birth=Birth("1990-03-04"), sex=Sex.FEMALE)
    outcome = await identity.enrol(stack, job_context("setup", "identity-registration"), order, "refusals")
    assert isinstance(outcome, Enrolled)
    return outcome.person_id


def own(person_id):
    """The person in the portal."""
    return context(Actor(Kind.PERSON, str(person_id), assurance=2), "credential-issuance", "legal-obligation")


@pytest.fixture(scope="module")
async def wallet(stack, client, person):
    """A wallet with a bound token for the national ID."""
    offer = await acts.make_offer(stack, own(person), person, "national-id", with_code=False)
    made = Wallet(client, stack.settings.url)
    answer = await made.redeem(offer_in(offer.by_value), None, bound=True)
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture(scope="module")
async def provider(stack):
    """An accepted provider of wallets whose software is registered, and a kind that asks for attested keys."""
    made = Provider("wallet-" + os.urandom(4).hex())
    for auth, name in (("attest_jwt_client_auth", made.client_id),):
        await signin.add_client(
            stack,
            job_context("sample"),
            Client(
                client_id=name, name="A wallet", institution="benki", profile=Profile.FAPI,
                redirect_uris=("https://wallet.example/back",), scopes=frozenset({"openid"}), auth=auth,
            ),
        )  # fmt: skip
    approver = context(
        Actor(Kind.STAFF, "approver-9", "rita", frozenset({"credential-approver"}), 2),
        "credential-issuance",
        "legal-obligation",
    )
    root = base64.b64encode(made.root).decode()
    await acts.accept_wallet_provider(stack, approver, made.client_id, "Utopia", root)
    officer = context(
        Actor(Kind.STAFF, "officer-h", "hazina", frozenset({"credential-officer"}), 2),
        "credential-issuance",
        "legal-obligation",
    )
    await acts.propose_kind(stack, officer, ATTESTED)
    await acts.decide_kind(stack, approver, "tax-id", True)
    return made


def refused(answer, error: str, status: int = 400) -> None:
    """The answer is this error."""
    assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text


BODIES: list[tuple[str, dict[str, Any], str]] = [
    ("no name at all", {"credential_configuration_id": None}, "invalid_credential_request"),
    ("two names", {"credential_identifier": "x~y"}, "invalid_credential_request"),
    ("a name that is no text", {"credential_configuration_id": 7}, "invalid_credential_request"),
    ("a draft's proof", {"proof": {"proof_type": "jwt", "jwt": "x"}}, "invalid_credential_request"),
    ("a draft's format", {"format": "vc+sd-jwt"}, "invalid_credential_request"),
    ("unknown configuration", {"credential_configuration_id": "moon"}, "unknown_credential_configuration"),
    ("not allowed", {"credential_configuration_id": "farmer-card.sd-jwt"}, "unknown_credential_configuration"),
    ("no proofs", {"proofs": None}, "invalid_proof"),
    ("empty proofs", {"proofs": {}}, "invalid_proof"),
    ("proofs that are a list", {"proofs": ["x"]}, "invalid_credential_request"),
    ("two types of proof", {"proofs": {"jwt": ["x"], "attestation": ["x"]}}, "invalid_proof"),
    ("no proof of the type", {"proofs": {"jwt": []}}, "invalid_proof"),
    ("a proof that is no JWT", {"proofs": {"jwt": ["x"]}}, "invalid_proof"),
    ("an unknown type of proof", {"proofs": {"di_vp": ["x"]}}, "invalid_proof"),
    ("answer encrypted, request not", {"credential_response_encryption": {"jwk": {}, "enc": "A128GCM"}},
     "invalid_encryption_parameters"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
async def test_a_bad_credential_request_is_refused(stack, wallet, change, error):
    body: dict[str, Any] = {
        "credential_configuration_id": SD_JWT,
        "proofs": {"jwt": [proof(new_key(), wallet.issuer, await wallet.nonce())]},
    }
    body = {name: value for name, value in (body | change).items() if value is not None}
    refused(await wallet.ask(body), error)


async def test_an_unknown_identifier_and_a_body_that_is_no_object_are_refused(wallet):
    refused(
        await wallet.ask({"credential_identifier": f"{SD_JWT}~{os.urandom(16).hex()}", "proofs": {}}), "invalid_proof"
    )
    refused(await wallet.ask({"credential_identifier": SD_JWT, "proofs": {}}), "unknown_credential_identifier")
    refused(await wallet.ask({"credential_identifier": "moon~" + "0" * 32}), "unknown_credential_identifier")
    refused(await wallet.ask(["x"]), "invalid_credential_request")


PROOFS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("wrong typ", {"typ": "jwt"}, {}, "invalid_proof"),
    ("no typ", {"typ": None}, {}, "invalid_proof"),
    ("alg none", {"alg": "none"}, {}, "invalid_proof"),
    ("alg of another key", {"alg": "EdDSA"}, {}, "invalid_proof"),
    ("RS256", {"alg": "RS256"}, {}, "invalid_proof"),
    ("no key", {"jwk": None}, {}, "invalid_proof"),
    ("key named twice", {"kid": "did:key:z"}, {}, "invalid_proof"),
    ("kid alone", {"jwk": None, "kid": "did:key:z"}, {}, "invalid_proof"),
    ("private key inside", {"jwk": {"kty": "EC", "crv": "P-256", "x": "A", "y": "A", "d": "A"}}, {}, "invalid_proof"),
    ("symmetric key", {"jwk": {"kty": "oct", "k": "AA"}}, {}, "invalid_proof"),
    ("another key's signature", {"jwk": bare(new_key())}, {}, "invalid_proof"),
    ("critical header", {"crit": ["x"], "x": 1}, {}, "invalid_proof"),
    ("aud of another issuer", {}, {"aud": "https://elsewhere.example"}, "invalid_proof"),
    ("aud as a list", {}, {"aud": ["https://elsewhere.example"]}, "invalid_proof"),
    ("no aud", {}, {"aud": None}, "invalid_proof"),
    ("iss from anonymous software", {}, {"iss": "somebody"}, "invalid_proof"),
    ("no iat", {}, {"iat": None}, "invalid_proof"),
    ("iat long ago", {}, {"iat": 1000}, "invalid_proof"),
    ("iat ahead", {}, {"iat": int(time.time()) + 10_000}, "invalid_proof"),
    ("exp in the past", {}, {"exp": 1000}, "invalid_proof"),
    ("no nonce", {}, {"nonce": None}, "invalid_nonce"),
    ("an invented nonce", {}, {"nonce": "invented"}, "invalid_nonce"),
    ("a nonce that is no text", {}, {"nonce": 5}, "invalid_nonce"),
    ("an attestation that is none", {"key_attestation": "x"}, {}, "invalid_proof"),
]


@pytest.mark.parametrize(("header", "claims", "error"), [p[1:] for p in PROOFS], ids=[p[0] for p in PROOFS])
async def test_a_bad_proof_is_refused(wallet, header, claims, error):
    text = proof(new_key(), wallet.issuer, await wallet.nonce(), header, **claims)
    refused(await wallet.ask({"credential_configuration_id": SD_JWT, "proofs": {"jwt": [text]}}), error)


async def test_one_bad_proof_spoils_its_batch_and_keys_and_nonces_count_once(wallet):
    def body(*jwts, name=SD_JWT):
        return {"credential_configuration_id": name, "proofs": {"jwt": list(jwts)}}

    nonce, key = await wallet.nonce(), new_key()
    good = proof(key, wallet.issuer, nonce)
    for others in ([proof(new_key(), "https://x", nonce)], [good]):
        refused(
            await wallet.ask({"credential_configuration_id": SD_JWT, "proofs": {"jwt": [good, *others]}}),
            "invalid_proof",
        )
    many = [proof(new_key(), wallet.issuer, nonce) for _ in range(21)]
    refused(await wallet.ask(body(*many)), "invalid_proof")
    answer = await wallet.ask(body(good))
    assert len(answer.json()["credentials"]) == 1
    refused(await wallet.ask(body(good)), "invalid_nonce")
    mdoc = await wallet.nonce()
    from msingi.kernel.keys import SoftwareSigner

    ed = SoftwareSigner("Ed25519", os.urandom(32))
    head = jose.b64(json.dumps({"typ": "openid4vci-proof+jwt", "alg": "EdDSA", "jwk": bare(ed)}).encode())
    claims = json.dumps({"aud": wallet.issuer, "iat": int(time.time()), "nonce": mdoc}).encode()
    text = jose.compact(head, claims, ed)
    refused(
        await wallet.ask({"credential_configuration_id": "national-id.mdoc", "proofs": {"jwt": [text]}}),
        "invalid_proof",
    )
    assert (await wallet.ask({"credential_configuration_id": SD_JWT, "proofs": {"jwt": [text]}})).status_code == 200


async def test_access_tokens_are_looked_at_in_their_header_only(stack, client, wallet):
    body = {"credential_configuration_id": SD_JWT, "proofs": {"jwt": ["x"]}}
    path = "/oid4vci/credential"
    url, shown = wallet.issuer + path, {"Authorization": f"DPoP {wallet.token}"}
    for query, headers in (
        (f"?access_token={wallet.token}", {}),
        ("", {"Authorization": "Bearer x.y.z"}),
        ("", {"Authorization": f"Bearer {wallet.token}"}),  # bound to a key, and sent without it
        ("", shown | {"DPoP": dpop(new_key(), "POST", url, wallet.token)}),
        ("", shown | {"DPoP": dpop(wallet.key, "POST", url, "other")}),
    ):
        answer = await client.post(path + query, json=body, headers=headers)
        refused(answer, "invalid_token", 401)
        assert "WWW-Authenticate" in answer.headers
    once = wallet.authorization(path)
    assert (await client.post(path, json=body, headers=once)).status_code == 400
    refused(await client.post(path, json=body, headers=once), "invalid_token", 401)


async def test_a_bad_token_request_is_refused(stack, client, person):
    offer = await acts.make_offer(stack, own(person), person, "national-id")
    body = offer_in(offer.by_value)
    wrong = "000000" if offer.tx_code != "000000" else "111111"
    made = Wallet(client, stack.settings.url)
    refused(await made.redeem(body, None), "invalid_request")
    refused(await made.redeem(body, wrong), "invalid_grant")
    refused(await client.post("/oauth/token", data={"grant_type": GRANT}), "invalid_request")
    refused(await client.post("/oauth/token", data={"grant_type": GRANT, "pre-authorized_code": "x"}), "invalid_grant")
    details = json.dumps([{"type": "openid_credential", "credential_configuration_id": "farmer-card.sd-jwt"}])
    refused(await made.redeem(body, offer.tx_code, authorization_details=details), "invalid_authorization_details")
    bare_offer = await acts.make_offer(stack, own(person), person, "national-id", with_code=False)
    refused(await made.redeem(offer_in(bare_offer.by_value), "123456"), "invalid_request")
    guessed = await acts.make_offer(stack, own(person), person, "national-id")
    for _ in range(5):
        refused(await made.redeem(offer_in(guessed.by_value), "x"), "invalid_grant")
    refused(await made.redeem(offer_in(guessed.by_value), guessed.tx_code), "invalid_grant")


async def test_details_give_identifiers_and_an_identifier_gives_that_credential(stack, client, person):
    offer = await acts.make_offer(stack, own(person), person, "national-id", with_code=False)
    made = Wallet(client, stack.settings.url)
    detail = {"type": "openid_credential", "credential_configuration_id": SD_JWT, "locations": [stack.settings.url]}
    answer = await made.redeem(offer_in(offer.by_value), None, authorization_details=json.dumps([detail]))
    [told] = answer.json()["authorization_details"]
    [identifier] = told["credential_identifiers"]
    nonce = await made.nonce()
    body = {"credential_identifier": identifier, "proofs": {"jwt": [proof(new_key(), made.issuer, nonce)]}}
    assert (await made.ask(body)).status_code == 200
    refused(await made.fetch("national-id.mdoc"), "unknown_credential_configuration")


async def test_each_of_several_awards_has_an_identifier_and_gives_its_own_facts(stack, client, person):
    officer = context(
        Actor(Kind.STAFF, "officer-z", "zahanati", frozenset({"credential-officer"}), 2),
        "credential-issuance",
        "legal-obligation",
    )
    number = (await identity.read_person(stack, job_context("credentials", "credential-issuance"), person)).number
    for dose in (1, 2):
        values = {"vaccine": "Penta", "disease": "x", "dose_number": dose, "date_of_vaccination": "2026-10-01"}
        order = AwardOrder(kind="vaccination", number=number, values=values, order_id=f"dose-{dose}")
        await acts.award(stack, officer, order)
    offer = await acts.make_offer(stack, own(person), person, "vaccination", with_code=False)
    made = Wallet(client, stack.settings.url)
    detail = {"type": "openid_credential", "credential_configuration_id": "vaccination.vc"}
    answer = await made.redeem(offer_in(offer.by_value), None, authorization_details=json.dumps([detail]))
    [told] = answer.json()["authorization_details"]
    doses = []
    for name in told["credential_identifiers"]:
        text = proof(new_key(), made.issuer, await made.nonce())
        [one] = (await made.ask({"credential_identifier": name, "proofs": {"jwt": [text]}})).json()["credentials"]
        document = json.loads(jose.unb64(one["credential"].split(".")[1]))
        doses.append(document["credentialSubject"]["dose_number"])
    assert doses == [2, 1]


_jwe = JWERegistry(algorithms=["ECDH-ES", "A128GCM", "A256GCM"])


async def test_encrypted_requests_get_encrypted_answers_and_refusals_never_are(stack, client, wallet):
    told = (await client.get("/.well-known/openid-credential-issuer")).json()
    [server] = told["credential_request_encryption"]["jwks"]["keys"]
    mine = ECKey.generate_key("P-256")
    public = {**mine.as_dict(private=False), "alg": "ECDH-ES", "kid": "w1"}

    async def ask(parameters: Any, *, key: dict = server, enc: str = "A256GCM", nonce: str = "") -> Any:
        text = proof(new_key(), wallet.issuer, nonce or await wallet.nonce())
        body = {"credential_configuration_id": SD_JWT, "proofs": {"jwt": [text]}}
        if parameters:
            body["credential_response_encryption"] = parameters
        header = {"alg": "ECDH-ES", "enc": enc, "kid": key.get("kid", "")}
        sealed = jwe.encrypt_compact(header, json.dumps(body).encode(), ECKey.import_key(key), registry=_jwe)
        path = "/oid4vci/credential"
        headers = wallet.authorization(path) | {"Content-Type": "application/jwt"}
        return await client.post(path, content=sealed, headers=headers)

    answer = await ask({"jwk": public, "enc": "A128GCM"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/jwt")
    opened = jwe.decrypt_compact(answer.content, mine, registry=_jwe)
    assert opened.protected["kid"] == "w1" and json.loads(opened.plaintext or b"")["credentials"]
    assert (await ask(None)).json()["credentials"], "an encrypted request may have a plain answer"
    for parameters in (
        {"jwk": public, "enc": "A128CBC-HS256"},
        {"jwk": public | {"alg": "RSA-OAEP"}, "enc": "A128GCM"},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "enc": "A128GCM"},
        {"jwk": public, "enc": "A128GCM", "zip": "DEF"},
        "nonsense",
    ):
        refused(await ask(parameters), "invalid_encryption_parameters")
    refused(await ask({"jwk": public, "enc": "A128GCM"}, nonce="invented"), "invalid_nonce")
    other = ECKey.generate_key("P-256").as_dict(private=False)
    refused(await ask(None, key=other), "invalid_credential_request")


async def test_notifications_and_deferred_requests_are_refused_when_they_are_wrong(wallet):
    door = "/oid4vci/notification"
    named = (await wallet.fetch(SD_JWT)).json()["notification_id"]
    refused(await wallet.ask({"notification_id": named, "event": "lost"}, door), "invalid_notification_request")
    refused(await wallet.ask({"event": "credential_accepted"}, door), "invalid_notification_request")
    refused(await wallet.ask({"notification_id": "x", "event": "credential_accepted"}, door), "invalid_notification_id")
    for body in ({}, {"transaction_id": "x"}, {"transaction_id": named}):
        refused(await wallet.ask(body, "/oid4vci/deferred"), "invalid_transaction_id")


KEYS = [new_key() for _ in range(3)]
ATTESTATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("over", {"exp": 1000}, "invalid_proof"),
    ("never ends, beside a proof", {"exp": None}, "invalid_proof"),
    ("not issued", {"iat": None}, "invalid_proof"),
    ("no keys", {"attested_keys": []}, "invalid_proof"),
    ("other keys", {"attested_keys": [bare(new_key())]}, "invalid_proof"),
    ("weak storage", {"key_storage": ["iso_18045_basic"]}, "invalid_proof"),
    ("no storage", {"key_storage": None}, "invalid_proof"),
]


@pytest.fixture(scope="module")
async def attested(stack, client, person, provider):
    """A wallet that may fetch what needs attested keys."""
    offer = await acts.make_offer(stack, own(person), person, "tax-id", with_code=False)
    made = Wallet(client, stack.settings.url)
    assert (await made.redeem(offer_in(offer.by_value), None)).status_code == 200
    return made


async def _with_attestation(wallet: Wallet, attestation: str | None) -> Any:
    header = {"key_attestation": attestation} if attestation else {}
    text = proof(KEYS[0], wallet.issuer, await wallet.nonce(), header)
    return await wallet.ask({"credential_configuration_id": "tax-id.sd-jwt", "proofs": {"jwt": [text]}})


@pytest.mark.parametrize(("change", "error"), [a[1:] for a in ATTESTATIONS], ids=[a[0] for a in ATTESTATIONS])
async def test_a_bad_key_attestation_is_refused(attested, provider, change, error):
    refused(await _with_attestation(attested, provider.key_attestation(KEYS, **change)), error)


async def test_attested_keys_get_one_copy_each_by_both_types_of_proof(attested, provider):
    refused(await _with_attestation(attested, None), "invalid_proof")
    refused(await _with_attestation(attested, provider.key_attestation(KEYS, signed_by=new_key())), "invalid_proof")
    refused(await _with_attestation(attested, Provider("stranger").key_attestation(KEYS)), "invalid_proof")
    answer = await _with_attestation(attested, provider.key_attestation(KEYS))
    assert len(answer.json()["credentials"]) == 3
    name = {"credential_configuration_id": "tax-id.sd-jwt"}
    for nonce, error in ((None, "invalid_nonce"), ("x", "invalid_nonce")):
        text = provider.key_attestation(KEYS, nonce=nonce)
        refused(await attested.ask(name | {"proofs": {"attestation": [text]}}), error)
    text = provider.key_attestation(KEYS, nonce=await attested.nonce(), exp=None)
    answer = await attested.ask(name | {"proofs": {"attestation": [text]}})
    assert len(answer.json()["credentials"]) == 3, answer.text


WALLETS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("attestation over", {"exp": 1000}, {}),
    ("attestation without sub", {"sub": None}, {}),
    ("attestation of an unknown wallet", {"sub": "stranger"}, {}),
    ("attestation without cnf", {"cnf": None}, {}),
    ("attestation of another type", {"header": {"typ": "JWT"}}, {}),
    ("attestation with a critical header", {"header": {"crit": ["x"]}}, {}),
    ("attestation of a day to come", {"iat": 4_000_000_000}, {}),
    ("proof of another type", {}, {"header": {"typ": "dpop+jwt"}}),
    ("proof with a critical header", {}, {"header": {"crit": ["x"]}}),
    ("proof of another client", {}, {"iss": "else"}),
    ("proof for another server", {}, {"aud": "https://elsewhere.example"}),
    ("proof for a list of servers", {}, {"aud": ["http://127.0.0.1:8080"]}),
    ("proof by another key", {}, {"key": new_key()}),
    ("proof long ago", {}, {"iat": 1000}),
    ("proof without jti", {}, {"jti": ""}),
    ("proof with an invented challenge", {}, {"challenge": "x"}),
]


async def _push(client, provider: Provider, issuer: str, headers: dict[str, str]) -> Any:
    form = {
        "client_id": provider.client_id, "redirect_uri": "https://wallet.example/back", "response_type": "code",
        "scope": SD_JWT, "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256", "state": "s",
    }  # fmt: skip
    return await client.post("/oauth/par", data=form, headers=headers)


@pytest.mark.parametrize(("claims", "pop"), [w[1:] for w in WALLETS], ids=[w[0] for w in WALLETS])
async def test_a_bad_wallet_attestation_is_refused(stack, client, provider, claims, pop):
    headers = {
        "OAuth-Client-Attestation": provider.attestation(**claims),
        "OAuth-Client-Attestation-PoP": provider.pop(stack.settings.url, **pop),
    }
    answer = await _push(client, provider, stack.settings.url, headers)
    assert answer.status_code in (400, 401) and answer.json()["error"] == "invalid_client_attestation", answer.text


async def test_both_forms_of_wallet_attestation_are_taken_and_neither_twice(stack, client, provider):
    url = stack.settings.url
    challenge = (await client.post("/oid4vci/challenge")).json()["attestation_challenge"]
    apart = {
        "OAuth-Client-Attestation": provider.attestation(),
        "OAuth-Client-Attestation-PoP": provider.pop(url, challenge=challenge),
    }
    assert (await _push(client, provider, url, apart)).status_code == 201
    assert (await _push(client, provider, url, apart)).status_code in (400, 401), "the same proof again"
    together = {
        "OAuth-Client-Attestation": provider.attestation(),
        "DPoP": dpop(provider.instance, "POST", url + "/oauth/par"),
    }
    answer = await _push(client, provider, url, together)
    assert answer.status_code == 201, answer.text
    foreign = together | {"DPoP": dpop(new_key(), "POST", url + "/oauth/par")}
    refused(await _push(client, provider, url, foreign), "invalid_client_attestation", 401)
    forged = apart | {"OAuth-Client-Attestation": Provider(provider.client_id).attestation()}
    refused(await _push(client, provider, url, forged), "invalid_client_attestation", 401)
    refused(await _push(client, provider, url, {}), "invalid_client", 401)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JUNK, JUNK, st.sampled_from(["jwt", "attestation"]))
def test_whatever_a_proof_is_it_is_refused_and_nothing_else_happens(header, claims, kind):
    """The parser of proofs raises its own refusals and nothing else."""
    key = new_key()
    head = {"typ": "openid4vci-proof+jwt", "jwk": bare(key), **(header if isinstance(header, dict) else {})}
    body = claims if isinstance(claims, dict) else {"x": claims}
    asked = proofs.Asked(
        issuer="i", client_id="", kind=kinds.read(ATTESTED | {"key_storage": []}), form=Format.SD_JWT, anchors=(),
        now=time.time(), nonce=lambda text: (b"n", 1),
    )  # fmt: skip
    for found in ({kind: [jwt(key, head, body)]}, {kind: claims}, {kind: [header]}):
        with pytest.raises(CredentialRefusal):
            proofs.verify(asked, found)
