import functools
import io
import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.optimizers import RowLBFGS


class Run:
    """Rows of ``w`` under a function of one row, evaluated row by row."""

    def __init__(self, function, start, **options):
        self.function, self.w = function, torch.nn.Parameter(start.clone())
        self.optimizer = RowLBFGS([self.w], **options)
        self.optimizer.row_losses = lambda: self.losses[-1]
        self.losses, self.accepted = [], []

    def closure(self):
        self.w.grad = None
        losses = torch.stack([self.function(row, index) for index, row in enumerate(self.w)])
        losses.sum().backward()
        self.losses.append(losses.detach())
        return losses.sum()

    def steps(self, number):
        for _ in range(number):
            self.optimizer.step(self.closure)
            self.accepted.append(self.state["loss"].clone())
        return self

    @property
    def state(self):
        return self.optimizer.state[self.w]


def rosenbrock(x, index=0):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@functools.cache
def basis(dtype):
    return torch.linalg.qr(normal((50, 50), "basis").double())[0].to(dtype)


def quadratic(x, index=0):
    return ((basis(x.dtype) @ x).square() * torch.logspace(0, 4, 50, dtype=x.dtype)).sum() / 2


def textures(key, size=24):
    """Gram matrices of a random network against those of a smooth picture, B×3×size×size → B."""
    first, second = normal((8, 3, 3, 3), key, 1) * 0.27, normal((16, 8, 3, 3), key, 2) * 0.17

    def grams(x):
        x = torch.relu(F.conv2d(x, first, padding=1))
        y = torch.relu(F.conv2d(F.avg_pool2d(x, 2), second, padding=1))
        return [torch.einsum("bchw,bdhw->bcd", z, z) / z[0].numel() for z in (x, y)]

    target = grams(F.avg_pool2d(torch.sigmoid(normal((1, 3, size, size), key, "target")), 5, 1, 2))

    def loss(w):
        return sum((a - b).square().flatten(1).sum(1) for a, b in zip(grams(w), target, strict=True))

    return loss, torch.sigmoid(normal((1, 3, size, size), key, "start"))


