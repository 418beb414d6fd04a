import copy

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_nst.callbacks import Average
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.optimizers import NormalizedGradient, RowLBFGS
from lit_nst.queue.split import merge, rows_of, split
from lit_nst.samplers import Sampler, Travel
from lit_nst.samplers import Schedule as When
from lit_nst.tasks import Search
from lit_nst.tasks.guidance import Guidance
from tests.fitting import adam, fit, save_pictures, style_transfer
from tests.tasks.sampling import Save, gram, guided

STEPS, STOP = 6, 3
GROUPS = [[3, 0], [1], [4, 2]]
OPTIMIZERS = {
    "adam": adam,
    "lines": RowLBFGS,
    "normalized": lambda w: NormalizedGradient(w, momentum=0.5),
    "plain": lambda w: torch.optim.SGD(w, lr=0.05),
}
SAMPLERS = ("dpm++_sde", "pndm", "heun", "unipc", "euler_a")
WAYS = (*OPTIMIZERS, *SAMPLERS[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in SAMPLERS[2:]))


class Run:
    """Five rows, which are searched or sampled in one of some ways."""

    def __init__(self, way, folder):
        self.way, self.folder = way, folder
        self.styles = save_pictures(folder, "style", *[(16, 16)] * (1 if way in SAMPLERS else 5))
        self.images = Images(style=self.styles)
        if way not in SAMPLERS:
            self.images = Images(content=save_pictures(folder, "content", (16, 16)), style=self.styles)

    def fit(self, place, rows=None, ckpt_path=None, callbacks=()):
        """Fits the rows, keeps the checkpoints of the stop and of the end; returns the task."""
        if self.way in SAMPLERS:
            guidance = Guidance(schedule=When(start=0.1), travel=Travel(2))
            task, own = guided(gram(), guidance, samples=5, sampler=Sampler(self.way)), []
        else:
            search = Search(spread=0.1, jitter=0.0 if self.way == "lines" else 0.05)
            task, own = style_transfer(optimizer=OPTIMIZERS[self.way], search=search), [Average(0.8)]
        task.choose(rows)
        place.mkdir()
        options = {"callbacks": [*own, *callbacks, Save(place, (STOP, STEPS))], "enable_checkpointing": bool(callbacks)}
        fit(task, self.images, place, STEPS, ckpt_path, **options)
        return task


