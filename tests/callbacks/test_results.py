import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from lit_nst.callbacks import Degrade, Results
from lit_nst.data import Images, read_image
from lit_nst.degradations import Downsample, Mask
from lit_nst.errors import InputError
from lit_nst.features import VGG16, AlexNet
from lit_nst.generators import Pixels, StyleGAN2
from lit_nst.losses import ContentLoss, MeanVarLoss, PixelLoss
from lit_nst.report import feature_distance, psnr, ssim
from lit_nst.tasks import Inversion, Search, StyleTransfer, TextureSynthesis
from tests.fitting import fit, inversion, save_images
from tests.tasks.test_base import FailsAt

NAMES = ["00", "01", "02", "03"]


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


@pytest.fixture(scope="module")
def judge():
    return VGG16("random", ["relu1_2", "relu2_1"], width=0.1, seed=3)


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def figures(folder):
    return json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)


def result(folder, name):
    return read_image(folder / "results" / f"{name}.png")[0]


@pytest.fixture
def restored(tiny_generator, images, judge, tmp_path):
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, callbacks=[Degrade(Downsample(4)), Results(judge)])
    return task


def test_figures_are_those_of_the_pictures(restored, images, judge, tmp_path):
    record = figures(tmp_path)
    made, truth = torch.stack([result(tmp_path, name) for name in NAMES]), images.load("target", range(4))
    measured, predicted = Downsample(4)(truth), Downsample(4)(made)
    shown = torch.nn.functional.interpolate(measured, (16, 16), mode="bicubic", antialias=True).clamp(0, 1)
    # The pictures are rounded to 8 bits, the figures are of what they were before.
    expected = {
        "psnr": (psnr(made, truth), 0.05),
        "ssim": (ssim(made, truth), 5e-3),
        "perceptual": (feature_distance(judge(made), judge(truth)), 1e-2),
        "measurement_psnr": (psnr(shown, truth), 1e-3),
        "measurement_ssim": (ssim(shown, truth), 1e-3),
        "measurement_perceptual": (feature_distance(judge(shown), judge(truth)), 1e-3),
        "consistency_psnr": (psnr(predicted, measured), 0.1),
        "loss": (restored.best_loss, 1e-6),
        "latent_distance": (restored.generator.standardize(restored.best).square().mean((1, 2)), 1e-6),
    }
    assert [row["name"] for row in record["rows"]] == NAMES
    own = {"name", "images", "weights", "restart", "stopped_at_step", "term_target", "term_regulariser"}
    assert set(record["rows"][0]) == {*own, *expected}
    for key, (values, tolerance) in expected.items():
        assert [row[key] for row in record["rows"]] == pytest.approx(values.tolist(), abs=tolerance), key
        assert record["mean"][key] == pytest.approx(float(values.mean()), abs=tolerance), key


def test_record_of_the_run(restored, tmp_path):
    record = figures(tmp_path)
    assert (record["task"], record["steps"]) == ("Inversion", 12)
    assert record["seconds"] > 0
    assert record["steps_per_second"] == pytest.approx(12 / record["seconds"], rel=0.05)
    assert record["generator_sha256"] == restored.generator.digest
    assert [row["stopped_at_step"] for row in record["rows"]] == [None] * 4


def test_best_and_not_the_last_w_is_kept(restored, tiny_generator, tmp_path):
    generator = StyleGAN2.load(tiny_generator)
    with np.load(tmp_path / "results" / "latent.npz") as file:
        latent, names = torch.from_numpy(file["latent"]), file["names"].tolist()
    assert torch.equal(latent, restored.best)
    assert names == NAMES
    with torch.no_grad():
        made = (generator.synthesis(latent) * 0.5 + 0.5).clamp(0, 1)
    for name, image in zip(NAMES, made, strict=True):
        assert (result(tmp_path, name) - image).abs().max() <= 1 / 255
    with safe_open(tmp_path / "results" / "latent.safetensors", framework="pt") as file:
        assert torch.equal(file.get_tensor("latent"), latent)
        assert file.metadata()["generator_sha256"] == generator.digest
        assert json.loads(file.metadata()["names"]) == NAMES


def test_summary_in_the_terminal(restored, tmp_path, capsys, tiny_generator, images):
    fit(inversion(tiny_generator), images, tmp_path, 1, callbacks=[Results()])
    printed = capsys.readouterr().out
    assert "psnr" in printed
    assert "mean" in printed
    assert str(tmp_path / "metrics.json") in printed


