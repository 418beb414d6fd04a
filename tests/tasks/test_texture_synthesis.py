import pytest
import torch

from lit_nst.callbacks import Results
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.losses import HistogramLoss
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Search
from tests.fitting import fit, save_pictures, texture_synthesis


@pytest.fixture
def styles(tmp_path):
    return save_pictures(tmp_path, "style", (16, 20), (24, 16))


def test_size_is_that_of_the_style(styles, tmp_path):
    fit(task := texture_synthesis(), Images(style=styles[0]), tmp_path, 1)
    assert task.w.shape == (1, 3, 16, 20)
    assert task.names == ["style0"]


def test_styles_of_several_sizes_need_one(styles, tmp_path):
    with pytest.raises(InputError, match=r"style1\.png is 24×16, but .*style0\.png is 16×20; give --data\.size$"):
        fit(texture_synthesis(), Images(style=styles), tmp_path, 1)
    fit(task := texture_synthesis(), Images(style=styles, size=(16, 18)), tmp_path, 1)
    assert task.w.shape == (2, 3, 16, 18)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, RowLBFGS])
def test_statistics_come_near_those_of_the_style(styles, tmp_path, optimizer):
    task = texture_synthesis(
        palette=HistogramLoss(["image"]), search=Search(start="style"),
        optimizer=optimizer if optimizer is RowLBFGS else lambda w: torch.optim.Adam(w, lr=0.05),
    )  # fmt: skip
    fit(task, Images(style=styles, size=16), tmp_path, 1)
    first = task.first_loss.clone()
    fit(task, Images(style=styles, size=16), tmp_path, 40)
    assert (task.best_loss < 0.3 * first).all()


def test_restarts_are_other_textures_of_the_same_statistics(styles, tmp_path):
    task = texture_synthesis(optimizer=RowLBFGS, search=Search(start="style", restarts=2))
    fit(task, Images(style=styles[0]), tmp_path, 30, callbacks=[Results()])
    assert task.names == ["style0_1", "style0_2"]
    assert (task.best_loss < 0.1 * task.first_loss).all()
    assert (task.best[0] - task.best[1]).abs().mean() > 0.05
    assert (tmp_path / "results" / "style0_2.png").is_file()


def test_blend_of_styles_of_several_sizes(styles, tmp_path):
    fit(task := texture_synthesis(blend=[1.0, 1.0]), Images(style=styles, size=16), tmp_path, 3)
    assert task.names == ["style0-style1"]
    assert task.w.shape == (1, 3, 13, 16)
    assert task.best_loss.isfinite().all()


def test_style_is_needed(tmp_path):
    with pytest.raises(InputError, match=r"^`TextureSynthesis` needs a style; give --data\.style FILE$"):
        fit(texture_synthesis(), Images(), tmp_path, 1)
