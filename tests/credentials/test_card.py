"""The printed card: exact size, read back from its pixels, the same bytes again, and legible in every script."""

from datetime import date

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.credentials.conftest import ISSUER, NOW, face, signed_face

from msingi import countries
from msingi.credentials import card, claim169, cose, engraving, ground, lettering, mrz, picture, sheet
from msingi.credentials.errors import NoCodeFound, PictureTooLarge, Unreadable
from msingi.credentials.model import CredentialId
from msingi.credentials.verify import State, verify_card

POINT_MM = 25.4 / 72


@pytest.fixture(scope="module")
def design():
    """The design of the first shipped country."""
    return ground.design_of(countries.load("taifa"), ISSUER, specimen=True)


@pytest.fixture(scope="module")
def printed(design, signer):
    """One card as PDF."""
    return card.document([signed_face(signer)], design)


def pixels(pdf: bytes, page: int, dpi: int):
    """A page of a PDF as a grey picture."""
    with pypdfium2.PdfDocument(pdf) as document:
        return document[page].render(scale=dpi / 72).to_pil().convert("L")


def test_the_card_is_id_1_with_two_sides(printed):
    with pypdfium2.PdfDocument(printed) as document:
        sizes = [document.get_page_size(i) for i in range(len(document))]
    assert len(sizes) == 2
    for width, height in sizes:
        assert (width * POINT_MM, height * POINT_MM) == pytest.approx((85.60, 53.98), abs=0.01)


@pytest.mark.parametrize("dpi", [150, 200, 300, 600])
def test_the_code_is_read_from_pixels_and_verifies_offline(printed, jwks, dpi):
    [code] = zxingcpp.read_barcodes(
        pixels(printed, 1, dpi), formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    )
    verdict = verify_card(code.text, jwks, None, NOW, issuer=ISSUER)
    assert verdict.state is State.UNDETERMINED and verdict.claims
    assert verdict.claims.identity.id == "482910337516"