def load(place, step=STOP):
    return torch.load(place / f"{step}.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Way → the run of all rows, its folder, and what it ended with."""
    runs = {}

    def of(way):
        if way not in runs:
            folder = tmp_path_factory.mktemp(way.replace("+", "p"))
            run, place = Run(way, folder), folder / "whole"
            keep = ModelCheckpoint(folder / "kept", save_last=True, every_n_train_steps=2)
            task = run.fit(place, callbacks=[] if way in SAMPLERS else [keep])
            runs[way] = run, place, {name: getattr(task, name).detach().clone() for name in task.row_state}
        return runs[way]

    return of


def assert_same(a, b, at=""):
    """Two checkpoints are the same, key by key and bit by bit."""
    assert type(a) is type(b), at
    if isinstance(a, dict):
        assert list(a) == list(b), at
        for key in a:
            assert_same(a[key], b[key], f"{at}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), at
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_same(one, other, f"{at}[{number}]")
    elif torch.is_tensor(a):
        assert a.dtype == b.dtype, at
        assert torch.equal(a, b), at
    else:
        assert a == b, at


def states(checkpoint):
    """What decides how a run goes on, in one order."""
    return {key: checkpoint[key] for key in ("global_step", "rows", "state_dict", "optimizer_states", "lr_schedulers")}


@pytest.mark.parametrize("way", WAYS)
def test_parts_go_on_as_their_rows_in_the_whole_run(whole, tmp_path, way):
    run, place, end = whole(way)
    parts = split(load(place), GROUPS)
    for number, (rows, part) in enumerate(zip(GROUPS, parts, strict=True)):
        torch.save(part, path := tmp_path / f"{number}.ckpt")
        task = run.fit(tmp_path / str(number), rows, path)
        for name in task.row_state:
            assert torch.equal(getattr(task, name).detach(), end[name][rows]), (rows, name)
    ends = [load(tmp_path / str(number), STEPS) for number in range(len(GROUPS))]
    assert_same(states(merge(ends)), states(load(place, STEPS)))


@pytest.mark.parametrize("way", WAYS)
def test_merging_is_the_inverse_of_splitting(whole, way):
    _, place, _ = whole(way)
    checkpoint = load(place)
    before = copy.deepcopy(checkpoint)
    for groups in (GROUPS, [[0], [1], [2], [3], [4]], [[0, 1, 2, 3, 4]], [[2, 3, 4], [0, 1]]):
        assert_same(merge(split(checkpoint, groups)), before)
    assert_same(checkpoint, before)


@pytest.mark.parametrize("way", WAYS)
def test_which_tensors_have_a_line_per_row(whole, way):
    """Every tensor of a state has one or is a lone number: no guess of ``split`` is ambiguous here."""
    _, place, _ = whole(way)
    checkpoint = load(place)
    rowwise = {name for name, value in checkpoint["state_dict"].items() if len(value) == 5}
    task = {"w", "best", "best_loss", "stopped"}
    task |= {"skipped", "row_seeds"} if way in SAMPLERS else {"first_loss", "average"}
    assert rowwise == set(checkpoint["state_dict"]) == task
    (optimizer,) = checkpoint["optimizer_states"]
    for entry in optimizer["state"].values():
        assert all(not torch.is_tensor(value) or value.dim() == 0 or len(value) == 5 for value in entry.values())
    (part,) = split(checkpoint, [[4, 2]])
    for own, all_ in ((part["state_dict"], checkpoint["state_dict"]),
                      (part["optimizer_states"][0]["state"].get(0, {}), optimizer["state"].get(0, {}))):  # fmt: skip
        assert own.keys() == all_.keys()
        for name, value in all_.items():
            has_lines = torch.is_tensor(value) and value.dim() > 0
            assert_same(own[name], value[[4, 2]] if has_lines else value, name)


def test_units_of_their_own_fits_merge_into_the_whole(whole, tmp_path):
    run, place, _ = whole("adam")
    groups = [[0, 1], [2, 3], [4]]
    for rows in groups:
        run.fit(tmp_path / str(rows[0]), rows)
    parts = [load(tmp_path / str(rows[0])) for rows in groups]
    assert_same(states(merge([parts[2], parts[0], parts[1]])), states(load(place)))


def test_all_else_is_that_of_the_whole_and_then_of_the_first_part(whole):
    _, place, _ = whole("adam")
    checkpoint = load(place)
    (callback,) = checkpoint["callbacks"]
    assert checkpoint["callbacks"][callback]["last_model_path"].endswith("last.ckpt")
    parts = split(checkpoint, GROUPS)
    for rows, part in zip(GROUPS, parts, strict=True):
        assert part["rows"] == rows
        for key in set(checkpoint) - {"state_dict", "optimizer_states", "rows"}:
            assert_same(part[key], checkpoint[key], key)
    for number, part in enumerate(parts):
        part["callbacks"][callback]["last_model_path"] = f"{number}.ckpt"
    assert merge(parts[::-1])["callbacks"][callback]["last_model_path"] == "2.ckpt"
    assert checkpoint["callbacks"][callback]["last_model_path"].endswith("last.ckpt")


def test_parts_share_no_memory(whole):
    # Adam writes to the count of steps that it is given.
    _, place, _ = whole("adam")
    checkpoint = load(place)
    before = copy.deepcopy(checkpoint)
    first, second = split(checkpoint, [[0, 1, 2, 3, 4], [3]][:1]) + split(checkpoint, [[3]])
    again = copy.deepcopy(second)
    alone = merge([second])
    for part in (first, alone):
        for state in (part["state_dict"], part["optimizer_states"][0]["state"][0]):
            for value in state.values():
                value.fill_(7)
    assert_same(checkpoint, before)
    assert_same(second, again)


def test_a_part_is_as_small_as_its_rows(whole, tmp_path):
    _, place, _ = whole("lines")
    torch.save(split(load(place), [[2]])[0], tmp_path / "part.ckpt")
    # Tensors that are views of others are saved with all of these.
    assert (tmp_path / "part.ckpt").stat().st_size < 0.3 * (place / f"{STOP}.ckpt").stat().st_size


def test_parts_of_parts(whole):
    _, place, _ = whole("lines")
    checkpoint = load(place)
    first, second = split(checkpoint, [[0, 2, 4], [1, 3]])
    assert_same(merge([second, *split(first, [[4], [0, 2]])]), checkpoint)
    assert rows_of(split(first, [[4, 0]])[0]) == [4, 0]


def test_before_the_first_step_there_is_no_state_of_the_optimizer():
    empty = {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    checkpoint = {"global_step": 0, "lr_schedulers": [], "optimizer_states": [empty], "rows": [4, 6, 9],
                  "state_dict": {"w": torch.arange(6.0).view(3, 2)}}  # fmt: skip
    parts = split(checkpoint, [[9], [4, 6]])
    assert_same(parts[0]["state_dict"]["w"], torch.tensor([[4.0, 5.0]]))
    merged = merge(parts)
    assert merged.keys() == checkpoint.keys()
    assert_same(states(merged), states(checkpoint))


def test_a_checkpoint_without_numbers_of_rows_has_all(whole):
    _, place, _ = whole("plain")
    checkpoint = load(place)
    old = {key: value for key, value in checkpoint.items() if key != "rows"}
    assert rows_of(old) == [0, 1, 2, 3, 4]
    assert_same(states(merge(split(old, GROUPS))), states(checkpoint))


def small(rows, step=3, **state):
    """A checkpoint by hand."""
    count = len(rows)
    own = {0: {"exp_avg": torch.ones(count, 2), "step": torch.tensor(3.0), **state}}
    return {"global_step": step, "lr_schedulers": [{"last_epoch": step}], "rows": rows,
            "optimizer_states": [{"state": own, "param_groups": [{"lr": 0.1}]}],
            "state_dict": {"w": torch.ones(count, 2)}}  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([[0], []], "a group has no rows; leave it out"),
        ([[0, 1], [1]], "the rows 1 are in several groups; give each row once"),
        ([[0, 0]], "the rows 0 are in several groups; give each row once"),
        ([[0], [2, 7]], r"it has the rows 0, 1, but not 2, 7; give that of their run"),
    ],
)
def test_bad_groups_are_refused(groups, message):
    with pytest.raises(InputError, match=f"^checkpoint: {message}$"):
        split(small([0, 1]), groups)


def test_parts_at_different_steps_cannot_be_merged():
    with pytest.raises(InputError, match=r"rows 0, 1 and 2 … 5 \(4\) are of the steps 3 and 5; bring them to the same"):
        merge([small([0, 1]), small([2, 3, 4, 5], step=5)])


def other(change):
    checkpoint = small([2, 3])
    change(checkpoint)
    return checkpoint


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda c: c["optimizer_states"][0]["param_groups"][0].update(lr=0.2), "optimizer_states"),
        (lambda c: c["optimizer_states"][0]["state"][0].update(step=torch.tensor(4.0)), "optimizer_states"),
        (lambda c: c["optimizer_states"][0]["state"][0].update(exp_avg=torch.ones(2, 3)), "optimizer_states"),
        (lambda c: c["optimizer_states"][0]["state"].clear(), "optimizer_states"),
        (lambda c: c["optimizer_states"].clear(), "optimizer_states"),
        (lambda c: c["lr_schedulers"][0].update(last_epoch=4), "lr_schedulers"),
        (lambda c: c["state_dict"].update(w=torch.ones(2, 2).double()), "state_dict"),
        (lambda c: c["state_dict"].update(best=torch.ones(2, 2)), "state_dict"),
    ],
)
def test_parts_of_different_runs_cannot_be_merged(change, key):
    with pytest.raises(InputError, match=rf"^checkpoint: those of the rows 0, 1 and 2, 3 differ in {key}; give parts"):
        merge([small([0, 1]), other(change)])


