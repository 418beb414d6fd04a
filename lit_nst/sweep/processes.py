"""The processes that share the cells of a sweep, and the device of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from lit_nst.errors import InputError
from lit_nst.parallel import Ranks
from lit_nst.sweep.axis import Option, plain_key
from lit_nst.sweep.plan import Cell, Plan

DEVICES, NODES, ACCELERATOR = "trainer.devices", "trainer.num_nodes", "trainer.accelerator"


@dataclass(frozen=True)
class Processes:
    """How many processes, and of which devices. A sweep goes on with other ones, so they are no part of its plan.

    Attributes:
        devices: As ``--trainer.devices`` of ``fit``.
        nodes: As ``--trainer.num_nodes``.
        accelerator: As ``--trainer.accelerator``, which then holds for every cell. None: as the configs say.
    """

    devices: Any = 1
    nodes: Any = 1
    accelerator: str | None = None

    def ranks(self, plan: Plan) -> Ranks:
        """The processes, each of which knows its rank and its device.

        Raises:
            InputError: Devices that there are not, or an accelerator that is to vary.
        """
        if self.accelerator is not None and plan.axis(ACCELERATOR) is not None:
            raise InputError(f"--{ACCELERATOR}: it varies, too; leave it out of one of them")
        options = (*plan.options, *plan.overrides)
        accelerator = self.accelerator or _accelerator(options, plan.configs.values())
        if accelerator in (None, "auto"):
            accelerator = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            trainer = Trainer(
                accelerator=str(accelerator), devices=self.devices, num_nodes=self.nodes, strategy="rows", max_steps=1,
                logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
        except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
            given = f"--{DEVICES} {self.devices}, --{NODES} {self.nodes}, --{ACCELERATOR} {accelerator}"
            raise InputError(f"{given}: {' '.join(str(error).split())}") from None
        return Ranks(trainer.strategy)

    def options(self, plan: Plan, cell: Cell, device: torch.device) -> list[Option]:
        """What puts a cell on the device of a process; the first one is what a run takes anyway."""
        found: list[Option] = [] if self.accelerator is None else [(ACCELERATOR, self.accelerator)]
        files = {
            **plan.configs,
            **{path: content for arm in plan.arms.values() for path, content in arm.configs.items()},
        }
        accelerator = self.accelerator or _accelerator(cell.options, (files[path] for path in cell.configs))
        if device.index and accelerator != "cpu":
            found.append((DEVICES, f"[{device.index}]"))
        return found


def split(args: Sequence[str]) -> tuple[Processes, list[str]]:
    """What a command line says of the processes, and the rest of it.

    >>> split(["--config", "a.yaml", "--trainer.devices=2"])
    (Processes(devices=2, nodes=1, accelerator=None), ['--config', 'a.yaml'])

    Raises:
        InputError: A value that is none.
    """
    found, others, rest = dict[str, str](), list[str](), list(args)
    while rest:
        token = rest.pop(0)
        key, equals, value = token.removeprefix("--").partition("=")
        if not token.startswith("--") or key not in (DEVICES, NODES, ACCELERATOR):
            others.append(token)
            continue
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise InputError(f"--{key}: it has no value; write --{key} VALUE")
            value = rest.pop(0)
        found[key] = value
    return Processes(_devices(found), _count(found), found.get(ACCELERATOR)), others


def _devices(found: dict[str, str]) -> Any:
    text = found.get(DEVICES, "1")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    numbers = value if isinstance(value, list) else [value]
    if isinstance(value, str) or (numbers and all(type(number) is int for number in numbers)):
        return value
    raise InputError(f"--{DEVICES}: {text} is no number of devices; give one, or a list such as [0, 1]")


def _count(found: dict[str, str]) -> int:
    text = found.get(NODES, "1")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--{NODES}: {text} is no number of machines; give 1 or more")
    return int(text)


def _accelerator(options: Sequence[Option], configs: Iterable[Any]) -> str | None:
    """The last one that is named; options come after configs."""
    named = [config["trainer"].get("accelerator") for config in configs if _has_trainer(config)]
    named += [value for key, value in options if plain_key(key) == ACCELERATOR]
    return next((str(value) for value in reversed(named) if value is not None), None)


def _has_trainer(config: Any) -> bool:
    return isinstance(config, dict) and isinstance(config.get("trainer"), dict)
