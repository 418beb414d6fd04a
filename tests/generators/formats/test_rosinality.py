import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.generators.stylegan2.formats.rosinality import from_rosinality, to_rosinality, write_rosinality
from lit_nst.generators.stylegan2.formats.state import build
from lit_nst.generators.stylegan2.generator import StyleGAN2
from lit_nst.generators.stylegan2.network import Architecture
from tests.conftest import TINY, tiny_state

FILE = Path("file.pt")
LARGER = Architecture(z_dim=8, w_dim=8, channels=(8, 8, 6, 4), mapping_layers=3)


class Textbook:
    """That network as its names and its paper have it: weights per sample, grouped convolutions, zero insertion."""

    def __init__(self, state):
        self.state = state
        self.depth = sum(name.startswith("style.") and name.endswith(".weight") for name in state)
        self.blocks = sum(name.startswith("to_rgbs.") and name.endswith("upsample.kernel") for name in state)

    def mapping(self, z):
        x = z / torch.sqrt(z.pow(2).mean(1, keepdim=True) + 1e-8)
        for i in range(1, self.depth + 1):
            weight, bias = self.state[f"style.{i}.weight"], self.state[f"style.{i}.bias"]
            x = math.sqrt(2) * F.leaky_relu(x @ (weight * 0.01 / math.sqrt(weight.shape[1])).T + 0.01 * bias, 0.2)
        return x

    def filtered(self, x, kernel, up, pad):
        batch, channels, height, width = x.shape
        wide = x.new_zeros(batch, channels, height, up, width, up)
        wide[:, :, :, 0, :, 0] = x
        wide = F.pad(wide.reshape(batch, channels, height * up, width * up), (*pad, *pad))
        return F.conv2d(wide, kernel.flip(0, 1).expand(channels, 1, 4, 4), groups=channels)

    def convolution(self, name, x, w, demodulate=True, up=False):
        weight = self.state[f"{name}.conv.weight"]
        _, fan_out, fan_in, k, _ = weight.shape
        matrix = self.state[f"{name}.conv.modulation.weight"]
        style = w @ (matrix / math.sqrt(matrix.shape[1])).T + self.state[f"{name}.conv.modulation.bias"]
        own = weight / math.sqrt(fan_in * k * k) * style.view(-1, 1, fan_in, 1, 1)
        if demodulate:
            own = own / torch.sqrt(own.pow(2).sum((2, 3, 4), keepdim=True) + 1e-8)
        batch, side = len(x), x.shape[-1]
        grouped = x.reshape(1, batch * fan_in, side, side)
        if not up:
            y = F.conv2d(grouped, own.reshape(batch * fan_out, fan_in, k, k), padding=k // 2, groups=batch)
            return y.view(batch, fan_out, side, side)
        swapped = own.transpose(1, 2).reshape(batch * fan_in, fan_out, k, k)
        y = F.conv_transpose2d(grouped, swapped, stride=2, groups=batch)
        y = y.view(batch, fan_out, 2 * side + 1, 2 * side + 1)
        return self.filtered(y, self.state[f"{name}.conv.blur.kernel"], 1, (1, 1))

    def styled(self, name, index, x, w, up=False):
        x = self.convolution(name, x, w, up=up)
        x = x + self.state[f"{name}.noise.weight"] * self.state[f"noises.noise_{index}"]
        return math.sqrt(2) * F.leaky_relu(x + self.state[f"{name}.activate.bias"].view(1, -1, 1, 1), 0.2)

    def colour(self, name, x, w):
        return self.convolution(name, x, w, demodulate=False) + self.state[f"{name}.bias"]

    def synthesis(self, ws):
        x = self.styled("conv1", 0, self.state["input.input"].repeat(len(ws), 1, 1, 1), ws[:, 0])
        image = self.colour("to_rgb1", x, ws[:, 1])
        for k in range(self.blocks):
            x = self.styled(f"convs.{2 * k}", 2 * k + 1, x, ws[:, 2 * k + 1], up=True)
            x = self.styled(f"convs.{2 * k + 1}", 2 * k + 2, x, ws[:, 2 * k + 2])
            image = self.filtered(image, self.state[f"to_rgbs.{k}.upsample.kernel"], 2, (2, 1))
            image = image + self.colour(f"to_rgbs.{k}", x, ws[:, 2 * k + 3])
        return image


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def content():
    return to_rosinality(TINY, tiny_state())


@pytest.mark.parametrize("architecture", [TINY, LARGER], ids=["16", "32"])
def test_the_written_file_draws_the_same_in_a_textbook_network(architecture, tmp_path):
    state = tiny_state(architecture)
    write_rosinality(tmp_path / "g.pt", architecture, state)
    textbook = Textbook(torch.load(tmp_path / "g.pt", weights_only=True)["g_ema"])
    nets = build(architecture)
    nets.load_state_dict(state, assign=True)
    z = normal((3, 8), 0, "z")
    with torch.no_grad():
        torch.testing.assert_close(textbook.mapping(z), nets["mapping"](z)[:, 0], rtol=0, atol=1e-4)
        ws = nets["mapping"](z) + 0.3 * normal((3, architecture.num_ws, 8), 0, "rows")
        image = nets["synthesis"](ws)
        assert float(image.std()) > 1
        assert image.shape[-1] == architecture.resolution
        torch.testing.assert_close(textbook.synthesis(ws), image, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "architecture",
    [TINY, Architecture(5, 7, (9,), 1), Architecture(5, 7, (9, 8, 6, 4), 8, 0.5, 256.0)],
    ids=["plain", "4", "settings"],
)
def test_every_bit_comes_back(architecture):
    state = tiny_state(architecture)
    again, copy = from_rosinality(to_rosinality(architecture, state), FILE)
    assert again == architecture
    assert equal(copy, state)


def test_file_is_plain_and_holds_no_more_than_its_tensors(tmp_path, content):
    # Views of one large storage, which torch would save whole with each of them.
    state = tiny_state()
    whole = torch.cat([torch.zeros(500_000), *(value.flatten() for value in state.values())])
    parts = whole[500_000:].split([value.numel() for value in state.values()])
    state = {key: part.view(value.shape) for (key, value), part in zip(state.items(), parts, strict=True)}
    write_rosinality(tmp_path / "g.pt", TINY, state)
    assert (tmp_path / "g.pt").stat().st_size < 100_000
    found = torch.load(tmp_path / "g.pt", weights_only=True)
    assert found.keys() == {"g_ema", "latent_avg", "lit_nst"}
    assert found["g_ema"].keys() == content["g_ema"].keys()
    assert all(value.is_contiguous() for value in found["g_ema"].values())


def test_names_and_shapes_are_those_of_that_network(content):
    found = {name: tuple(value.shape) for name, value in content["g_ema"].items()}
    layers = {"conv1": (8, 8), "convs.0": (8, 8), "convs.1": (8, 8), "convs.2": (6, 8), "convs.3": (6, 6)}
    expected = {"input.input": (1, 8, 4, 4)}
    for index, (name, (fan_out, fan_in)) in enumerate(layers.items()):
        expected |= {f"{name}.conv.weight": (1, fan_out, fan_in, 3, 3), f"{name}.noise.weight": (1,)}
        expected |= {f"{name}.conv.modulation.weight": (fan_in, 8), f"{name}.conv.modulation.bias": (fan_in,)}
        expected |= {f"{name}.activate.bias": (fan_out,)}
        side = 4 * 2 ** ((index + 1) // 2)
        expected[f"noises.noise_{index}"] = (1, 1, side, side)
    for name, fan_in in {"to_rgb1": 8, "to_rgbs.0": 8, "to_rgbs.1": 6}.items():
        expected |= {f"{name}.conv.weight": (1, 3, fan_in, 1, 1), f"{name}.bias": (1, 3, 1, 1)}
        expected |= {f"{name}.conv.modulation.weight": (fan_in, 8), f"{name}.conv.modulation.bias": (fan_in,)}
    for k in range(2):
        expected |= {f"convs.{2 * k}.conv.blur.kernel": (4, 4), f"to_rgbs.{k}.upsample.kernel": (4, 4)}
    for i in (1, 2):
        expected |= {f"style.{i}.weight": (8, 8), f"style.{i}.bias": (8,)}
    assert found == expected
    assert found["convs.2.conv.weight"] == (1, 6, 8, 3, 3)


class TestKinds:
    def test_trainer_without_average(self, content, tiny_generator):
        network = {key: value + 1 for key, value in content["g_ema"].items()}
        trained = {"g": network, "d": {}, "g_ema": content["g_ema"], "g_optim": {"state": {}}, "ada_aug_p": 0.2}
        architecture, state = from_rosinality(trained, FILE)
        assert architecture == TINY
        made = state.pop("mapping.w_avg")
        assert equal(state, {key: value for key, value in tiny_state().items() if key != "mapping.w_avg"})
        torch.testing.assert_close(made, StyleGAN2(str(tiny_generator)).center, rtol=0, atol=1e-5)
        z = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(4))
        torch.testing.assert_close(made, Textbook(content["g_ema"]).mapping(z).mean(0), rtol=0, atol=0.05)

    @pytest.mark.parametrize("rows", [None, 1, 6])
    def test_encoder_and_decoder(self, content, rows):
        average = content["latent_avg"] if rows is None else content["latent_avg"].repeat(rows, 1)
        parts = {f"decoder.{key}": value for key, value in content["g_ema"].items()}
        whole = {"encoder.input.0.weight": torch.zeros(3), **parts, "face_pool.x": torch.zeros(1)}
        found = {"state_dict": whole, "latent_avg": average, "opts": {"output_size": 16}}
        architecture, state = from_rosinality(found, FILE)
        assert architecture == TINY
        assert equal(state, tiny_state())

    def test_different_rows_of_the_average_give_their_mean(self, content):
        content["latent_avg"] = torch.stack([content["latent_avg"], content["latent_avg"] + 2])
        average = from_rosinality(content, FILE)[1]["mapping.w_avg"]
        torch.testing.assert_close(average, tiny_state()["mapping.w_avg"] + 1)

    def test_bare_state(self, content):
        state = from_rosinality(content["g_ema"], FILE)[1]
        assert torch.equal(state["synthesis.b16.conv0.weight"], tiny_state()["synthesis.b16.conv0.weight"])

    @pytest.mark.parametrize("wrap", [dict, lambda state: {"g_ema": state}])
    def test_names_of_nvlabs(self, wrap):
        architecture, state = from_rosinality(wrap(tiny_state()), FILE)
        assert architecture == TINY
        assert equal(state, tiny_state())

    def test_half_precision_is_read_as_single(self, content):
        content["g_ema"] = {key: value.half() for key, value in content["g_ema"].items()}
        state = from_rosinality(content, FILE)[1]
        assert all(torch.equal(state[key], value.half().float()) for key, value in tiny_state().items() if "fc" in key)
        assert {value.dtype for value in state.values()} == {torch.float32}


def test_missing_noise_maps_are_drawn_by_layer(content):
    kept = content["g_ema"]["noises.noise_3"]
    content["g_ema"] = {key: value for key, value in content["g_ema"].items() if "noises" not in key}
    content["g_ema"]["noises.noise_3"] = kept
    (_, first), (_, second) = from_rosinality(content, FILE), from_rosinality(content, FILE)
    assert equal(first, second)
    assert torch.equal(first["synthesis.b16.conv0.noise_const"], kept[0, 0])
    assert float(first["synthesis.b16.conv1.noise_const"].std()) == pytest.approx(1, abs=0.2)
    assert not torch.equal(first["synthesis.b8.conv0.noise_const"], first["synthesis.b8.conv1.noise_const"])
    strength = "synthesis.b8.conv0.noise_strength"
    assert torch.equal(first[strength], tiny_state()[strength])


class TestErrors:
    def check(self, content, *words):
        with pytest.raises(InputError) as error:
            from_rosinality(content, FILE)
        message = str(error.value)
        assert "\n" not in message
        assert all(word in message for word in ("file.pt", *words)), message

    @pytest.mark.parametrize("found", [None, [], torch.zeros(3), {}, {"a": 1, 3: 2}, {"g_ema": 3}, {"state_dict": {}}])
    def test_no_generator(self, found):
        self.check(found, "give the file of a")

    @pytest.mark.parametrize(
        "key",
        [
            "style.1.weight", "style.2.bias", "conv1.conv.weight", "convs.1.conv.weight", "convs.2.conv.weight",
            "to_rgbs.0.bias", "input.input", "to_rgb1.conv.modulation.bias", "convs.0.conv.blur.kernel",
            "to_rgbs.1.upsample.kernel", "convs.3.noise.weight",
        ],
    )  # fmt: skip
    def test_missing_key(self, content, key):
        del content["g_ema"][key]
        self.check(content, f"lacks {key}")

    @pytest.mark.parametrize("key", ["style.1.extra", "convs.1.conv.blur.kernel", "noises.noise_5", "skip.weight"])
    def test_unknown_key(self, content, key):
        content["g_ema"][key] = torch.zeros(4, 4)
        self.check(content, f"holds {key}")

    def test_unknown_key_that_is_no_line_of_text(self, content):
        content["g_ema"]["a\nb\x1b[2J" + "c" * 200] = torch.zeros(1)
        self.check(content, r"holds a b\x1b[2Jccc")

    @pytest.mark.parametrize(
        ("key", "shape", "text"),
        [
            ("style.2.weight", (7, 8), "7×8"),
            ("style.1.weight", (8,), "8"),
            ("convs.3.conv.weight", (6, 6, 3, 3), "6×6×3×3"),
            ("convs.0.conv.weight", (1, 8, 8, 1, 1), "1×8×8×1×1"),
            ("convs.2.noise.weight", (), "a single number"),
            ("noises.noise_1", (1, 1, 4, 4), "1×1×4×4"),
            ("to_rgb1.bias", (1, 4, 1, 1), "1×4×1×1"),
        ],
    )
    def test_wrong_shape(self, content, key, shape, text):
        content["g_ema"][key] = torch.zeros(shape)
        self.check(content, f"{key} is {text}, ")

    @pytest.mark.parametrize("key", ["convs.2.conv.blur.kernel", "to_rgbs.0.upsample.kernel"])
    def test_another_kernel(self, content, key):
        content["g_ema"][key] = content["g_ema"][key] / 4
        self.check(content, key, "filter")

    @pytest.mark.parametrize("value", ["text", None, torch.zeros(8, dtype=torch.int64)])
    def test_no_numbers(self, content, value):
        content["g_ema"]["convs.0.activate.bias"] = value
        self.check(content, "convs.0.activate.bias", "floating-point")

    def test_not_finite(self, content):
        content["g_ema"]["convs.0.activate.bias"][3] = float("nan")
        self.check(content, "convs.0.activate.bias", "not finite")

    @pytest.mark.parametrize(
        "average", [torch.zeros(7), torch.zeros(0, 8), torch.zeros(2, 1, 8), torch.tensor(1.0), "text"]
    )
    def test_wrong_average(self, content, average):
        content["latent_avg"] = average
        self.check(content, "latent_avg")

    @pytest.mark.parametrize(
        "settings", [3, "", "[]", '{"lr_multiplier": 1}', '{"lr_multiplier": 0, "conv_clamp": null}',
                     '{"lr_multiplier": null, "conv_clamp": null}', '{"lr_multiplier": 1, "conv_clamp": "a"}'],
    )  # fmt: skip
    def test_wrong_settings(self, content, settings):
        content["lit_nst"] = settings
        self.check(content, "settings")

    def test_more_blocks_than_any_network_has(self, content):
        for k in range(2, 70):
            content["g_ema"][f"to_rgbs.{k}.bias"] = torch.zeros(1, 3, 1, 1)
            content["g_ema"][f"convs.{2 * k + 1}.conv.weight"] = torch.zeros(1, 1, 1, 3, 3)
        self.check(content, "lacks")

    def test_more_mapping_layers_than_any_network_has(self, content):
        for i in range(3, 100):
            content["g_ema"] |= {f"style.{i}.weight": torch.zeros(8, 8), f"style.{i}.bias": torch.zeros(8)}
        self.check(content, "holds style.65.weight")

    def test_missing_key_of_nvlabs(self):
        state = tiny_state()
        del state["synthesis.b8.conv1.noise_strength"]
        self.check(state, "lacks synthesis.b8.conv1.noise_strength")

    def test_another_filter_is_not_written(self):
        state = tiny_state()
        state["synthesis.b8.conv0.resample_filter"] = torch.full((4, 4), 1 / 16)
        with pytest.raises(InputError, match=r"^synthesis\.b8\.conv0\.resample_filter: .*\.safetensors"):
            to_rosinality(TINY, state)


def test_settings_are_json(content):
    assert json.loads(content["lit_nst"]) == {"lr_multiplier": 0.01, "conv_clamp": None}
    del content["lit_nst"]
    assert from_rosinality(content, FILE)[0] == TINY
    changed = to_rosinality(replace(TINY, conv_clamp=256.0), tiny_state())
    assert from_rosinality(changed, FILE)[0].conv_clamp == 256.0
