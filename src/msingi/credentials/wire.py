"""Outside shapes: a card's face as Claim 169, and the JSON of the room's doors."""

from io import BytesIO

import msgspec

from msingi.credentials import claim169, cose
from msingi.credentials.model import CredentialId, Face, Place, Reason
from msingi.credentials.rules import validity
from msingi.kernel.ids import PersonId

# ISO 639-1 -> 639-3 for the languages of African and neighbouring administrations; claim 169 wants three letters.
_ISO_639_3 = {
    "aa": "aar", "ak": "aka", "am": "amh", "ar": "ara", "bm": "bam", "ee": "ewe", "en": "eng", "es": "spa", "ff": "ful",
    "fr": "fra", "ha": "hau", "ig": "ibo", "kg": "kon", "ki": "kik", "lg": "lug", "ln": "lin", "mg": "mlg", "nd": "nde",
    "ny": "nya", "om": "orm", "pt": "por", "rn": "run", "rw": "kin", "sg": "sag", "sn": "sna", "so": "som", "st": "sot",
    "sw": "swa", "ti": "tir", "tn": "tsn", "ts": "tso", "tw": "twi", "wo": "wol", "xh": "xho", "yo": "yor", "zu": "zul",
}  # fmt: skip
PHOTO_BYTES = 330
"""Room for the photo, so that the QR code stays at version 20 or little above: 0.25 mm a module, for cheap cameras."""
MAX_QR_CHARACTERS = 1273
"""Version 24 at level M. A credential that is longer goes without its photo."""
_PHOTO_SIZE = (42, 56)
_PHOTO_QUALITIES = (44, 30, 18, 8, 1)


class CardOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order for a card: the person, and a text of the caller's own that makes a repetition harmless."""

    person_id: PersonId
    order_id: str = ""


class SheetOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order for a printable sheet with the cards of these numbers."""

    credential_ids: list[CredentialId]


class StateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a card is to be revoked, suspended or reinstated."""

    reason: Reason


def iso639_3(language: str) -> str:
    """The three-letter code of a two-letter one; a code that is not known here stays as it is."""
    return _ISO_639_3.get(language, language)


def tiny_photo(jpeg: bytes) -> bytes:
    """The photo as WebP of 42 x 56 pixels, in the best quality that fits 330 bytes; empty if none fits."""
    if not jpeg:
        return b""
    from PIL import Image

    with Image.open(BytesIO(jpeg)) as opened:
        opened.draft("RGB", (84, 112))
        small = opened.convert("RGB").resize(_PHOTO_SIZE, Image.Resampling.LANCZOS)
    for quality in _PHOTO_QUALITIES:
        out = BytesIO()
        small.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= PHOTO_BYTES:
            return out.getvalue()
    return b""


def claims_of(face: Face, issuer: str, place: Place, language: str, second_language: str) -> claim169.Claims:
    """What the QR code states of a face: names, birth date, sex, number, country, and a tiny photo.

    `issuer` is the stack's public address; the status reference names its list there.
    """
    starts, ends = validity(face.issued_on, face.expires_on)
    photo = tiny_photo(face.photo_jpeg)
    return claim169.Claims(
        issuer=issuer,
        not_before=starts,
        issued_at=starts,
        expires=ends,
        status=claim169.StatusReference(f"{issuer}/credentials/status/{place.list_id}", place.index),
        identity=claim169.Identity(
            id=face.number,
            version="1",
            language=iso639_3(language),
            full_name=face.full_name,
            birth_date=face.birth_date.replace("-", "") if len(face.birth_date) == 10 else "",
            sex=claim169.SEX_CODES.get(face.sex, 0),
            nationality=face.nationality,
            photo=photo,
            photo_format=claim169.PHOTO_WEBP if photo else 0,
            second_name=face.second_name,
            second_language=iso639_3(second_language) if face.second_name else "",
        ),
    )


def qr_text(claims: claim169.Claims, signer: cose.Signer) -> str:
    """The signed text of the QR code; the photo is left out where it would make the code too dense."""
    text = claim169.write(claims, signer)
    if len(text) > MAX_QR_CHARACTERS and claims.identity.photo:
        bare = msgspec.structs.replace(claims.identity, photo=b"", photo_format=0)
        text = claim169.write(msgspec.structs.replace(claims, identity=bare), signer)
    return text
