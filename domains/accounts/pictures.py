"""Pictures of strangers made harmless: decoded under limits, cut to a square, written anew without metadata."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from lib import log
from lib.errors import BadInput, FieldError, Unavailable, UnsupportedFile, field_error

logger = log.get("accounts.pictures")

SIDE = 450
QUALITY = 85
# A JPEG is decoded at a fraction of its size; the others come whole into memory, some of them several times over.
MOST_PIXELS = {"JPEG": 40_000_000, "MPO": 40_000_000}
MOST_PIXELS_WHOLE = 16_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
# What sets each orientation of EXIF upright; 1 is upright already.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# One at a time, because each may take some 250 MB while it is decoded; and no long queue for it.
THREADS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
MOST_WAITING = 8


class NoPicture(UnsupportedFile):
    """This is not a picture that can be read here: send a JPEG, PNG, WebP or GIF."""


class BrokenPicture(BadInput):
    """The picture is broken or incomplete."""

    def __init__(self) -> None:
        super().__init__(errors=[FieldError("file", "is broken or incomplete")])


class Crowded(Unavailable):
    """Many pictures are waiting; try again in a moment."""


class _Waiting:
    """How many pictures this process has taken on."""

    count = 0


async def make_square(data: bytes) -> bytes:
    """A WebP of 450 by 450 pixels. Raises NoPicture, BrokenPicture, BadInput for one too large, and Crowded."""
    if not is_picture(data):
        raise NoPicture
    if _Waiting.count >= MOST_WAITING:
        raise Crowded
    _Waiting.count += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(THREADS, _make_square, data)
    finally:
        _Waiting.count -= 1


def is_picture(data: bytes) -> bool:
    """By its first bytes, whatever it is called and whatever the client says it is."""
    return data.startswith(BEGINNINGS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _make_square(data: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image)
            return _encode(image)
    except BadInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(MOST_PIXELS_WHOLE) from None
    except UnidentifiedImageError:
        raise BrokenPicture from None
    except Exception as error:
        # What decoders raise for broken files is no closed list: OSError, SyntaxError, struct.error, zlib's and more.
        logger.info("picture_refused", error=type(error).__name__)
        raise BrokenPicture from None


def _check_size(image: Image.Image) -> None:
    """From the header alone: nothing is decoded yet."""
    width, height = image.size
    most = MOST_PIXELS.get(image.format or "", MOST_PIXELS_WHOLE)
    if width * height > most:
        raise _too_large(most)


def _encode(image: Image.Image) -> bytes:
    image.draft("RGB", (2 * SIDE, 2 * SIDE))
    image.load()
    square = ImageOps.fit(_in_colour(image), (SIDE, SIDE), Image.Resampling.LANCZOS)
    # A square cut from the middle may be turned after cutting, when it is small.
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    upright = square if turn is None else square.transpose(turn)
    output = io.BytesIO()
    upright.save(output, "WEBP", quality=QUALITY, exif=b"", icc_profile=b"", xmp=b"")
    return output.getvalue()


def _in_colour(image: Image.Image) -> Image.Image:
    """Palettes and CMYK cannot be scaled well, and WebP knows neither."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    # Converting to the same would copy it.
    return image if image.mode == mode else image.convert(mode)


def _too_large(most: int) -> BadInput:
    return field_error("file", f"has more than {most // 1_000_000} million pixels")
