"""The processes of a run."""

import io
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import ParallelStrategy, Strategy
from torch.distributed import DistError, PrefixStore, TCPStore  # type: ignore[attr-defined]

from lit_nst.errors import InputError
from lit_nst.parallel.launcher import PARENT, RowsLauncher

T = TypeVar("T")

# Seconds: the others wait for the first process, which may have large networks to load; it waits for the others;
# a connection is made; between two looks.
PATIENCE, READY, CONNECT, PAUSE = 1800.0, 60.0, 15.0, 0.05
# Bytes of a value; the store itself ends at twice that.
LARGEST = 4 * 2**20
_calls = itertools.count()


class Ranks:
    """The processes of a run, as one of them sees them.

    They agree on what to do before they part; from then on none needs another. They are started by the command
    itself (``--trainer.devices 2``), by ``torchrun``, by SLURM, or there is one.

    Args:
        strategy: That of a trainer.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are, on all machines.
        local: Number of this process on its machine, from 0.
        device: What this process computes on.

    Raises:
        InputError: A strategy that is not made for rows, or processes of another number than the trainer was told.
    """

    rank: int
    size: int
    local: int
    device: torch.device

    def __init__(self, strategy: Strategy) -> None:
        self._strategy: Any = strategy
        self._origin = os.getpid()
        self._store: Any = None
        _check(strategy)
        self._learn()
        # A strategy of Lightning's has a launcher, and thereby a port, for one process too.
        self._launcher: Any = strategy.launcher if self.size > 1 else None
        self._parent = self._starter() if self.size > 1 else None

    def launch(self, function: Callable[[], T]) -> T:
        """Starts the other processes, where nobody has, and calls the function in each.

        The others run the whole command line again, up to this call. With ``rows_fork`` they begin here, and this
        process only waits and has the value of the first; that should be small.
        """
        if self._launcher is None:
            return function()
        value = self._launcher.launch(self._begin, function)
        if isinstance(value, _Refusal):
            raise value.error
        started: T = value
        return started

    def agree(self, function: Callable[[], T]) -> T:
        """Calls the function on rank 0 and gives its value to all; every process makes the same calls in order.

        The value goes through a store at the address and port of the cluster, that of ``torchrun`` where there is
        one. The first process waits up to a minute until the others have it, but not for children that have died,
        and goes on without those that come later: they find it there until ``close``, or until it ends. The others
        wait half an hour at most.

        Args:
            function: Without side effects on the others; its value holds tensors, numbers, strings, lists,
                tuples and dictionaries, 4 MiB at most.

        Raises:
            InputError: The port cannot be opened.
            OSError: The first process did not come, or is gone.
            SystemExit: On the others, where the function raised on rank 0: 2 for bad input, else 1.
        """
        if self.size == 1:
            return function()
        key = f"value_{next(_calls)}"
        value: T = self._tell(key, function) if self.rank == 0 else self._hear(key)
        return value

    def close(self) -> None:
        """After the last ``agree``: gives up the port, where all have come; a process that forks would share it."""
        if self.rank or not self._awaited:
            self._store = None

    def orphaned(self) -> bool:
        """Whether the process that started this one is gone: another command of this run, or ``torchrun``."""
        return self._parent is not None and os.getppid() != self._parent

    def failed(self) -> int | None:
        """The exit status of a child of this process that found something wrong; None, too, if it was killed."""
        return next((code for code in self._statuses().values() if code and code > 0), None)

    def lost(self) -> list[int]:
        """Ranks of the children of this process that were killed by a signal."""
        return [rank for rank, code in self._statuses().items() if code is not None and code < 0]

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """Sends a signal to the children that still run."""
        for process in self._children():
            process.send_signal(signum)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the children, for some seconds or without end; whether all have ended."""
        end = None if timeout is None else time.monotonic() + timeout
        for process in self._children():
            try:
                process.wait(None if end is None else max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                return False
        return True

    def _begin(self, function: Callable[[], T]) -> "T | _Refusal | None":
        """What each process does; a fork hands bad input to the process that waits, which has to say it."""
        if os.getpid() == self._origin:
            return function()
        self._learn()
        self._parent = self._origin
        try:
            return function()
        except (InputError, OSError) as error:
            if self.rank:
                raise
            return _Refusal(error)
        except SystemExit:
            if self.rank == 0:
                raise
            # Its status would end the first one before that has said why.
            return None

    def _learn(self) -> None:
        if hasattr(self._strategy, "set_world_ranks"):
            self._strategy.set_world_ranks()
        self.rank, self.size = self._strategy.global_rank, self._strategy.world_size
        self.local, self.device = self._strategy.local_rank, self._strategy.root_device
        self._awaited = set(range(1, self.size))

    def _starter(self) -> int | None:
        """The process that this one should not outlive, of those that are known."""
        if PARENT in os.environ:
            return int(os.environ[PARENT])
        elastic = isinstance(self._strategy.cluster_environment, TorchElasticEnvironment)
        return os.getppid() if elastic else None

    def _children(self) -> list[subprocess.Popen[bytes]]:
        return self._launcher.procs if isinstance(self._launcher, RowsLauncher) else []

    def _statuses(self) -> dict[int, int | None]:
        """The exit status of each child by its rank: below 0 for a signal, None while it runs."""
        return {self.rank + n: child.poll() for n, child in enumerate(self._children(), 1)}

    def _tell(self, key: str, function: Callable[[], T]) -> T:
        store = self._connect()
        try:
            data = _packed({"status": 0, "value": function()})
            if len(data) > LARGEST:
                raise ValueError(f"agree: a value of {len(data)} bytes; at most {LARGEST}")
            # What the others could not read is refused here, and all have the same.
            value: T = _read(data)["value"]
        except BaseException as error:
            self.stop()
            self._deliver(store, key, _packed({"status": _status(error)}))
            raise
        self._deliver(store, key, data)
        return value

    def _deliver(self, store: Any, key: str, data: bytes) -> None:
        """Gives the value to those that come within a minute; ``_awaited`` are those that did not."""
        store.set(key, data)
        end, self._awaited = time.monotonic() + READY, set(range(1, self.size))
        while True:
            gone = {rank for rank, code in self._statuses().items() if code is not None}
            self._awaited = {n for n in self._awaited - gone if not store.check([f"{key}/{n}"])}
            if not self._awaited or time.monotonic() > end:
                return
            time.sleep(PAUSE)

    def _hear(self, key: str) -> Any:
        end = time.monotonic() + PATIENCE
        try:
            store = self._connect(end)
            while not store.check([key]):
                self._pause(end)
            told = _read(store.get(key))
            store.set(f"{key}/{self.rank}", b"")
        except DistError:
            raise ConnectionError("the first process of the run ended before it said what to do") from None
        if told["status"]:
            raise SystemExit(told["status"])
        return told["value"]

    def _pause(self, end: float) -> None:
        if self.orphaned():
            raise SystemExit(1)
        if time.monotonic() > end:
            raise TimeoutError(f"the first process of the run did not answer within {PATIENCE / 60:.0f} minutes")
        time.sleep(PAUSE)

    def _connect(self, end: float = 0.0) -> Any:
        """The store, opened by the first process, or by ``torchrun``, which starts again with the old one."""
        if self._store is not None:
            return self._store
        environment = self._strategy.cluster_environment
        address, port = environment.main_address, environment.main_port
        # Asked in Python, since TCPStore cannot be interrupted and reports every try.
        while self.rank and not _answers(address, port):
            self._pause(end)
        first = self.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        wait = timedelta(seconds=CONNECT)
        try:
            if first:
                socket.getaddrinfo(address, port)
            store = TCPStore(address, port, is_master=first, timeout=wait, wait_for_workers=False, multi_tenant=True)
        except (socket.gaierror, DistError) as error:
            if self.rank:
                raise
            raise InputError(f"MASTER_ADDR, MASTER_PORT: {address}:{port}: {str(error).splitlines()[0]}") from None
        self._store = PrefixStore(f"lit_nst/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        return self._store


class _Refusal:
    """Bad input, on its way to the process that waits for the others."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _check(strategy: Any) -> None:
    """Raises InputError where a strategy couples rows, or where the number of processes is not what was asked for."""
    if not isinstance(strategy, ParallelStrategy):
        return
    nodes, here = getattr(strategy, "num_nodes", 1), len(strategy.parallel_devices or [None])
    name = type(strategy).__name__
    if nodes * here > 1 and not getattr(strategy, "shards_rows", False):
        raise InputError(
            f"strategy: {name} would average the gradients of different problems; use --trainer.strategy rows"
        )
    if hasattr(strategy, "set_world_ranks"):
        strategy.set_world_ranks()
    environment: Any = strategy.cluster_environment
    try:
        environment.validate_settings(num_devices=here, num_nodes=nodes)
    except ValueError as error:
        raise InputError(f"--trainer.devices, --trainer.num_nodes: {error}") from None
    if strategy.world_size != nodes * here or strategy.local_rank >= here:
        raise InputError(
            f"--trainer.devices: {here} on each of {nodes} node(s), but {strategy.world_size} processes were started; "
            "let --trainer.devices times --trainer.num_nodes be their number"
        )


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 5).close()
    except OSError:
        return False
    return True


def _packed(value: dict[str, Any]) -> bytes:
    data = io.BytesIO()
    torch.save(value, data)
    return data.getvalue()


def _read(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


def _status(error: BaseException) -> int:
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code or 1
    return 2 if isinstance(error, (InputError, MisconfigurationException, OSError)) else 1
