"""Command line: ``python cli.py fit --config inversion.yaml``, or ``lit-nst fit --config inversion.yaml``."""

import logging
import os
import re
import sys
import warnings
from importlib import import_module
from os.path import relpath
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from jsonargparse import ActionConfigFile, Namespace, get_loader, set_loader  # type: ignore[attr-defined]
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger

# Imported classes have short names in configs.
from lit_nst import callbacks, degradations, features, generators, losses, parallel, plain_yaml, tasks  # noqa: F401
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.parallel.memory import is_out_of_memory
from lit_nst.queue import Checkpoint, Queue, Run, Stopped, holds_run, run_of

_HERE = Path(__file__).resolve().parent
CONFIGS = next((path for path in (_HERE / "configs", _HERE.parent / "configs") if path.is_dir()), _HERE / "configs")
USAGE = """lit-nst fit --config NAME [--config NAME ...] [--data.ROLE PATH] [--model.KEY VALUE] [--trainer.max_steps N]

  python cli.py fit --config inversion.yaml                         invert the portraits that come with the package
  python cli.py fit --config inversion.yaml --config deblur.yaml    restore them from a blur
  python cli.py fit --config inversion.yaml --data.target photo.png --model.regulariser.weight 0.1
  python cli.py fit --config logs/inversion/version_0/config.yaml   run that run again
  python cli.py fit --config ... --ckpt_path logs/.../last.ckpt     go on with a run that was stopped
  python cli.py fit --model.help Inversion                          what a task takes; so for every class
  python cli.py fit --config inversion.yaml --print_config          everything that can be set
  python cli.py sweep --help                                        many runs as one, with a page
  python cli.py align --help                                        crop faces as a generator of faces knows them
  python cli.py paste --help                                        put a restored face back into its photograph
  python cli.py convert --help                                      generator files: NVlabs, rosinality, safetensors
  python cli.py render --help                                       draw saved latents again"""
COMMANDS = ("align", "paste", "convert", "render")
LARGEST = 1 << 20
# Letters of a line of an error.
LONGEST = 1200
_load_yaml = get_loader("yaml")


def _load(text: str) -> Any:
    plain_yaml.check(text)
    return _load_yaml(text)


set_loader("yaml", _load, exceptions=(yaml.YAMLError, RecursionError, ValueError))


