import itertools

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Average, Degrade, Results
from lit_nst.data import Images, read_image, write_png
from lit_nst.degradations import Grayscale
from lit_nst.errors import InputError
from lit_nst.generators import Pixels
from lit_nst.losses import ContentLoss, GramLoss, HistogramLoss, TotalVariation, WassersteinLoss
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Search
from tests.fitting import adam, fit, save_pictures, style_transfer

STEPS = 10
OPTIMIZERS = pytest.mark.parametrize("optimizer", [adam, RowLBFGS], ids=["adam", "lbfgs"])


@pytest.fixture
def images(tmp_path):
    contents = save_pictures(tmp_path, "content", (16, 16), (16, 16))
    return Images(content=contents, style=save_pictures(tmp_path, "style", (16, 22), (20, 16)))


class Save(Callback):
    """A checkpoint after every step."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_batch_end(self, trainer, task, *_):
        trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


class Values(Callback):
    """The loss of every row, at every step."""

    def __init__(self):
        self.losses = []

    def on_train_batch_end(self, trainer, task, *_):
        self.losses.append(task.row_losses.clone())


def grid_style(weights):
    return GramLoss(["relu1_1", "relu2_1"], weight=weights)


@OPTIMIZERS
def test_only_w_is_trained_and_the_loss_falls(images, tmp_path, optimizer):
    task, values = style_transfer(optimizer=optimizer), Values()
    before = {name: x.clone() for name, x in task.features.named_parameters()}
    fit(task, images, tmp_path, 20, callbacks=[values])
    assert [name for name, x in task.named_parameters() if x.requires_grad] == ["w"]
    assert task.w.shape == (4, 3, 16, 16)
    assert (task.best_loss < 0.7 * values.losses[0]).all()
    assert all(torch.equal(x, before[name]) for name, x in task.features.named_parameters())
    with torch.no_grad():
        torch.testing.assert_close(task.losses(task.best), task.best_loss)


@pytest.mark.parametrize("average", [False, True], ids=["", "average"])
@OPTIMIZERS
def test_resumed_run_equals_the_uninterrupted_one(images, tmp_path, optimizer, average):
    def make():
        search = Search(start="content", spread=0.1, jitter=0.0 if optimizer is RowLBFGS else 0.05)
        return style_transfer(grid_style([1.0, 10.0]), optimizer=optimizer, search=search)

    def callbacks():
        return [Average(0.7, always=True)] if average else []

    fit(whole := make(), images, tmp_path, STEPS, callbacks=[*callbacks(), Save(tmp_path)])
    for stop in (1, 2, 6, STEPS - 1):
        again = make()
        fit(again, images, tmp_path, STEPS, ckpt_path=tmp_path / f"{stop}.ckpt", callbacks=callbacks())
        for name in whole.row_state:
            assert torch.equal(getattr(whole, name), getattr(again, name)), (stop, name)


@OPTIMIZERS
def test_rows_of_a_batch_are_the_runs_of_two_bit_for_bit(images, tmp_path, optimizer):
    together = style_transfer(grid_style([1.0, 10.0]), optimizer=optimizer, search=Search(spread=0.2, restarts=2))
    fit(together, images, tmp_path, STEPS)
    assert together.w.shape == (16, 3, 16, 16)
    best, loss = together.best.view(2, 2, 2, 2, 3, 16, 16), together.best_loss.view(2, 2, 2, 2)
    for style, weight in itertools.product(range(2), range(2)):
        # Noise is keyed by the number of the content, which is 0 here.
        own = Images(content=images.sources["content"][0], style=images.sources["style"][style])
        pair = style_transfer(
            grid_style([1.0, 10.0][weight]), optimizer=optimizer, search=Search(spread=0.2, restarts=2)
        )
        fit(pair, own, tmp_path, STEPS)
        assert torch.equal(pair.best, best[0, style, weight])
        assert torch.equal(pair.best_loss, loss[0, style, weight])


@OPTIMIZERS
def test_rows_of_a_batch_are_the_runs_of_one(images, tmp_path, optimizer):
    search = Search(start="content")
    together = style_transfer(grid_style([1.0, 10.0]), optimizer=optimizer, search=search)
    fit(together, images, tmp_path, STEPS)
    for row, problem in enumerate(together.grid.problems):
        own = Images(**{role: images.sources[role][index] for role, index in problem.images.items()})
        alone = style_transfer(grid_style(together.grid.weight(row, "style")), optimizer=optimizer, search=search)
        fit(alone, own, tmp_path, STEPS)
        torch.testing.assert_close(alone.best[0], together.best[row], rtol=0, atol=2e-4)
        torch.testing.assert_close(alone.best_loss[0], together.best_loss[row], rtol=1e-4, atol=0)


def test_an_odd_number_of_rows_is_that_of_a_larger_run(images, tmp_path):
    search = Search(start="content", restarts=2, spread=0.1)
    fit(many := style_transfer(search=search), images, tmp_path, STEPS)
    search = Search(start="content", restarts=3, spread=0.1)
    few = Images(content=images.sources["content"][:1], style=images.sources["style"][:1])
    fit(three := style_transfer(search=search), few, tmp_path, STEPS)
    assert three.w.shape[0] == 3
    assert torch.equal(three.best[:2], many.best[:2])


def test_names_and_weights_of_rows(images, tmp_path):
    palette, smooth = HistogramLoss(["image"], weight=[2.0, 20.0]), TotalVariation(weight=[0.5, 5.0])
    search = Search(start="content", spread=0.1)
    task = style_transfer(grid_style([1.0, 10.0]), palette=palette, regulariser=smooth, search=search)
    one = Images(content=images.sources["content"][0], style=images.sources["style"][0])
    fit(task, one, tmp_path, 1)
    assert task.names == [
        f"content0+style0_style-{s}_palette-{p}_regulariser-{r}"
        for s in (1, 10) for p in (2, 20) for r in (0.5, 5)
    ]  # fmt: skip
    with torch.no_grad():
        terms = task.terms(task.content)
    weights = {"style": [1.0, 10.0], "palette": [2.0, 20.0], "regulariser": [0.5, 5.0]}
    for axis, (name, own) in enumerate(weights.items()):
        value = terms[name].view(2, 2, 2).movedim(axis, 0).flatten(1)
        for weight, part in zip(own, value, strict=True):
            torch.testing.assert_close(part / weight, value[0] / own[0])
        assert (value > 0).all()
    torch.testing.assert_close(terms["content"], torch.zeros(8))


def test_one_weight_after_several_is_the_weight_of_all_rows(images, tmp_path):
    style = grid_style([1.0, 10.0])
    fit(style_transfer(style), images, tmp_path, 1)
    style.weight = 7.0
    fit(task := style_transfer(style), images, tmp_path, 1)
    assert task.w.shape[0] == 4
    expected = style_transfer(grid_style(7.0))
    fit(expected, images, tmp_path, 1)
    assert torch.equal(task.best_loss, expected.best_loss)


def test_contents_of_several_sizes(images, tmp_path):
    images.sources["content"] = save_pictures(tmp_path, "other", (16, 16), (20, 16))
    with pytest.raises(InputError, match=r"other1\.png is 20×16, but .*other0\.png is 16×16; give --data\.size$"):
        fit(style_transfer(), images, tmp_path, 1)
    images.size = 16
    fit(task := style_transfer(), images, tmp_path, 1)
    assert task.w.shape == (4, 3, 16, 16)


def colour(path, *levels):
    write_png(torch.tensor(levels).view(3, 1, 1).expand(3, 16, 16), path)
    return str(path)


CASES = list(itertools.product([adam, RowLBFGS], ["content", "style", "center"], [GramLoss, WassersteinLoss]))
USUAL = [(adam, "content", GramLoss), (adam, "center", WassersteinLoss), (RowLBFGS, "content", WassersteinLoss),
         (RowLBFGS, "style", GramLoss)]  # fmt: skip


@pytest.mark.parametrize(
    ("optimizer", "start", "loss"),
    [
        pytest.param(
            *case,
            marks=[] if case in USUAL else pytest.mark.slow,
            id=f"{case[0].__name__}-{case[1]}-{case[2].__name__}",
        )
        for case in CASES
    ],
)
def test_one_colour_and_black(tmp_path, optimizer, start, loss):
    images = Images(
        content=[colour(tmp_path / "black.png", 0.0, 0.0, 0.0), *save_pictures(tmp_path, "content", (16, 16))],
        style=[colour(tmp_path / "red.png", 0.8, 0.1, 0.1), colour(tmp_path / "none.png", 0.0, 0.0, 0.0)],
    )
    task = style_transfer(
        loss(["relu1_1", "relu2_1"]), optimizer=optimizer, search=Search(start=start),
        content=ContentLoss(["relu2_1"], normalization="energy"), regulariser=TotalVariation(),
    )  # fmt: skip
    fit(task, images, tmp_path, 6, callbacks=[Results()])
    assert task.best_loss.isfinite().all()
    assert (task.stopped == -1).all()
    assert (tmp_path / "results" / "black+none.png").is_file()


@pytest.mark.parametrize("weight", [1e-12, 1e12])
@OPTIMIZERS
def test_weights_of_any_size(images, tmp_path, optimizer, weight):
    task = style_transfer(
        grid_style(weight), content=ContentLoss(["relu2_1"], weight), optimizer=optimizer, search=Search(spread=0.1)
    )
    fit(task, images, tmp_path, STEPS, callbacks=[Results(), values := Values()])
    assert task.best_loss.isfinite().all()
    assert (task.stopped == -1).all()
    if optimizer is RowLBFGS or weight > 1:
        # To Adam, whose epsilon is 1e-8, gradients of 1e-12 are none.
        assert (task.best_loss < 0.9 * values.losses[0]).all()
    for name in task.names:
        assert read_image(tmp_path / "results" / f"{name}.png")[0].std() > 0.01
    assert (tmp_path / "metrics.json").is_file()


@pytest.mark.parametrize("box", ["none", "sigmoid"])
def test_optimiser_that_explodes_leaves_the_best_iterate(images, tmp_path, box):
    def wild(parameters):
        return torch.optim.Adam(parameters, lr=1e6)

    task = style_transfer(optimizer=wild, search=Search(start="content"), generator=Pixels(box))
    fit(task, images, tmp_path, STEPS, callbacks=[Results(), values := Values()])
    losses = torch.stack(values.losses).nan_to_num(torch.inf)
    assert (task.best_loss <= losses.amin(0)).all()
    with torch.no_grad():
        torch.testing.assert_close(task.losses(task.best), task.best_loss)
    content = images.load("content", [0, 0, 1, 1])
    for row, name in enumerate(task.names):
        # Nothing beats the start, whose style is the only thing wrong with it.
        assert (read_image(tmp_path / "results" / f"{name}.png")[0] - content[row]).abs().max() <= 2 / 255


def test_exploded_row_goes_on_from_its_best(images, tmp_path):
    class Kick(Callback):
        def on_train_batch_end(self, trainer, task, *_):
            if trainer.global_step == 6:
                kept.append(task.best_loss.clone())
                with torch.no_grad():
                    task.w[1] += 1e3

    def steady(parameters):
        return torch.optim.SGD(parameters, lr=0.01)

    kept, search = [], Search(start="content", ramp_down=0)
    fit(plain := style_transfer(optimizer=steady, search=search), images, tmp_path, 20)
    fit(task := style_transfer(optimizer=steady, search=search), images, tmp_path, 20, callbacks=[Kick()])
    assert (task.best_loss[1] < 0.95 * kept[0][1]).all()
    assert torch.equal(task.w[[0, 2, 3]], plain.w[[0, 2, 3]])


def test_clamped_pixels_stay_in_the_box(images, tmp_path):
    class Range(Callback):
        def on_train_batch_end(self, trainer, task, *_):
            seen.append((float(task.w.min()), float(task.w.max()), float(task.best.min()), float(task.best.max())))

    def quick(parameters):
        return torch.optim.Adam(parameters, lr=0.5)

    seen = []
    task = style_transfer(generator=Pixels("clamp"), optimizer=quick, search=Search(spread=1.0, jitter=0.5))
    fit(task, images, tmp_path, STEPS, callbacks=[Range()])
    assert all(low >= 0 and high <= 1 for a, b, c, d in seen for low, high in ((a, b), (c, d)))
    assert any(low == 0 for low, *_ in seen)
    task = style_transfer(optimizer=quick, search=Search(spread=1.0))
    fit(task, images, tmp_path, STEPS)
    assert task.w.min() < 0


def test_line_searches_refuse_what_moves_w_behind_them(images, tmp_path):
    with pytest.raises(InputError, match=r"^optimizer RowLBFGS: generator\.box clamp would move w .*; use sigmoid or"):
        fit(style_transfer(generator=Pixels("clamp"), optimizer=RowLBFGS), images, tmp_path, 1)
    with pytest.raises(InputError, match=r"^optimizer RowLBFGS: search\.jitter would move w behind .*; use 0$"):
        fit(style_transfer(search=Search(jitter=0.1), optimizer=RowLBFGS), images, tmp_path, 1)
    fit(style_transfer(generator=Pixels("sigmoid"), optimizer=RowLBFGS), images, tmp_path, 2)


def test_l_bfgs_of_torch_takes_one_row(images, tmp_path):
    with pytest.raises(InputError, match=r"^optimizer LBFGS couples the rows of w: give one image, or .* RowLBFGS$"):
        fit(style_transfer(optimizer=torch.optim.LBFGS), images, tmp_path, 1)
    one = Images(content=images.sources["content"][0], style=images.sources["style"][0])
    with pytest.raises(InputError, match=r"^optimizer LBFGS couples the rows of w"):
        fit(style_transfer(optimizer=torch.optim.LBFGS, search=Search(restarts=2)), one, tmp_path, 1)
    fit(style_transfer(optimizer=torch.optim.LBFGS), one, tmp_path, 1)


def test_degradation_needs_a_target(images, tmp_path):
    with pytest.raises(InputError, match=r"^Degrade: StyleTransfer has no target to degrade; leave it out$"):
        fit(style_transfer(), images, tmp_path, 1, callbacks=[Degrade(Grayscale())])


@pytest.mark.parametrize("role", ["content", "style"])
def test_both_roles_are_needed(images, tmp_path, role):
    images.sources[role] = None
    with pytest.raises(InputError, match=rf"^`StyleTransfer` needs a {role}; give --data\.{role} FILE$"):
        fit(style_transfer(), images, tmp_path, 1)


def test_checkpoint_of_other_callbacks_is_refused(images, tmp_path):
    fit(style_transfer(), images, tmp_path, 2, callbacks=[Save(tmp_path)])
    with pytest.raises(InputError, match=r"^ckpt_path and this run differ in average: give the callbacks of the run"):
        fit(style_transfer(), images, tmp_path, 4, ckpt_path=tmp_path / "1.ckpt", callbacks=[Average()])


def test_second_fit_of_a_task_starts_anew(images, tmp_path):
    fit(fresh := style_transfer(), images, tmp_path, 3)
    fit(task := style_transfer(), images, tmp_path, 20)
    fit(task, images, tmp_path, 3)
    assert torch.equal(task.best, fresh.best)
    assert torch.equal(task.best_loss, fresh.best_loss)
    fewer = Images(content=images.sources["content"], style=images.sources["style"][0])
    fit(task, fewer, tmp_path, 3)
    assert task.best.shape[0] == 2
    assert torch.equal(task.best, fresh.best[::2])


def test_a_role_that_the_task_does_not_take_is_refused(tmp_path):
    content, style = save_pictures(tmp_path, "content", (16, 16)), save_pictures(tmp_path, "style", (16, 16))
    pictures = Images(content=content, style=style, target=content)
    with pytest.raises(InputError, match=r"^--data\.target: StyleTransfer has no target; it takes content, style$"):
        fit(style_transfer(), pictures, tmp_path, 1)
