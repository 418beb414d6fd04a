import csv

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import History, cut_history, merge_history
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.generators import StyleGAN2
from lit_nst.losses import PixelLoss
from lit_nst.tasks import Inversion, Search
from tests.fitting import fit, inversion, save_images
from tests.tasks.test_base import FailsAt

STEPS = 12


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


class Terms(Callback):
    """Computes every term of every row before each step."""

    def __init__(self):
        self.steps = []

    def on_train_batch_start(self, trainer, task, *_):
        with torch.no_grad():
            self.steps.append(task.terms(task.w))


class StopsAt(Callback):
    """Saves a checkpoint after one step, and ends like a killed run after another."""

    def __init__(self, path, save, stop):
        self.path, self.save, self.stop = path, save, stop

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.save:
            trainer.save_checkpoint(self.path)
        if trainer.global_step == self.stop:
            raise RuntimeError("killed")


def read(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    return head, [[float(value) for value in line] for line in lines]


@pytest.mark.parametrize("interval", [1, 5, 100])
def test_file_holds_the_mean_of_each_term_at_each_step(tiny_generator, images, tmp_path, interval):
    terms = Terms()
    task = inversion(tiny_generator, search=Search(), pixel=PixelLoss(3.0, power=1))
    fit(task, images, tmp_path, STEPS, callbacks=[History(), terms], log_every_n_steps=interval)
    head, lines = read(tmp_path)
    assert head == ["step", "loss", "target", "pixel", "regulariser", "rows"]
    assert [line[0] for line in lines] == list(range(1, STEPS + 1))
    for line, step in zip(lines, terms.steps, strict=True):
        means = [float(value.mean()) for value in step.values()]
        assert list(step) == head[2:-1]
        assert line[1:] == pytest.approx([sum(means), *means, 4], rel=1e-4, abs=1e-8)


def test_task_without_regulariser_has_no_such_column(tiny_generator, images, tmp_path):
    task = Inversion(StyleGAN2(str(tiny_generator), samples=10), PixelLoss())
    fit(task, images, tmp_path, 1, callbacks=[History()])
    assert read(tmp_path)[0] == ["step", "loss", "target", "rows"]


@pytest.mark.parametrize(("save", "stop", "interval"), [(4, 6, 4), (5, 7, 4), (7, 7, 100), (5, 11, 2), (8, 11, 1)])
def test_resumed_run_writes_each_step_once(tiny_generator, images, tmp_path, save, stop, interval):
    (whole := tmp_path / "whole").mkdir()
    (parts := tmp_path / "parts").mkdir()
    options = {"log_every_n_steps": interval}
    fit(inversion(tiny_generator), images, whole, STEPS, callbacks=[History()], **options)
    stops = StopsAt(tmp_path / "stop.ckpt", save, stop)
    with pytest.raises(RuntimeError, match="killed"):
        fit(inversion(tiny_generator), images, parts, STEPS, callbacks=[History(), stops], **options)
    fit(inversion(tiny_generator), images, parts, STEPS, tmp_path / "stop.ckpt", callbacks=[History()], **options)
    assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_line_that_was_cut_short_is_dropped(tiny_generator, images, tmp_path):
    stops = StopsAt(tmp_path / "6.ckpt", 6, 6)
    with pytest.raises(RuntimeError, match="killed"):
        fit(inversion(tiny_generator), images, tmp_path, STEPS, callbacks=[History(), stops])
    *sound, last = (tmp_path / "metrics.csv").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.csv").write_text("".join(sound) + last[:5])
    fit(inversion(tiny_generator), images, tmp_path, STEPS, tmp_path / "6.ckpt", callbacks=[History()])
    head, lines = read(tmp_path)
    assert [line[0] for line in lines] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert all(len(line) == len(head) for line in lines)


def test_fresh_run_begins_the_file_anew(tiny_generator, images, tmp_path):
    for steps in (STEPS, 3):
        fit(inversion(tiny_generator), images, tmp_path, steps, callbacks=[History()])
    assert [line[0] for line in read(tmp_path)[1]] == [1, 2, 3]


def test_stopped_rows_do_not_count(tiny_generator, images, tmp_path):
    def task(call):
        generator = StyleGAN2(str(tiny_generator), samples=200)
        return Inversion(generator, PixelLoss(), regulariser=FailsAt(row=1, call=call), search=Search())

    terms = Terms()
    fit(task(call=10**9), images, tmp_path, STEPS, callbacks=[terms])
    fit(task(call=5), images, tmp_path, STEPS, callbacks=[History()])
    _, lines = read(tmp_path)
    assert [line[-1] for line in lines] == [4.0] * 5 + [3.0] * 7
    for line, step in zip(lines[5:], terms.steps[5:], strict=True):
        means = [float(value[[0, 2, 3]].mean()) for value in step.values()]
        assert line[1:-1] == pytest.approx([sum(means), *means], rel=1e-4, abs=1e-8)


class Part(History):
    """That of a fit of some rows."""

    whole = False


def test_numbers_of_a_part_keep_every_digit(tiny_generator, images, tmp_path):
    sums = []

    class Sums(Callback):
        def on_train_batch_end(self, trainer, task, outputs, *_):
            sums.append(outputs["sums"].tolist())

    fit(inversion(tiny_generator), images, tmp_path, STEPS, callbacks=[Part(), Sums()])
    assert [line[1:] for line in read(tmp_path)[1]] == [[*(value / 4 for value in own[:-1]), 4] for own in sums]


def test_fits_of_some_rows_give_the_file_of_all(tiny_generator, images, tmp_path):
    (tmp_path / "whole").mkdir()
    fit(inversion(tiny_generator), images, tmp_path / "whole", STEPS, callbacks=[History()])
    for number, rows in enumerate(([0], [1, 2, 3])):
        task = inversion(tiny_generator)
        task.choose(rows)
        (tmp_path / str(number)).mkdir()
        fit(task, images, tmp_path / str(number), STEPS, callbacks=[Part()])
    for _ in range(2):
        merge_history(tmp_path, [tmp_path / str(number) / "metrics.csv" for number in (1, 0)])
        assert (tmp_path / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def write(path, *lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("step,loss,style,rows\n" + "".join(f"{line}\n" for line in lines))
    return path


def test_means_weigh_the_rows_that_were_measured(tmp_path):
    a = write(tmp_path / "a" / "metrics.csv", "1,1.0,,3", "2,2.0,0.5,3", "3,0.0,,0", "4,1.0000004,7.0,2", "5,1.0,1")
    b = write(tmp_path / "b" / "metrics.csv", "1,3.0,,1", "2,,1.5,1", "3,0.0,,0")
    merge_history(tmp_path, [a, b])
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == ["step,loss,style,rows", "1,1.5,,4", "2,2,0.75,4", "3,0,,0", "4,1,7,2"]


def test_file_that_is_there_is_of_all_rows(tmp_path):
    """As of a run that did not fit into the memory and went on in parts; or of an earlier merge."""
    own = write(tmp_path / "metrics.csv", "1,1.0,2.0,4", "2,2.0,2.0,4")
    parts = [write(tmp_path / name / "metrics.csv", "2,9.0,9.0,2", f"3,{name},5.0,2") for name in ("1", "3")]
    for _ in range(2):
        merge_history(tmp_path, [*parts, own])
        assert own.read_text().splitlines()[1:] == ["1,1,2,4", "2,2,2,4", "3,2,5,4"]


def test_no_files_and_files_of_several_tasks(tmp_path):
    merge_history(tmp_path, [])
    assert not list(tmp_path.iterdir())
    a = write(tmp_path / "a" / "metrics.csv")
    (b := tmp_path / "b.csv").write_text("step,loss,rows\n")
    with pytest.raises(InputError, match=r"b\.csv has other columns than .*a/metrics\.csv; give the files of one run"):
        merge_history(tmp_path, [a, b])


def test_later_steps_are_cut_off(tmp_path):
    path = write(tmp_path / "a" / "metrics.csv", "1,0.30000000000000004,,3", "2,2.0,0.5,3", "10,1.0,1.0,3", "11,1")
    cut_history(path, 2)
    assert path.read_text().splitlines() == ["step,loss,style,rows", "1,0.30000000000000004,,3", "2,2.0,0.5,3"]
    cut_history(path, 0)
    assert path.read_text() == "step,loss,style,rows\n"