def test_an_optimizer_that_couples_its_rows_cannot_be_merged(tmp_path):
    parts = []
    for row in range(2):
        task = style_transfer(optimizer=torch.optim.LBFGS, search=Search(spread=0.1))
        task.choose([row])
        images = Images(
            content=save_pictures(tmp_path, "c", (16, 16)), style=save_pictures(tmp_path, "s", *[(16, 16)] * 2)
        )
        (place := tmp_path / str(row)).mkdir()
        fit(task, images, place, 2, callbacks=[Save(place, (2,))])
        parts.append(load(place, 2))
    assert_same(states(split(parts[1], [[1]])[0]), states(parts[1]))
    with pytest.raises(InputError, match="differ in optimizer_states"):
        merge(parts)


def test_shared_tensors_are_taken_once():
    parts = [small(rows, table=torch.arange(4), hint=None) for rows in ([1, 2], [0])]
    (entry,) = merge(parts)["optimizer_states"][0]["state"].values()
    assert_same(entry, {"exp_avg": torch.ones(3, 2), "step": torch.tensor(3.0), "table": torch.arange(4), "hint": None})


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({}, "it has no rows of w"),
        ({"state_dict": {"w": torch.tensor(1.0)}}, "it has no rows of w"),
        ({"state_dict": {"w": torch.ones(2, 3)}, "rows": [0, 1, 2]}, r"it has 2 line\(s\) for the rows 0, 1, 2"),
        ({"state_dict": {"w": torch.ones(2, 3)}, "rows": [1, 1]}, r"it has 2 line\(s\) for the rows 1, 1"),
    ],
)
def test_other_files_are_refused(checkpoint, message):
    for function in (rows_of, lambda c: split(c, [[0]]), lambda c: merge([c])):
        with pytest.raises(InputError, match=f"^checkpoint: {message}; give one that"):
            function(checkpoint)


def test_bad_parts_are_refused():
    with pytest.raises(InputError, match="no parts to merge"):
        merge([])
    with pytest.raises(InputError, match="rows 1 are in several parts; give each row once"):
        merge([small([0, 1]), small([1, 2])])
