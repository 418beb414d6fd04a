import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from PIL import Image

from lit_nst.data.images import Images, Iterations
from lit_nst.data.read import read_image, read_mask
from lit_nst.data.resize import fit_image, fit_inside, fit_mask
from lit_nst.errors import InputError

RNG = np.random.default_rng(0)


def picture(path, height=8, width=8, channels=3):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)).save(path)
    return str(path)


def mask(path, height=8, width=8):
    Image.fromarray(RNG.integers(0, 2, (height, width), dtype=np.uint8) * 255).save(path)
    return str(path)


def fails(match):
    return pytest.raises(InputError, match=match)


class TestRoles:
    def test_count_and_has(self, tmp_path):
        for name in ("b", "a10", "a9"):
            picture(tmp_path / f"{name}.png")
        data = Images(target=str(tmp_path), style=str(tmp_path / "b.png"))
        assert [data.count(role) for role in ("content", "style", "target", "truth", "mask")] == [0, 1, 3, 0, 0]
        assert [data.has(role) for role in ("content", "style", "target")] == [False, True, True]
        assert data.names("target") == ["a9", "a10", "b"]
        assert data.names("content") == []

    def test_names_are_unique(self, tmp_path):
        paths = ["x/a.png", "a.png", "a.jpg", "a-2.png", "A.bmp", "b.c.png"]
        data = Images(target=[picture(tmp_path / path) for path in paths])
        assert data.names("target") == ["a", "a-3", "a-4", "a-2", "A-5", "b.c"]

    def test_names_count_up(self, tmp_path):
        path = picture(tmp_path / "a.png")
        assert Images(target=[path] * 3).names("target") == ["a", "a-2", "a-3"]

    def test_paths_are_checked_at_setup_and_at_first_use(self, tmp_path):
        data = Images(target="none.png")
        assert data.has("target")
        for use in (data.setup, lambda: data.count("target"), lambda: data.load("target", [0])):
            with fails(r"--data\.target: none\.png does not exist"):
                use()

    def test_files_are_read_only_when_loaded(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"no picture")
        data = Images(target=str(tmp_path / "a.png"))
        data.setup("fit")
        assert data.count("target") == 1
        with fails(r"a\.png is not an image"):
            data.load("target", [0])

    def test_a_folder_is_listed_once(self, tmp_path):
        picture(tmp_path / "b.png")
        data = Images(target=str(tmp_path))
        data.setup()
        picture(tmp_path / "a.png")
        assert data.names("target") == ["b"]

    def test_require(self, tmp_path):
        with fails(r"^`Inversion` needs a target; give --data\.target FILE$"):
            Images().require("target", by="Inversion")
        Images(target="none.png").require("target", by="Inversion")


class TestLoad:
    def test_own_size(self, tmp_path):
        paths = [picture(tmp_path / f"{name}.png", 6, 9) for name in "abc"]
        loaded = Images(content=paths).load("content", [2, 0])
        assert torch.equal(loaded, torch.stack([read_image(paths[i])[0] for i in (2, 0)]))

    @pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
    def test_fitted(self, tmp_path, fit):
        path = picture(tmp_path / "a.png", 6, 9)
        loaded = Images(style=path, fit=fit).load("style", [0], (5, 4))
        assert torch.equal(loaded[0], fit_image(read_image(path)[0], (5, 4), fit))

    def test_different_sizes(self, tmp_path):
        paths = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png"), picture(tmp_path / "c.png", 8, 9)]
        data = Images(target=paths)
        with fails(r"c\.png is 8×9, but .*a\.png is 8×8; give"):
            data.load("target", [0, 1, 2])
        assert data.load("target", [0, 1, 2], (4, 4)).shape == (3, 3, 4, 4)

    def test_alpha_and_background(self, tmp_path):
        path = picture(tmp_path / "a.png", channels=4)
        grey = Images(target=path, background=0.25).load("target", [0])
        assert torch.equal(grey[0], read_image(path, background=0.25)[0])
        plain = Images(target=path, alpha="mask").load("target", [0])
        assert torch.equal(plain[0], read_image(path, alpha="mask")[0])

    def test_mask(self, tmp_path):
        path = mask(tmp_path / "a.png")
        data = Images(mask=path)
        assert torch.equal(data.load("mask", [0])[0], read_mask(path))
        assert torch.equal(data.load("mask", [0], (3, 5))[0], fit_mask(read_mask(path), (3, 5)))

    def test_nothing_given(self):
        with fails(r"give --data\.style FILE"):
            Images().load("style", [0])


