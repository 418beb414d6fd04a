import socket

import pytest

from lit_nst.generators import LatentDiffusion
from tests.generators.latent_diffusion.pipelines import write_pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """A tiny pipeline that predicts noise; float32."""
    return write_pipeline(tmp_path_factory.mktemp("epsilon") / "model")


@pytest.fixture(scope="session")
def half_pipeline(tmp_path_factory):
    """A tiny pipeline that predicts velocities; float16, with 8 channels."""
    from tests.generators.latent_diffusion.pipelines import unet, vae

    folder = tmp_path_factory.mktemp("velocity") / "model"
    return write_pipeline(folder, "v_prediction", half=True, unet=unet(8), vae=vae(8))


@pytest.fixture(scope="session")
def diffusion(pipeline):
    return LatentDiffusion(str(pipeline))


@pytest.fixture
def sockets(monkeypatch):
    """Denies every socket, and keeps the attempts."""
    attempts: list[object] = []

    def deny(*arguments, **_):
        attempts.append(arguments)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "__init__", deny)
    monkeypatch.setattr(socket, "getaddrinfo", deny)
    return attempts


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty local cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