def test_rows_say_what_they_are(smooth_images, judge, tmp_path, capsys):
    sources = {"content": smooth_images[:2], "style": smooth_images[2:]}
    images = Images(**{role: save_images(own, tmp_path / role) for role, own in sources.items()})
    losses = ContentLoss(["image"], 2.0), MeanVarLoss(["image"], [1.0, 10.0])
    search = Search(restarts=2)
    fit(StyleTransfer(Pixels(), *losses, search=search), images, tmp_path, 1, callbacks=[Results(judge, summary=False)])
    assert capsys.readouterr().out == ""
    assert [(row["images"], row["weights"], row["restart"]) for row in figures(tmp_path)["rows"]] == [
        ({"content": content, "style": style}, {"content": 2.0, "style": weight}, restart)
        for content in ("00", "01")
        for style in ("00", "01")
        for weight in (1.0, 10.0)
        for restart in (0, 1)
    ]
    energies = [row["energy_content"] for row in figures(tmp_path)["rows"]]
    contents = images.load("content", [0] * 8 + [1] * 8)
    assert energies == pytest.approx(contents.square().mean((1, 2, 3)).tolist())


def test_blended_styles_have_one_name(smooth_images, judge, tmp_path):
    images = Images(style=save_images(smooth_images[:2], tmp_path / "style"))
    task = TextureSynthesis(Pixels(), MeanVarLoss(["image"]), blend=[1.0, 2.0])
    fit(task, images, tmp_path, 1, callbacks=[Results(judge)])
    assert [row["images"] for row in figures(tmp_path)["rows"]] == [{"style": "00-01"}]


def test_latent_of_w_has_a_row_per_layer(tiny_generator, images, tmp_path):
    task = inversion(tiny_generator, StyleGAN2(str(tiny_generator), space="w", samples=100))
    fit(task, images, tmp_path, 2, callbacks=[Results()])
    latent = np.load(tmp_path / "results" / "latent.npz")["latent"]
    assert latent.shape == (4, task.generator.num_ws, 8)
    assert (latent == task.best.numpy()[:, None]).all()


def test_pixels_have_no_latent(images, tmp_path):
    fit(inversion(None, Pixels()), images, tmp_path, 2, callbacks=[Results()])
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == [*(f"{n}.png" for n in NAMES), "comparison.png"]
    assert figures(tmp_path)["generator_sha256"] is None


def test_without_the_truth_only_what_is_known_is_told(tiny_generator, images, tmp_path):
    small = Images(target=save_images(Downsample(4)(images.load("target", range(4))), tmp_path / "small"))
    callbacks = [Degrade(Downsample(4), observed=True), Results()]
    fit(inversion(tiny_generator), small, tmp_path, 2, callbacks=callbacks)
    assert set(figures(tmp_path)["rows"][0]) == {
        *("name", "loss", "consistency_psnr", "latent_distance", "stopped_at_step"),
        *("term_target", "term_regulariser", "images", "weights", "restart"),
    }


def test_rows_do_not_overwrite_the_report(tiny_generator, smooth_images, tmp_path):
    folder = tmp_path / "targets"
    save_images(smooth_images, folder)
    for old, new in (("00", "comparison"), ("01", "comparison_"), ("02", "Trajectory")):
        (folder / f"{old}.png").rename(folder / f"{new}.png")
    fit(inversion(tiny_generator), Images(target=str(folder)), tmp_path, 2, callbacks=[Results()])
    names = [row["name"] for row in figures(tmp_path)["rows"]]
    assert names == ["03", "comparison__", "comparison_", "Trajectory_"]
    with np.load(tmp_path / "results" / "latent.npz") as file:
        assert file["names"].tolist() == names
    for name in names:
        assert result(tmp_path, name).shape == (3, 16, 16)
    with Image.open(tmp_path / "results" / "comparison.png") as picture:
        assert min(picture.size) > 16
    assert len(list((tmp_path / "results").glob("*.png"))) == 5


def test_stopped_row_is_told(tiny_generator, images, tmp_path):
    generator = StyleGAN2(str(tiny_generator), samples=200)
    task = Inversion(generator, PixelLoss(), regulariser=FailsAt(row=1, call=5))
    fit(task, images, tmp_path, callbacks=[Results()])
    rows = figures(tmp_path)["rows"]
    assert [row["stopped_at_step"] for row in rows] == [None, 5, None, None]
    assert all(isinstance(row["loss"], float) for row in rows)


def test_row_that_never_was_finite_is_null(tiny_generator, images, tmp_path):
    generator = StyleGAN2(str(tiny_generator), samples=200)
    task = Inversion(generator, PixelLoss(), regulariser=FailsAt(row=1, call=0), search=Search())
    fit(task, images, tmp_path, callbacks=[Results()])
    record = figures(tmp_path)
    assert [row["stopped_at_step"] for row in record["rows"]] == [None, 0, None, None]
    assert [row["loss"] is None for row in record["rows"]] == [False, True, False, False]
    assert record["mean"]["loss"] is None
    assert np.isfinite(np.load(tmp_path / "results" / "latent.npz")["latent"]).all()


