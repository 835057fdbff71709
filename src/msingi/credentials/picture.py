"""QR codes as pictures: read in memory, so that nothing of the picture is kept, and written for a telephone."""

import warnings
from io import BytesIO

from msingi.credentials.errors import NoCodeFound, PictureTooLarge, Unreadable

MAX_PICTURE_BYTES = 4 * 1024 * 1024
_MAX_PIXELS = 24_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")
_SIDES = (1600, 1100, 2800)  # the long sides at which the code is looked for, in this order


def read_qr(content: bytes) -> str:
    """The text of the QR code in a JPEG, PNG or WebP picture; of several, the longest.

    Raises Unreadable if it is no such picture, PictureTooLarge above 4 MB or 24 million pixels, NoCodeFound.
    """
    import zxingcpp
    from PIL import Image, UnidentifiedImageError

    if len(content) > MAX_PICTURE_BYTES:
        raise PictureTooLarge(most_bytes=MAX_PICTURE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked with our own limit just below
            with Image.open(BytesIO(content), formats=_FORMATS) as opened:
                if opened.width * opened.height > _MAX_PIXELS:
                    raise PictureTooLarge(most_pixels=_MAX_PIXELS)
                grey = opened.convert("L")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise Unreadable("This is not a JPEG, PNG or WebP picture.", rule="picture") from error
    texts: list[str] = []
    for side in dict.fromkeys(min(side, max(grey.size)) for side in _SIDES):
        scale = side / max(grey.size)
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        shown = grey if size == grey.size else grey.resize(size, Image.Resampling.BILINEAR)
        found = zxingcpp.read_barcodes(shown, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
        texts = [code.text for code in found if code.valid and code.text]
        if texts:
            break
    if not texts:
        raise NoCodeFound()
    return max(texts, key=len)


def write_qr(text: str, module_px: int = 8) -> bytes:
    """`text` as a QR code: a black and white PNG with the quiet zone of four modules."""
    import zxingcpp
    from PIL import Image

    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    picture = memoryview(code.to_image(scale=module_px))  # pyright: ignore[reportArgumentType]
    height, width = picture.shape or (0, 0)
    out = BytesIO()
    Image.frombytes("L", (width, height), bytes(picture)).convert("1", dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()
