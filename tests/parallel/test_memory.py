import errno
import threading

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from lit_nst.parallel import memory
from lit_nst.parallel.memory import MIB, MemoryModel, Peak, available, fitted, is_out_of_memory

N = 1 << 16
SIZE = 4 * N
CPU = torch.device("cpu")


@pytest.fixture
def x():
    return torch.linspace(-1, 1, N, requires_grad=True)


def allocated(events) -> int:
    """The most bytes that PyTorch's allocators held at once, of the profiler's events."""
    live = most = 0
    for event in sorted((event for event in events if event.name() == "[memory]"), key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


def test_storages_count_from_their_making_to_their_last_reference(x):
    with Peak() as found, torch.no_grad():
        a = x * 2
        assert found.live == SIZE
        b = a + 1
        assert found.live == 2 * SIZE
        del a
        assert found.live == SIZE
        c = b * b
        assert (found.live, found.peak) == (2 * SIZE, 2 * SIZE)
        del b, c
    assert (found.live, found.peak) == (0, 2 * SIZE)


def test_views_and_operations_in_place_make_no_storage(x):
    outside = torch.ones(N)
    with Peak() as found, torch.no_grad():
        views = [outside.view(-1, 2).t()[1:], outside.detach(), x.expand(3, N), outside[None]]
        outside.add_(1).mul_(2)
        assert found.peak == 0
        a = outside + 1
        views += [a.reshape(2, -1), a.unbind(0)[0], *a.split(N // 2)]
        a.sin_()
        torch.exp(outside, out=a)
        del a
        assert found.live == SIZE
        views.clear()
    assert (found.live, found.peak) == (0, SIZE)


def test_what_is_kept_for_the_gradient_counts(x):
    with Peak() as found:
        y = x.sin()
        for _ in range(5):
            y = y.sin()
        # Each sine keeps its argument: five of them, and y.
        assert found.live == 6 * SIZE
        y = y.sum()
        # The sum keeps nothing.
        assert found.live == 5 * SIZE + 4
        y.backward()
        # Cosine and product beside the five; before that y and its gradient.
        assert found.peak == 7 * SIZE + 8
        del y
    assert x.grad is not None
    # The gradient is left.
    assert found.live == SIZE


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_parts_are_counted_when_they_are_computed_again(x, reentrant):
    def part(y):
        for _ in range(8):
            y = y.sin()
        return y

    peaks = []
    for call in (part, lambda y: checkpoint(part, y, use_reentrant=reentrant)):
        with Peak() as found:
            y = x
            for _ in range(4):
                y = call(y)
            y.sum().backward()
        peaks.append(round(found.peak / SIZE))
        x.grad = y = None
    # 31 arguments, the last sine's result, its cosine and product; then 4 arguments, 7 inner ones, cosine, product.
    assert peaks[0] == 34
    assert 12 <= peaks[1] <= 15


def test_the_backward_pass_counts_in_a_thread_too(x):
    found = Peak()

    def work():
        with found:
            x.sin().sin().sum().backward()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found.peak == 3 * SIZE + 8


def test_types_under_autocast_count_with_their_own_sizes():
    a = torch.rand(256, 256)
    with Peak() as found, torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        b = a @ a
    assert b.dtype == torch.bfloat16
    # One copy of the argument in 16 bits, of each use, and the product.
    assert 2 * 2 * 256 * 256 <= found.peak <= 3 * 2 * 256 * 256


def test_a_device_leaves_out_the_others(x):
    with Peak(torch.device("cuda")) as other, Peak(CPU) as found:
        x.detach() + 1
    assert (other.peak, found.peak) == (0, SIZE)


def test_it_is_what_the_profiler_saw_of_a_convolutional_step():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 16, 3, padding=1), torch.nn.Softplus(), torch.nn.Flatten(), torch.nn.Linear(16 * 64, 4),
    ).requires_grad_(False)  # fmt: skip
    w = torch.rand(8, 3, 16, 16).requires_grad_()

    def steps():
        optimizer = torch.optim.Adam([w])
        for _ in range(2):
            optimizer.zero_grad()
            features = net(F.interpolate(w, scale_factor=1.0, mode="nearest"))
            (features.square().sum() + w.diff(dim=-1).abs().sum()).backward()
            optimizer.step()

    steps()
    # Of what was made before, the profiler would only see the end.
    w.grad = None
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        steps()
    w.grad = None
    with Peak() as found:
        steps()
    reference = allocated(profiler.profiler.kineto_results.events())
    assert reference > 400_000
    assert found.peak == pytest.approx(reference, rel=0.02)


def test_the_numbers_are_the_same_bits(x):
    def gradient():
        return torch.autograd.grad((x.sin() * x.exp()).cumsum(0).sum(), x)[0]

    with Peak():
        found = gradient()
    assert torch.equal(found, gradient())


def test_the_model_fits_even_numbers():
    model = MemoryModel(fixed=1000, per_row=100)
    assert [model.bytes(rows) for rows in (0, 1, 64)] == [1000, 1100, 7400]
    budgets = (0, 1099, 1100, 1199, 1200, 1399, 1400, 1999)
    assert [model.fitting(budget) for budget in budgets] == [0, 0, 1, 1, 2, 2, 4, 8]
    for rows in range(2, 40, 2):
        assert model.fitting(model.bytes(rows)) == rows
        assert model.fitting(model.bytes(rows) - 1) == (rows - 2 or 1)


def test_groups_are_filled_up():
    model = MemoryModel(fixed=1000, per_row=100, group=8)
    assert [model.bytes(rows) for rows in (1, 8, 9)] == [1800, 1800, 2600]
    assert [model.fitting(budget) for budget in (1799, 1800, 2599, 2600)] == [0, 8, 8, 16]


def test_the_fit_goes_through_both_peaks_and_adds_what_processes_need():
    for model in (fitted(300 * MIB, 500 * MIB), fitted(900 * MIB, 1700 * MIB, group=8)):
        assert model.fixed == pytest.approx((64 + 140) * MIB)
        assert model.per_row == pytest.approx(140 * MIB)
    assert (fitted(9, 10).group, model.group) == (2, 8)


@pytest.mark.parametrize(("two", "four"), [(100, 90), (100, 400), (0, 0), (100, 100)])
def test_the_fit_is_never_negative_nor_below_its_peaks(two, four):
    model = fitted(two, four)
    assert model.fixed >= 0
    assert model.per_row >= 1
    assert model.bytes(2) >= two
    assert model.bytes(4) >= four
    assert model.fitting(0) == 0


def machine(root, free: int, group: str, files: dict[str, str]) -> None:
    """Writes the files by which Linux tells of memory."""
    texts = {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable:   {free} kB\nCached: 1 kB\n", "proc/self/cgroup": group}
    for name, text in {**texts, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def v2(limit: object, used: int, cached: int, folder: str) -> dict[str, str]:
    names = ("memory.max", "memory.current", "memory.stat")
    texts = (f"{limit}\n", f"{used}\n", f"anon 5\ninactive_file {cached}\n")
    return {f"{folder}{name}": text for name, text in zip(names, texts, strict=True)}


def test_free_is_what_the_machine_has_without_limits(tmp_path):
    machine(tmp_path, 1000, "0::/\n", v2("max", 5, 0, ""))
    assert memory._free(tmp_path) == 1000 * 1024


def test_free_is_what_the_tightest_group_of_version_2_leaves(tmp_path):
    files = {**v2("max", 5, 0, "a/b/"), **v2(600_000, 200_000, 50_000, "a/"), **v2(10, 0, 0, "other/")}
    machine(tmp_path, 1000, "0::/a/b\n", files)
    assert memory._free(tmp_path) == 450_000


def test_free_is_what_a_group_of_version_1_leaves(tmp_path):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    texts = ("600000\n", "200000\n", "inactive_file 7\ntotal_inactive_file 50000\n")
    # The path is that of the machine, which a container does not see.
    machine(tmp_path, 1000, "7:cpu,cpuacct:/d\n4:memory:/docker/d\n0::/\n",
            {f"memory/{name}": text for name, text in zip(names, texts, strict=True)})  # fmt: skip
    assert memory._free(tmp_path) == 450_000


def test_a_machine_that_tells_nothing_has_half_of_its_memory_free_or_a_little(tmp_path, monkeypatch):
    pages = {"SC_PHYS_PAGES": 100, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    assert memory._free(tmp_path) == 50 * 4096
    monkeypatch.delattr("os.sysconf")
    assert memory._free(tmp_path) == 2 * 2**30


def test_available_is_never_negative_and_heeds_the_address_space(monkeypatch):
    assert 0 < available(CPU) < 2**50
    monkeypatch.setattr(memory, "_address_space", lambda: -5)
    assert available(CPU) == 0


def test_a_cuda_device_also_has_what_its_allocator_holds_unused(monkeypatch):
    for name, value in {"mem_get_info": (100, 900), "memory_reserved": 70, "memory_allocated": 30}.items():
        monkeypatch.setattr(f"torch.cuda.{name}", lambda _, value=value: value)
    assert available(torch.device("cuda", 0)) == 140


def test_errors_of_allocators_are_known():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55)
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert is_out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))


def test_other_errors_are_not():
    with pytest.raises(RuntimeError) as raised:
        torch.ones(2) @ torch.ones(3)
    assert not is_out_of_memory(raised.value)
    assert not is_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(KeyboardInterrupt())


@pytest.mark.gpu
def test_it_is_what_cuda_allocated():
    w = torch.rand(64, 64, 64, device="cuda", requires_grad=True)
    w.sin().sum().backward()
    w.grad = None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with Peak(w.device) as found:
        w.sin().exp().sin().sum().backward()
    assert found.peak == pytest.approx(torch.cuda.max_memory_allocated() - before, rel=0.02)