def test_picture_that_is_not_finite_does_not_cost_the_others(images, tmp_path):
    class Broken(Pixels):
        def forward(self, w):
            holes = torch.zeros(len(w), 1, 1, 1)
            holes[2] = torch.nan
            return w + holes

    task = inversion(None, Broken())
    fit(task, images, tmp_path, callbacks=[Results()])
    record = figures(tmp_path)
    assert [row["stopped_at_step"] for row in record["rows"]] == [None, None, 0, None]
    assert (result(tmp_path, "02") == 0).all()
    assert (result(tmp_path, "03") > 0).any()
    assert np.isfinite([row["psnr"] for row in record["rows"]]).all()


def test_judge_that_does_not_fit_ends_the_run_before_its_first_step(tiny_generator, images, tmp_path):
    task = inversion(tiny_generator)
    with pytest.raises(InputError, match=r"^results\.judge: AlexNet: the image is 2×3×16×16; "):
        fit(task, images, tmp_path, callbacks=[Results(AlexNet("random", ["pool5"]))])
    assert task.first_loss.isinf().all()


def test_measurement_in_double_precision(tiny_generator, images, judge, tmp_path):
    mask = Degrade(Mask(box=[0, 0, 0.5, 0.5]))
    fit(inversion(tiny_generator), images, tmp_path, 2, callbacks=[mask, Results(judge)], precision="64-true")
    assert figures(tmp_path)["mean"]["measurement_perceptual"] > 0


def test_best_of_the_restarts_is_kept(tiny_generator, images, tmp_path, judge):
    task = inversion(tiny_generator, search=Search(restarts=3, spread=0.5, keep="best"))
    fit(task, images, tmp_path, 5, callbacks=[Results(judge)])
    rows = figures(tmp_path)["rows"]
    losses = task.best_loss.view(4, 3)
    assert [row["name"] for row in rows] == NAMES
    assert [row["restart"] for row in rows] == losses.argmin(1).tolist()
    assert [row["loss"] for row in rows] == pytest.approx(losses.amin(1).tolist())
    assert [row["restart_losses"] for row in rows] == [pytest.approx(own) for own in losses.tolist()]
    best = task.best.view(4, 3, 6, 8)[range(4), losses.argmin(1)]
    assert np.array_equal(np.load(tmp_path / "results" / "latent.npz")["latent"], best.numpy())
    assert (result(tmp_path, "02") - task.generator(best)[2].clamp(0, 1)).abs().max() < 0.003
    assert sorted(path.stem for path in (tmp_path / "results").glob("*.png")) == [*NAMES, "comparison"]


def test_composite_of_an_inpainting(tiny_generator, images, tmp_path, judge):
    mask = Mask(box=[0.25, 0.25, 0.75, 0.75])
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, 5, callbacks=[Degrade(mask), Results(judge, feather=0.1)])
    row, truth = figures(tmp_path)["rows"][1], images.load("target", [1])
    made = read_image(tmp_path / "results" / "composite" / "01.png")[0]
    known = mask.known(truth)[0].bool().expand(3, -1, -1)
    assert (made - truth[0])[known].abs().max() == 0
    assert (made - result(tmp_path, "01"))[:, 7:9, 7:9].abs().max() < 0.003
    assert row["composite_psnr"] == pytest.approx(float(psnr(made[None], truth)), abs=0.1)
    assert row["composite_psnr"] > row["psnr"]


def test_no_composite_where_known_pixels_are_degraded_too(tiny_generator, images, tmp_path, judge):
    operators = [Degrade(Mask(box=[0, 0, 0.5, 0.5])), Degrade(Downsample(2))]
    fit(inversion(tiny_generator), images, tmp_path, 2, callbacks=[*operators, Results(judge)])
    assert not (tmp_path / "results" / "composite").exists()


def test_distance_to_the_generator_s_samples(tiny_generator, images, tmp_path, judge):
    fit(inversion(tiny_generator), images, tmp_path, 2, callbacks=[Results(judge, samples=16)])
    assert all(row["generator_distance"] > 0 for row in figures(tmp_path)["rows"])
    with pytest.raises(InputError, match="Pixels has no samples"):
        fit(Inversion(Pixels(), PixelLoss()), images, tmp_path, 2, callbacks=[Results(judge, samples=16)])


@pytest.mark.parametrize("options", [{"samples": -1}, {"samples": 3}, {"feather": -0.1}])
def test_bad_options(options):
    with pytest.raises(InputError, match="results: samples is"):
        Results(**options)
