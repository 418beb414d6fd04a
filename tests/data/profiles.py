"""Colour profiles built by hand, so that the expected colours are known without the library under test."""

import struct

_PRIMARIES = [(0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]


def linear_profile(space: str, order: tuple[int, int, int] = (0, 1, 2)) -> bytes:
    """An ICC profile with tone curve 1: ``GRAY``, or ``RGB`` with sRGB's primaries in another order."""
    tags = {"wtpt": _xyz(0.9642, 1.0, 0.8249)}
    if space == "GRAY":
        tags["kTRC"] = struct.pack(">4sII", b"curv", 0, 0)
    else:
        for channel, primary in zip("rgb", order, strict=True):
            tags[f"{channel}XYZ"] = _xyz(*_PRIMARIES[primary])
            tags[f"{channel}TRC"] = struct.pack(">4sII", b"curv", 0, 0)
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sII", name.encode(), start + len(body), len(value))
        body += value
    head = struct.pack(">I4xI4s4s4s", start + len(body), 0x02400000, b"mntr", space.ljust(4).encode(), b"XYZ ")
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp")
    return head.ljust(68, b"\0") + _fixed(0.9642, 1.0, 0.8249) + bytes(48) + table + body


def srgb_curve(linear: float) -> float:
    """IEC 61966-2-1."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(*values: float) -> bytes:
    return struct.pack(">4sI", b"XYZ ", 0) + _fixed(*values)
