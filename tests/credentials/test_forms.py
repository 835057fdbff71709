"""The forms: other people's readers accept them, no byte can be changed, and no two copies can be linked."""

import json
from hashlib import sha256

import cbor2
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.credentials import forms_kit as kit

from msingi.credentials import cose, statuslist
from msingi.credentials.forms import chain, jose, mdoc, sdjwt
from msingi.credentials.forms.model import Draft, Fact
from msingi.kernel.keys import SoftwareSigner


def payload(token: str) -> dict:
    """The signed part of a compact JWS or SD-JWT."""
    return json.loads(jose.unb64(token.split("~")[0].split(".")[1]))


def test_other_peoples_readers_accept_what_we_issue_and_no_changed_byte():
    """@sd-jwt/sd-jwt-vc 0.19, @owf/mdoc 0.6 and jose 6, with node's X.509, which has our root as its only anchor."""
    done = kit.node(
        "verify_forms.mjs",
        sdjwt=kit.sd_jwt(),
        mdoc=jose.b64(kit.mdoc_of()),
        vc=kit.vc_jwt(),
        root=jose.b64(kit.ROOT),
        mutate=True,
        statusAt={kit.LIST: kit.status_list({7: 1})},
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["sdjwt"]["given_name"] == "Neema" and read["sdjwt"]["address"] == {"locality": "Mashariki"}
    assert read["sdjwt"]["nationalities"] == ["XU", "XT"] and read["sdjwt"]["age_over_18"] is True
    assert read["mdoc"]["elements"][f"{kit.SPACE} family_name_latin1"] == "Mwakasege"
    assert read["vc"]["credentialSubject"]["given_name"] == "Neema" and read["vc"]["issuer"]["id"] == kit.URL
    assert read["forgedSdJwt"] == [] and read["forgedMdoc"] == [] and read["forgedVc"] == []


def test_a_revoked_entry_is_found_by_the_other_reader():
    done = kit.node(
        "verify_forms.mjs",
        sdjwt=kit.sd_jwt(),
        root=jose.b64(kit.ROOT),
        statusAt={kit.LIST: kit.status_list({1234: 1})},
    )
    assert done.returncode != 0 and "Status is not valid" in done.stderr


def test_the_certificate_is_as_the_profiles_want_it():
    """Leaf not self-signed, anchor not included, and the fields of ISO/IEC 18013-5, annex B."""
    header = json.loads(jose.unb64(kit.sd_jwt().split(".")[0]))
    assert header["typ"] == "dc+sd-jwt" and header["alg"] == "ES256" and len(header["x5c"]) == 1
    leaf = x509.load_der_x509_certificate(kit.CERTIFICATE)
    anchor = x509.load_der_x509_certificate(kit.ROOT)
    assert leaf.issuer == anchor.subject != leaf.subject
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 457
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert anchor.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert purposes.critical and [u.dotted_string for u in purposes.value] == ["1.0.18013.5.1.2"]
    assert (
        chain.checked(kit.CERTIFICATE, [kit.ROOT], kit.NOW).public_numbers() == kit.SIGNER.public_key.public_numbers()
    )
    stranger = SoftwareSigner("ES256", bytes(32))
    for der, rule in (
        (kit.ROOT, "self-signed"),
        (chain.signer(kit.SUBJECT, kit.ROOT, stranger.private_key, stranger.public_key, kit.NOW), "anchor"),
    ):
        with pytest.raises(ValueError, match=rule):
            chain.checked(der, [kit.ROOT], kit.NOW)
    crl = x509.load_der_x509_crl(
        chain.revocation_list(kit.ROOT, kit.ROOT_KEY.private_key, [leaf.serial_number], kit.NOW)
    )
    assert crl.is_signature_valid(anchor.public_key()) and crl.get_revoked_certificate_by_serial_number(
        leaf.serial_number
    )


def test_an_mdoc_is_written_as_the_standard_has_it():
    signed = cbor2.loads(kit.mdoc_of())
    auth = signed["issuerAuth"]
    assert isinstance(auth, list) and len(auth) == 4  # no tag 18
    assert cbor2.loads(auth[0]) == {1: -7} and auth[1] == {33: kit.CERTIFICATE}
    wrapped = cbor2.loads(auth[2])
    assert wrapped.tag == 24
    mso = cbor2.loads(wrapped.value)
    assert mso["status"] == {"status_list": {"idx": 1234, "uri": kit.LIST}}
    assert b"\xc0\x74" in wrapped.value and b"." not in wrapped.value.split(b"validUntil")[1][:30]
    [(space, digests)] = mso["valueDigests"].items()
    items = signed["nameSpaces"][space]
    assert len(digests) % 4 == 0 and len(digests) > len(items), "decoys"
    for item in items:
        content = cbor2.loads(item.value)
        assert len(content["random"]) >= 16
        assert digests[content["digestID"]] == sha256(cbor2.dumps(item)).digest()


def test_batches_share_nothing_but_the_facts():
    """No salt, digest, disclosure, index or signature of one copy occurs in another; times are whole days."""
    keys = [SoftwareSigner("ES256", bytes(31) + bytes([n])).jwk for n in range(1, 9)]
    copies = [kit.sd_jwt(kit.draft(100 + n, key)) for n, key in enumerate(keys)]
    seen: set[str] = set()
    for copy in copies:
        signed, *disclosures = copy.split("~")[:-1]
        told = payload(copy)
        marks = {*disclosures, *told["_sd"], *told["address"]["_sd"], signed.split(".")[2], told["cnf"]["jwk"]["x"]}
        marks.add(str(told["status"]["status_list"]["idx"]))
        marks |= {json.loads(jose.unb64(d))[0] for d in disclosures}
        assert not marks & seen
        seen |= marks
        assert told["iat"] % 86400 == told["exp"] % 86400 == told["nbf"] % 86400 == 0
        assert told["_sd"] == sorted(told["_sd"]) and set(told["cnf"]["jwk"]) == {"kty", "crv", "x", "y"}
    docs = [cbor2.loads(kit.mdoc_of(kit.draft(100 + n, key))) for n, key in enumerate(keys)]
    order = {tuple(cbor2.loads(i.value)["digestID"] for i in d["nameSpaces"][kit.SPACE]) for d in docs}
    assert len(order) > 1, "digest numbers are shuffled"
    salts = [cbor2.loads(i.value)["random"] for d in docs for i in d["nameSpaces"][kit.SPACE]]
    assert len(set(salts)) == len(salts)


def test_the_number_of_digests_does_not_tell_which_facts_are_absent():
    few = payload(kit.sd_jwt(kit.draft(facts=kit.FACTS[:3])))
    many = payload(kit.sd_jwt(kit.draft(facts=kit.FACTS[:5])))
    assert len(few["_sd"]) == len(many["_sd"]) == 12


def test_nothing_that_the_draft_forbids_is_hidden():
    facts = (*kit.FACTS, Fact(path=("status",), value="x"), Fact(path=("exp",), value=1))
    told = kit.sd_jwt(kit.draft(facts=facts)).split("~")[1:-1]
    names = {json.loads(jose.unb64(d))[1] for d in told if len(json.loads(jose.unb64(d))) == 3}
    assert not names & sdjwt.NEVER_HIDDEN


def test_the_vcdm_form_is_a_document_with_the_same_status():
    told = payload(kit.vc_jwt())
    assert told["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert told["type"] == ["VerifiableCredential", "PhotoIdCredential"] and told["issuer"]["id"] == kit.URL
    assert told["validFrom"].endswith("T00:00:00Z") and told["credentialSubject"]["given_name"] == "Neema"
    assert told["status"]["status_list"]["idx"] == 1234
    assert {e["statusPurpose"] for e in told["credentialStatus"]} == {"revocation", "suspension"}
    header = json.loads(jose.unb64(kit.vc_jwt().split(".")[0]))
    assert (header["typ"], header["cty"]) == ("vc+jwt", "vc")


TEXT = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("abcdefgh_", min_size=1, max_size=8), VALUES, max_size=6))
def test_whatever_the_facts_are_every_digest_fits_its_disclosure(content):
    facts = tuple(Fact(path=(name,), value=value, element=(kit.SPACE, name)) for name, value in content.items())
    made: Draft = kit.draft(facts=facts)
    copy = kit.sd_jwt(made)
    disclosures = copy.split("~")[1:-1]
    digests = set(payload(copy).get("_sd", ()))
    read = {}
    for disclosure in disclosures:
        assert sdjwt.digest_of(disclosure) in digests
        _, name, value = json.loads(jose.unb64(disclosure))
        read[name] = value
    assert read == {k: v for k, v in content.items() if k not in sdjwt.NEVER_HIDDEN}
    items = cbor2.loads(kit.mdoc_of(made))["nameSpaces"].get(kit.SPACE, [])
    assert {(i := cbor2.loads(t.value))["elementIdentifier"]: i["elementValue"] for t in items} == content


def test_the_status_list_in_both_forms_carries_the_certificate():
    token = statuslist.StatusToken(uri=kit.LIST, entries=statuslist.pack(4096, 2, {5: 2}), issued_at=kit.DAY)
    keys = {kit.SIGNER.kid.encode(): cose.key_of_jwk(kit.SIGNER.jwk)}
    for form in (
        statuslist.write_jwt(token, kit.SIGNER, kit.X5C),
        statuslist.write_cwt(token, kit.SIGNER, kit.CERTIFICATE),
    ):
        assert statuslist.read(form, keys).entries.status(5) == 2


def test_an_mdoc_is_not_bound_to_a_key_of_another_curve():
    with pytest.raises(ValueError, match="P-256"):
        mdoc.cose_key({"kty": "OKP", "crv": "Ed25519", "x": "AA"})
