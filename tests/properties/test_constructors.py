"""Numbers of any size for everything that a config can set: refused, or taken and of use."""

import math
import warnings

import torch
from hypothesis import given
from hypothesis import strategies as st

from lit_nst import degradations, losses
from lit_nst.callbacks import Average, Trajectory
from lit_nst.data import Images
from lit_nst.functional.random import generator as keyed
from lit_nst.generators import Pixels
from lit_nst.optimizers import NormalizedGradient
from lit_nst.samplers import Schedule, Travel
from lit_nst.samplers.level import Level
from lit_nst.samplers.travel import plan
from lit_nst.tasks import Search
from lit_nst.tasks.guidance.settings import Cfg, Guidance
from tests.properties.material import answer, numbers, whole

IMAGES = 0.1 + 0.8 * torch.rand(2, 3, 16, 16, generator=keyed(0, "images"))
OTHERS = 0.1 + 0.8 * torch.rand(2, 3, 16, 16, generator=keyed(1, "images"))
floats = numbers.map(float)
counts = whole


def several(of, most=4):
    return st.none() | st.lists(of, max_size=most)


DEGRADATIONS = {
    degradations.GaussianBlur: {"sigma": floats},
    degradations.MotionBlur: {
        **{"length": floats, "angle": floats, "intensity": floats | st.floats(0, 1)},
        **{"size": counts | st.sampled_from([3, 5, 9]), "seed": counts},
    },
    degradations.Downsample: {
        **{"factor": counts, "filter": st.sampled_from(["area", "bicubic", "unknown", "none"])},
        "seed": counts,
    },
    degradations.JPEG: {"quality": counts, "subsampling": st.booleans()},
    degradations.Mask: {
        **{"box": several(floats | st.floats(0, 1), 5), "strokes": counts, "width": floats | st.floats(0, 1)},
        **{"seed": counts, "drop": floats | st.floats(0, 1)},
    },
    degradations.Noise: {"sigma": floats, "photons": floats, "drop": floats | st.floats(0, 1), "seed": counts},
}
CASES = [st.tuples(st.just(kind), st.fixed_dictionaries({}, optional=given)) for kind, given in DEGRADATIONS.items()]


@given(case=st.one_of(CASES))
def test_degradations(case):
    kind, options = case

    def use():
        operator = kind(**options)
        return operator(IMAGES), operator.observe(IMAGES, [0, 2**63])

    for measured in answer(use) or ():
        assert measured.isfinite().all()
        assert measured.shape[:2] == (2, 3)


weights = floats | st.lists(floats, max_size=3)
LAYERS = st.lists(st.sampled_from(["image", "b"]), max_size=3, unique=True)
COMMON = {"layers": LAYERS, "weight": weights, "layer_weights": several(floats, 3)}
LOSSES = {
    losses.ContentLoss: {**COMMON, "normalization": st.sampled_from(["mean", "gatys", "energy", "none"])},
    losses.CovarianceLoss: COMMON,
    losses.GramLoss: {**COMMON, "normalization": st.sampled_from(["mean", "gatys", "none"])},
    losses.HistogramLoss: COMMON,
    losses.MeanVarLoss: {**COMMON, "eps": floats},
    losses.NearestNeighbourLoss: {**COMMON, "patch": counts},
    losses.PerceptualLoss: {**COMMON, "normalize": st.booleans()},
    losses.PixelLoss: {"weight": weights, "power": st.sampled_from([1, 2]) | floats, "scales": counts},
    losses.SlicedWassersteinLoss: {**COMMON, "directions": counts, "seed": counts},
    losses.WassersteinLoss: {**COMMON, "eps": floats},
}


def options_of(given):
    required = {"layers": given["layers"]} if "layers" in given else {}
    return st.fixed_dictionaries(required, optional={k: v for k, v in given.items() if k != "layers"})


@given(case=st.one_of([st.tuples(st.just(kind), options_of(given)) for kind, given in LOSSES.items()]))
def test_losses(case):
    kind, options = case

    def use():
        loss = kind(**options)
        image = IMAGES.clone().requires_grad_()
        values = loss({"image": image, "b": image[:, :, :8]}, loss.measure({"image": OTHERS, "b": OTHERS[:, :, :8]}))
        values.sum().backward()
        return values, image.grad

    for value in answer(use) or ():
        assert value.isfinite().all()


REGULARISERS = {losses.TotalVariation: {"weight": weights, "power": floats}, losses.LatentDistance: {"weight": weights}}


