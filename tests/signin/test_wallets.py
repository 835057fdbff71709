"""Keys of wallets: bound by a code, signing on a linked device for one sign-in, seen and removed by their owner."""

import secrets
import time
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.signin.conftest import PIN
from tests.signin.people import enrol
from tests.signin.test_esignet_login import ONE, TWO, V1, Page, fault, linked, otp, pin

from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted
from msingi.signin import acts as signin
from msingi.signin.model import Client, Profile
from msingi.signin.wallets import acts, rules
from msingi.signin.wallets.errors import WalletKeyTaken, WalletNotBound
from msingi.signin.wallets.model import BIND, SEND, Binding

AUD = "esignet-binding"
_people = iter(
    [
        ("Rehema", "Kisanga", date(1971, 3, 4)),
        ("Baraka", "Ole Sendeka", date(1985, 11, 30)),
        ("Upendo", "Chuwa", date(2001, 7, 19)),
        ("Fatma", "Abdallah", date(1959, 5, 23)),
        ("Godlisten", "Mrema", date(1994, 9, 8)),
    ]
)


SHORT = "u7Wm0yq8bR" * 17 + "A"  # a modulus of 1,024 bits


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """The time that a wrong answer takes is told elsewhere; here it is only waited for."""
    monkeypatch.setattr(signin, "ANSWER_FLOOR_S", 0.0)


