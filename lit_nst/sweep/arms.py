"""Arms: an axis whose values are bundles of configs and options, such as a method and the ones it is compared with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_nst.errors import InputError
from lit_nst.sweep.axis import Axis, Option, plain_key, text_of
from lit_nst.sweep.configs import read_all

ARM = "arm"
KEYS = ("configs", "base", "options")


@dataclass(frozen=True)
class Arm:
    """One bundle.

    An arm with a base of its own, such as another task, takes neither the recipe's configs and options nor what axes
    and command line say of ``model``, which they say of the other task.

    Attributes:
        name: Its label.
        configs: File of each config → its contents.
        options: In order; ``{arm:NAME}`` in a value stands for the results folder of an arm before it.
        alone: Whether the configs are a base, and not overlays after those of the recipe.
    """

    name: str
    configs: Mapping[Path, Any]
    options: tuple[Option, ...]
    alone: bool = False

    @property
    def sources(self) -> list[str]:
        """Names of the arms whose results it reads.

        >>> Arm("b", {}, (("data.content", "{arm:a}/*+*.png"),)).sources
        ['a']
        """
        found = [name for _, value in self.options for name in re.findall(r"\{arm:([^{}]*)\}", value)]
        return list(dict.fromkeys(found))

    def record(self) -> dict[str, Any]:
        """All that decides what it is, as JSON."""
        return {
            "base" if self.alone else "configs": list(self.configs.values()),
            "options": [list(option) for option in self.options],
        }

    def takes(self, key: str) -> bool:
        """Whether an option that is common to all arms is meant for it."""
        return not self.alone or not key.startswith("model.")

    def sets(self, key: str) -> bool:
        """Whether it has an option of its own."""
        return any(plain_key(own) == key for own, _ in self.options)


def read_arms(name: str, content: Any, folder: Path) -> dict[str, Arm]:
    """The arms of a recipe, by name.

    Args:
        name: Of the recipe.
        content: What it has under ``arms``.
        folder: Where configs are looked up that are not files here.

    Raises:
        InputError: What cannot be read.
    """
    if not isinstance(content, dict) or not content:
        raise InputError(f"{name}: arms is not a mapping; write NAME: {{configs: [...], options: {{...}}}} lines")
    return {str(arm): _arm(f"{name}: arm {arm}", str(arm), own, folder) for arm, own in content.items()}


def _arm(where: str, name: str, content: Any, folder: Path) -> Arm:
    content = {} if content is None else content
    if not re.fullmatch(r"[\w-]+", name):
        raise InputError(f"{where}: give a name of letters, digits, _ and -")
    if not isinstance(content, dict):
        raise InputError(f"{where}: it is not a mapping; give it configs, options or nothing")
    for key in content:
        if key not in KEYS:
            raise InputError(f'{where}: it has no key "{key}"; it takes {", ".join(KEYS)}')
    if "configs" in content and "base" in content:
        raise InputError(f"{where}: base takes the place of the recipe's configs; put the overlays into base, too")
    alone = "base" in content
    configs, options = content.get("base" if alone else "configs", []), content.get("options") or {}
    if not isinstance(configs, list) or not all(isinstance(one, str) for one in configs) or (alone and not configs):
        raise InputError(f"{where}: {'base' if alone else 'configs'} is {configs!r}; give a list of configs")
    if not isinstance(options, dict):
        raise InputError(f"{where}: options is not a mapping; write KEY: VALUE lines under it")
    pairs = tuple((str(key), text_of(value)) for key, value in options.items())
    return Arm(name, read_all(configs, folder), pairs, alone)


def chosen_arms(arms: Mapping[str, Arm], axes: Sequence[Axis]) -> dict[str, Arm]:
    """Those that an axis ``arm`` asks for, in its order; all without one.

    Raises:
        InputError: One that there is not, one that reads what is not there before it, or one with an option that
            varies.
    """
    names = next((axis.values for axis in axes if axis.key == ARM), tuple(arms))
    for i, name in enumerate(names):
        if name not in arms:
            raise InputError(f"--vary {ARM}: there is no arm {text_of(name)}; give some of {', '.join(arms)}")
        for source in arms[name].sources:
            if source not in names[:i]:
                raise InputError(f"arm {name}: it reads arm {source}, which is not there before it; put {source} first")
        for axis in axes:
            if not axis.shared and arms[name].sets(axis.key):
                raise InputError(f"arm {name}: {axis.key} varies, too; leave it out of one of them")
    return {name: arms[name] for name in names}


def check_overrides(arms: Mapping[str, Arm], overrides: Sequence[Option]) -> None:
    """Refuses an option of the command line that would make different arms alike.

    Raises:
        InputError: It is there.
    """
    for key in [plain_key(key) for key, _ in overrides]:
        setting = [name for name, arm in arms.items() if arm.sets(key) and arm.takes(key)]
        if setting and not key.startswith("trainer."):
            raise InputError(f"--{key}: arm {', '.join(setting)} sets it itself; change the recipe")
        if arms and key == ARM:
            raise InputError(f"--{ARM}: write --vary '{ARM}=[NAME, ...]' to choose arms")
