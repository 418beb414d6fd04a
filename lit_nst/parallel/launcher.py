"""How a command starts the other processes of its run."""

import os
from collections.abc import Callable
from typing import Any

from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

# Set for the children alone: the process that started them.
PARENT = "LIT_NST_PARENT"


class RowsLauncher(_SubprocessScriptLauncher):
    """Starts the command once more for every other device, and lets the processes live and die on their own.

    Lightning kills all processes as soon as one has died, because the others would wait for it without end. Here
    nobody waits: the rows are independent, and others go on with those of the dead. A ``Trainer`` that is itself
    spread over the processes gathers their rows, so it has Lightning's watch still.
    """

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Starts the others, where the cluster has not done so, and calls the function.

        Args:
            function: What this process does then.
            *args: Of the function.
            trainer: One that is spread over the processes.
            **kwargs: Of the function.
        """
        if trainer is not None:
            return super().launch(function, *args, trainer=trainer, **kwargs)
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        """As Lightning does; the children learn from whom they come, should that one die before they can ask."""
        os.environ[PARENT] = str(os.getpid())
        try:
            super()._call_children_scripts()
        finally:
            del os.environ[PARENT]
