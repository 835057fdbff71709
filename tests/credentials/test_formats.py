"""Formats against their standards' vectors, against independent readers, and against hostile bytes."""

import contextlib
import zlib
from datetime import date

import cbor2
import claim169 as peer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.credentials.conftest import ISSUER, face, signed_face

from msingi.credentials import base45, claim169, cose, mrz, statuslist
from msingi.credentials.errors import NotGenuine, Unreadable


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0"), (b"", "")],
)
def test_base45_vectors_of_rfc_9285(content, text):
    assert base45.encode(content) == text
    assert base45.decode(text) == content


@given(st.binary(max_size=300))
def test_base45_round_trip(content):
    assert base45.decode(base45.encode(content)) == content


@given(st.text(alphabet=base45.ALPHABET + "a€", max_size=40))
def test_base45_has_one_spelling(text):
    try:
        content = base45.decode(text)
    except Unreadable:
        return
    assert base45.encode(content) == text


@given(st.binary(max_size=400))
def test_wrapped_messages_are_read_by_zlib_and_by_us(message):
    text = claim169.wrap(message)
    assert zlib.decompress(base45.decode(text)) == message
    assert claim169.unwrap(text) == message


def test_a_foreign_writers_zlib_is_read(signer):
    message = claim169.unwrap(signed_face(signer).qr_text)
    for level in (0, 1, 6, 9):
        assert claim169.unwrap(base45.encode(zlib.compress(message, level))) == message


def test_decompression_stops_at_64_kb():
    bomb = base45.encode(zlib.compress(bytes(70_000), 9))
    with pytest.raises(Unreadable):
        claim169.unwrap(bomb)


@pytest.mark.parametrize("kind", ["signer", "es256"])
def test_claim_169_is_read_by_an_independent_reader(kind, request):
    signer = request.getfixturevalue(kind)
    text = signed_face(signer, second_given="نعمة", second_family="مواكسيجي").qr_text
    if kind == "signer":
        raw = signer.public_key.public_bytes_raw()
        read = peer.decode_with_ed25519(text, raw)
    else:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        point = signer.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        read = peer.decode_with_ecdsa_p256(text, point)
    assert read.claim169.id == "482910337516"
    assert read.claim169.full_name == "Neema Upendo Mwakasege"
    assert read.claim169.secondary_full_name == "نعمة مواكسيجي"
    assert read.claim169.secondary_language == "ara"
    assert read.claim169.date_of_birth.replace("-", "") == "19880102"
    assert read.claim169.gender == 2
    assert read.claim169.photo[:4] == b"RIFF"
    assert read.cwt_meta.issuer == ISSUER


def test_what_an_independent_writer_wrote_is_read(jwks):
    import os

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = os.urandom(32)
    entry = peer.Claim169Input(id="7", full_name="Ada Example")
    entry.date_of_birth = "1984-04-18"
    entry.gender = 2
    meta = peer.CwtMetaInput(issuer="https://other.example", expires_at=2_000_000_000)
    made = peer.encode_with_ed25519(entry, meta, secret)
    text = made if isinstance(made, str) else made.qr_data
    with pytest.raises((Unreadable, NotGenuine)):  # it names no key, and this room never guesses one
        cose.verify(cose.parse(claim169.unwrap(text)), cose.keys_of_jwks(jwks))
    message = cbor2.loads(claim169.unwrap(text)).value
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    key = cose.VerificationKey(b"theirs", "Ed25519", public)
    named = cbor2.dumps(cbor2.CBORTag(61, cbor2.CBORTag(18, [message[0], {4: b"theirs"}, *message[2:]])))
    claims = claim169.read_claims(cose.verify(cose.parse(named), {b"theirs": key}))
    assert claims.identity.full_name == "Ada Example"
    assert claims.identity.birth_date == "19840418"


def test_the_liberties_of_other_writers_are_tolerated():
    content = {
        1: ISSUER,
        169: {4: "A", 8: "1984-04-18", 16: "/9j/4AAQ", 3: "AR", 62: {0: b"x", 1: 0}, 80: "?", 18: [1, 6]},
    }
    claims = claim169.read_claims(cbor2.dumps(content))
    assert claims.identity.photo == bytes.fromhex("ffd8ffe00010")
    assert claims.identity.language == "AR"
    assert claims.identity.biometrics == {62: [{0: b"x", 1: 0}]}
    assert claims.identity.unknown == {80: "?"}
    assert claims.identity.best_fingers == (1, 6)


