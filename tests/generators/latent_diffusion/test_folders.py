import shutil

import pytest

from lit_nst.errors import InputError
from lit_nst.generators import LatentDiffusion
from lit_nst.generators.latent_diffusion.folders import EMBEDDED, find, patterns

COMMIT = "0" * 39 + "1"


def put(cache, source, name="models--someone--tiny"):
    """A model as the hub's client keeps it."""
    (cache / name / "refs").mkdir(parents=True)
    (cache / name / "refs" / "main").write_text(COMMIT)
    shutil.copytree(source, cache / name / "snapshots" / COMMIT)


def test_a_folder_needs_no_socket(pipeline, sockets):
    LatentDiffusion(str(pipeline))
    assert not sockets


def test_a_model_in_the_cache_needs_no_socket(pipeline, hub_cache, sockets, diffusion):
    put(hub_cache, pipeline)
    assert LatentDiffusion("someone/tiny").digest == diffusion.digest
    assert not sockets


def test_an_autoencoder_of_the_cache_needs_no_socket(pipeline, hub_cache, sockets, diffusion):
    put(hub_cache, pipeline / "vae")
    assert LatentDiffusion(str(pipeline), vae="someone/tiny").digest == diffusion.digest
    assert not sockets


def test_the_hub_is_not_asked_without_leave(hub_cache, sockets):
    told = '^generator.weights "someone/tiny": no such folder, and not whole in the local cache of the hub; .* true$'
    with pytest.raises(InputError, match=told):
        LatentDiffusion("someone/tiny")
    assert not sockets


def test_the_hub_is_asked_with_leave(hub_cache, sockets):
    told = '^generator.weights "someone/tiny": the hub cannot be reached .*; try again, or give a folder$'
    with pytest.raises(InputError, match=told):
        LatentDiffusion("someone/tiny", network=True)
    assert sockets


def test_the_hub_s_refusal_is_told(monkeypatch):
    from huggingface_hub.errors import RepositoryNotFoundError

    def refuse(*_, **__):
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(InputError, match="the hub has no such model, or asks for a login; correct it"):
        find("someone/tiny", "generator.weights", [], network=True)


def test_asks_the_hub_for_what_it_reads_and_no_more(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **rest: asked.update(rest) or str(tmp_path))
    with pytest.raises(InputError, match=r"model_index\.json: missing"):
        LatentDiffusion("someone/tiny", vae="someone/vae", variant="fp16", network=True)
    assert asked["allow_patterns"] == patterns(["unet", "text_encoder"], "fp16")
    assert not asked["local_files_only"]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in asked["allow_patterns"]
    assert not [each for each in asked["allow_patterns"] if "bin" in each or "vae/" in each or "safety" in each]


@pytest.mark.parametrize("name", ["nowhere", "./no/where", "/no/where", "a/b/c", "~/model", ""])
def test_no_such_folder(name, sockets):
    with pytest.raises(InputError, match=f'^generator.weights "{name}": no such folder; give "embedded", a diffusers'):
        LatentDiffusion(name, network=True)
    assert not sockets


def test_a_lone_file_is_refused_with_the_way_out(tmp_path, pipeline):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"model.ckpt\": a single file is not read; make a folder .*from_single_file"):
        LatentDiffusion(str(path))
    with pytest.raises(InputError, match=r"^generator.vae .*a single file is not read"):
        LatentDiffusion(str(pipeline), vae=str(path))


def test_embedded_is_that_of_the_package(monkeypatch, pipeline, tmp_path, diffusion):
    asked = []
    monkeypatch.setattr(
        "lit_nst.generators.latent_diffusion.folders.locate", lambda name: asked.append(name) or pipeline
    )
    assert LatentDiffusion().digest == diffusion.digest
    assert asked == [EMBEDDED] == ["embedded:shapes"]