def wla(key: Any, number: str, alg: str = "ES256", *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """What a wallet signs, as eSignet's does: for five hours, which nobody believes."""
    now = int(time.time())
    claims = {"iss": "wallet", "sub": number, "aud": AUD, "iat": now, "exp": now + 18_000, "salt": secrets.token_hex(8)}
    claims = {k: v for k, v in (claims | changes).items() if v is not None}
    return jwt.encode({"alg": alg, "x5t#S256": "x"} | (header or {}), claims, key, algorithms=[alg])


def signs(token: str) -> dict[str, str]:
    return {"authFactorType": "WLA", "challenge": token, "format": "jwt"}


@pytest.fixture(scope="module")
async def provider(stack, keys) -> SimpleNamespace:
    """The software of a wallet, registered to bind keys."""
    key = ECKey.generate_key("P-256")
    new = Client(
        client_id="wallet-app",
        name="Pochi",
        institution="pochi",
        profile=Profile.CONFIDENTIAL,
        jwks=(key.as_dict(private=False),),
        scopes=frozenset([SEND, BIND]),
    )
    await signin.add_client(stack, job_context("sample"), new)
    keys["wallet-app"] = key
    return new


@pytest.fixture
async def holder(stack) -> Any:
    """A person of the test's own, with a phone and a PIN."""
    given, family, born = next(_people)
    person = await enrol(stack, given, family, f"+2557001{born.year}{born.month:02}"[:13], born)
    await signin.set_pin(stack, job_context("sample"), person.person_id, PIN)
    return person


@pytest.fixture
async def desk(site, provider):
    """The wallet's server with its token, a browser's page, the wallet on the device, and the shop."""
    party = site.party("wallet-app")
    got = await party.post("/oauth/token", {"grant_type": "client_credentials"}, dpop=None)
    assert got.status_code == 200, got.text
    server = Page(site.browser().http)
    server.headers = {"Authorization": f"Bearer {got.json()['access_token']}"}
    shop = site.party("shop")
    shop.dpop = None
    page, wallet = Page(site.browser().http), Page(site.browser().http)
    return SimpleNamespace(server=server, page=page, wallet=wallet, shop=shop, site=site)


async def bind(desk, sms, person, key: Any, *, door: str = "binding/", with_pin: str = "", code: str = "", **more: Any):
    asked = {"individualId": person.number, "otpChannels": ["email", "phone"]}
    if not code:
        await sms.stack.outbox.drain(sms.stack)  # so that the code is the newest message
        sent = await desk.server.post(f"{door}binding-otp", asked)
        assert sent["errors"] == [] and sent["response"] == {"maskedEmail": None, "maskedMobile": "XXXXXXXXX"}
    proofs = [otp(code or await sms.code(person.phone))] + ([pin(with_pin)] if with_pin else [])
    order = {
        "individualId": person.number,
        "authFactorType": "WLA",
        "format": "jwt",
        "challengeList": proofs,
        "publicKey": key.as_dict(private=False),
    }
    return await desk.server.post(f"{door}wallet-binding", order | more)


async def on_the_wallet(desk, person, mine: str, *answers: dict[str, str]) -> dict[str, Any]:
    said = {"linkedTransactionId": mine, "individualId": person.number, "challengeList": list(answers)}
    return await desk.wallet.post("linked-authorization/v2/authenticate", said)


async def test_a_wallet_bound_by_a_code_takes_the_place_of_the_code_and_no_more(desk, sms, holder, stack, site):
    key = RSAKey.generate_key(2048)
    bound = await bind(desk, sms, holder, key)
    assert bound["errors"] == [], bound
    told = bound["response"]
    assert told["walletUserId"] == stack.pseudonym.of("pochi", holder.person_id)
    certificate = x509.load_pem_x509_certificate(told["certificate"].encode())
    assert RSAKey.import_key(certificate.public_key()).thumbprint() == key.thumbprint()
    await stack.outbox.drain(stack)
    assert sms.sent[-1].to == holder.phone and "Pochi" in sms.sent[-1].text
    # Alone it is not enough, not even where one factor is asked for: SMS is never the only factor.
    _, mine = await linked(desk, acrValues=ONE)
    alone = await on_the_wallet(desk, holder, mine, signs(wla(key, holder.number, "RS256")))
    assert fault(alone) == "invalid_no_of_challenges" and "PIN" in alone["errors"][0]["errorMessage"]
    # With the PIN it is two factors, and no SMS leaves.
    code, mine = await linked(desk, acrValues=TWO)
    before = len(sms.sent)
    half = await on_the_wallet(desk, holder, mine, signs(wla(key, holder.number, "RS256")))
    assert fault(half) == "invalid_no_of_challenges"
    wrong = await on_the_wallet(desk, holder, mine, pin("9182"))
    assert fault(wrong) == "auth_failed"
    right = await on_the_wallet(desk, holder, mine, pin(PIN))
    assert right["errors"] == [] and right["response"]["consentAction"] == "CAPTURE", right
    await desk.wallet.post("linked-authorization/consent", {"linkedTransactionId": mine, "acceptedClaims": ["name"]})
    asked = {"transactionId": desk.page.details["transactionId"], "linkedCode": code}
    got = await desk.page.post("linked-authorization/link-auth-code", asked)
    await stack.outbox.drain(stack)
    assert len(sms.sent) == before
    tokens = (await desk.shop.redeem(got["response"]["code"], dpop=None)).json()
    claims = (await desk.shop.verify(tokens["id_token"]))[1]
    assert claims["acr"] == "urn:msingi:acr:2" and claims["amr"] == ["pin", "pop", "mfa"]


async def test_a_wallet_bound_with_the_pin_too_stands_alone_where_one_factor_is_asked_for(desk, sms, holder):
    key = ECKey.generate_key("P-256")
    assert (await bind(desk, sms, holder, key, with_pin=PIN))["errors"] == []
    code, mine = await linked(desk, acrValues="mosip:idp:acr:linked-wallet")
    right = await on_the_wallet(desk, holder, mine, signs(wla(key, holder.number)))
    assert right["errors"] == [], right
    await desk.wallet.post("linked-authorization/consent", {"linkedTransactionId": mine, "acceptedClaims": ["name"]})
    asked = {"transactionId": desk.page.details["transactionId"], "linkedCode": code}
    got = await desk.page.post("linked-authorization/link-auth-code", asked)
    tokens = (await desk.shop.redeem(got["response"]["code"], dpop=None)).json()
    claims = (await desk.shop.verify(tokens["id_token"]))[1]
    assert claims["acr"] == "urn:msingi:acr:1" and claims["amr"] == ["pop"]
    # Where two are asked for it is one of them.
    _, mine = await linked(desk, acrValues=TWO)
    both = await on_the_wallet(desk, holder, mine, signs(wla(key, holder.number)), pin(PIN))
    assert both["errors"] == [], both


FORGERIES = {
    "key": lambda key, number: wla(ECKey.generate_key("P-256"), number),
    "sub": lambda key, number: wla(key, "999999999999"),
    "aud": lambda key, number: wla(key, number, aud="somebody-else"),
    "iss": lambda key, number: wla(key, number, iss=""),
    "old": lambda key, number: wla(key, number, iat=int(time.time()) - 400),
    "ahead": lambda key, number: wla(key, number, iat=int(time.time()) + 400),
    "over": lambda key, number: wla(key, number, exp=int(time.time()) - 60),
    "no-sub": lambda key, number: wla(key, number, sub=None),
    "nonce": lambda key, number: wla(key, number, nonce="another sign-in"),
    "none": lambda key, number: "eyJhbGciOiJub25lIn0." + wla(key, number).split(".")[1] + ".",
    "signature": lambda key, number: wla(key, number)[:-8] + "AAAAAAAA",
    "rubbish": lambda key, number: "x.y.z",
}


async def test_what_a_wallet_did_not_sign_for_this_is_refused(desk, bound):
    key, person = bound
    _, mine = await linked(desk, acrValues=ONE)
    for name, forge in FORGERIES.items():
        got = await on_the_wallet(desk, person, mine, signs(forge(key, person.number)))
        assert fault(got) == "auth_failed", (name, got)


@pytest.fixture(scope="module")
async def bound(stack, keys, provider, sms) -> tuple[Any, Any]:
    """A person whose wallet's key was bound with PIN and code, by the act itself."""
    person = await enrol(stack, "Zawadi", "Mrembo", "+255700300001")
    await signin.set_pin(stack, job_context("sample"), person.person_id, PIN)
    key = ECKey.generate_key("P-256")
    ctx = software(provider)
    await acts.send_binding_code(stack, ctx, person.number)
    order = Binding(
        individual=person.number,
        code=await sms.code(person.phone),
        pin=PIN,
        public_key=rules.read_key(key.as_dict(private=False)),
    )
    await acts.bind_wallet(stack, ctx, order)
    return key, person


def software(provider, roles=(SEND, BIND)):
    actor = Actor(Kind.CLIENT, provider.client_id, provider.institution, frozenset(roles), 1, provider.name)
    return context(actor, "identity-proofing", "contract")


async def test_what_a_wallet_signed_works_once_and_for_its_owner_alone(desk, bound, asha, stack):
    key, person = bound
    _, mine = await linked(desk, acrValues=ONE)
    token = wla(key, person.number, nonce=mine)
    assert (await on_the_wallet(desk, person, mine, signs(token)))["errors"] == []
    _, mine = await linked(desk, acrValues=ONE)
    token = wla(key, person.number)
    assert (await on_the_wallet(desk, person, mine, signs(token)))["errors"] == []
    _, mine = await linked(desk, acrValues=ONE)
    assert fault(await on_the_wallet(desk, person, mine, signs(token))) == "auth_failed"
    # Somebody else's number, with a signature for that number by this key; and nobody's.
    assert fault(await on_the_wallet(desk, asha, mine, signs(wla(key, asha.number)))) == "auth_failed"
    nobody = SimpleNamespace(number="999999999999")
    assert fault(await on_the_wallet(desk, nobody, mine, signs(wla(key, nobody.number)))) == "auth_failed"
    # The wallet of one and the PIN of another do not make two factors.
    _, mine = await linked(desk, acrValues=TWO)
    half = await on_the_wallet(desk, person, mine, signs(wla(key, person.number)))
    assert fault(half) == "invalid_no_of_challenges"
    assert fault(await on_the_wallet(desk, asha, mine, pin(PIN))) == "invalid_identifier"


async def test_a_wallet_signs_on_the_linked_device_alone_and_proofs_do_not_cross(desk, bound, sms):
    key, person = bound
    page = desk.page
    await page.open(desk.shop, acrValues=ONE)
    here = await page.step("authenticate", individualId=person.number, challengeList=[signs(wla(key, person.number))])
    assert fault(here) == "invalid_auth_factor_type"
    # The PIN that was typed in the browser does not count on the wallet's device.
    _, mine = await linked(desk, acrValues=TWO)
    await page.step("authenticate", individualId=person.number, challengeList=[pin(PIN)])
    crossed = await on_the_wallet(desk, person, mine, signs(wla(key, person.number)))
    assert fault(crossed) == "invalid_no_of_challenges"
    # Nor does a device that was linked before count for the next one.
    asked = {"transactionId": page.details["transactionId"]}
    second = (await page.post("linked-authorization/link-code", asked))["response"]["linkCode"]
    told = await desk.wallet.post("linked-authorization/v2/link-transaction", {"linkCode": second})
    late = await on_the_wallet(desk, person, told["response"]["linkTransactionId"], pin(PIN))
    assert fault(late) == "invalid_no_of_challenges"


async def test_bindings_are_refused_with_govstacks_codes(desk, sms, holder):
    key = ECKey.generate_key("P-256")
    assert (await bind(desk, sms, holder, key, door=""))["errors"] == [], "GovStack's address"
    again = await bind(desk, sms, holder, key, code="123456")
    assert fault(again) == "duplicate_public_key"
    fresh = ECKey.generate_key("P-256")
    for changes, code in [
        ({"challengeList": [otp("000000")]}, "invalid_auth_challenge"),
        ({"challengeList": [otp("")]}, "invalid_auth_challenge"),
        ({"challengeList": []}, "invalid_challenge_list"),
        ({"challengeList": [pin(PIN)]}, "invalid_auth_challenge"),
        ({"format": "invalid_format"}, "unsupported_challenge_format"),
        ({"authFactorType": "FACE"}, "invalid_auth_factor_type"),
        ({"publicKey": "string"}, "invalid_public_key"),
        ({"publicKey": {"kty": "RSA", "n": SHORT, "e": "AQAB"}}, "invalid_public_key"),
        ({"publicKey": fresh.as_dict(private=True)}, "invalid_public_key"),
        ({"publicKey": ECKey.generate_key("P-384").as_dict(private=False)}, "invalid_public_key"),
        ({"individualId": "999999999999"}, "invalid_auth_challenge"),
    ]:
        got = await bind(desk, sms, holder, fresh, **({"code": "000000"} | changes))
        assert fault(got) == code, (changes, got)


async def test_a_code_for_binding_dies_after_five_wrong_tries_and_a_wrong_pin_binds_nothing(desk, sms, holder, stack):
    key = ECKey.generate_key("P-256")
    await desk.server.post("binding/binding-otp", {"individualId": holder.number, "otpChannels": ["phone"]})
    code = await sms.code(holder.phone)
    wrong = await bind(desk, sms, holder, key, code=code, with_pin="9182")
    assert fault(wrong) == "invalid_auth_challenge"
    guess = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(5):
        assert fault(await bind(desk, sms, holder, key, code=guess)) == "invalid_auth_challenge"
    assert fault(await bind(desk, sms, holder, key, code=code)) == "invalid_auth_challenge", "the code is dead"
    assert (await bind(desk, sms, holder, key))["errors"] == []


async def test_nobodys_number_answers_like_somebodys(desk, stack, sms):
    asked = {"individualId": "999999999999", "otpChannels": ["phone"]}
    await stack.outbox.drain(stack)
    before = len(sms.sent)
    told = await desk.server.post("binding/binding-otp", asked)
    assert told["errors"] == [] and told["response"]["maskedMobile"] == "XXXXXXXXX"
    for _ in range(6):
        last = await desk.server.post("binding/binding-otp", asked)
    assert fault(last) == "send_otp_failed", "six codes, as for somebody"
    await stack.outbox.drain(stack)
    assert len(sms.sent) == before


async def test_only_registered_wallet_software_binds(site, desk):
    for headers in ({}, {"Authorization": "Bearer x"}, {"PARTNER-ID": "p", "PARTNER-API-KEY": "k"}):
        for door in ("binding/binding-otp", "binding/wallet-binding", "wallet-binding"):
            got = await site.http.post(f"{V1}/{door}", json={}, headers=headers)
            assert got.status_code == 401, (door, got.text)
    bank = site.party("bank")
    token = (await bank.post("/oauth/token", {"grant_type": "client_credentials"})).json()["access_token"]
    proof = bank.proof("POST", f"http://127.0.0.1:8080{V1}/binding/binding-otp", token)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    body = {"requestTime": at, "request": {"individualId": "1", "otpChannels": ["phone"]}}
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert (await site.http.post(f"{V1}/binding/binding-otp", json=body, headers=headers)).status_code == 403


async def test_the_owner_sees_and_removes_wallets_and_a_recovery_removes_all(desk, site, sms, holder, stack, ctx_of):
    key = OKPKey.generate_key("Ed25519")
    assert (await bind(desk, sms, holder, key, with_pin=PIN))["errors"] == []
    browser = site.browser()
    page = await site.sign_in(browser, holder, PIN, "/signin/passkeys")
    assert "Pochi" in page.text and "Pochi zinazosaini" in page.text
    gone = await browser.http.post(
        "/signin/passkeys", data={"unbind": browser.field("unbind")}, headers={"Origin": "http://127.0.0.1:8080"}
    )
    page = await browser._follow(gone)
    assert "Pochi imeondolewa" in page.text and "Hakuna pochi" in page.text
    _, mine = await linked(desk, acrValues=ONE)
    said = signs(wla(key, holder.number, "EdDSA"))
    assert fault(await on_the_wallet(desk, holder, mine, said)) == "auth_failed"
    assert (await bind(desk, sms, holder, ECKey.generate_key("P-256")))["errors"] == []
    assert (await bind(desk, sms, holder, ECKey.generate_key("P-256")))["errors"] == []
    own = ctx_of(Kind.PERSON, str(holder.person_id), purpose="identity-proofing", basis="contract")
    assert len(await acts.list_wallets(stack, own, holder.person_id)) == 1
    officer = ctx_of(Kind.STAFF, "o", institution="rita", roles=["enrolment-officer"], purpose="identity-registration")
    await signin.recover(stack, officer, holder.person_id, "9137", ("document", "photo"))
    assert await acts.list_wallets(stack, own, holder.person_id) == []
    assert fault(await bind(desk, sms, holder, ECKey.generate_key("P-256"))) == "key_binding_failed"


async def test_access_list_and_remove_wallet(stack, bound, ctx_of, asha):
    _, person = bound
    own = ctx_of(Kind.PERSON, str(person.person_id), purpose="identity-proofing", basis="contract")
    assert [w.name for w in await acts.list_wallets(stack, own, person.person_id)] == ["Pochi"]
    weak = ctx_of(Kind.PERSON, str(person.person_id), purpose="identity-proofing", assurance=1)
    other = ctx_of(Kind.PERSON, str(asha.person_id), purpose="identity-proofing")
    for no in (weak, other):
        for act in (
            acts.list_wallets(stack, no, person.person_id),
            acts.remove_wallet(stack, no, person.person_id, "x"),
        ):
            with pytest.raises(NotPermitted):
                await act
    assert not await acts.remove_wallet(stack, own, person.person_id, "nobody")


async def test_access_send_binding_code_and_bind_wallet(stack, provider, bound, sms):
    key, person = bound
    order = Binding(individual=person.number, code="000000", public_key=rules.read_key(key.as_dict(private=False)))
    for roles in ((), ("authenticate",)):
        with pytest.raises(NotPermitted):
            await acts.send_binding_code(stack, software(provider, roles), person.number)
        with pytest.raises(NotPermitted):
            await acts.bind_wallet(stack, software(provider, roles), order)
    await acts.send_binding_code(stack, software(provider, (SEND,)), person.number)
    with pytest.raises(WalletKeyTaken):
        await acts.bind_wallet(stack, software(provider), order)
    fresh = rules.read_key(ECKey.generate_key("P-256").as_dict(private=False))
    with pytest.raises(WalletNotBound):
        await acts.bind_wallet(stack, software(provider), Binding(individual="1", code="1", public_key=fresh))


async def test_access_verify_wallet(stack, bound, ctx_of):
    key, person = bound
    proving = signin.proving()
    proved, alone = await acts.prove(stack, proving, person.number, wla(key, person.number), "link", "The shop")
    assert proved.person_id == person.person_id and proved.factors == 1 and alone
    with pytest.raises(NotPermitted):
        no = ctx_of(Kind.CLIENT, "shop", purpose="identity-proofing")
        await acts.prove(stack, no, person.number, wla(key, person.number), "link", "The shop")


async def test_rubbish_at_the_doors_of_binding_is_refused_and_never_a_bug(site, desk):
    odd = [None, [], {}, 7, "x\0", "9" * 3000, {"kty": "RSA", "n": 5, "e": []}, [{"authFactorType": ["OTP"]}], [None]]
    names = ("individualId", "otpChannels", "challengeList", "publicKey", "format", "authFactorType")
    for door in ("binding/binding-otp", "binding/wallet-binding"):
        for value in odd:
            said = await desk.server.post(door, dict.fromkeys(names, value))
            assert said["errors"] and said["errors"][0]["errorCode"].islower()
        for body in (b"", b"[]", b"{", b"\xff", b'{"request":[]}'):
            got = await site.http.post(f"{V1}/{door}", content=body, headers=desk.server.headers)
            assert got.status_code == 200 and got.json()["errors"], body
    for key in ("{", "e30", "=", {"kty": "OKP", "crv": "X25519", "x": "AA"}, {"kty": "EC", "crv": "P-256", "x": "AA"}):
        with pytest.raises(ValueError):
            rules.read_key(key)
