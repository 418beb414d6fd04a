"""The degradation slot."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_nst.degradations import Degradation


class Degrade(Callback):
    """Puts an operator between the generator and the losses: y = D(t), compared with D(G(w)).

    Several in the list of callbacks compose in that order.

    Args:
        operator: D.
        observed: The target file already is the measurement, so the target is not degraded again; the
            option of one such callback holds for the whole composition.
    """

    def __init__(self, operator: Degradation, observed: bool = False) -> None:
        self.operator, self.observed = operator, observed

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        task: Any = pl_module
        self.operator.observed = self.observed
        if all(operator is not self.operator for operator in task.degradation):
            task.degradation.append(self.operator)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        task: Any = pl_module
        kept = [operator for operator in task.degradation if operator is not self.operator]
        task.degradation = type(task.degradation)(*kept)
