"""The small models and pictures that come with the package, and where they lie."""

from pathlib import Path

from lit_nst.errors import InputError

PREFIX = "embedded:"
FOLDER = Path(__file__).resolve().parent


def inside(name: str) -> Path:
    """The path that ``embedded:NAME`` stands for, there or not; NAME may be a pattern.

    Raises:
        InputError: The name leaves the package folder.
    """
    path = Path(name.removeprefix(PREFIX))
    if ".." in path.parts or path.is_absolute():
        raise InputError(f"{name} leaves the embedded images; give a name such as embedded:portraits/03.png")
    return FOLDER / path


def locate(name: str) -> Path:
    """The path of ``embedded:NAME``.

    Args:
        name: A file or folder of this package folder, after the prefix ``embedded:``.

    Raises:
        InputError: There is no such thing, or the name leaves the folder.
    """
    path = inside(name)
    if not path.exists() or path == FOLDER:
        known = ", ".join(
            PREFIX + p.name for p in sorted(FOLDER.iterdir()) if p.is_dir() and not p.name.startswith("_")
        )
        raise InputError(f'"{name}" does not come with the package; there is {known}')
    return path