def test_claims_round_trip(signer):
    claims = claim169.read_claims(cose.parse(claim169.unwrap(signed_face(signer).qr_text)).payload)
    assert claim169.read_claims(claim169.write_claims(claims)) == claims
    assert claims.status == claim169.StatusReference(f"{ISSUER}/credentials/status/1", 12345)


def test_cose_needs_its_algorithm_signed_and_its_key_named(signer):
    protected = cbor2.dumps({1: -8})
    wrong = [
        [b"", {1: -8, 4: b"k"}, b"p", bytes(64)],  # algorithm outside the signature
        [protected, {}, b"p", bytes(64)],  # no key named
        [protected, {4: "k"}, b"p", bytes(64)],  # key named as text
        [cbor2.dumps({1: -8, 2: [4]}), {4: b"k"}, b"p", bytes(64)],  # critical header
        [cbor2.dumps({1: -37}), {4: b"k"}, b"p", bytes(64)],  # another algorithm
        [protected, {4: b"k"}, None, bytes(64)],  # detached payload
        [protected, {4: b"k"}, b"p"],
    ]
    for parts in wrong:
        with pytest.raises(Unreadable):
            cose.parse(cbor2.dumps(cbor2.CBORTag(18, parts)))


@pytest.mark.parametrize(
    "content",
    [
        b"\x9f\x01\xff",  # indefinite length
        b"\xa2\x01\x01\x01\x02",  # the same key twice
        b"\x01\x01",  # two items
        b"\xc1\x01",  # a tag with a meaning
        b"\xd8\x23\x61a",  # a regular expression
        b"\x81" * 30 + b"\x01",  # deep
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # a huge array
        b"\x5b\x00\x00\x00\xff\xff\xff\xff\xff",  # a huge string
        b"",
    ],
)
def test_hostile_cbor_is_refused(content):
    with pytest.raises(Unreadable):
        cose.read_cbor(content)


@pytest.mark.parametrize(
    ("values", "bits", "packed", "compressed"),
    [
        ([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1], 1, "b9a3", "78dadbb918000217015d"),
        ([1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3], 2, "c944f9", "78da3be9f2130003df0207"),
    ],
)
def test_status_list_vectors(values, bits, packed, compressed):
    entries = statuslist.pack(len(values), bits, {i: v for i, v in enumerate(values) if v})
    assert entries.packed.hex() == packed
    assert statuslist.compress(entries).hex() == compressed
    again = statuslist.inflate(bits, bytes.fromhex(compressed))
    assert [again.status(i) for i in range(len(values))] == values
    with pytest.raises(Unreadable):
        again.status(len(values))


def test_status_list_tokens_round_trip_in_both_forms(signer, es256, stranger):
    entries = statuslist.pack(1 << 12, 2, {7: 1, 4095: 2})
    token = statuslist.StatusToken(uri=f"{ISSUER}/s/1", entries=entries, issued_at=5, expires=9, ttl_s=3)
    for key in (signer, es256):
        keys = cose.keys_of_jwks([key.jwk])
        for written in (statuslist.write_jwt(token, key), statuslist.write_cwt(token, key)):
            assert statuslist.read(written, keys) == token
            with pytest.raises(NotGenuine):
                statuslist.read(written, cose.keys_of_jwks([stranger.jwk]))


def test_a_status_list_jwt_is_verified_by_an_independent_library(signer):
    from joserfc import jws
    from joserfc.jwk import OKPKey

    token = statuslist.StatusToken(uri="u", entries=statuslist.pack(8, 2, {}), issued_at=5)
    read = jws.deserialize_compact(statuslist.write_jwt(token, signer), OKPKey.import_key(signer.jwk), ["EdDSA"])
    assert read.protected["typ"] == "statuslist+jwt"


def test_the_sample_zone_of_icao():
    zone = mrz.TD1(
        document_code="I",
        issuing_state="UTO",
        number="D23145890",
        birth_date="1974-08-12",
        sex="F",
        expires=date(2012, 4, 15),
        nationality="UTO",
        primary="Eriksson",
        secondary="Anna Maria",
    )
    lines = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
    assert mrz.td1(zone) == lines
    read = mrz.parse_td1("\n".join(lines), date(2010, 1, 1))
    assert read == replace(zone, primary="ERIKSSON", secondary="ANNA MARIA")


