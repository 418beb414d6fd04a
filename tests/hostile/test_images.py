"""Pictures that are none, or too much of one."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.hostile.case import CANARIES, CANARY, Case, check, params


def png_header(width: int, height: int, body: bytes = b"", extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG whose text unpacks to 100 MiB."""
    data = b"Comment\0\0" + zlib.compress(bytes(100 << 20), 9)
    extra = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return png_header(16, 16, zlib.compress(bytes(16 * 49)), extra)


def encoded(kind: str, mode: str = "RGB") -> bytes:
    data = io.BytesIO()
    Image.new(mode, (16, 16)).save(data, kind)
    return data.getvalue()


def floats(folder):
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(folder / "nan.tiff")


def jpeg_claim() -> bytes:
    data = bytearray(encoded("JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    return bytes(data)


def tiff_loop() -> bytes:
    """Its first directory claims to be followed by itself, and 4 billion strips."""
    entries = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 2**32 - 1, 8)]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 8)


def write(name: str, data: bytes):
    return lambda folder: (folder / name).write_bytes(data)


def loop(folder):
    (folder / "loop.png").symlink_to("loop.png")


def ring(folder):
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")


def config(text: str):
    return lambda folder: (folder / "more.yaml").write_text(text)


def target(name: str, value: str, says, make=lambda folder: None, **more) -> Case:
    return Case(
        name, ["--data.target", value], ["--data.target" if not more.pop("late", False) else value, *says], make
    )


