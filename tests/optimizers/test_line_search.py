import math

import pytest
import torch

from lit_nst.optimizers import line_search
from lit_nst.optimizers.line_search import Rules

RULES = Rules(c1=1e-4, c2=0.9, noise=1e-14, max_trials=20)
# φ and φ', each with φ'(0) < 0.
FUNCTIONS = {
    "bowl": (lambda t: (t - 1) ** 2, lambda t: 2 * (t - 1)),
    "far": (lambda t: (t - 1e5) ** 2, lambda t: 2 * (t - 1e5)),
    "near": (lambda t: (t - 1e-5) ** 2, lambda t: 2 * (t - 1e-5)),
    "quartic": (lambda t: t**4 - 3 * t, lambda t: 4 * t**3 - 3),
    "waves": (lambda t: math.cos(9 * t + 1) + 0.3 * t, lambda t: -9 * math.sin(9 * t + 1) + 0.3),
    # Moré & Thuente 1994, their first function.
    "hump": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "wall": (lambda t: -t if t < 0.01 else math.nan, lambda t: -1 if t < 0.01 else math.nan),
    "barrier": (lambda t: -t - 1e-3 * math.log(1e-2 - t) if t < 1e-2 else math.inf, None),
}


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


def slope_of(name, t):
    if name == "barrier":
        return -1 + 1e-3 / (1e-2 - t) if t < 1e-2 else math.nan
    return FUNCTIONS[name][1](t)


def search(names, first, rules=RULES):
    """Searches of several functions at once, each until its verdict."""
    values = [(FUNCTIONS[name][0](0), slope_of(name, 0)) for name in names]
    loss, slope = column(*[f for f, _ in values]), column(*[s for _, s in values])
    line = line_search.begin(loss, slope, loss, torch.full_like(loss, first), torch.full_like(loss, 1e30))
    ends = {}
    while len(ends) < len(names):
        trials = line.trial.tolist()
        f = column(*[FUNCTIONS[name][0](t) for name, t in zip(names, trials, strict=True)])
        s = column(*[slope_of(name, t) for name, t in zip(names, trials, strict=True)])
        line, verdict = line_search.judge(line, f, s, f.isfinite() & s.isfinite(), rules)
        for row, name in enumerate(names):
            if name not in ends and (verdict.accepted[row] or verdict.failed[row]):
                ends[name] = (bool(verdict.accepted[row]), trials[row], int(line.trials[row]), float(line.best[row]))
        line = line._replace(trial=line.trial.nan_to_num(1.0))
    return ends


@pytest.mark.parametrize("first", [1.0, 1e-3, 1e3])
@pytest.mark.parametrize("c2", [0.9, 0.1])
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "wall"])
def test_an_accepted_step_meets_the_strong_wolfe_conditions(name, c2, first):
    accepted, t, _, _ = search([name], first, RULES._replace(c2=c2))[name]
    f0, s0 = FUNCTIONS[name][0](0), slope_of(name, 0)
    assert accepted
    assert FUNCTIONS[name][0](t) <= f0 + 1e-4 * t * s0
    assert abs(slope_of(name, t)) <= c2 * abs(s0)


def test_searches_side_by_side_are_the_searches_alone():
    names = list(FUNCTIONS)
    together = search(names, 1.0)
    assert all(together[name] == search([name], 1.0)[name] for name in names)


def test_a_search_that_fails_knows_its_lowest_point():
    accepted, _, trials, best = search(["wall"], 1.0)["wall"]
    assert not accepted
    assert trials == 20
    assert 0.005 < best < 0.01


def test_a_rise_within_the_noise_is_judged_by_slopes():
    line = line_search.begin(column(1.0), column(-1e-9), column(1.0), column(1.0), column(1e30))
    rules, fine = RULES._replace(noise=1e-6), torch.tensor([True])
    for rise, slope, expected in ((1e-7, -1e-10, True), (1e-7, 2e-9, False), (2e-6, -1e-10, False)):
        _, verdict = line_search.judge(line, column(1 + rise), column(slope), fine, rules)
        assert bool(verdict.accepted) == expected
    # The slack is measured from the lowest loss, not from the last.
    drifted = line._replace(floor=column(1 - 1e-6))
    assert not line_search.judge(drifted, column(1 + 1e-7), column(-1e-10), fine, rules)[1].accepted
