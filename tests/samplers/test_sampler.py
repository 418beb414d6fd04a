import pytest

from lit_nst.errors import InputError
from lit_nst.samplers import Sampler, Travel
from tests.samplers.cases import FLOW, VP, V, own

# Of classes of diffusers that hand numpy tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

TRAVEL = Travel()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "dpm"}, r"sampler\.name: dpm is not a sampler; take model, ddim"),
        ({"eta": 1.5}, r"sampler\.eta: 1\.5 is not a share"),
        ({"eta": -0.1}, r"sampler\.eta: -0\.1 is not a share"),
        ({"name": "euler", "eta": 0.5}, r"sampler\.eta: euler has no such option"),
        ({"name": "pndm", "karras": True}, r"sampler\.karras: pndm has its own levels"),
        ({"name": "euler_a", "karras": True}, r"sampler\.karras: euler_a has its own levels"),
    ],
)
def test_options_that_a_sampler_does_not_have(options, text):
    with pytest.raises(InputError, match=text):
        Sampler(**options)


@pytest.mark.parametrize(
    ("sampler", "config", "passes", "text"),
    [
        (Sampler(), FLOW, 4, r"sampler\.name: ddim cannot run a flow model; take flow_euler"),
        (Sampler("deis"), FLOW, 4, r"sampler\.name: deis cannot run a flow model"),
        (Sampler("flow_euler"), VP, 4, r"sampler\.name: flow_euler is for flow models"),
        (Sampler("dpm++", karras=True), FLOW, 4, r"sampler\.karras: a flow model"),
        (Sampler("model", eta=0.5), own("PNDMScheduler"), 4, r"sampler\.eta: the model's own PNDMScheduler"),
        (Sampler("model", karras=True), VP, 4, r"sampler\.karras: the model's own DDIMScheduler"),
        (Sampler("model"), {}, 4, r"sampler\.name: the model's own None is not supported"),
        (Sampler("euler_a"), VP | {"prediction_type": "sample"}, 4, r"predicts the picture"),
        (Sampler("heun"), VP | {"rescale_betas_zero_snr": True}, 3, r"does not know this model's levels"),
        (Sampler(), VP | {"rescale_betas_zero_snr": True}, 4, r"cannot start without any picture"),
        (Sampler("model"), VP | {"beta_schedule": "odd"}, 4, r"does not take this model's config: odd is not"),
        (Sampler(), VP, 1001, r"--trainer\.max_steps"),
        (Sampler("dpm++", "leading"), VP, 1000, r"--trainer\.max_steps 1000: the model has not so many levels"),
        (Sampler("heun"), VP, 4, r"--trainer\.max_steps 4"),
    ],
)
def test_what_does_not_fit_the_model(sampler, config, passes, text):
    with pytest.raises(InputError, match=text) as caught:
        sampler.build(config, passes, TRAVEL)
    assert "\n" not in str(caught.value)


def test_passes_become_steps():
    assert len(Sampler().build(VP, 10, TRAVEL).timesteps) == 10
    process = Sampler().build(VP, 9, Travel(repeats=2, stop=0.5))
    assert len(process.timesteps) == 6
    assert [turn.index for turn in process.plan] == [0, 0, 1, 1, 2, 2, 3, 4, 5]
    assert len(Sampler("heun").build(VP, 9, TRAVEL).timesteps) == 9


@pytest.mark.parametrize(("spacing", "first"), [("trailing", 999), ("leading", 751), ("linspace", 999)])
def test_spacing(spacing, first):
    assert int(Sampler(spacing=spacing).build(VP, 4, TRAVEL).timesteps[0]) == first


def test_the_model_says_what_it_predicts():
    assert Sampler().build(VP, 4, TRAVEL).prediction == "epsilon"
    assert Sampler("euler").build(V, 4, TRAVEL).prediction == "v_prediction"
    assert Sampler("dpm++").build(FLOW, 4, TRAVEL).prediction == "flow_prediction"
    assert Sampler("flow_euler").build(FLOW, 4, TRAVEL).prediction == "flow_prediction"


def test_a_flow_config_of_another_class_counts():
    config = own("UniPCMultistepScheduler", use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0)
    levels = Sampler("flow_euler").build(config, 4, TRAVEL).levels
    assert levels == Sampler("flow_euler").build(FLOW, 4, TRAVEL).levels
    assert Sampler("model").build(config, 4, TRAVEL).levels[1].sigma == pytest.approx(0.9, abs=1e-3)


def scheduler_of(sampler, config):
    return sampler.build(config, 5, TRAVEL)._scheduler


def test_latents_are_not_clipped_whatever_the_config_says():
    config = VP | {"clip_sample": True, "thresholding": True}
    for name in ("model", "ddpm", "heun", "dpm++"):
        used = scheduler_of(Sampler(name), config).config
        assert not used.get("clip_sample")
        assert not used.get("thresholding")
    assert not scheduler_of(Sampler(), {"_class_name": "DDIMScheduler"}).config.clip_sample


def test_another_class_takes_over_only_the_model():
    config = own("DPMSolverMultistepScheduler", solver_order=3, algorithm_type="sde-dpmsolver++", trained_betas=None)
    assert scheduler_of(Sampler("model"), config).config.solver_order == 3
    assert scheduler_of(Sampler("model"), config).config.algorithm_type == "sde-dpmsolver++"
    assert scheduler_of(Sampler("dpm++"), config).config.algorithm_type == "dpmsolver++"
    unipc = scheduler_of(Sampler("unipc"), config).config
    assert (unipc.solver_order, unipc.solver_type, unipc.beta_end) == (2, "bh2", 0.012)


def test_a_model_with_zero_terminal_noise_ratio():
    config = V | {"rescale_betas_zero_snr": True}
    assert Sampler().build(config, 5, TRAVEL).levels[0].alpha == 0
    assert Sampler("dpm++").build(VP | {"rescale_betas_zero_snr": True}, 5, TRAVEL).levels[0].alpha > 0


def test_a_package_that_is_missing(monkeypatch):
    import diffusers

    class Missing:
        def __init__(self, **options):
            raise ImportError("\nLMSDiscreteScheduler requires the scipy library\nbut it was not found")

    monkeypatch.setattr(diffusers, "LMSDiscreteScheduler", Missing)
    with pytest.raises(InputError, match=r"sampler\.name: LMSDiscreteScheduler needs a package .* library but it was"):
        Sampler("lms").build(VP, 4, TRAVEL)