POSTSCRIPT = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n(%pipe%touch {CANARY}) (w) file\n".encode()
MORE = ["--config", "more.yaml"]
CASES = [
    target("missing", "nowhere.png", ["nowhere.png", "does not exist"]),
    target("empty file", "e.png", ["empty"], write("e.png", b""), late=True),
    target("folder with a suffix", "f.png", ["holds no image"], lambda folder: (folder / "f.png").mkdir()),
    target("FIFO", "pipe.png", ["not a regular file"], lambda folder: os.mkfifo(folder / "pipe.png"), late=True),
    target(
        "folder of a FIFO",
        "pipes",
        ["holds no image"],
        lambda folder: ((folder / "pipes").mkdir(), os.mkfifo(folder / "pipes/a.png")),
    ),
    target("endless device", "/dev/zero", ["not a regular file"], late=True),
    target(
        "link to an endless device",
        "zero.png",
        ["not a regular file"],
        lambda folder: (folder / "zero.png").symlink_to("/dev/zero"),
        late=True,
    ),
    target("link to itself", "loop.png", ["does not exist"], loop),
    target("ring of links", "one", ["does not exist"], ring),
    target(
        "pattern through a link to itself",
        "round/**/*.gif",
        ["matches no image"],
        lambda folder: ((folder / "round").mkdir(), (folder / "round/on").symlink_to("../round")),
    ),
    target(
        "cut off",
        "cut.png",
        ["cannot be read"],
        lambda folder: (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:90]),
        late=True,
    ),
    target("text", "text.png", ["is not an image"], write("text.png", b"hello\n"), late=True),
    target("web page", "page.jpg", ["is not an image"], write("page.jpg", b"<!DOCTYPE html><html>"), late=True),
    target(
        "drawing", "a.svg", ["is not an image"], write("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), late=True
    ),
    target("program for a printer", "a.eps", ["is not an image"], write("a.eps", POSTSCRIPT), late=True),
    target("program named as a picture", "eps.png", ["is not an image"], write("eps.png", POSTSCRIPT), late=True),
    target(
        "pickle that calls a shell", "shell.png", ["is not an image"], write("shell.png", CANARIES["shell"]), late=True
    ),
    target("icon", "icon.ico", ["is not an image"], write("icon.ico", encoded("ICO")), late=True),
    target(
        "header of 10 billion pixels",
        "big.png",
        ["100,000,000 pixels", "make it smaller"],
        write("big.png", png_header(100_000, 100_000, zlib.compress(b"0"))),
        late=True,
    ),
    target(
        "header of 2^62 pixels",
        "big.png",
        ["make it smaller"],
        write("big.png", png_header(2**31 - 1, 2**31 - 1, zlib.compress(b"0"))),
        late=True,
    ),
    target(
        "bomb of 400 million pixels",
        "bomb.png",
        ["100,000,000 pixels", "make it smaller"],
        write("bomb.png", png_header(20_000, 20_000, zlib.compress(bytes(1 << 20)))),
        late=True,
    ),
    target(
        "bomb in the text of a PNG",
        "text.png",
        ["cannot be read"],
        lambda f: write("text.png", text_bomb())(f),
        late=True,
    ),
    target(
        "JPEG that claims 4 billion pixels", "big.jpg", ["make it smaller"], write("big.jpg", jpeg_claim()), late=True
    ),
    target("TIFF that goes round", "loop.tiff", [], write("loop.tiff", tiff_loop()), late=True),
    target("TIFF of no numbers", "nan.tiff", ["grey levels"], floats, late=True),
    target("GIF cut off", "cut.gif", [], write("cut.gif", encoded("GIF")[:30]), late=True),
    target("WebP cut off", "cut.webp", [], write("cut.webp", encoded("WEBP")[:30]), late=True),
    target("AVIF cut off", "cut.avif", [], write("cut.avif", encoded("AVIF")[:60]), late=True),
    target(
        "one pixel",
        "dot.png",
        ["1×1", "at least 2×2"],
        lambda folder: Image.new("RGB", (1, 1)).save(folder / "dot.png"),
        late=True,
    ),
    target("name with line ends", "a\nerror: b.png", ["does not exist"]),
    target("name with escapes", "\x1b[2J\x1b]0;owned\x07.png", ["\\x1b[2J", "matches no image"]),
    target("name that turns the text", "\u202egnp.exe", ["does not exist"]),
    target("name of 300 letters", "a" * 300 + ".png", ["does not exist"]),
    target("name of 100,000 letters", "a" * 100_000 + ".png", ["does not exist"]),
    target("name of no text", os.fsdecode(b"\xff\xfe.png"), ["does not exist"]),
    target("no name", "", ["empty path"]),
    target("empty list", "[]", ["list of images is empty"]),
    target("list of a list", '[["photo.png"]]', []),
    target("list of numbers", "[1, 2]", []),
    target("dictionary", "{a: b}", []),
    target("out of the package", "embedded:../cli.py", ["leaves"]),
    target("absolute in the package", "embedded:/etc/passwd", ["leaves"]),
    Case(
        "name with a zero",
        MORE,
        ["--data.target", "one with a zero"],
        config('data: {target: "a\\0b.png"}'),
    ),
    Case("name of half a letter", MORE, ["more.yaml", "invalid Unicode"], config('data: {target: "\\ud800.png"}')),
    Case("size of none", ["--data.size", "0"], ["--data.size", "sides of 1"]),
    Case("size below none", ["--data.size", "[-4, 16]"], ["--data.size", "sides of 1"]),
    Case("size of a billion", ["--data.size", "1000000000"], ["--data.size"]),
    Case("size of 10 billion pixels", ["--data.size", "100000"], ["--data.size"]),
    Case("size of a number with a point", ["--data.size", "16.5"], ["data.size", "16.5"]),
    Case("size of three", ["--data.size", "[1, 2, 3]"], ["data.size"]),
    Case("background of no number", ["--data.background", ".nan"], ["background", "0 to 1"]),
    Case("background beyond white", ["--data.background", "1e9"], ["background", "0 to 1"]),
    Case("scale of infinity", ["--data.style_scale", ".inf"], ["--data.style_scale", "positive"]),
    Case("scale of no number", ["--data.style_scale", ".nan"], ["--data.style_scale", "positive"]),
    Case("another way to fit", ["--data.fit", "os.system"], ["data.fit", "crop"]),
    Case("picture of another role", ["--data.style", "photo.png"], ["--data.style", "Inversion has no style"]),
    Case("truth of another number", ["--data.truth", "[photo.png, other.png]"], ["--data.truth"]),
]


@pytest.mark.parametrize("case", params(CASES, 12))
def test_refused(case, place):
    check(case, place)
