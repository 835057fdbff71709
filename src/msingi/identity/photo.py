"""Photos: one small portrait for the record, one tiny one for a QR code; quality checked, metadata dropped. Pure.

The checks are those that a program can make without looking at the face (ISO/IEC 39794-5 leaves the rest to the
person behind the camera): readable, portrait, large enough, not blank and not dark.
"""

import io
import warnings
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, ImageStat, UnidentifiedImageError

from msingi.identity.errors import PhotoRefused

RECORD_SIZE: Final = (240, 320)
RECORD_BYTES: Final = 12 * 1024
TINY_SIZES: Final = ((96, 128), (72, 96), (60, 80), (48, 64), (36, 48))
TINY_BYTES: Final = 1024
MOST_BYTES: Final = 5 * 1024 * 1024
MOST_PIXELS: Final = 40_000_000
SHARP: Final = 20.0
LEAST_WIDTH: Final = 160
LEAST_HEIGHT: Final = 200


def normalised(raw: bytes) -> bytes:
    """The photo as a JPEG of 240 x 320 pixels and at most 12 kB, turned upright, without metadata.

    Raises PhotoRefused with `rule` image, bytes, pixels, shape or contrast.
    """
    if len(raw) > MOST_BYTES:
        raise PhotoRefused("At most 5 MB.", field="photo", rule="bytes")
    picture = _opened(raw)
    width, height = picture.size
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        raise PhotoRefused("At least 160 x 200 pixels.", field="photo", rule="pixels")
    if not 0.55 <= width / height <= 1.0:
        raise PhotoRefused("A portrait is taller than wide, at most twice.", field="photo", rule="shape")
    small = ImageOps.fit(picture, RECORD_SIZE, Image.Resampling.LANCZOS, centering=(0.5, 0.4))
    grey = ImageStat.Stat(small.convert("L"))
    if grey.stddev[0] < 12 or not 25 <= grey.mean[0] <= 240:
        raise PhotoRefused("The photo is blank, too dark or too bright.", field="photo", rule="contrast")
    return _fitting(small, "JPEG", RECORD_BYTES, range(88, 20, -6))


def quality(raw: bytes) -> tuple[str, ...]:
    """What a person should look at again: blurred, dark, bright, small, framing; a hint, never a refusal.

    Plain measures of the picture on 240 x 320 grey points, which know nothing of faces: the variance of the Laplacian
    (below 20 there are no sharp edges), the mean brightness (60 to 215), the size as taken (1.4 times the least), and
    how much of all detail lies in the oval where a head belongs (less than 0.35: it is elsewhere).
    Raises PhotoRefused, as `normalised`, for what is no picture.
    """
    picture = _opened(raw)
    grey = ImageOps.fit(picture, RECORD_SIZE, Image.Resampling.LANCZOS, centering=(0.5, 0.4)).convert("L")
    edges = grey.filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128))
    edges = edges.crop((2, 2, RECORD_SIZE[0] - 2, RECORD_SIZE[1] - 2))  # the filter leaves the rim as it was
    mean = ImageStat.Stat(grey).mean[0]
    detail = ImageChops.difference(edges, Image.new("L", edges.size, 128))
    head = Image.new("L", edges.size, 0)
    ImageDraw.Draw(head).ellipse((38, 28, 198, 268), fill=255)
    inside = ImageStat.Stat(detail, head).sum[0] / max(1.0, ImageStat.Stat(detail).sum[0])
    told = {
        "blurred": ImageStat.Stat(edges).var[0] < SHARP,
        "dark": mean < 60,
        "bright": mean > 215,
        "small": picture.width < LEAST_WIDTH * 1.4 or picture.height < LEAST_HEIGHT * 1.4,
        "framing": inside < 0.35,
    }
    return tuple(name for name, seen in told.items() if seen)


def tiny(record_photo: bytes) -> bytes:
    """The record's photo as a WebP of at most 1,024 bytes, as large as that allows, for a QR code."""
    picture = _opened(record_photo)
    for size in TINY_SIZES:
        made = _fitting(picture.resize(size, Image.Resampling.LANCZOS), "WEBP", TINY_BYTES, (60, 45, 30, 20))
        if len(made) <= TINY_BYTES:
            return made
    return _fitting(picture.resize((24, 32)), "WEBP", TINY_BYTES, (20, 10, 1))


def _opened(raw: bytes) -> Image.Image:
    """The picture, upright and on white, fully decoded. Raises PhotoRefused for what is no readable JPEG or PNG."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw), formats=("JPEG", "PNG"))
            if picture.width * picture.height > MOST_PIXELS:
                raise PhotoRefused("At most 40 million pixels.", field="photo", rule="pixels")
            picture.draft("RGB", (960, 1280))
            picture.load()
            upright = ImageOps.exif_transpose(picture)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning, OSError,
            SyntaxError, ValueError, EOFError) as broken:  # fmt: skip
        raise PhotoRefused("Not a readable JPEG or PNG.", field="photo", rule="image") from broken
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        white = Image.new("RGBA", upright.size, "white")
        return Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")
    return upright.convert("RGB")


def _fitting(picture: Image.Image, form: str, limit: int, qualities: range | tuple[int, ...]) -> bytes:
    """The picture in the best of `qualities` that needs at most `limit` bytes, or else in the last."""
    made = b""
    for quality in qualities:
        target = io.BytesIO()
        picture.save(target, form, quality=quality, optimize=True, **({"method": 6} if form == "WEBP" else {}))
        made = target.getvalue()
        if len(made) <= limit:
            break
    return made