def test_a_bad_photo_of_the_card_is_still_read(printed):
    from PIL import Image, ImageFilter

    shot = pixels(printed, 1, 350).convert("RGB").rotate(17, expand=True, fillcolor=(90, 70, 50))
    shot = shot.resize((shot.width * 9 // 10, shot.height)).filter(ImageFilter.GaussianBlur(1.1))
    shot = Image.eval(shot, lambda value: 40 + value * 150 // 255)
    from io import BytesIO

    out = BytesIO()
    shot.save(out, "JPEG", quality=70)
    assert picture.read_qr(out.getvalue()).isascii()


def test_the_code_stays_coarse_enough_for_cheap_cameras(signer):
    modules = len(engraving.qr_modules(signed_face(signer).qr_text))
    assert modules <= 17 + 4 * 22
    longest = signed_face(signer, given_name="Mwanahamisi Zainabu " * 3, family_name="Ndunguru-Mwakasege " * 2)
    assert len(engraving.qr_modules(longest.qr_text)) <= 17 + 4 * 25


def test_the_zone_can_be_selected_and_says_what_the_card_says(printed, design):
    with pypdfium2.PdfDocument(printed) as document:
        text = document[1].get_textpage().get_text_range()
    lines = [line for line in text.split() if len(line) == 30]
    assert tuple(lines) == card.zone(face(), design)
    zone = mrz.parse_td1(" ".join(lines), date(2027, 1, 1))
    assert (zone.number, zone.optional_1, zone.birth_date) == ("K7M2X9P4T", "482910337516", "1988-01-02")


def test_the_front_says_what_was_signed(printed):
    with pypdfium2.PdfDocument(printed) as document:
        text = document[0].get_textpage().get_text_range()
    for shown in ("Mwakasege", "Neema Upendo", "02.01.1988", "21.11.2036", "4829 1033 7516", "SPECIMEN", "Mashariki"):
        assert shown in text


def test_outside_a_sandbox_no_card_is_a_specimen(signer):
    real = ground.design_of(countries.load("taifa"), ISSUER, specimen=False)
    with pypdfium2.PdfDocument(card.document([signed_face(signer)], real)) as document:
        assert "SPECIMEN" not in document[0].get_textpage().get_text_range()


def test_law_7_the_same_face_gives_the_same_bytes(printed, design, signer):
    assert card.document([signed_face(signer)], design) == printed


@pytest.mark.parametrize("country", countries.shipped())
def test_every_shipped_country_has_a_card(country, signer):
    profile = countries.load(country)
    plain = signed_face(
        signer, given_name=profile.given_female[0], family_name=profile.family[0], birth_date="1960", photo_jpeg=b""
    )
    both = signed_face(signer, second_given="خديجة", second_family="بن عبد الله", sex="unknown", birth_date="")
    pdf = card.document([plain, both], ground.design_of(profile, ISSUER, specimen=True))
    for page in (1, 3):
        assert len(zxingcpp.read_barcodes(pixels(pdf, page, 300))) == 1


def test_sheets_hold_eight_and_backs_lie_behind_their_fronts(design, signer):
    faces = [signed_face(signer, credential_id=CredentialId(f"BCDFGHJK{n}")) for n in "23456789B"]
    pdf = sheet.document(faces, design)
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 4
        assert document.get_page_size(0) == pytest.approx((595.28, 841.89), abs=0.1)
        first, second = document[0].get_textpage().get_text_range(), document[1].get_textpage().get_text_range()
    assert first.count("4829 1033 7516") == 8
    assert [line[5:14] for line in second.split() if line.startswith("I<")] == [f.credential_id for f in faces[:8]]
    for (front_x, front_y), (back_x, back_y) in zip(sheet.places("front"), sheet.places("back"), strict=True):
        assert back_x == pytest.approx(sheet.PAGE[0] - ground.WIDTH - front_x) and front_y == back_y


def test_arabic_letters_are_joined_and_stand_from_right_to_left():
    assert lettering.visual("محمد") == "ﺪﻤﺤﻣ"
    assert lettering.visual("سلام") == "مﻼﺳ"  # a letter that stands alone keeps its code
    assert lettering.visual("الاسم / Nom") == "Nom / " + lettering.visual("الاسم")
    assert lettering.visual("Nom / الاسم") == "Nom / " + lettering.visual("الاسم")
    assert lettering.visual("Asha") == "Asha"


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_lettering_takes_any_text(text):
    assert isinstance(lettering.visual(text), str)


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=120), st.text(max_size=120))
def test_any_name_can_be_printed(given_name, family_name):
    profile = countries.load("taifa")
    odd = face(given_name=given_name, family_name=family_name, qr_text="A", photo_jpeg=b"")
    assert card.document([odd], ground.design_of(profile, ISSUER, specimen=False)).startswith(b"%PDF")


def test_a_picture_without_a_code_and_what_is_no_picture():
    with pytest.raises(NoCodeFound):
        picture.read_qr(face().photo_jpeg)
    for content in (b"", b"GIF89a", b"<svg/>", face().photo_jpeg[:900]):
        with pytest.raises((Unreadable, NoCodeFound)):
            picture.read_qr(content)
    with pytest.raises(PictureTooLarge):
        picture.read_qr(bytes(picture.MAX_PICTURE_BYTES + 1))


def test_a_picture_that_unpacks_to_too_much_is_refused():
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    with pytest.raises(PictureTooLarge):
        picture.read_qr(out.getvalue())


def test_portraits_repeat_and_differ():
    from msingi.countries.portrait import portrait

    assert portrait(1, "female", 30) == portrait(1, "female", 30)
    assert len({portrait(n) for n in range(20)}) == 20
    assert all(4_000 < len(portrait(n)) < 12_000 for n in range(20))


def test_the_signed_photo_is_small_and_readable(signer):
    from io import BytesIO

    from PIL import Image

    claims = claim169.read_claims(cose.parse(claim169.unwrap(signed_face(signer).qr_text)).payload)
    assert 100 < len(claims.identity.photo) <= 330
    assert Image.open(BytesIO(claims.identity.photo)).size == (42, 56)
