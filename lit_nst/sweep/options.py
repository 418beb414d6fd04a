"""The arguments of a sweep, and its recipe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lit_nst.errors import InputError
from lit_nst.sweep.arms import ARM, Arm, check_overrides, chosen_arms, read_arms
from lit_nst.sweep.axis import Axis, Option, plain_key, text_of
from lit_nst.sweep.configs import find, read, read_all
from lit_nst.sweep.inputs import digests
from lit_nst.sweep.plan import Plan

RECIPE = ("configs", "options", "vary", "page", "arms")
REFUSED = {
    "ckpt_path": "a sweep goes on by itself; leave it out",
    "trainer.logger": "a sweep has folders of its own; leave it out",
    "trainer.fast_dev_run": "it leaves no figures; leave it out",
    "trainer.devices": "a cell runs in one process; give it on the command line, for the whole sweep",
    "trainer.num_nodes": "a cell runs in one process; give it on the command line, for the whole sweep",
    "print_config": "a sweep has many; give it to fit",
}


@dataclass
class _Arguments:
    configs: list[str] = field(default_factory=list)
    axes: list[Axis] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


@dataclass
class _Recipe:
    configs: list[str]
    options: list[Option]
    axes: list[Axis]
    page: str
    arms: dict[str, Arm]


def read_command(args: Sequence[str], folder: Path) -> Plan:
    """The plan of a command line.

    An axis or option of the command line takes the place of the recipe's axis of the same name.

    Args:
        args: ``--config``, ``--vary`` and options of ``fit``, without those that say how many processes there are.
        folder: Where configs are looked up that are not files here.

    Raises:
        InputError: What cannot be read, a recipe with other keys than its five, or nothing that varies.
    """
    given = _split(args)
    if not given.configs:
        raise InputError("sweep: there is no config; give --config sweeps/inversion.yaml, or another and --vary")
    names, options, axes, page, arms = list[str](), list[Option](), list[Axis](), "generic", dict[str, Arm]()
    for name in given.configs:
        content = read(find(name, folder))
        if not isinstance(content, dict) or not set(content) & set(RECIPE):
            names.append(name)
            continue
        recipe = _recipe(name, content, folder)
        names += recipe.configs
        options += recipe.options
        axes += recipe.axes
        page = recipe.page
        arms |= recipe.arms
    fixed = {plain_key(key) for key, _ in given.options} | {axis.key for axis in given.axes}
    axes = [axis for axis in axes if axis.key not in fixed] + given.axes
    check_overrides(arms, given.options)
    if arms:
        arms = chosen_arms(arms, axes)
        axes = [Axis(ARM, tuple(arms)), *(axis for axis in axes if axis.key != ARM)]
    _check_axes(axes)
    configs = read_all(names, folder)
    own = [option for arm in arms.values() for option in arm.options]
    contents = [*configs.values(), *(content for arm in arms.values() for content in arm.configs.values())]
    used = digests([*contents, *(text for _, text in [*options, *given.options, *own]), *(a.values for a in axes)])
    name = Path(given.configs[0]).stem
    return Plan(name, configs, tuple(options), tuple(axes), tuple(given.options), page, used, arms)


def _split(args: Sequence[str]) -> _Arguments:
    found, rest = _Arguments(), list(args)
    while rest:
        token = rest.pop(0)
        if not token.startswith("--"):
            raise InputError(f'sweep: "{token}" belongs to no option; write --KEY VALUE')
        key, equals, value = token[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise InputError(f"--{key}: {REFUSED.get(key, 'it has no value; write --KEY VALUE')}")
            value = rest.pop(0)
        if key == "config":
            found.configs.append(value)
        elif key == "vary":
            found.axes.append(_axis(value))
        else:
            found.options.append((key, value))
    _check_options(found.options)
    return found


def _check_options(options: Sequence[Option]) -> None:
    for key, _ in options:
        for refused, why in REFUSED.items():
            if plain_key(key) == refused or plain_key(key).startswith(refused + "."):
                raise InputError(f"--{key}: {why}")


def _axis(text: str) -> Axis:
    key, equals, values = text.partition("=")
    if not equals or not re.fullmatch(r"[\w.]+\+?", key := key.strip().removeprefix("--")):
        raise InputError(f"--vary {text}: write --vary 'KEY=[VALUE, ...]', such as 'model.style.weight=[1, 10]'")
    try:
        parsed = yaml.safe_load(values)
    except yaml.YAMLError:
        parsed = None
    return _axis_of(key, parsed, values)


def _axis_of(key: str, values: Any, text: str) -> Axis:
    _check_options([(key, "")])
    if not isinstance(values, list):
        raise InputError(f"--vary {key}: {text} is not a list; write --vary '{key}=[VALUE, ...]'")
    return Axis(plain_key(key), tuple(_number(value) for value in values))


def _number(value: Any) -> Any:
    """What YAML 1.1 reads as text, 1e3, as the number that everyone means."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", value):
        return float(value)
    return value


def _check_axes(axes: Sequence[Axis]) -> None:
    if not axes:
        raise InputError("sweep: nothing varies; give --vary 'KEY=[VALUE, ...]'")
    keys = [axis.key for axis in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"--vary {key}: it is there twice; give one list")


def _recipe(name: str, content: dict[str, Any], folder: Path) -> _Recipe:
    for key in content:
        if key not in RECIPE:
            raise InputError(f'{name}: a sweep recipe has no key "{key}"; it takes {", ".join(RECIPE)}')
    configs, vary, options = content.get("configs"), content.get("vary") or {}, content.get("options") or {}
    if not isinstance(configs, list) or not configs or not all(isinstance(config, str) for config in configs):
        raise InputError(f"{name}: configs is {configs!r}; give a list of configs, such as [style_transfer.yaml]")
    for key, value in (("vary", vary), ("options", options)):
        if not isinstance(value, dict):
            raise InputError(f"{name}: {key} is not a mapping; write KEY: VALUE lines under it")
    pairs = [(str(key), text_of(value)) for key, value in options.items()]
    axes = [_axis_of(str(key), values, text_of(values)) for key, values in vary.items()]
    arms = read_arms(name, content["arms"], folder) if "arms" in content else {}
    try:
        _check_options([*pairs, *(option for arm in arms.values() for option in arm.options)])
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return _Recipe(configs, pairs, axes, str(content.get("page", "generic")), arms)
