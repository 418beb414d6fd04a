"""The strategy that spreads independent rows over devices."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lit_nst.parallel.launcher import RowsLauncher


class RowsStrategy(DDPStrategy):
    """One process per device, each with its own rows of ``w``; nothing is exchanged between steps.

    Rows are independent problems whose gradients must not be averaged, so the task is not wrapped in
    ``DistributedDataParallel``. A checkpoint holds all rows in order: a run may go on with another
    number of devices.
    """

    shards_rows = True

    def _configure_launcher(self) -> None:
        """None for one process: it needs no port for others to find it by."""
        if self.num_processes * self.num_nodes == 1:
            return
        if self._start_method != "popen":
            super()._configure_launcher()
            return
        assert self.cluster_environment is not None
        self._launcher = RowsLauncher(self.cluster_environment, self.num_processes, self.num_nodes)

    def setup_distributed(self) -> None:
        """Opens a process group, where there is more than one process."""
        assert self.cluster_environment is not None
        self.set_world_ranks()
        if self.cluster_environment.world_size() > 1:
            super().setup_distributed()

    def setup(self, trainer: Trainer) -> None:
        """Everything that DDP does, but for wrapping and broadcasting."""
        assert self.accelerator is not None
        assert self.model is not None
        self.accelerator.setup(trainer)
        self.precision_plugin.convert_module(self.model)
        self.model_to_device()
        if trainer.state.fn == TrainerFn.FITTING:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The task's state with the rows of all processes."""
        state, task = super().lightning_module_state_dict(), self.lightning_module
        return {key: self.gather(value) if key in _row_state(task) else value for key, value in state.items()}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Takes this process's rows of a checkpoint."""
        task = self.lightning_module
        assert task is not None
        state = checkpoint["state_dict"].items()
        task.load_state_dict({k: self.take(v) if k in _row_state(task) else v for k, v in state}, strict=strict)

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """The optimiser's state with the rows of all processes."""
        return self._map(super().optimizer_state(optimizer), self.gather, self._count(local=True))

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes this process's rows of the optimiser's state."""
        states = [self._map(s, self.take, self._count(local=False)) for s in checkpoint["optimizer_states"]]
        super().load_optimizer_state_dict({"optimizer_states": states})

    def gather(self, value: Tensor) -> Tensor:
        """All rows, in order, on the CPU of rank 0; the others get back what they gave."""
        if self.world_size == 1:
            return value
        parts: list[Any] | None = [None] * self.world_size if self.is_global_zero else None
        dist.gather_object(value.detach().cpu(), parts)
        return torch.cat(parts) if parts is not None else value

    def take(self, value: Tensor) -> Tensor:
        """This process's rows."""
        task: Any = self.lightning_module
        return value[task.shard.places]

    def _count(self, local: bool) -> int:
        task: Any = self.lightning_module
        return int(task.shard.local if local else task.shard.total)

    @staticmethod
    def _map(state: dict[str, Any], function: Callable[[Tensor], Tensor], rows: int) -> dict[str, Any]:
        """Applies a function to the tensors of an optimiser's state that have a line per row of ``w``."""
        entries = {
            index: {
                k: function(v) if torch.is_tensor(v) and v.dim() > 0 and len(v) == rows else v for k, v in entry.items()
            }
            for index, entry in state["state"].items()
        }
        return {**state, "state": entries}


def _row_state(task: Any) -> tuple[str, ...]:
    """Names of the per-row tensors of a task."""
    names: tuple[str, ...] = task.row_state
    return names


def register() -> None:
    """Makes ``--trainer.strategy rows`` known, and ``rows_fork``, which starts without a second import.

    The latter is for tests: a pool of OpenMP threads does not survive a fork, so it needs OMP_NUM_THREADS=1.
    """
    for name, method in (("rows", "popen"), ("rows_fork", "fork")):
        if name not in StrategyRegistry:
            StrategyRegistry.register(name, RowsStrategy, description=RowsStrategy.__doc__ or "", start_method=method)
