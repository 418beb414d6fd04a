"""Configs and options."""

import os

import pytest

from tests.hostile.case import CANARY, Case, check, params

MORE = ["--config", "more.yaml"]
TOUCH = f"touch {CANARY}"
POPEN = f"{{class_path: subprocess.Popen, init_args: {{args: [touch, {CANARY}]}}}}"


def text(name, content, says, slow=False) -> Case:
    """A config file of some content, over the sound one."""
    data = content if isinstance(content, bytes) else content.encode()
    return Case(name, MORE, says, lambda folder: (folder / "more.yaml").write_bytes(data), slow=slow)


def option(key, value, says=(), slow=False, named=None, known="") -> Case:
    named = named or key.split(".")[-1]
    return Case(f"{key} {value}"[:70], [f"--{key}", value], [named, *says], slow=slow, known=known)


def laughs(levels=9, width=9) -> str:
    lines = [f"l0: &l0 [{', '.join(['lol'] * width)}]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


FILES = [
    text("empty", "", ["more.yaml"]),
    text("nothing", "null", ["more.yaml"]),
    text("number", "3", ["more.yaml"]),
    text("list", "[1, 2]", ["more.yaml"]),
    text("cut off", "model: {class_path: Inv", ["more.yaml"]),
    text("tabs", "model:\n\tclass_path: Inversion\n", ["more.yaml"]),
    text("no text", bytes(range(128, 256)), ["more.yaml"]),
    text("zeros", bytes(1000), ["more.yaml"]),
    text("UTF-16", "data: {target: ä}".encode("utf-16"), ["more.yaml"]),
    text("Latin-1", "data: {target: ä.png}".encode("latin-1"), ["more.yaml"]),
    text("escapes", "data: {\x1b[2J: 1}", ["more.yaml"]),
    text("line ends of another system", "data:\r\n  traget: photo.png\r\n", ["data.traget"]),
    text("two documents", "data: {}\n---\nmodel: {}\n", ["more.yaml"]),
    text("100,000 brackets", "data: " + "[" * 100_000, ["more.yaml"]),
    text("100,000 brackets closed", "data: " + "[" * 100_000 + "]" * 100_000, ["more.yaml"]),
    text("2,000 braces", "data: " + "{a: " * 2000 + "1" + "}" * 2000, ["more.yaml"]),
    text("billion laughs", laughs(), ["more.yaml"]),
    text("billion laughs in a known key", laughs() + "\ndata: {target: *l8}", ["more.yaml"]),
    text("alias of itself", "data: &a {target: *a}", ["more.yaml"]),
    text("unknown alias", "data: *a", ["more.yaml"]),
    text("tag that calls a shell", f"data: !!python/object/apply:os.system ['{TOUCH}']", ["more.yaml"]),
    text("tag that makes an object", f"data: !!python/object/new:os.system ['{TOUCH}']", ["more.yaml"]),
    text("tag of a name", "data: {target: !!python/name:os.system }", ["more.yaml"]),
    text("tag of a module", "data: {target: !!python/module:antigravity }", ["more.yaml"]),
    text("tag of bytes", "data: {target: !!binary aGVsbG8= }", ["data.target"]),
    text("tag of a date", "trainer: {max_steps: 2001-01-01}", ["max_steps"]),
    text("key of a list", "data: {? [a, b] : 1}", ["more.yaml"]),
    text("key of a number", "3: 4", ["more.yaml"]),
    text("key of Python", "__class__: {__init__: 1}", ["__class__"]),
    text("misspelt key", "model: {init_args: {traget: PixelLoss}}", ["more.yaml", "traget"]),
    text("misspelt group", "modle: {a: 1}", ["modle"]),
    text("model of null", "model: null", ["model"]),
    text("model of a list", "model: [1]", ["model"]),
    text("data of a text", "data: all", ["data"]),
    text("trainer of null", "trainer: null", ["trainer"]),
    text("generator of null", "model: {init_args: {generator: null}}", ["generator"]),
    text("loss of null", "model: {init_args: {target: null}}", ["target"]),
    text("weight of null", "model: {init_args: {target: {init_args: {weight: null}}}}", ["weight"]),
    text("optimizer of null", "model: {init_args: {optimizer: null}}", ["optimizer"]),
    text("config of itself", "config: more.yaml", ["more.yaml"]),
    text("10 MiB of a key", "a" * (10 << 20) + ": 1", ["more.yaml"]),
    text("number of 10,000 digits", "trainer: {max_steps: " + "9" * 10_000 + "}", ["more.yaml", "10000 digits"]),
    Case("FIFO", ["--config", "pipe.yaml"], ["pipe.yaml"], lambda folder: os.mkfifo(folder / "pipe.yaml")),
    Case("endless device", ["--config", "/dev/zero"], ["/dev/zero"]),
    Case(
        "link to an endless device",
        ["--config", "zero.yaml"],
        ["zero.yaml"],
        lambda folder: (folder / "zero.yaml").symlink_to("/dev/zero"),
    ),
    Case("folder", ["--config", "folder.yaml"], ["folder.yaml"], lambda folder: (folder / "folder.yaml").mkdir()),
    Case(
        "link to itself",
        ["--config", "loop.yaml"],
        ["loop.yaml"],
        lambda folder: (folder / "loop.yaml").symlink_to("loop.yaml"),
    ),
    Case("missing", ["--config", "nowhere.yaml"], ["nowhere.yaml", "inversion.yaml"]),
    Case("missing of another suffix", ["--config", "nowhere.json"], ["nowhere.json"]),
    Case("out of the folder", ["--config", "../configs/../../etc/passwd.yaml"], ["passwd.yaml"]),
    Case("no name", ["--config", ""], ["config"]),
    Case("name of 300 letters", ["--config", "a" * 300 + ".yaml"], ["aaa.yaml"]),
    Case("name with escapes", ["--config", "\x1b[2J\n.yaml"], ["there is no"]),
    Case("a whole config as text", ["--config", "{model: {class_path: os.system}}"], ["os.system"]),
    Case("picture", ["--config", "photo.png"], ["photo.png"]),
]
FOREIGN = [
    option("model", "os.system", ["os.system"]),
    option("model", "subprocess.Popen", ["subprocess.Popen"]),
    option("model", "builtins.exec", ["builtins.exec"]),
    option("model", "Objective", ["Objective"]),
    option("model", "Inversion2", ["Inversion2"]),
    option("model.generator", "pathlib.Path", ["pathlib.Path"]),
    option("model.generator", "os.system", ["os.system"]),
    option("model.generator", "LatentDistance", ["LatentDistance"]),
    option("model.features", "subprocess.Popen", ["subprocess.Popen"]),
    option("model.target", "torch.nn.Linear", ["torch.nn.Linear"]),
    option("model.optimizer", "os.system", ["os.system"]),
    option("model.optimizer", "nonsense", ["nonsense"]),
    option("model.optimizer", "builtins.print", ["builtins.print"]),
    option("model.optimizer", "torch.optim.Adam2", ["Adam2"]),
    option("model.optimizer", "torch.optim.Optimizer"),
    option("model.optimizer", "torch.optim.SparseAdam"),
    option("model.optimizer", "3"),
    option("trainer.callbacks", "subprocess.Popen", ["subprocess.Popen"]),
    option("trainer.callbacks+", "os.system", ["os.system"], named="trainer.callbacks"),
    option("trainer.callbacks", "[3]"),
    option("trainer.logger", "os.system", ["os.system"]),
    option("trainer.plugins", "os.system"),
    option("trainer.strategy", "os.system", ["os.system"]),
    option("trainer.accelerator", "os.system", ["os.system"]),
    option("trainer.profiler", "os.system"),
    option("results.judge", "subprocess.Popen", ["subprocess.Popen"]),
    option("model", '{"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "CANARY"]}}', ["Popen"]),
    text(
        "foreign model with arguments",
        f"model: {{class_path: subprocess.Popen, init_args: {{args: [touch, {CANARY}]}}}}",
        ["Popen"],
    ),
    text(
        "foreign generator with arguments",
        f"model: {{init_args: {{generator: {{class_path: os.system, init_args: {{command: '{TOUCH}'}}}}}}}}",
        ["generator"],
    ),
    text(
        "foreign callback with arguments",
        f"trainer: {{callbacks: [{{class_path: subprocess.Popen, init_args: {{args: [touch, {CANARY}]}}}}]}}",
        ["callbacks"],
    ),
    text(
        "foreign optimizer with arguments",
        f"model: {{init_args: {{optimizer: {POPEN}}}}}",
        ["optimizer"],
    ),
]
NUMBERS = [
    option("seed_everything", "-1", ["0 or more"]),
    option("seed_everything", str(2**70)),
    option("seed_everything", ".nan"),
    option("model.target.weight", ".nan"),
    option("model.target.weight", ".inf"),
    option("model.target.weight", "-1"),
    option("model.target.weight", "1e400"),
    option("model.target.weight", "[]"),
    option("model.target.weight", "[1, .nan]"),
    option("model.target.weight", "true"),
    option("model.target.power", "0"),
    option("model.target.power", ".nan"),
    option("model.target.layers", "[conv99_9]"),
    option("model.optimizer.lr", "-1", ["give"], named="--model.optimizer"),
    option("model.optimizer.lr", ".nan", ["give"], named="--model.optimizer"),
    option("model.optimizer.lr", ".inf", ["give"], named="--model.optimizer"),
    option("model.optimizer.lr", "null"),
    option("model.optimizer.betas", "[2, 3]", ["beta"], named="--model.optimizer"),
    option("model.optimizer.eps", "-1"),
    option("model.cap", "0", ["at least 1"]),
    option("model.cap", "-5", ["at least 1"]),
    option("model.cap", "many"),
    option("model.floor", "0", ["at least 1"]),
    option("model.floor", "100000"),
    option("model.floor", "1" + "0" * 30),
    option("model.search.spread", ".nan"),
    option("model.search.spread", "-1"),
    option("model.search.spread", "null"),
    option("model.search.restarts", "0", ["give 1"]),
    option("model.search.restarts", "1000000000"),
    option("model.search.restarts", "1" + "0" * 30),
    option("model.search.candidates", "-1"),
    option("model.search.candidates", "100", ["sample"]),
    option("model.search.candidates", "1000000000", ["at most"]),
    option("model.search.phases", "[0]"),
    option("model.search.phases", "[1, 1]"),
    option("model.search.phases", "[.nan]"),
    option("model.search.ramp_up", "2"),
    option("model.search.ramp_down", ".nan"),
    option("model.search.jitter", ".inf"),
    option("model.search.keep", "none"),
    option("model.search.start", "nowhere.png", ["nowhere.png"]),
    option("model.search.start", "/dev/zero", ["/dev/zero"]),
    option("model.search.seed", "now"),
    option("results.samples", "-1"),
    option("results.samples", "1000000000"),
    option("results.feather", ".nan"),
    option("results.feather", "-1"),
    option("results.feather", ".inf"),
]
TRAINER = [
    option("trainer.max_steps", "-5"),
    option("trainer.max_steps", "0"),
    option("trainer.max_steps", "-1"),
    option("trainer.max_steps", "null"),
    option("trainer.max_steps", ".nan"),
    option("trainer.max_steps", "1e3"),
    option("trainer.max_epochs", "-7"),
    option("trainer.max_time", "soon", named="duration"),
    option("trainer.max_time", "-1", named="duration"),
    option("trainer.devices", "0"),
    option("trainer.devices", "-7"),
    option("trainer.devices", "none"),
    option("trainer.devices", "[]"),
    option("trainer.num_nodes", "0"),
    option("trainer.accelerator", "bananas", ["bananas"]),
    option("trainer.accelerator", "cuda"),
    option("trainer.strategy", "fsdp"),
    option("trainer.strategy", "deepspeed", named="DeepSpeed"),
    option("trainer.precision", "3"),
    option("trainer.accumulate_grad_batches", "0"),
    option("trainer.accumulate_grad_batches", "2"),
    option("trainer.gradient_clip_val", "1"),
    option("trainer.gradient_clip_val", ".nan"),
    option("trainer.limit_train_batches", "-1"),
    option("trainer.limit_train_batches", "0"),
    option("trainer.val_check_interval", "-1"),
    option("trainer.fast_dev_run", "-1"),
    option("trainer.profiler", "nonsense"),
    option("trainer.overfit_batches", "-3"),
    option("trainer.logger", "nonsense"),
    option("trainer.logger.save_dir", "photo.png", named="photo.png"),
    option("trainer.logger.save_dir", "/proc/nowhere", named="/proc/nowhere"),
    option("trainer.logger.name", "a" * 300, named="too long"),
    option("trainer.logger.version", "a" * 300, named="too long"),
    option("trainer.sampler", "1"),
    option("checkpoint.every_n_train_steps", "-1"),
    option("checkpoint.every_n_train_steps", "many"),
    option("checkpoint.save_top_k", "-5"),
    option("checkpoint.save_top_k", "3"),
    option("checkpoint.mode", "best"),
    option("trajectory.steps", "-1"),
    option("trajectory.steps", "nonsense"),
    option("trajectory.frames", "-1"),
]
LINE = [
    Case("no command", ["\x00"], ["fit"]),
    Case("another command", ["train"], ["'train'", "fit"]),
    Case("command with escapes", ["\x1b[2J"], ["fit"]),
    Case("option without a value", ["--trainer.max_steps"], ["max_steps"]),
    Case("option of no text", ["--\udcff", "1"], []),
    Case("abbreviation", ["--trainer.max_step", "3"], ["--trainer.max_step"]),
    Case("equals sign alone", ["--=3"], ["--="]),
    Case("option of 100,000 letters", ["--" + "a" * 100_000, "1"], []),
    Case("print of another kind", ["--print_config=os.system"], ["print_config"]),
    Case("help for another class", ["--model.help", "os.system"], ["os.system"]),
]
CASES = [*FILES, *FOREIGN, *NUMBERS, *TRAINER, *LINE]


@pytest.mark.parametrize("case", params([*FILES, *FOREIGN, *LINE]))
def test_config_is_refused(case, place):
    check(case, place)


@pytest.mark.parametrize("case", params(NUMBERS, 14))
def test_number_is_refused(case, place):
    check(case, place)


@pytest.mark.parametrize("case", params(TRAINER, 6))
def test_trainer_is_refused(case, place):
    check(case, place)
