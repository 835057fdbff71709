"""Signed notes: the examples of C2SP, one spelling only, and signatures that must fail."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from msingi.kernel.log import note
from msingi.kernel.log.note import Checkpoint, Note, NoteBroken, NoTrustedSignature, Vkey, WrongSignature

EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501
BEHIND_THE_SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
NAME = "log.example/taifa"
LOG_KEY = Vkey(NAME, note.ED25519, PUBLIC)
POINT = Checkpoint(NAME, 5, b"r" * 32)


def signed(point: Checkpoint = POINT) -> Note:
    return Note(str(point), (note.sign(str(point), NAME, KEY, PUBLIC),))


def test_the_examples_of_the_specification():
    vkey = note.parse_vkey(EXAMPLE_VKEY)
    assert str(vkey) == EXAMPLE_VKEY
    [verified] = note.verify(note.parse_note(EXAMPLE), [vkey])
    assert verified.vkey == vkey and verified.at_s is None
    poem = note.parse_note(POEM.encode())
    assert poem.text.endswith("ed è subito sera.\n") and str(poem) == POEM
    assert str(note.parse_checkpoint(BEHIND_THE_SOFA)) == BEHIND_THE_SOFA
    with pytest.raises(NoTrustedSignature):
        note.verify(poem, [vkey])


def test_a_cosignature_signs_the_time_too():
    at_s = 1_679_315_147
    message = note.cosigned_message(BEHIND_THE_SOFA, at_s)
    assert message == b"cosignature/v1\ntime 1679315147\n" + BEHIND_THE_SOFA.encode()
    vkey = Vkey("witness.example/w1", note.COSIGNATURE, PUBLIC)
    line = note.cosign(BEHIND_THE_SOFA, vkey.name, KEY, PUBLIC, at_s)
    [verified] = note.verify(Note(BEHIND_THE_SOFA, (line,)), [vkey])
    assert verified.at_s == at_s
    moved = note.Signature(line.name, line.key_id, (at_s + 1).to_bytes(8, "big") + line.blob[8:])
    with pytest.raises(WrongSignature):
        note.verify(Note(BEHIND_THE_SOFA, (moved,)), [vkey])
    never = note.Signature(line.name, line.key_id, b"\xff" * 8 + line.blob[8:])
    with pytest.raises(WrongSignature, match="time"):
        note.verify(Note(BEHIND_THE_SOFA, (never,)), [vkey])
    for size in range(70):  # whatever the length, it is an answer and not a crash
        with pytest.raises(WrongSignature):
            note.verify(Note(BEHIND_THE_SOFA, (note.Signature(vkey.name, vkey.key_id, bytes(size)),)), [vkey])


def test_one_key_with_two_types_has_two_ids():
    assert LOG_KEY.key_id != Vkey(NAME, note.COSIGNATURE, PUBLIC).key_id


def test_unknown_signatures_are_ignored_and_a_wrong_known_one_is_not():
    other = note.Signature("other.example", b"abcd", b"anything at all")
    renamed = note.Signature("other.example", LOG_KEY.key_id, b"x" * 64)
    full = Note(str(POINT), (other, renamed, *signed().signatures))
    assert [v.vkey for v in note.verify(full, [LOG_KEY])] == [LOG_KEY]
    wrong = note.Signature(NAME, LOG_KEY.key_id, b"x" * 64)
    with pytest.raises(WrongSignature):
        note.verify(Note(str(POINT), (*signed().signatures, wrong)), [LOG_KEY])
    with pytest.raises(NoTrustedSignature):
        note.verify(Note(str(POINT), (other,)), [LOG_KEY])
    with pytest.raises(NoTrustedSignature):
        note.verify(signed(), [])


def test_sixteen_signatures_are_read():
    many = tuple(note.Signature(f"w{i}.example", b"abcd", b"x" * 2428) for i in range(16))
    assert note.parse_note(str(Note(str(POINT), many))).signatures == many
    with pytest.raises(NoteBroken, match="signatures"):
        note.parse_note(str(Note(str(POINT), many * 5)))


LINE = str(signed().signatures[0])
WRONG_NOTES = {
    "no signature": str(POINT) + "\n",
    "no blank line": str(POINT) + LINE,
    "no newline at the end": str(signed())[:-1],
    "another newline": str(signed()) + "\n",
    "carriage returns": str(signed()).replace("\n", "\r\n"),
    "hyphen for the dash": str(signed()).replace("—", "-"),
    "two spaces": str(signed()).replace("— ", "—  "),
    "tab": str(signed()).replace("— ", "—\t"),
    "no base64": str(signed()).replace(LINE, f"— {NAME} !!!!\n"),
    "spare bits": str(signed()).replace(LINE, f"— {NAME} YWJjZGV=\n"),
    "url alphabet": str(signed()).replace(LINE, f"— {NAME} YWJj_-==\n"),
    "no padding": str(signed()).replace(LINE, f"— {NAME} YWJjZGU\n"),
    "too short": str(signed()).replace(LINE, f"— {NAME} YWJjZA==\n"),
    "plus in the name": str(signed()).replace(f"— {NAME}", "— a+b"),
    "no-break space in the name": str(signed()).replace(f"— {NAME}", "— a\u00a0b"),
    "no name": str(signed()).replace(f"— {NAME} ", "— "),
    "a control character": str(signed()).replace("5\n", "5\x01\n", 1),
    "a NUL": str(signed()).replace("5\n", "5\0\n", 1),
    "empty": "",
    "only a gap": "\n\n" + LINE,
    "too long": "x" * 500_000,
    "surrogate": str(signed()).replace("5\n", "\ud800\n", 1),
}


@pytest.mark.parametrize("case", WRONG_NOTES)
def test_a_note_has_one_spelling(case):
    with pytest.raises(NoteBroken):
        note.parse_note(WRONG_NOTES[case])


def test_a_note_is_utf_8():
    with pytest.raises(NoteBroken, match="UTF-8"):
        note.parse_note(str(signed()).encode()[:-3] + b"\xff\n")
    with pytest.raises(NoteBroken):
        note.parse_note(str(signed()).encode("utf-16"))


@pytest.mark.parametrize(
    "text",
    [
        "a\n5\n" + note.b64(b"r" * 32),  # no newline at the end
        "\n5\n" + note.b64(b"r" * 32) + "\n",
        "a\n05\n" + note.b64(b"r" * 32) + "\n",
        "a\n+5\n" + note.b64(b"r" * 32) + "\n",
        "a\n-5\n" + note.b64(b"r" * 32) + "\n",
        "a\n\u0665\n" + note.b64(b"r" * 32) + "\n",
        "a\n9223372036854775808\n" + note.b64(b"r" * 32) + "\n",
        "a\n5\n" + note.b64(b"r" * 31) + "\n",
        "a\n5\n" + note.b64(b"r" * 32)[:-2] + "J=\n",
        "a\n5\n" + note.b64(b"r" * 32) + "\n\nx\n",
        "a\n5\n",
    ],
)
def test_a_checkpoint_has_one_spelling(text):
    with pytest.raises(NoteBroken):
        note.parse_checkpoint(text)


def test_extension_lines_are_kept():
    point = Checkpoint("a b+c", 0, b"r" * 32, ("x", "y z"))
    assert note.parse_checkpoint(str(point)) == point


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE_VKEY[:-1],
        EXAMPLE_VKEY.replace("530d903a", "530d903b"),
        EXAMPLE_VKEY.replace("530d903a", "530D903A"),
        EXAMPLE_VKEY.replace("foo", "fou"),
        EXAMPLE_VKEY.replace("foo", "f o"),
        "name",
        "",
        f"name+00000000+{base64.b64encode(bytes([6]) + PUBLIC).decode()}",
        f"name+00000000+{base64.b64encode(bytes([1]) + PUBLIC[:-1]).decode()}",
    ],
)
def test_a_verifier_key_must_fit_together(text):
    with pytest.raises(NoteBroken):
        note.parse_vkey(text)


@given(st.binary(max_size=300))
def test_what_is_read_is_written_back_the_same(raw):
    for sent in (raw, str(signed()).encode() + raw, raw + str(signed()).encode()):
        try:
            read = note.parse_note(sent)
        except NoteBroken:
            continue
        assert str(read).encode() == sent


def test_every_flipped_byte_of_a_signed_checkpoint_is_refused():
    good = str(signed()).encode()
    assert note.check(good, [LOG_KEY])[0] == POINT
    for at in range(len(good)):
        for change in (1, 32, 128):
            bad = good[:at] + bytes([good[at] ^ change]) + good[at + 1 :]
            with pytest.raises(NoteBroken):
                note.check(bad, [LOG_KEY])


def test_what_an_ml_dsa_cosignature_signs_byte_by_byte():
    """tlog-cosignature: label, then names with their lengths, the time, the range of the subtree, and its root."""
    message = note.subtree_message("witness.example/w1", 1_700_000_000, "log.example", 70_000, b"r" * 32)
    assert message == (
        b"subtree/v1\n\x00" + b"\x12witness.example/w1" + bytes.fromhex("000000006553f100") + b"\x0blog.example"
        + bytes(8) + bytes.fromhex("0000000000011170") + b"r" * 32
    )  # fmt: skip
    for name, log in (("a", "b"), ("a" * 255, "b" * 255)):
        made = note.subtree_message(name, 1, log, 1, b"r" * 32)
        assert made[12] == len(name) and made[12 + 1 + len(name) + 8] == len(log)
    for name, log in (("", "b"), ("a", ""), ("a" * 256, "b"), ("a", "b" * 256), ("é" * 128, "b")):
        with pytest.raises(NoteBroken):
            note.subtree_message(name, 1, log, 1, b"r" * 32)


def test_an_ml_dsa_cosignature_is_made_and_checked_here():
    key = MLDSA44PrivateKey.generate()
    made = note.cosign_ml_dsa(str(POINT), "witness.example/w1", key, 1_700_000_000)
    known = Vkey("witness.example/w1", note.ML_DSA, key.public_key().public_bytes_raw())
    assert made.blob[:8] == bytes.fromhex("000000006553f100") and made.key_id == known.key_id
    assert note.check_signature(str(POINT), made, known).at_s == 1_700_000_000
    with pytest.raises(WrongSignature):
        note.check_signature(str(Checkpoint(NAME, 6, b"r" * 32)), made, known)


def test_numbers_end_where_trees_end():
    assert note.number(str(note.MAX_TREE_SIZE), "size") == note.MAX_TREE_SIZE == 2**63 - 1
    with pytest.raises(NoteBroken):
        note.number(str(note.MAX_TREE_SIZE + 1), "size")
    for wrong in ("YQ", "YR==", "Y Q==", "é"):
        with pytest.raises(NoteBroken):
            note.unb64(wrong, "a hash")