@given(case=st.one_of([st.tuples(st.just(kind), options_of(given)) for kind, given in REGULARISERS.items()]))
def test_regularisers(case):
    kind, options = case

    def use():
        image = IMAGES.clone().requires_grad_()
        values = kind(**options)(image, image)
        values.sum().backward()
        return values, image.grad

    for value in answer(use) or ():
        assert value.isfinite().all()


SEARCH = {
    **{"spread": floats, "restarts": counts, "candidates": counts, "phases": several(floats)},
    **{"phase_steps": several(floats), "ramp_up": floats, "ramp_down": floats, "jitter": floats},
    **{"start": st.sampled_from(["center", "style", "nothing"]), "keep": st.sampled_from(["all", "best", "none"])},
}


@given(options=st.fixed_dictionaries({}, optional=SEARCH))
def test_search(options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answer(lambda: Search(**options))
    if found is not None:
        assert 1 <= found.restarts <= 100_000
        assert math.isfinite(found.spread + found.jitter)
        assert math.isfinite(torch.tensor(found.spread).item() + torch.tensor(found.jitter).item())


GUIDANCE = {
    **{name: floats | st.none() for name in ("limit",)},
    **dict.fromkeys(("rate", "mu", "smoothing"), floats),
    **dict.fromkeys(("inner", "draws"), counts),
    "path": st.sampled_from(["unet", "decoder", "adam", "latent", "both", "none"]),
    "inject": st.sampled_from(["model_output", "clean", "post_step"]),
    "scale": st.sampled_from(["none", "rms", "cfg", "spherical"]),
}
CFG = {name: floats | st.none() for name in ("apg", "apg_limit", "percentile")} | {"scale": floats, "rescale": floats}


@given(guidance=st.fixed_dictionaries({}, optional=GUIDANCE), cfg=st.fixed_dictionaries({}, optional=CFG))
def test_guidance(guidance, cfg):
    for found in (answer(lambda: Guidance(**guidance)), answer(lambda: Cfg(**cfg))):
        if found is not None:
            for value in vars(found).values():
                assert not isinstance(value, float) or math.isfinite(torch.tensor(value).item())


places = floats | st.floats(0, 1)
SCHEDULE = {
    **{"start": places, "stop": places | st.none(), "every": counts, "unit": st.sampled_from(["fraction", "steps"])},
    "factors": several(st.lists(places, min_size=1, max_size=3)),
    "ramp": st.sampled_from(["constant", "linear_up", "linear_down", "cosine_down", "tfg_increase", "tfg_decrease"]),
}


@given(options=st.fixed_dictionaries({}, optional=SCHEDULE), steps=st.integers(1, 30))
def test_schedules(options, steps):
    levels = [Level(math.sqrt(1 - s * s), s) for s in torch.linspace(0.999, 0.01, steps).tolist()]
    found = answer(lambda: Schedule(**options).weights(levels))
    assert found is None or (len(found) == steps and all(map(math.isfinite, found)))


TRAVEL = {
    **{"repeats": counts, "start": places, "stop": places | st.none()},
    "unit": st.sampled_from(["fraction", "steps"]),
}


@given(options=st.fixed_dictionaries({}, optional=TRAVEL), passes=st.integers(1, 30), heun=st.booleans())
def test_time_travel_spends_all_passes(options, passes, heun):
    found = answer(lambda: plan(passes, (lambda n: 2 * n - 1) if heun else (lambda n: n), Travel(**options)))
    if found is not None:
        steps, order = found
        assert len(order) == passes
        assert [step.index for step in order] == sorted(step.index for step in order)
        assert {step.index for step in order} == set(range(2 * steps - 1 if heun else steps))


@given(lr=floats, momentum=floats)
def test_normalized_gradient(lr, momentum):
    def use():
        w = torch.nn.Parameter(IMAGES.clone())
        optimizer = NormalizedGradient([w], lr=lr, momentum=momentum)
        w.grad = OTHERS.clone()
        optimizer.step()
        return w

    found = answer(use)
    # How far a step may go is the user's to say.
    assert found is None or lr > 1e30 or found.isfinite().all()


@given(decay=floats, every=counts, rows=counts, box=st.sampled_from(["none", "clamp", "sigmoid", "x"]), spectrum=floats)
def test_others(decay, every, rows, box, spectrum):
    answer(lambda: Average(decay))
    answer(lambda: Trajectory(every, rows))
    found = answer(lambda: Pixels(box, spectrum)(IMAGES))
    assert found is None or found.isfinite().all()


@given(size=counts | st.tuples(counts, counts), scale=floats)
def test_images(size, scale):
    answer(lambda: Images(size=size, style_scale=scale))
