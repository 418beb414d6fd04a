import shutil

import pytest
import torch

from lit_nst import cli
from lit_nst.commands import convert
from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.generators import StyleGAN2
from lit_nst.generators.stylegan2.checkpoint import read, write
from tests.conftest import TINY, tiny_state


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(*args):
    convert.main([str(value) for value in args])


@pytest.fixture
def source(tmp_path, tiny_generator):
    folder = tmp_path / "in"
    folder.mkdir()
    return shutil.copy(tiny_generator, folder / "tiny.safetensors")


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_embedded_there_and_back_draws_the_same(out, capsys):
    cli.main(["convert", "embedded", str(out / "p.pt")])
    cli.main(["convert", str(out / "p.pt"), str(out / "p.safetensors")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{out / 'p.pt'}: 64×64, 10 rows of w, 1.13 M parameters, images differ by 0.0e+00 at most"
    assert len(lines) == 2
    first, last = (StyleGAN2(str(weights), samples=10) for weights in ("embedded", out / "p.safetensors"))
    z = normal((2, first.architecture.z_dim), 0, "z")
    assert torch.equal(first.mapping(z, 0.7), last.mapping(z, 0.7))
    assert torch.equal(first.synthesis(first.mapping(z)), last.synthesis(last.mapping(z)))
    assert first.architecture == last.architecture


def test_half_rounds_and_says_how_far_it_is(source, out, capsys):
    run(source, out / "half.safetensors", "--half")
    assert (out / "half.safetensors").stat().st_size < 0.7 * source.stat().st_size
    difference = float(capsys.readouterr().out.split("differ by ")[1].split()[0])
    assert 0 < difference < 0.1
    state = read(out / "half.safetensors")[1]
    assert all(torch.equal(state[key], value.half().float()) for key, value in tiny_state().items())
    assert names(out) == ["half.safetensors"]


def test_a_file_that_is_there_is_kept_unless_forced(source, out):
    (out / "g.pt").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"g\.pt exists.*--force"):
        run(source, out / "g.pt")
    assert (out / "g.pt").read_bytes() == b"precious"
    run(source, out / "g.pt", "--force")
    assert read(out / "g.pt")[0] == TINY
    assert names(out) == ["g.pt"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_input_is_never_the_output(source, force):
    before = source.read_bytes()
    with pytest.raises(InputError, match="is IN"):
        run(source, source.parent / ".." / "in" / "tiny.safetensors", *force)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["g.pkl"], "NVIDIA's source code"),
        (["g.onnx"], r"name it \.safetensors"),
        (["g.pt", "--half"], r"half is for \.safetensors"),
        (["folder.pt"], "is a folder"),
        (["folder.pt", "--force"], "is a folder"),
    ],
)
def test_refused_outputs(source, out, args, text):
    (out / "folder.pt").mkdir()
    with pytest.raises(InputError, match=text):
        run(source, out / args[0], *args[1:])
    assert names(out) == ["folder.pt"]


def test_a_file_that_reads_back_otherwise_is_not_kept(source, out, monkeypatch):
    def spoil(path, architecture, state, half):
        write(path, architecture, {key: value + (key == "mapping.w_avg") for key, value in state.items()}, half)

    (out / "g.safetensors").write_bytes(b"precious")
    monkeypatch.setattr(convert, "write", spoil)
    with pytest.raises(InputError, match="not what was read"):
        run(source, out / "g.safetensors", "--force")
    assert (out / "g.safetensors").read_bytes() == b"precious"
    assert names(out) == ["g.safetensors"]


def test_a_generator_whose_images_overflow_is_not_kept(tmp_path, out):
    state = tiny_state()
    state["synthesis.b16.torgb.bias"] += 3e38
    state["synthesis.b8.torgb.bias"] += 3e38
    write(tmp_path / "g.safetensors", TINY, state)
    with pytest.raises(InputError, match="images have values that are not finite"):
        run(tmp_path / "g.safetensors", out / "g.pt")
    assert names(out) == []


def test_a_failing_write_leaves_nothing(source, out, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match=r"disk full: '.*/g\.pt'"):
        run(source, out / "g.pt")
    assert names(out) == []


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["nowhere.pt", "g.safetensors"], "nowhere.pt"),
        (["cut.safetensors", "g.pt"], "cut.safetensors"),
        (["cut.safetensors", "g.pkl"], "NVIDIA"),
        (["cut.safetensors"], "OUT"),
        (["cut.safetensors", "g.pt", "--haf"], "--haf"),
    ],
)
def test_command_line_says_one_line_and_ends_with_status_2(source, out, capsys, monkeypatch, args, word):
    monkeypatch.chdir(out)
    (out / "cut.safetensors").write_bytes(source.read_bytes()[:2000])
    with pytest.raises(SystemExit) as ended:
        cli.main(["convert", *args])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert word in said
    assert said.count("\n") == 1
    assert names(out) == ["cut.safetensors"]


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["convert", "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "python cli.py convert ffhq.pkl ffhq.safetensors" in said
    assert all(word in said for word in ("--half", "--force", "IN", "OUT", "rosinality"))
