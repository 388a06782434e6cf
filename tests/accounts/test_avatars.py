"""Pictures: what comes in becomes a small square, and what is no picture stays outside."""

import io
import struct
import zlib

import httpx
import pytest
from PIL import Image, ImageOps

from domains.accounts import avatars, pictures
from domains.accounts.tables import Role
from piccolo_conf import fetch_value
from tests.conftest import make_user

PATH = "/auth/users/me/avatar/"
RED, BLUE = (255, 0, 0), (0, 0, 255)
MEGABYTE = 1 << 20


def draw(format_: str = "JPEG", size: tuple[int, int] = (800, 600), mode: str = "RGB", **options: object) -> bytes:
    """Red, with the upper left quarter blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, 0, size[0] // 2, size[1] // 2))
    return save(image.convert(mode), format_, **options)


def save(image: Image.Image, format_: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, format_, **options)
    return output.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


async def put(client: httpx.AsyncClient, data: bytes, name: str = "me.jpg", kind: str = "image/jpeg") -> httpx.Response:
    return await client.put(PATH, files={"file": (name, data, kind)})


async def stored() -> Image.Image:
    return Image.open(io.BytesIO(await fetch_value("SELECT image FROM avatar")))


async def test_a_picture_is_set_shown_and_removed(customer: httpx.AsyncClient):
    profile = await put(customer, draw())
    assert profile.status_code == 200
    shown = await customer.get(profile.json()["avatar_url"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert shown.headers["cache-control"].startswith("private, max-age=")
    assert Image.open(io.BytesIO(shown.content)).size == (450, 450)
    assert (await customer.delete(PATH)).status_code == 204
    assert (await customer.get("/auth/users/me/")).json()["avatar_url"] is None
    assert (await customer.get(profile.json()["avatar_url"])).status_code == 404


async def test_another_picture_has_another_address(customer: httpx.AsyncClient):
    first = (await put(customer, draw())).json()["avatar_url"]
    second = (await put(customer, draw(size=(100, 300)))).json()["avatar_url"]
    assert first != second
    assert await fetch_value("SELECT count(*) FROM avatar") == 1


async def test_who_has_the_picture_is_told_so(customer: httpx.AsyncClient):
    address = (await put(customer, draw())).json()["avatar_url"].partition("?")[0]
    shown = await customer.get(address)
    assert shown.headers["cache-control"] == "private, no-cache"
    again = await customer.get(address, headers={"If-None-Match": f'"other", {shown.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert (await customer.get(address, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    ("format_", "mode"),
    [
        *[("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
        *[("PNG", mode) for mode in ("RGB", "RGBA", "P", "1", "LA", "I;16")],
        *[("WEBP", "RGB"), ("WEBP", "RGBA"), ("GIF", "P")],
    ],
)
async def test_every_common_kind_is_read(customer: httpx.AsyncClient, format_: str, mode: str):
    image = Image.new("I;16", (40, 30), 7) if mode == "I;16" else None
    data = draw(format_, mode=mode) if image is None else save(image, format_)
    assert (await put(customer, data, "me.txt", "text/plain")).status_code == 200
    assert ((await stored()).format, (await stored()).size) == ("WEBP", (450, 450))


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_stands_upright(customer: httpx.AsyncClient, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = draw(exif=exif)
    await put(customer, data)
    upright = ImageOps.fit(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), (450, 450)).convert("RGB")
    found = (await stored()).convert("RGB")
    for place in ((60, 60), (390, 60), (60, 390), (390, 390)):
        assert [abs(a - b) < 60 for a, b in zip(found.getpixel(place), upright.getpixel(place), strict=True)] == [
            True
        ] * 3


async def test_what_a_camera_notes_is_gone(customer: httpx.AsyncClient):
    exif = Image.Exif()
    exif[0x010F] = "Camera of Carla"
    exif.get_ifd(0x8825)[1] = "N"
    for data in (draw(exif=exif, comment=b"secret"), draw("PNG", exif=exif), draw("WEBP", exif=exif, xmp=b"<secret/>")):
        await put(customer, data)
        image = await fetch_value("SELECT image FROM avatar")
        assert all(word not in image for word in (b"Camera", b"secret", b"EXIF", b"XMP ", b"ICCP"))


async def test_of_an_animation_the_first_picture_counts(customer: httpx.AsyncClient):
    frames = [Image.new("RGB", (60, 60), RED), Image.new("RGB", (60, 60), BLUE)]
    await put(customer, save(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    found = await stored()
    assert getattr(found, "n_frames", 1) == 1
    assert found.convert("RGB").getpixel((200, 200))[0] > 200


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"RIFF\0\0\0\0WAVE",
        b"\0" * 1000,
        draw("BMP"),
        draw("TIFF"),
        draw("ICO", (32, 32)),
        draw("PPM"),
    ],
)
async def test_what_is_no_picture_is_refused(customer: httpx.AsyncClient, data: bytes):
    answer = await put(customer, data)
    assert (answer.status_code, answer.json()["code"]) == (415, "no_picture")
    assert "JPEG, PNG, WebP or GIF" in answer.json()["detail"]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0.02, 0.2, 0.9])
async def test_half_a_picture_is_refused(customer: httpx.AsyncClient, format_: str, part: float):
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    data = save(noise, format_)
    answer = await put(customer, data[: max(16, int(len(data) * part))])
    assert (answer.status_code, answer.json()["errors"]) == (
        400,
        [{"field": "file", "message": "is broken or incomplete"}],
    )


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_a_mutilated_picture_never_breaks_the_server(customer: httpx.AsyncClient, format_: str):
    whole = save(Image.effect_noise((60, 60), 90).convert("RGB"), format_)
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        answer = await put(customer, whole[:place] + b"\xff\x00\x7f" + whole[place + 3 :])
        assert answer.status_code in {200, 400, 415}, place


@pytest.mark.parametrize(("width", "height"), [(4001, 4000), (30_000, 30_000), (2**31 - 1, 1), (65_000, 2_000)])
async def test_a_bomb_is_refused_by_its_head(customer: httpx.AsyncClient, width: int, height: int):
    answer = await put(customer, png_of_size(width, height))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "file")


async def test_a_photograph_of_a_telephone_is_not_too_large(customer: httpx.AsyncClient):
    assert (await put(customer, draw(size=(7000, 5600)))).status_code == 200
    assert (await put(customer, draw(size=(7000, 5800)))).json()["errors"][0][
        "message"
    ] == "has more than 40 million pixels"


async def test_a_file_takes_five_megabytes(customer: httpx.AsyncClient):
    jpeg = draw(size=(100, 100))
    assert (await put(customer, jpeg + b"\0" * (5 * MEGABYTE - len(jpeg)))).status_code == 200
    answers = [await put(customer, jpeg + b"\0" * (size - len(jpeg))) for size in (5 * MEGABYTE + 1, 8 * MEGABYTE)]
    assert [answer.status_code for answer in answers] == [413, 413]


async def test_other_forms_are_refused(customer: httpx.AsyncClient):
    jpeg = draw()
    answers = [
        await customer.put(PATH, content=jpeg, headers={"Content-Type": "image/jpeg"}),
        await customer.put(PATH, json={"file": "me.jpg"}),
        await customer.put(PATH, files={"picture": jpeg}),
        await customer.put(PATH, files=[("file", jpeg), ("file", jpeg)]),
        await customer.put(PATH, files={"file": jpeg}, data={"user_id": "1"}),
        await customer.put(PATH, files={"file": b""}),
        await customer.put(PATH, content=b"--x\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"}),
        await customer.put(PATH, content=b"", headers={"Content-Type": "multipart/form-data"}),
    ]
    assert [answer.status_code for answer in answers] == [415, 415, 400, 400, 400, 400, 400, 415]
    assert await fetch_value("SELECT count(*) FROM avatar") == 0


async def test_a_form_with_an_endless_name_is_broken(customer: httpx.AsyncClient):
    body = b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 70_000 + b'"\r\n\r\nx\r\n--x--\r\n'
    answer = await customer.put(PATH, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "broken_form")


async def test_a_long_queue_is_not_made_longer(customer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures._Waiting, "count", pictures.MOST_WAITING)
    answer = await put(customer, draw())
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_who_may_see_a_picture(
    client: httpx.AsyncClient,
    customer: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    admin: httpx.AsyncClient,
):
    address = (await put(customer, draw())).json()["avatar_url"]
    clients = (customer, stranger, staff, admin, client)
    assert [(await one.get(address)).status_code for one in clients] == [200, 404, 200, 200, 401]


async def test_the_picture_of_a_colleague_is_for_admins(staff: httpx.AsyncClient, admin: httpx.AsyncClient):
    colleague = await make_user(Role.STAFF, "sven")
    await avatars.set_avatar(colleague, draw())
    address = f"/auth/users/{colleague}/avatar"
    assert [(await one.get(address)).status_code for one in (staff, admin)] == [404, 200]