class ConfigFile(ActionConfigFile):
    """``--config`` that also looks in the project's ``configs`` folder."""

    @staticmethod
    def apply_config(parser: Any, cfg: Any, dest: str, value: Any) -> None:
        """Applies a file; several compose from left to right."""
        if value == "":
            raise TypeError("--config is empty; give a .yaml file")
        if isinstance(value, str) and Path(value).suffix in {".yaml", ".yml"} and not os.path.exists(value):
            if not os.path.isfile(CONFIGS / value):
                known = ", ".join(sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml")))
                raise TypeError(f'there is no "{value}", neither here nor in {CONFIGS} ({known})')
            value = str(CONFIGS / value)
        _check_file(value)
        parser.reading = value
        ActionConfigFile.apply_config(parser, cfg, dest, value)
        parser.reading = None


def _check_file(name: str) -> None:
    """Refuses a config that is there but is none: it may have no end."""
    if not os.path.exists(name):
        return
    path, advice = Path(name), "give a .yaml file"
    if not path.is_file():
        raise TypeError(f"{name} is {'a folder' if path.is_dir() else 'not a regular file'}; {advice}")
    if path.stat().st_size > LARGEST:
        raise TypeError(f"{name} is larger than {LARGEST >> 20} MiB, which no config is; {advice}")
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TypeError(f"{name} is no text in UTF-8 ({error.reason} at byte {error.start}); {advice}") from None


class Parser(LightningArgumentParser):
    """A parser whose errors are one line, and whose options are written out."""

    reading: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # An abbreviation would hide a misspelling: --trainer.max_step would be taken for max_steps.
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Swaps in the ``--config`` with the look-up."""
        if kwargs.get("action") is ActionConfigFile:
            kwargs["action"] = ConfigFile
        return super().add_argument(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises InputError with one line."""
        if not self.exit_on_error:
            # The parser of a class inside another: the outer one tries its other types, or knows the whole name.
            super().error(message, ex)
        text = _one_line(message) if ex is None else _explain(ex)
        raise InputError(text if self.reading is None else f"{self.reading}: {text}")


class CLI(LightningCLI):
    """Builds and runs a task from configs and options."""

    def __init__(self, args: list[str] | None = None) -> None:
        super().__init__(
            tasks.Objective,
            Images,
            subclass_mode_model=True,
            parser_class=Parser,
            parser_kwargs={"fit": {"usage": USAGE}},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_callback=None,
            trainer_defaults={
                "max_steps": 500,
                "devices": 1,
                "strategy": "rows",
                "log_every_n_steps": 10,
                "enable_model_summary": False,
                "plugins": [{"class_path": "AtomicCheckpointIO"}],
                "logger": {"class_path": "TensorBoardLogger", "init_args": {"save_dir": "logs", "name": None}},
            },
            args=args,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """``fit`` alone: there is nothing to validate, test or predict."""
        return {"fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule"}}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The callbacks that every run has."""
        parser.add_lightning_class_args(Checkpoint, "checkpoint")
        parser.set_defaults({
            "checkpoint.every_n_train_steps": 100,
            "checkpoint.save_last": True,
            "checkpoint.save_top_k": 0,
            "checkpoint.enable_version_counter": False,
        })  # fmt: skip
        parser.add_lightning_class_args(callbacks.History, "history")
        parser.add_lightning_class_args(callbacks.StepBar, "progress")
        parser.add_lightning_class_args(callbacks.Results, "results")
        parser.add_lightning_class_args(callbacks.Trajectory, "trajectory")
        parser.add_class_arguments(Queue, "queue")

    def before_instantiate_classes(self) -> None:
        """Names the run after its first config; a run that goes on keeps its folder."""
        config = self.config["fit"]
        settings = _logger_settings(config)
        run = None
        if config.ckpt_path == "last":
            config.ckpt_path = self._last(settings)
        if config.ckpt_path is not None:
            run = run_of(config.ckpt_path)[0]
        if "name" not in settings:
            return
        if run is not None and (run / "config.yaml").is_file() and settings.get("version") is None:
            # Relative again, as in the run that wrote it: Lightning warns of a checkpoint from another folder.
            settings.save_dir, settings.name, settings.version = relpath(run.parent.parent), run.parent.name, run.name
        elif settings.name is None:
            settings.name = self._name()

    def _name(self) -> str:
        files = self.config["fit"].get("config") or []
        return Path(str(files[0])).stem if files else "run"

    def _last(self, settings: Any) -> str | None:
        """The run that a fixed folder holds; None: there is none, and it begins."""
        if not isinstance(settings.get("version"), str):
            raise InputError(
                "--ckpt_path last goes on with the run in a folder of a fixed name; "
                "give one, such as --trainer.logger.init_args.version search"
            )
        folder = Path(settings.save_dir) / (settings.name or self._name()) / settings.version
        return str(folder) if holds_run(folder) else None

    def instantiate_classes(self) -> None:
        """Makes task, data and trainer; a value that one of them refuses is bad input, whoever wrote the class."""
        try:
            super().instantiate_classes()
        except (ValueError, MisconfigurationException) as error:
            raise InputError(_explain(error)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """Leaves out the callbacks that the trainer's own switches turn off."""
        trainer, keys = self._get(self.config_init, "trainer"), self._parser(self.subcommand).callback_keys
        dropped = {"history", "results", "trajectory"} if trainer.fast_dev_run else set[str]()
        for key, flag in (("progress", "enable_progress_bar"), ("checkpoint", "enable_checkpointing")):
            if trainer[flag] is False:
                dropped.add(key)
        for key in dropped & set(keys):
            keys.remove(key)
        if trainer.accelerator == "auto" and not torch.cuda.is_available():
            # Other accelerators lack the double precision of the small matrix products.
            trainer.accelerator = "cpu"
        try:
            return super().instantiate_trainer(**kwargs)
        except TypeError as error:
            raise InputError(f"--trainer: {error}") from error

    def fit(self, model: tasks.Objective, datamodule: Images, ckpt_path: str | None = None, **_: Any) -> None:
        """Computes every row: in batches, in all processes."""
        if self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.trainer.fit(model, datamodule=datamodule)
            return
        settings = {k: v for k, v in self._get(self.config_init, "trainer").items() if k not in ("callbacks", "logger")}
        queue = self._get(self.config_init, "queue")
        Run(model, datamodule, self.trainer, settings, queue, self._logger, self._config_text(), ckpt_path).fit()

    def _logger(self, folder: Path) -> Any:
        """The logger of a unit, in its own folder."""
        logger = self.trainer.logger
        if not isinstance(logger, TensorBoardLogger):
            return logger or False
        settings = _logger_settings(self.config["fit"])
        return TensorBoardLogger(**{**settings, "save_dir": str(folder), "name": "", "version": ""})

    def _config_text(self) -> str:
        """``config.yaml``, as one that runs again from the start, in a folder of its own."""
        config = self.config["fit"].clone()
        if config.ckpt_path is not None or isinstance(_logger_settings(config).get("version"), str):
            config.ckpt_path = None
            settings = _logger_settings(config)
            if "version" in settings:
                settings["version"] = None
        text: str = self._parser("fit").dump(config, skip_none=False)
        return text

    def _dump_config(self) -> None:
        """Leaves out the copy of the config for hyper-parameters: no task keeps any, and it would be checked again."""
        self.config_dump: dict[str, Any] = {}

    def _set_seed(self) -> None:
        """Refuses a number that is no seed."""
        try:
            super()._set_seed()
        except ValueError as error:
            raise InputError(f"--seed_everything: {_one_line(str(error))}; give 0 or more") from None

    def _parse_ckpt_path(self) -> None:
        """The command line decides: what a checkpoint says of its run does not override it."""


def _logger_settings(config: Namespace) -> Any:
    """What the logger of a config is made with; empty where it has none, or several."""
    if not isinstance(config.trainer, Namespace):
        found = "null" if config.trainer is None else "no mapping"
        raise InputError(f"trainer is {found}; give its settings, such as max_steps, or leave it out")
    logger = config.trainer.logger
    return (logger.get("init_args") or {}) if isinstance(logger, Namespace) else {}


def _explain(error: BaseException) -> str:
    """The whole name of the option, the class, and the reason, of jsonargparse's nested errors."""
    names, owner, before = list[str](), "", ""
    while re.search('Parser key "|Problem with given class_path', text := str(error)):
        if (key := re.match('Parser key "(.+?)":', text)) and text != before:
            names, owner = [*names, key[1]], ""
        if found := re.match(r"Problem with given class_path '(?:.*\.)?(\w+)'", text):
            owner = f" ({found[1]})"
        if (cause := error.__cause__ or error.__context__) is None:
            break
        before, error = text, cause
    return f"{'.'.join(names)}{owner}: {_one_line(text)}" if names else _one_line(text)


def _one_line(message: str) -> str:
    """What is wrong, of jsonargparse's explanation of all it tried."""
    lines = [line.strip().removeprefix("- ") for line in message.splitlines()]
    tried = "Does not validate|Problem with|Expected a <class 'NoneType'>|Expected a path but"
    classes = r"Subclass types expect|a class path \(str\)|a dict with"
    noise = re.compile(f"({tried}|Subtypes:|Errors:|Given value|{classes}|$)")
    kept = list(dict.fromkeys(line for line in lines if not noise.match(line))) or lines
    # Where a class is fine and refuses a value, the value is what is wrong.
    kept = [line for line in kept if not line.startswith("Not a valid subclass")] or kept
    text = re.sub(r"a <class '([\w.]+)'>", r"\1", "; ".join(kept)).replace("a typing.Literal", "one of ")
    text = re.sub("^Unexpected config: *(.*)", r'no config but "\1"; give keys and values, as inversion.yaml has', text)
    text = re.sub(r"^functools\.partial.* must be a mapping, not (\w+)", r"a \1 stands for settings by name", text)
    # Of several types that would do, the errors do not say what there was instead.
    given = next((line.removeprefix("Given value: ") for line in lines if line.startswith("Given value: ")), "")
    text = re.sub(r"\.? ?(Got value: )?\[?Namespace\(.*", "", text)
    text = text if given in text or given.startswith(("Namespace(", "[Namespace(")) else f"{text}; got {given}"
    return re.sub("Expected a dot import path string: (.+)", r'there is no fitting class "\1"', text)


def _fail(message: str) -> NoReturn:
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"error: {_shown(message)}", file=sys.stderr)
    sys.exit(2)


