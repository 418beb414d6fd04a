import io

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.samplers import Denoising, Pass, Travel, noises
from tests.samplers.cases import CASES, SEEDS, STOCHASTIC, advance, built, model, optimizer, plain, start

# Of classes of diffusers that hand numpy tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

TRAVEL = Travel(repeats=3, start=0.3, stop=0.7)


def through_a_file(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    assert len(buffer.getvalue()) < 20_000
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def resumed(stopped, case, **options):
    """Another optimiser with another sampler, at the same point as this one."""
    other = optimizer(case, **options)
    w = other.param_groups[0]["params"][0]
    w.data.copy_(stopped.param_groups[0]["params"][0])
    other.load_state_dict(through_a_file(stopped.state_dict()))
    return other


@pytest.mark.parametrize("case", CASES)
def test_the_same_as_a_loop_of_diffusers(case):
    *_, (_, _, result, _) = plain(case)
    assert torch.equal(advance(optimizer(case)), result.prev_sample)


@pytest.mark.parametrize("case", CASES)
def test_resumed_anywhere_it_is_the_same(case):
    options = {"passes": 12, "travel": TRAVEL}
    whole, stopped = optimizer(case, **options), optimizer(case, **options)
    assert sum(turn.again for turn in whole.process.plan) >= 4
    end = advance(whole)
    for position in range(1, 12):
        advance(stopped, 1)
        again = resumed(stopped, case, **options)
        assert again.position == position
        assert torch.equal(advance(again), end)


@pytest.mark.parametrize("case", ["dpm++", "ddpm"])
def test_resumed_in_float64(case):
    options = {"dtype": torch.float64}
    stopped, end = optimizer(case, **options), advance(optimizer(case, **options))
    assert end.dtype == torch.float64
    advance(stopped, 3)
    assert torch.equal(advance(resumed(stopped, case, **options)), end)


@pytest.mark.parametrize("case", CASES)
def test_the_sampler_is_ready_as_soon_as_it_is_loaded(case):
    # Guidance asks it for a trial step before the real one.
    stopped = optimizer(case)
    advance(stopped, 4)
    other, x = resumed(stopped, case), stopped.param_groups[0]["params"][0].detach()
    steps = [each.process.step(model(x), 4, x, noises(SEEDS, Pass(4, 0, False))) for each in (stopped, other)]
    assert torch.equal(*steps)


@pytest.mark.parametrize("case", CASES)
def test_rows_do_not_know_each_other(case):
    together = advance(optimizer(case, travel=TRAVEL, passes=10))
    for index, seed in enumerate(SEEDS):
        assert torch.equal(advance(optimizer(case, (seed,), travel=TRAVEL, passes=10))[0], together[index])
    turned = advance(optimizer(case, SEEDS[::-1], travel=TRAVEL, passes=10))
    assert torch.equal(turned.flip(0), together)


@pytest.mark.parametrize("case", CASES)
def test_the_state_is_made_of_what_torch_can_keep(case):
    denoising = optimizer(case)
    for _ in range(7):
        advance(denoising, 1)
        (state,) = denoising.state_dict()["state"].values()
        # Torch casts tensors to the type of w when it loads, and the rows strategy splits those with a line per row.
        for value in state.values():
            if torch.is_tensor(value):
                assert (value.shape, value.dtype) == ((3, 2, 4, 4), torch.float32)
            else:
                assert value is None or isinstance(value, int | float)


@pytest.mark.parametrize("case", [*STOCHASTIC, "dpm++", "heun"])
def test_time_travel_step_by_step(case):
    denoising, process = optimizer(case, passes=12, travel=TRAVEL), built(case, passes=12, travel=TRAVEL)
    levels = process.levels
    x = start(process).detach()
    assert max(turn.repeat for turn in process.plan if turn.again) > 0
    for turn in process.plan:
        before = process.state()
        drawn = [torch.randn((2, 4, 4), generator=each) for each in noises(SEEDS, turn)]
        x = process.step(model(process.scaled(x, turn.index)), turn.index, x, noises(SEEDS, turn))
        if turn.again:
            rows = torch.stack([normal((2, 4, 4), "travel", seed, turn.index, turn.repeat) for seed in SEEDS])
            x = levels[turn.index].renoise(x, levels[turn.index + 1], rows)
            process.load_state(before)
            assert not torch.equal(rows, torch.stack(drawn))
        assert torch.equal(advance(denoising, 1), x)


def test_every_pass_draws_its_own_noise():
    seen = [noises((seed,), Pass(i, r, False))[0].get_state() for seed in SEEDS for i in range(3) for r in range(3)]
    assert len({bytes(state.tolist()) for state in seen}) == 27


def test_a_shift_moves_the_latents_after_the_step_and_before_the_way_up():
    travel = Travel(repeats=2, stop=0.2)
    straight, moved = (optimizer("ddim", passes=6, travel=travel) for _ in range(2))
    shift = normal((3, 2, 4, 4), "shift")
    for denoising in (straight, moved):
        denoising.output = model(start(denoising.process).detach())
    moved.shift = shift
    straight.step()
    moved.step()
    a, b = (each.param_groups[0]["params"][0].detach() for each in (straight, moved))
    levels = moved.process.levels
    torch.testing.assert_close(b - a, levels[0].alpha / levels[1].alpha * shift, rtol=1e-5, atol=1e-6)
    assert moved.shift is None


def test_output_is_used_up():
    denoising = optimizer("ddim")
    advance(denoising, 1)
    with pytest.raises(RuntimeError, match="set output before each step"):
        denoising.step()
    assert denoising.position == 1


def test_a_closure_may_set_it():
    denoising, other = optimizer("ddim"), optimizer("ddim")
    w = denoising.param_groups[0]["params"][0]

    def closure():
        assert torch.is_grad_enabled()
        denoising.output = model(w * 1)
        return 5.0

    assert denoising.step(closure) == 5.0
    assert torch.equal(w, advance(other, 1))
    assert w.requires_grad
    assert w.grad is None


def test_no_pass_left():
    denoising = optimizer("ddim")
    advance(denoising)
    denoising.output = torch.zeros(3, 2, 4, 4)
    with pytest.raises(RuntimeError, match="all passes are done"):
        denoising.step()


def test_a_process_starts_anew_with_its_optimizer():
    first = optimizer("pndm")
    advance(first, 3)
    again = Denoising(start(first.process), first.process, SEEDS)
    assert torch.equal(advance(again), advance(optimizer("pndm")))


def test_the_global_random_numbers_stay():
    before = torch.get_rng_state()
    advance(optimizer("ddpm", passes=6, travel=Travel(repeats=2)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("other", ["ddpm", "ddim eta", "dpm++"])
def test_another_sampling_is_refused(other):
    state = optimizer("ddim").state_dict()
    with pytest.raises(InputError, match="checkpoint: its sampling had other steps or another sampler"):
        optimizer(other).load_state_dict(state)
    with pytest.raises(InputError, match="checkpoint: its sampling"):
        optimizer("ddim", passes=8).load_state_dict(state)


def test_what_cannot_be_sampled():
    process = built("ddim")
    with pytest.raises(InputError, match="Denoising: 2 seeds for 3 rows"):
        Denoising(start(process), process, (1, 2))
    with pytest.raises(InputError, match=r"Denoising: torch\.bfloat16 is too coarse"):
        Denoising(start(process, dtype=torch.bfloat16), process, SEEDS)


def test_a_step_size_for_those_who_log_it():
    assert optimizer("ddim").param_groups[0]["lr"] == 1.0
