import pytest

from lit_nst.errors import InputError
from lit_nst.tasks.guidance import Cfg, Guidance

ADAM = {"path": "adam", "inject": "clean", "scale": "none"}


def test_the_defaults_go_together():
    assert (Cfg().scale, Cfg().apg) == (7.5, None)
    assert (Guidance().path, Guidance().inject, Guidance().scale) == ("unet", "model_output", "cfg")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scale": -1.0}, r"^cfg\.scale is -1\.0; give a number of at least 0$"),
        ({"scale": float("nan")}, r"^cfg\.scale is nan"),
        ({"scale": float("inf")}, r"^cfg\.scale is inf"),
        ({"rescale": 1.5}, r"^cfg\.rescale is 1\.5; give a number from 0 to 1$"),
        ({"apg": -0.1}, r"^cfg\.apg is -0\.1"),
        ({"apg_limit": 0.0}, r"^cfg\.apg_limit is 0\.0"),
        ({"percentile": 0.995}, r"^cfg\.percentile is 0\.995; give a number from 50 to 100$"),
    ],
)
def test_cfg_refuses_numbers_outside_their_range(values, words):
    with pytest.raises(InputError, match=words):
        Cfg(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": "encoder"}, r'^guidance\.path is "encoder"; give unet, decoder, adam, latent, both$'),
        ({"inject": "x0"}, r'^guidance\.inject is "x0"; give model_output, clean, post_step$'),
        ({"scale": "std"}, r'^guidance\.scale is "std"; give none, rms, cfg, spherical$'),
        ({"limit": 0.0}, r"^guidance\.limit is 0\.0; give a number of at least 1e-12$"),
        ({"limit": float("inf")}, r"^guidance\.limit is inf"),
        ({"rate": -1.0}, r"^guidance\.rate is -1\.0; give a number of at least 0$"),
        ({"mu": float("nan")}, r"^guidance\.mu is nan"),
        ({"smoothing": -0.1}, r"^guidance\.smoothing is -0\.1"),
        ({"inner": 0}, r"^guidance\.inner is 0; give a number from 1 to 1000$"),
        ({"draws": 0}, r"^guidance\.draws is 0"),
    ],
)
def test_guidance_refuses_numbers_and_names(values, words):
    with pytest.raises(InputError, match=words):
        Guidance(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"path": "latent"},
            r"^guidance\.inject is model_output, but path latent comes after the step; use post_step$",
        ),
        ({"path": "latent", "inject": "clean"}, "use post_step$"),
        ({**ADAM, "scale": "cfg"}, "use inject clean and scale none$"),
        ({**ADAM, "inject": "post_step"}, "use inject clean and scale none$"),
        ({**ADAM, "inject": "model_output"}, "use inject clean and scale none$"),
        ({"scale": "spherical", "inject": "clean"}, r"^guidance\.scale spherical turns a noise"),
        ({"scale": "spherical", "inject": "post_step", "path": "both"}, r"^guidance\.scale spherical turns a noise"),
        ({"scale": "spherical", "inject": "post_step", "path": "latent"}, r"^guidance\.scale spherical turns a noise"),
    ],
)
def test_guidance_refuses_what_does_not_go_together(values, words):
    with pytest.raises(InputError, match=words):
        Guidance(**values)


def test_what_goes_together_is_taken():
    for values in (ADAM, {"path": "latent", "inject": "post_step", "scale": "none"}, {"path": "both"}):
        assert Guidance(**values).path == values["path"]
    for inject in ("model_output", "post_step"):
        for path in ("unet", "decoder"):
            assert Guidance(path=path, inject=inject, scale="spherical").inject == inject