def _shown(message: str) -> str:
    """A message as one line of no more than some length that leaves the terminal as it is."""
    line = " ".join(message.split())
    if len(line) > LONGEST:
        # What is wrong stands at either end.
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


def main(args: list[str] | None = None) -> None:
    """Runs the command line; bad input ends it with one line and status 2.

    Args:
        args: The arguments; None: those of the process.
    """
    signals = "lightning.pytorch.trainer.connectors.signal_connector"
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric", signals):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The last one asks a sampling for the state before its step; that after it is the one to go on from.
    eval_mode, specs = "Found .* module.* in eval mode", (".*LeafSpec.*", ".*isinstance.treespec.*")
    moved, endless = "The dirpath has changed", "`max_epochs` was not set"
    for text in (eval_mode, *specs, moved, endless, "Using ModelCheckpoint with manual optimization"):
        warnings.filterwarnings("ignore", text)
    warnings.filterwarnings("ignore", module="jsonargparse|lightning.pytorch.cli")
    given = sys.argv[1:] if args is None else args
    try:
        # What only a command needs is not imported for a run.
        if given[:1] == ["sweep"]:
            from lit_nst import sweep

            sweep.main(given[1:], CLI, CONFIGS)
        elif given and given[0] in COMMANDS:
            import_module(f"lit_nst.commands.{given[0]}").main(given[1:])
        else:
            CLI(args)
    except Stopped as stopped:
        if stopped.line is not None:
            print(stopped.line, file=sys.stderr)
        raise
    except (InputError, MisconfigurationException, OSError) as error:
        _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        _fail("there is not enough memory; give smaller or fewer pictures, a smaller --data.size, or fewer restarts")