def test_a_long_document_number_is_read():
    zone = "I<UTOD23145890<7349<<<<<<<<<<< 3407127M9507122UTO<<<<<<<<<<<2 STEVENSON<<PETER<JOHN<<<<<<<<<"
    assert mrz.parse_td1(zone, date(1995, 1, 1)).number == "D23145890734"


@pytest.mark.parametrize(
    ("primary", "secondary", "field"),
    [
        ("Müller-Ångström", "Zoë Strauß", "MUELLER<AANGSTROEM<<ZOE<STRAUS"),
        ("عبد الرحمن", "محمد", "EBD<ALRXHMN<<MXHMD<<<<<<<<<<<<"),
        ("Горбачёв", "Юрий", "GORBACHEV<<IURII<<<<<<<<<<<<<<"),
        ("Arkfreith", "", "ARKFREITH<<<<<<<<<<<<<<<<<<<<<"),
        ("", "Sukarno", "SUKARNO<<<<<<<<<<<<<<<<<<<<<<<"),
        ("O'Connor", "Siobhán", "OCONNOR<<SIOBHAN<<<<<<<<<<<<<<"),
        ("Nilavadhanananda", "Chayapa Dejthamrong Krasuang", "NILAVADHANANANDA<<CHAYAPA<DEJT"),
    ],
)
def test_names_in_the_zone(primary, secondary, field):
    assert mrz.name_field(primary, secondary) == field


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_name_has_a_zone(primary, secondary):
    field = mrz.name_field(primary, secondary)
    assert len(field) == 30 and set(field) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ<")
    whole = f"{mrz.transliterate(primary)}<<{mrz.transliterate(secondary)}".strip("<")
    if len(whole) > 30:
        assert field[-1] != "<", "a name that was cut ends with a letter"


@given(st.sampled_from(["1988-01-02", "1988-01", "1988", ""]))
def test_a_birth_date_that_is_half_known_has_a_zone(birth):
    zone = mrz.TD1(
        document_code="I",
        issuing_state="UTO",
        number="A1",
        birth_date=birth,
        sex="",
        expires=date(2031, 2, 3),
        nationality="UTO",
        primary="A",
        secondary="",
    )
    assert mrz.parse_td1(" ".join(mrz.td1(zone)), date(2026, 1, 1)).birth_date == birth


@settings(max_examples=60)
@given(st.integers(0, 89), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"))
def test_check_digits_find_a_wrong_digit(place, character):
    lines = "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
    changed = lines[:place] + character + lines[place + 1 :]
    zone = " ".join(changed[i : i + 30] for i in (0, 30, 60))
    if (
        place in (*range(5, 15), *range(30, 37), *range(38, 45))
        and (int(character, 36) if character != "<" else 0) % 10
        != (int(lines[place], 36) if lines[place] != "<" else 0) % 10
    ):
        with pytest.raises(Unreadable):
            mrz.parse_td1(zone, date(2010, 1, 1))


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_law_4_parsers_raise_only_refusals(content):
    for read in (cose.read_cbor, cose.parse, claim169.read_claims):
        if isinstance(content, bytes):
            with contextlib.suppress(Unreadable):
                read(content)
    if isinstance(content, str):
        for read in (base45.decode, claim169.unwrap):
            with contextlib.suppress(Unreadable):
                read(content)
        with pytest.raises(Unreadable):
            mrz.parse_td1(content, date(2026, 1, 1))


_cbor_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.binary(max_size=9)
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 100) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from([1, 2, 4, 5, 6, 65535]), _cbor_values),
    st.dictionaries(st.integers(1, 66), _cbor_values),
)
def test_law_4_claims_of_any_type_raise_only_refusals(claims, identity):
    with contextlib.suppress(Unreadable):
        claim169.read_claims(cbor2.dumps({**claims, 169: identity}))


def test_the_photo_is_left_out_where_the_code_would_be_too_dense(signer):
    text = signed_face(signer, given_name="N" * 400).qr_text
    claims = claim169.read_claims(cose.parse(claim169.unwrap(text)).payload)
    assert claims.identity.photo == b"" and claims.identity.photo_format == 0
    assert face().photo_jpeg