class TestSize:
    @pytest.fixture
    def contents(self, tmp_path):
        return [picture(tmp_path / "a.png", 12, 18), picture(tmp_path / "b.png", 12, 18)]

    def test_of_the_pictures(self, contents):
        assert Images(content=contents).run_size("content") == (12, 18)

    def test_pictures_must_agree(self, contents, tmp_path):
        other = [*contents, picture(tmp_path / "c.png", 18, 12)]
        with fails(r"c\.png is 18×12, but .*a\.png is 12×18; give --data\.size$"):
            Images(content=other).run_size("content")

    @pytest.mark.parametrize(("size", "found"), [(9, (6, 9)), (36, (24, 36)), (1, (1, 1)), ((5, 40), (5, 40))])
    def test_given(self, contents, tmp_path, size, found):
        other = [*contents, picture(tmp_path / "c.png", 18, 12)]
        assert Images(content=other, size=size).run_size("content") == found

    def test_turned_picture(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (10, 8)).save(tmp_path / "a.jpg", exif=exif)
        assert Images(style=str(tmp_path / "a.jpg")).run_size("style") == (10, 8)

    @pytest.mark.parametrize("size", [0, -3, (16, 0)])
    def test_below_a_pixel(self, size):
        with fails(r"^--data\.size is .*; give sides of 1 to 50000 pixels$"):
            Images(size=size)


class TestStyles:
    def test_each_keeps_its_aspect_and_is_only_shrunk(self, tmp_path):
        paths = [picture(tmp_path / f"{i}.png", *size) for i, size in enumerate([(40, 20), (16, 12), (8, 6), (16, 64)])]
        images = Images(style=paths)
        styles = list(images.load_styles((10, 16)).values())
        assert images.style_sizes((10, 16)) == {tuple(style.shape[1:]) for style in styles}
        assert list(images.load_styles((10, 16), [1, 1])) == [1]
        assert [tuple(style.shape) for style in styles] == [(3, 16, 8), (3, 16, 12), (3, 8, 6), (3, 4, 16)]
        assert torch.equal(styles[0], fit_inside(read_image(paths[0])[0], 16))
        assert torch.equal(styles[1], read_image(paths[1])[0])

    @pytest.mark.parametrize(("scale", "shape"), [(0.5, (3, 8, 4)), (1.5, (3, 24, 12)), (9.0, (3, 40, 20))])
    def test_scale(self, tmp_path, scale, shape):
        path = picture(tmp_path / "a.png", 40, 20)
        assert Images(style=path, style_scale=scale).load_styles((10, 16))[0].shape == shape

    def test_at_least_a_pixel(self, tmp_path):
        path = picture(tmp_path / "a.png", 40, 2)
        assert Images(style=path, style_scale=0.01).load_styles((10, 16))[0].shape == (3, 1, 1)

    def test_fit_is_for_the_other_roles(self, tmp_path):
        path = picture(tmp_path / "a.png", 40, 20)
        assert Images(style=path, fit="stretch").load_styles((16, 16))[0].shape == (3, 16, 8)

    @pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
    def test_bad_scale(self, scale):
        with fails(r"^--data\.style_scale is .*; give a positive factor$"):
            Images(style_scale=scale)


