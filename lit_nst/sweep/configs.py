"""Configs of a sweep: where they lie, and what is in them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lit_nst.errors import InputError


def find(name: str, folder: Path) -> Path:
    """The file of a config: here, or in the project's folder.

    Raises:
        InputError: It is in neither.
    """
    if Path(name).is_file():
        return Path(name)
    if not (folder / name).is_file():
        known = ", ".join(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")))
        raise InputError(f'--config: there is no "{name}", neither here nor in {folder} ({known})')
    return folder / name


def read(path: Path) -> Any:
    """What is in a YAML file.

    Raises:
        InputError: It is none.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: it is not YAML ({' '.join(str(error).split())}); mend it") from None


def read_all(names: Iterable[str], folder: Path) -> dict[Path, Any]:
    """File → contents of some configs.

    Raises:
        InputError: As ``find`` and ``read``.
    """
    return {find(name, folder): read(find(name, folder)) for name in names}
