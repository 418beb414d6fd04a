import torch

from lit_nst.functional.random import generator, normal


def test_the_key_decides():
    assert torch.equal(normal((4,), 0, "noise", 3), normal((4,), 0, "noise", 3))
    keys = [(0, "noise", 3), (1, "noise", 3), (0, "start", 3), (0, "noise", 4), (0, "noise"), (0, 3, "noise"), ("0",)]
    first = {normal((1,), *key).item() for key in keys}
    assert len(first) == len(keys)


def test_numbers_and_their_names_are_different_keys():
    assert normal((1,), 12) != normal((1,), "12")
    assert normal((1,), 1, 2) != normal((1,), 12)


def test_no_running_stream_is_involved():
    before = torch.get_rng_state()
    first = normal((3,), 5)
    torch.manual_seed(99)
    assert torch.equal(first, normal((3,), 5))
    torch.set_rng_state(before)
    normal((3,), 6)
    assert torch.equal(before, torch.get_rng_state())


def test_standard_normal():
    x = normal((100, 200), "moments")
    assert x.shape == (100, 200)
    assert x.dtype == torch.float32
    assert abs(x.mean()) < 0.03
    assert abs(x.std() - 1) < 0.03


def test_generator_is_a_seeded_cpu_stream():
    stream = generator(1, "a")
    assert stream.device.type == "cpu"
    first, second = (torch.rand(1, generator=stream) for _ in range(2))
    assert first != second
    assert torch.rand(1, generator=generator(1, "a")) == first


def test_a_pinned_value():
    # Changes only if the key, or torch's generator, does: then every seeded run changes.
    assert torch.randint(1 << 30, (1,), generator=generator(0, "mask")).item() == 592728193
