"""Prompts and settings of a guided sampling."""

import pytest

from tests.hostile.case import CANARY, Case, check, params, run, tree

MORE = ["--config", "more.yaml"]


def option(key, value, says=(), slow=False, more=()) -> Case:
    return Case(f"{key} {value}"[:60], [f"--{key}", value, *more], [key.split(".")[-1], *says], config="guided.yaml",
                slow=slow)  # fmt: skip


def prompt(name, text, says=("prompt",)) -> Case:
    """A prompt as YAML."""
    content = "model: {init_args: {prompt: " + text + "}}"
    return Case(name, MORE, says, lambda folder: (folder / "more.yaml").write_text(content), "guided.yaml")


CASES = [
    prompt("list of nothing", "[]", ["model.prompt", "give one"]),
    prompt("null", "null", ["prompt"]),
    prompt("number", "3"),
    prompt("truth", "true"),
    prompt("dictionary", "{a: b}"),
    prompt("list of lists", "[[circle]]"),
    prompt("list of null", "[null]"),
    prompt("list of numbers", "[1, 2]"),
    prompt("tag of a program", f"!!python/object/apply:os.system ['touch {CANARY}']", ["os.system"]),
    prompt("control characters", '"\x00\x1b[2J"', ["more.yaml"]),
    prompt("half a letter", '"\\ud800"', ["more.yaml"]),
    prompt("bytes", "!!binary aGVsbG8="),
    prompt("half a list", "[circle", ["more.yaml"]),
    option("model.negative", "[a, b]"),
    option("model.negative", "null"),
    option("model.samples", "0", ["at least 1"]),
    option("model.samples", "-1", ["at least 1"]),
    option("model.samples", "1" + "0" * 30),
    option("model.samples", ".nan"),
    option("model.seed", "-1", ["2**32"]),
    option("model.seed", "4294967296", ["2**32"]),
    option("model.seed", "0.5"),
    option("model.cfg.scale", ".nan"),
    option("model.cfg.scale", ".inf"),
    option("model.cfg.scale", "null"),
    option("model.cfg.scale", "a lot"),
    option("model.cfg.rescale", "-1"),
    option("model.cfg.rescale", ".nan"),
    option("model.sampler.name", "os.system"),
    option("model.sampler.eta", ".nan"),
    option("model.sampler.eta", "-1"),
    option("model.sampler.steps", "10"),
    option("model.guidance.scale", "os.system"),
    option("model.guidance.strength", ".nan"),
    Case(
        "model.guidance.travel of a list",
        ["--model.guidance.travel", "[[1, 2]]"],
        ["a list stands for settings by name"],
        config="guided.yaml",
    ),
    option("model.generator.group", "-1"),
    option("model.generator.variant", "../../etc/passwd"),
    option("model.generator.network", "maybe"),
    option("model.generator.dtype", "os.system"),
    option("data.size", "0"),
    option("model.optimizer", "torch.optim.Adam"),
    option("trainer.max_steps", "1001"),
]


@pytest.mark.parametrize("case", params(CASES, 8))
def test_refused(case, place):
    check(case, place)


NAMES = {
    "100,000 letters": "a" * 100_000,
    "control characters": "red\x1b[2J\x07\n\r\t circle",
    "path": "../../../../etc/passwd",
    "half a letter": "red \udcff circle",
    "device": "CON",
    "dots": "..",
    "other direction": "\u202ered\u0000",
    "nothing": "",
}


SLOW = list(NAMES)[3:]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NAMES])
def test_any_text_is_a_prompt_and_never_a_place(name, place):
    """It may be cut, with one line of a warning; what is drawn lies in the run's folder alone."""
    before = tree(place)
    text = NAMES[name]
    outcome = run(["fit", "--config", "guided.yaml", "--model.prompt", f"{text}", "--trainer.max_steps", "1"])
    if outcome.status == 2:
        assert outcome.err.startswith("error: ")
        assert outcome.err.count("\n") == 1
        return
    assert outcome.status == 0, outcome.err
    assert all(len(line) < 500 and "\n" not in line for line in outcome.told)
    new = set(tree(place)) - set(before)
    assert all(path.split("/")[0] == "logs" for path in new)
    assert all(path.isprintable() for path in new)
    assert outcome.seconds < 20