class TestMaskFor:
    @pytest.fixture
    def targets(self, tmp_path):
        return [picture(tmp_path / f"{name}.png", 8, 10) for name in "abc"]

    def test_none(self, targets):
        assert Images(target=targets).mask_for([0]) is None
        assert Images(target=targets, alpha="mask").mask_for([0, 1]) is None

    def test_one_for_all(self, targets, tmp_path):
        path = mask(tmp_path / "mask.png", 8, 10)
        data = Images(target=targets, mask=path, fit="pad")
        assert torch.equal(data.mask_for([1, 2])[0], read_mask(path))
        fitted = data.mask_for([1, 2], (4, 4))
        assert fitted.shape == (1, 1, 4, 4)
        assert torch.equal(fitted[0], fit_mask(read_mask(path), (4, 4), "pad"))

    def test_one_each(self, targets, tmp_path):
        paths = [mask(tmp_path / f"mask{number}.png", 8, 10) for number in range(3)]
        holes = Images(target=targets, mask=paths).mask_for([2, 0])
        assert torch.equal(holes, torch.stack([read_mask(paths[2]), read_mask(paths[0])]))

    def test_wrong_count(self, targets, tmp_path):
        paths = [mask(tmp_path / f"mask{number}.png", 8, 10) for number in range(2)]
        with fails(r"^--data\.mask: 2 masks for 3 targets; give one mask, or one per target$"):
            Images(target=targets, mask=paths).mask_for([0])

    def test_wrong_size(self, tmp_path):
        target, path = picture(tmp_path / "portrait.png", 64, 64), mask(tmp_path / "mask.png", 32, 32)
        message = r"mask\.png is 32×32, but the target portrait\.png is 64×64; give a mask of the target's size$"
        for size in (None, (16, 16)):
            with fails(message):
                Images(target=target, mask=path).mask_for([0], size)

    def test_one_for_all_has_every_targets_size(self, tmp_path):
        targets = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 9, 8)]
        data = Images(target=targets, mask=mask(tmp_path / "mask.png"))
        assert data.mask_for([0], (4, 4)).shape == (1, 1, 4, 4)
        with fails(r"mask\.png is 8×8, but the target b\.png is 9×8"):
            data.mask_for([0, 1], (4, 4))

    def test_turned_target(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (10, 8)).save(tmp_path / "a.jpg", exif=exif)
        data = Images(target=str(tmp_path / "a.jpg"), mask=mask(tmp_path / "mask.png", 10, 8))
        assert data.mask_for([0]).shape == data.load("target", [0])[:, :1].shape

    def test_alpha_is_the_mask(self, targets, tmp_path):
        see_through = picture(tmp_path / "alpha.png", 8, 10, 4)
        data = Images(target=[see_through, *targets], alpha="mask")
        holes = data.mask_for([1, 0])
        assert torch.equal(holes, torch.stack([torch.zeros(1, 8, 10), read_image(see_through, "mask")[1]]))
        assert data.mask_for([0], (4, 4)).shape == (1, 1, 4, 4)
        assert Images(target=see_through).mask_for([0]) is None

    def test_a_mask_file_goes_before_alpha(self, tmp_path):
        target, path = picture(tmp_path / "a.png", channels=4), mask(tmp_path / "mask.png")
        data = Images(target=target, mask=path, alpha="mask")
        assert torch.equal(data.mask_for([0])[0], read_mask(path))

    def test_no_target(self, tmp_path):
        with fails(r"needs a target; give --data\.target FILE"):
            Images(mask=mask(tmp_path / "mask.png")).mask_for([0])


class Counter(LightningModule):
    """Records what the loop hands over."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def training_step(self, batch, number):
        self.seen.append(batch)
        return self.w.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(folder):
    return Trainer(
        max_steps=5,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class TestLoop:
    def test_endless_counter(self):
        loader = Images().train_dataloader()
        assert isinstance(loader, Iterations)
        assert not hasattr(loader, "__len__")
        assert list(itertools.islice(loader, 4)) == [0, 1, 2, 3]
        assert list(itertools.islice(loader, 2)) == [0, 1]

    def test_trainer_runs_to_max_steps(self, tmp_path):
        task = Counter()
        trainer(tmp_path).fit(task, Images())
        assert task.seen == [0, 1, 2, 3, 4]

    def test_trainer_reports_a_bad_path(self, tmp_path):
        with fails(r"--data\.truth: none\.png does not exist"):
            trainer(tmp_path).fit(Counter(), Images(truth="none.png"))


class TestOptions:
    def parse(self, *arguments):
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(Images, "data")
        return parser.instantiate(parser.parse_args(arguments)).data

    def test_from_the_command_line(self):
        data = self.parse(
            "--data.target=a.png", '--data.mask=["m.png", "n.png"]', "--data.fit=pad", "--data.background=0"
        )
        assert data.sources["target"] == "a.png"
        assert data.sources["mask"] == ["m.png", "n.png"]
        assert (data.fit, data.alpha, data.background) == ("pad", "composite", 0.0)

    @pytest.mark.parametrize(("given", "size"), [("256", 256), ("[128, 256]", (128, 256)), ("null", None)])
    def test_size(self, given, size):
        assert self.parse(f"--data.size={given}").size == size

    @pytest.mark.parametrize(
        "bad",
        ["--data.size=[1, 2, 3]", "--data.fit=cover", "--data.alpha=keep", "--data.background=grey", "--data.tarjet=a"],
    )
    def test_bad_option(self, bad):
        with pytest.raises(Exception, match=bad.split("=")[0].split(".")[1]):
            self.parse(bad)

    def test_every_option_has_its_help(self):
        parser = ArgumentParser()
        parser.add_class_arguments(Images, "data")
        text = " ".join(parser.format_help().split())
        for words in ("whose content is kept", "whose style is taken", "White is the hole", "Grey level behind"):
            assert words in text


def test_many_files_of_one_name_are_named_at_once():
    images = Images(target="pictures")
    images._files["target"] = [Path(f"scene{number}/render.png") for number in range(5_000)]
    begin = time.process_time()
    assert images.names("target") == ["render", *(f"render-{number}" for number in range(2, 5_001))]
    assert time.process_time() - begin < 1
