"""The small models and pictures that come with the package, and where they lie."""

from pathlib import Path

from lit_nst.errors import InputError

PREFIX = "embedded:"
FOLDER = Path(__file__).resolve().parent


def locate(name: str) -> Path:
    """The path of ``embedded:NAME``.

    Args:
        name: A file or folder of this package folder, after the prefix ``embedded:``.

    Raises:
        InputError: There is no such thing.
    """
    path = (FOLDER / name.removeprefix(PREFIX)).resolve()
    if not path.is_relative_to(FOLDER) or not path.exists() or path == FOLDER:
        known = ", ".join(
            PREFIX + p.name for p in sorted(FOLDER.iterdir()) if p.is_dir() and not p.name.startswith("_")
        )
        raise InputError(f'"{name}" does not come with the package; there is {known}')
    return path
