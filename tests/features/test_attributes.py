"""The classifier that judges what a picture shows, and what a caption names."""

import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lit_nst.errors import InputError
from lit_nst.features.attributes import AttributeClassifier, named
from lit_nst.functional.random import generator as keyed

COLORS = ("red", "orange", "blue", "white")
QUESTIONS = {"shape": ("ring", "star", "square"), "color": COLORS, "background": COLORS, "size": ("small", "big")}


@pytest.fixture(scope="module")
def net():
    """Random weights of float16 values, with heads that tell the pictures apart."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = AttributeClassifier("random", QUESTIONS).eval().requires_grad_(False)
    for head in net.heads.values():
        head.weight.mul_(40)
    for value in net.parameters():
        value.copy_(value.half())
    return net


@pytest.fixture(scope="module")
def path(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("judge") / "judge.safetensors"
    net.save(path)
    return path


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 3, 32, 32, generator=keyed(0, "attributes"))


def test_random_weights_are_pytorch_s_own_and_train():
    torch.manual_seed(3)
    net = AttributeClassifier("random", QUESTIONS)
    torch.manual_seed(3)
    assert torch.equal(net.body[0].weight, torch.nn.Conv2d(3, 32, 3).weight)
    assert net.training
    assert all(value.requires_grad for value in net.parameters())


def test_file_keeps_weights_in_half_precision_and_the_questions(net, path, images):
    with safe_open(path, framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118
        assert json.loads(file.metadata()["questions"]) == {name: list(row) for name, row in QUESTIONS.items()}
    again = AttributeClassifier(str(path))
    assert again.questions == QUESTIONS
    assert {value.dtype for value in again.parameters()} == {torch.float32}
    assert not again.training
    assert not any(value.requires_grad for value in again.parameters())
    before, after = net(images), again(images)
    assert all(torch.equal(before[name], after[name]) for name in QUESTIONS)


def test_loading_takes_no_random_number(path):
    torch.manual_seed(0)
    AttributeClassifier(str(path))
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(1))


def test_probabilities_and_answers_belong_to_the_logits(net, images):
    logits, shares, answers = net(images), net.probabilities(images), net.read(images)
    for name, row in QUESTIONS.items():
        assert shares[name].shape == (6, len(row))
        assert torch.allclose(shares[name], logits[name].softmax(1))
        assert answers[name] == [row[i] for i in logits[name].argmax(1)]
    assert len(set(answers["color"])) > 1, "the pictures are not told apart"


def test_images_are_read_in_parts(net, images, monkeypatch):
    whole = net.probabilities(images)
    monkeypatch.setattr("lit_nst.features.attributes.CHUNK", 4)
    assert all(torch.allclose(part, whole[name], atol=1e-6) for name, part in net.probabilities(images).items())


def test_gradient_flows_to_the_images(net, images):
    x = images.clone().requires_grad_(True)
    net(x)["shape"].sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad.abs().sum((1, 2, 3)) > 0).all()


def test_other_sizes_are_resized(net, images):
    larger = images.repeat_interleave(4, 2).repeat_interleave(4, 3)
    # Squares of one colour, reduced by a filter that looks a little beyond them.
    small, large = net.probabilities(images * 0.2 + 0.4), net.probabilities(larger * 0.2 + 0.4)
    assert (small["shape"] - large["shape"]).abs().max() < 0.2
    plain = torch.tensor([0.8, 0.3, 0.1]).view(1, 3, 1, 1)
    first, second = net(plain.expand(1, 3, 32, 32)), net(plain.expand(1, 3, 96, 50))
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in QUESTIONS)


def test_values_outside_are_clamped_and_half_precision_is_read(net, images):
    wide = images * 3 - 1
    assert torch.equal(net(wide)["shape"], net(wide.clamp(0, 1))["shape"])
    assert net.probabilities(images.double())["shape"].dtype == torch.float32
    assert net.read(images.half())["shape"] == net.read(images.half().float())["shape"]


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("a red star on a blue background", ("star", "red", "blue")),
        ("a small striped white ring at the top on a dotted orange background", ("ring", "white", "orange")),
        ("an orange square in the middle on an orange background", ("square", "orange", "orange")),
        ("A Red Star on a Blue Background, as a mosaic", ("star", "red", "blue")),
        ("a red mosaic star on a blue woven background", ("star", "red", "blue")),
        ("a big star on a plain blue background", ("star", None, "blue")),
        ("a red star", ("star", "red", None)),
        ("a ballerina on a white background", (None, None, "white")),
        ("a red circle on a background", (None, None, None)),
        ("a redstar", (None, None, None)),
        ("a ballerina", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_what_a_caption_names(caption, found):
    right = {name: word for name, word in zip(("shape", "color", "background"), found, strict=True) if word}
    assert named(caption, QUESTIONS) == right


def test_colour_of_the_other_thing_is_not_taken():
    assert named("on a blue background a star", QUESTIONS) == {"shape": "star", "background": "blue"}


def test_adherence_is_the_share_that_is_read_as_named(net, images):
    read = net.read(images)
    said = [f"a {c} {s} on a {b} background" for c, s, b in zip(read["color"], read["shape"], read["background"])]  # noqa: B905
    other = {row: QUESTIONS["shape"][QUESTIONS["shape"].index(word) - 1] for row, word in enumerate(read["shape"])}
    said[1] = said[1].replace(read["shape"][1], other[1])
    said[2] = f"a {other[2]}"
    said[3] = f"a {read['color'][3]} {other[3]}"
    said[4] = "a ballerina"
    shares = net.adherence(images, said)
    expected = torch.tensor([1, 2 / 3, 0, 0.5, math.nan, 1])
    assert torch.allclose(shares, expected, equal_nan=True)


def test_adherence_wants_a_caption_for_each(net, images):
    with pytest.raises(InputError, match=r"2 captions for 6 images"):
        net.adherence(images, ["a", "b"])


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 3, 0, 32)])
def test_other_shapes_are_refused(net, shape):
    with pytest.raises(InputError, match=r"give B×3×H×W"):
        net(torch.zeros(shape))


@pytest.mark.parametrize(("weights", "questions"), [("random", None), ("embedded", QUESTIONS)])
def test_questions_are_for_random_weights(weights, questions):
    with pytest.raises(InputError, match=r"^attribute classifier: [^\n]*questions[^\n]*$"):
        AttributeClassifier(weights, questions)


def test_broken_files_are_refused(path, tmp_path):
    state = load_file(path)
    known = {"questions": json.dumps(QUESTIONS)}
    broken = {
        "nothing.safetensors": None,
        "short.safetensors": path.read_bytes()[:1000],
        "text.safetensors": b"hello",
        "no-questions.safetensors": (state, {}),
        "no-json.safetensors": (state, {"questions": "{"}),
        "no-answers.safetensors": (state, {"questions": '{"shape": []}'}),
        "other-questions.safetensors": (state, {"questions": '{"shape": ["ring"]}'}),
        "reserved-name.safetensors": (state, {"questions": '{"keys": ["ring"]}'}),
        "lacking.safetensors": ({name: value for name, value in state.items() if "body.0" not in name}, known),
        "other-shape.safetensors": ({**state, "body.0.weight": torch.zeros(2, 2)}, known),
    }
    for name, content in broken.items():
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        elif content is not None:
            save_file(content[0], tmp_path / name, content[1])
        with pytest.raises(InputError, match=rf"^attribute classifier: [^\n]*{name}[^\n]*give \"embedded\"[^\n]*$"):
            AttributeClassifier(str(tmp_path / name))


def test_failed_writing_keeps_the_old_file(net, tmp_path, monkeypatch):
    path = tmp_path / "judge.safetensors"
    net.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        net.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["judge.safetensors"]
