"""Which pictures and weights a plan names, so that other ones under the same name are another plan."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lit_nst.embedded import FOLDER, PREFIX, inside
from lit_nst.errors import InputError
from lit_nst.files import sha256


def digests(values: Iterable[Any]) -> dict[str, str]:
    """Text that names a file, folder or pattern → digest of what it stands for, of all texts in some values.

    ``embedded`` stands for the weights that come with the package.
    """
    found = {}
    for text in _texts(list(values)):
        if text not in found and (files := _files(text)):
            names = json.dumps([[path.name, sha256(path)] for path in files])
            found[text] = hashlib.sha256(names.encode()).hexdigest()
    return dict(sorted(found.items()))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
        if value[:1] in ("[", "{"):
            try:
                yield from _texts(yaml.safe_load(value))
            except yaml.YAMLError:
                return


def _files(text: str) -> list[Path]:
    if text == "embedded":
        return sorted(FOLDER.glob("*.safetensors"))
    try:
        path = inside(text) if text.startswith(PREFIX) else Path(text)
        if any(sign in path.name for sign in "*?["):
            return sorted(other for other in path.parent.glob(path.name) if other.is_file())
        if path.is_dir():
            return sorted(other for other in path.iterdir() if other.is_file())
        return [path] if path.is_file() else []
    except (InputError, OSError, ValueError):
        return []