@pytest.mark.parametrize(("function", "size"), [(rosenbrock, 20), (quadratic, 50)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_needs_hardly_more_evaluations_than_scipy(function, size, dtype):
    optimize = pytest.importorskip("scipy.optimize")
    start, theirs = normal((1, size), "start").double(), []

    def value(x):
        x = torch.tensor(x, requires_grad=True)
        loss = function(x)
        loss.backward()
        theirs.append(loss.item())
        return loss.item(), x.grad.numpy()

    options = {"maxcor": 20, "ftol": 0, "gtol": 0, "maxfun": 1000}
    optimize.minimize(value, start[0].numpy(), jac=True, method="L-BFGS-B", options=options)
    goal = 1e-6 * theirs[0]
    limit = 1.5 * next(i + 1 for i, loss in enumerate(theirs) if loss <= goal)
    assert min(torch.cat(Run(function, start.to(dtype)).steps(int(limit)).losses)) <= goal


@pytest.mark.parametrize("key", ["a", "b"])
def test_it_is_as_fast_as_torch_on_textures(key):
    loss, start = textures(key)
    run = Run(lambda x, index: loss(x[None])[0], start).steps(100)
    w, theirs = torch.nn.Parameter(start.clone()), []
    options = {"max_iter": 1000, "max_eval": 100, "history_size": 20, "tolerance_grad": 0, "tolerance_change": 0}
    optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe", **options)

    def closure():
        w.grad = None
        value = loss(w).sum()
        value.backward()
        theirs.append(value.item())
        return value

    optimizer.step(closure)
    for evaluations in (50, 100):
        assert min(torch.cat(run.losses[:evaluations])) <= 1.1 * min(theirs[:evaluations])


@pytest.mark.parametrize("factor", [1e12, 1e-12])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_unit_of_the_loss_does_not_matter(factor, dtype):
    start = normal((1, 20), "start").to(dtype)
    plain = Run(rosenbrock, start).steps(40)
    scaled = Run(lambda x, index: rosenbrock(x) * factor, start).steps(40)
    torch.testing.assert_close(scaled.w, plain.w, rtol=0, atol=1e-9 if dtype == torch.float64 else 2e-2)
    torch.testing.assert_close(scaled.losses[10] / factor, plain.losses[10], rtol=1e-4, atol=0)


@pytest.mark.parametrize("factor", [2.0**80, 2.0**-80])
def test_a_power_of_two_does_not_change_a_bit(factor):
    start = normal((1, 20), "start")
    plain = Run(rosenbrock, start).steps(60)
    assert torch.equal(Run(lambda x, index: rosenbrock(x) * factor, start).steps(60).w, plain.w)


def test_the_first_step_has_the_given_length():
    start = normal((2, 20), "start")
    run = Run(lambda x, index: rosenbrock(x) * (1, 1e6)[index], start, first_step=0.003).steps(1)
    torch.testing.assert_close((run.w - start).abs().amax(1), torch.full((2,), 0.003), rtol=1e-3, atol=0)


@pytest.mark.parametrize("shape", [(5, 20), (3, 3, 50, 50)])
def test_rows_are_single_runs_bit_for_bit(shape):
    # Rows of different difficulty accept, search and grow at different steps.
    def function(x, index):
        x = x.flatten()
        return (x[1:] - x[:-1] ** 2).square().sum() * scales[index] + (1 - x[:-1]).abs().pow(powers[index]).sum()

    start, scales, powers = normal(shape, "start"), [100, 1e4, 1, 3, 1e-5], [2, 4, 2, 3, 1.5]
    together = Run(function, start, history=4).steps(30)
    for row in range(len(start)):
        alone = Run(lambda x, index, row=row: function(x, row), start[row : row + 1], history=4).steps(30)
        assert torch.equal(alone.w[0], together.w[row])


def test_a_row_that_is_not_finite_leaves_the_others_alone():
    start = normal((3, 20), "start")
    before = Run(rosenbrock, start).steps(40)
    calls = itertools.count()

    def broken(x, index):
        return rosenbrock(x) * (torch.nan if index == 1 and next(calls) > 3 else 1)

    after = Run(broken, start).steps(40)
    assert torch.equal(after.w[[0, 2]], before.w[[0, 2]])
    assert after.w.isfinite().all()
    assert after.state["finished"].tolist() == [False, True, False]
    assert torch.equal(after.w[1], after.state["point"][1])


def saved(run):
    file = io.BytesIO()
    torch.save({"w": run.w.detach(), "optimizer": run.optimizer.state_dict()}, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_run_resumes_bit_for_bit_at_any_step():
    start = normal((2, 20), "start")
    whole = Run(rosenbrock, start, history=5).steps(45)
    run = Run(rosenbrock, start, history=5)
    for _ in range(45):
        checkpoint = saved(run.steps(1))
        run = Run(rosenbrock, checkpoint["w"])
        run.optimizer.load_state_dict(checkpoint["optimizer"])
    assert torch.equal(run.w, whole.w)
    assert all(torch.equal(run.state[key], whole.state[key]) for key in whole.state)
    assert all(run.state[key].dtype == whole.state[key].dtype for key in whole.state)


def test_rows_of_a_state_may_be_picked():
    start, rows = normal((4, 20), "start"), [3, 1]
    run = Run(rosenbrock, start).steps(20)
    checkpoint = saved(run)
    assert all(len(value) == 4 for value in checkpoint["optimizer"]["state"][0].values())
    checkpoint["optimizer"]["state"][0] = {k: v[rows] for k, v in checkpoint["optimizer"]["state"][0].items()}
    part = Run(rosenbrock, checkpoint["w"][rows])
    part.optimizer.load_state_dict(checkpoint["optimizer"])
    assert torch.equal(part.steps(20).w, run.steps(20).w[rows])


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    power=st.floats(1.1, 4),
    scale=st.floats(-20, 15),
    trial=st.floats(1e-3, 10),
    history=st.integers(1, 6),
    max_trials=st.integers(1, 12),
)
@example(seed=0, power=2.0, scale=0.0, trial=10.0, history=3, max_trials=2)
def test_accepted_losses_never_go_up(seed, power, scale, trial, history, max_trials):
    matrix, noise = normal((8, 6), seed, "A"), 10 * torch.finfo(torch.float32).eps

    def function(x, index):
        return ((matrix @ x).abs().pow(power).sum() + (3 * x).cos().sum() + 7) * 10.0**scale

    run = Run(function, normal((2, 6), seed, "start"), first_trial=trial, history=history, max_trials=max_trials)
    run.steps(30)
    accepted = torch.stack(run.accepted)
    floors = accepted.cummin(0).values[:-1]
    assert (accepted[1:] <= floors * (1 + noise)).all()
    assert (accepted[-1] < accepted[0]).all() or max_trials < 8
    point = run.state["point"].clone().requires_grad_()
    final = torch.stack([function(x, 0) for x in point])
    assert torch.equal(final.detach().double(), accepted[-1])
    assert torch.equal(torch.autograd.grad(final.sum(), point)[0], run.state["gradient"])


HOSTILE = {
    "constant": lambda x: x.sum() * 0 + 3,
    "zero gradient": lambda x: x.detach().square().sum() + 0 * x.sum(),
    "linear": lambda x: x.sum(),
    "infinite": lambda x: x.sum() * torch.inf,
    "not a number": lambda x: x.sum() * torch.nan,
    "gradient of the root": lambda x: (x - x.detach()).square().sum().sqrt(),
    "cliff": lambda x: torch.where(x < x.detach().round() - 0.49, torch.inf, x).sum(),
    "stairs": lambda x: x.sum() + x.detach().round().sum(),
    "kink": lambda x: x.abs().sum(),
    "logarithm": lambda x: (x.square() - 1e-2).log().sum(),
    "wrong sign": lambda x: 2 * x.detach().square().sum() - x.square().sum(),
    "overflow": lambda x: (50 * x).exp().square().sum(),
    "huge": lambda x: (x * 1e18).square().sum(),
}


@pytest.mark.parametrize("factor", [1.0, 1e12, 1e-12, -1.0])
@pytest.mark.parametrize("name", HOSTILE)
def test_w_stays_finite(name, factor):
    run = Run(lambda x, index: HOSTILE[name](x) * factor, normal((2, 7), "start"), max_trials=4).steps(60)
    assert run.w.isfinite().all()
    losses, accepted = torch.stack(run.losses), torch.stack(run.accepted)
    if accepted[0].isfinite().all():
        assert (accepted[-1] <= losses[0]).all()
    if name in ("constant", "zero gradient", "infinite", "not a number", "gradient of the root"):
        assert run.state["finished"].all()
        assert torch.equal(run.w.detach(), normal((2, 7), "start"))


def test_rounding_does_not_stop_it_above_its_floor():
    # The loss has a large constant: its changes drown long before the gradient does.
    run = Run(lambda x, index: rosenbrock(x) + 1e4, normal((1, 6), "start")).steps(150)
    assert rosenbrock(run.state["point"][0]) < 1e-3


def test_a_budget_of_memory_limits_the_history():
    start = normal((2, 3, 64, 64), "start")
    pair = 2 * start[0].numel() * 4 / 2**20
    run = Run(lambda x, index: x.square().sum(), start, memory_budget=3.5 * pair).steps(1)
    assert run.state["pairs"].numel() == 3 * 2 * start.numel()
    assert (
        Run(lambda x, index: x.square().sum(), start, history=2, memory_budget=9).steps(1).state["gram"].shape[1] == 4
    )
    with pytest.raises(InputError, match="memory_budget"):
        RowLBFGS([torch.nn.Parameter(start)], memory_budget=0.9 * pair)


def test_the_closure_alone_serves_one_row():
    w = torch.nn.Parameter(torch.ones(1, 3))
    optimizer = RowLBFGS([w])

    def closure():
        w.grad = 2 * w.detach()
        return w.detach().square().sum()

    assert optimizer.step(closure) == 3
    for _ in range(10):
        optimizer.step(closure)
    assert closure() < 1e-6


def test_bad_input():
    w = torch.nn.Parameter(torch.ones(2, 3))
    bad = {"first_trial": 0, "history": 0, "c1": 0.7, "c2": 1e-5, "max_trials": 0, "first_step": 0, "noise": -1}
    for name, value in bad.items():
        with pytest.raises(InputError, match=name):
            RowLBFGS([w], **{name: value})
    for params in ([w, w.clone()], [torch.tensor(1.0)], [w.half()]):
        with pytest.raises(InputError, match="RowLBFGS"):
            RowLBFGS(params)
    optimizer = RowLBFGS([w])
    with pytest.raises(InputError, match="gradient"):
        optimizer.step(lambda: torch.ones(()))
    w.grad = torch.ones(2, 3)
    with pytest.raises(InputError, match="row_losses"):
        optimizer.step(lambda: torch.ones(()))
    with pytest.raises(InputError, match="closure"):
        optimizer.step(None)


def test_runs_that_share_a_loaded_state_do_not_disturb_each_other():
    start = normal((2, 20), "start")
    run = Run(rosenbrock, start, history=4).steps(10)
    twins = [Run(rosenbrock, run.w.detach()) for _ in range(2)]
    for twin in twins:
        twin.optimizer.load_state_dict(run.optimizer.state_dict())
    for twin in twins:
        twin.steps(10)
    assert all(torch.equal(twin.w, Run(rosenbrock, start, history=4).steps(20).w) for twin in twins)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_a_gpu_goes_the_same_way(precision):
    start = normal((3, 3, 64, 64), "start")

    def function(x, index):
        return ((index + 1) * x.flatten() * torch.linspace(1, 30, x.numel()).to(x)).square().sum()

    torch.set_float32_matmul_precision(precision)
    try:
        there = Run(function, start.cuda()).steps(25)
        for state in there.optimizer.state.values():
            state.update({key: value.cuda() for key, value in state.items()})
        there.steps(5)
    finally:
        torch.set_float32_matmul_precision("highest")
    here = Run(function, start).steps(30)
    torch.testing.assert_close(there.w.cpu(), here.w, rtol=0, atol=1e-2)
