"""Any config and any options: a run is built, or refused in one line without a trace on the disk."""

import warnings

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_nst.cli import CLI
from lit_nst.errors import InputError
from tests.properties.material import EXTREMES, json_values
from tests.test_cli import TINY, furnish

SOUND = yaml.safe_load(TINY)
WORDS = ["Pixels", "PixelLoss", "GaussianBlur", "Inversion", "torch.optim.Adam", "torch.optim.SGD", "os.system", "best"]
WORDS += [
    "targets",
    "center",
    "null",
    "true",
    "",
    "~",
    "{}",
    "[]",
    "nan",
    ".inf",
    "embedded",
    "random",
    "builtins.eval",
]
VALUES = st.sampled_from(EXTREMES) | st.sampled_from(WORDS) | json_values | st.just(10**400)


# A parser takes a third of a second to be made.
FEWER = settings(max_examples=max(1, settings().max_examples // 5))


class BuiltError(Exception):
    """The run has been made; it is not started."""


class Unstarted(CLI):
    """Makes everything, runs nothing."""

    def _run_subcommand(self, subcommand):
        raise BuiltError


def places(tree, above=()):
    """Keys of every place in a tree."""
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


PLACES = list(places(SOUND))
KNOWN = [("model", "init_args", name) for name in ("features", "pixel", "degradation", "prompt", "guidance")]
KNOWN += [("model", "init_args", "search", name) for name in ("start", "spread", "restarts", "candidates", "phases")]
KNOWN += [("trainer", name) for name in ("devices", "strategy", "callbacks", "logger", "accelerator", "precision")]
KNOWN += [
    ("trainer", name) for name in ("gradient_clip_val", "max_epochs", "max_time", "limit_train_batches", "plugins")
]
KNOWN += [("data", name) for name in ("size", "fit", "alpha", "background", "style_scale", "truth", "mask", "style")]
KNOWN += [("results", name) for name in ("samples", "feather", "judge")] + [
    ("trajectory", "every"),
    ("trajectory", "rows"),
]
KNOWN += [("seed_everything",), ("ckpt_path",), ("history",), ("progress", "refresh_rate"), ("checkpoint", "dirpath")]
PATHS = st.sampled_from(PLACES + KNOWN)


def changed(tree, path, value):
    """A copy of a tree with another value at a place; what is in the way makes room."""
    copy = dict(tree) if isinstance(tree, dict) else {}
    copy[path[0]] = value if len(path) == 1 else changed(copy.get(path[0]), path[1:], value)
    return copy


@pytest.fixture(scope="module")
def here(tiny_generator, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = furnish(tmp_path_factory.mktemp("config"), tiny_generator)
        patch.chdir(folder)
        yield folder


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def outcome(here, *args):
    """What comes of arguments: built, help, or one line; nothing is written."""
    before, code = files(here), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Unstarted(["fit", *args])
        except BuiltError:
            found = None
        except SystemExit as end:
            found, code = "help", end.code
        except InputError as error:
            found = " ".join(str(error).split())
    assert code == 0
    assert found != ""
    assert files(here) == before
    return found


def written(here, tree):
    path = here / "drawn.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True))
    return str(path)


def test_the_sound_one_is_built(here):
    assert outcome(here, "--config", written(here, SOUND)) is None


@FEWER
@given(path=PATHS, value=VALUES)
def test_a_value_of_any_type(here, path, value):
    outcome(here, "--config", written(here, changed(SOUND, path, value)))


@FEWER
@given(path=PATHS, key=st.text(max_size=10), value=VALUES)
def test_a_key_of_any_name(here, path, key, value):
    outcome(here, "--config", written(here, changed(SOUND, (*path, key), value)))


@FEWER
@given(text=st.binary(max_size=60) | json_values.map(lambda value: yaml.safe_dump(value).encode()))
def test_a_config_of_any_bytes(here, text):
    (here / "bytes.yaml").write_bytes(text)
    outcome(here, "--config", "tiny.yaml", "--config", "bytes.yaml")


OPTIONS = PATHS.map(lambda path: "--" + ".".join(part for part in path if part != "init_args"))


@FEWER
@given(
    args=st.lists(
        st.tuples(OPTIONS | st.text(max_size=10).map("--{}".format), VALUES.map(str)).map(list)
        | st.lists(st.text(max_size=8), max_size=2),
        max_size=3,
    )
)
def test_options_of_any_name_and_value(here, args):
    outcome(here, "--config", "tiny.yaml", *(word for pair in args for word in pair))


@pytest.mark.parametrize("text", [b"\xd3\x14", b"trainer: [{}]\n", b"trainer: {devices: -1}\n"], ids=str)
def test_configs_that_once_were_let_through(here, text):
    (here / "bytes.yaml").write_bytes(text)
    outcome(here, "--config", "tiny.yaml", "--config", "bytes.yaml")
