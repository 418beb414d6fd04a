"""A process of a run: ``python run_ranks.py FOLDER SETTINGS-AS-JSON``; leaves FOLDER/RANK.json."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch.distributed as dist
from lightning.pytorch import Trainer

from lit_nst.errors import InputError
from lit_nst.parallel import Ranks


def work(ranks: Ranks, folder: Path, fails: str | None, dies: int | None, stays: bool) -> None:
    """Agrees on two values and writes what it knows."""

    def choose() -> dict:
        if fails:
            raise InputError(fails)
        return {"pid": os.getpid(), "batch": 4}

    value = ranks.agree(choose)
    second = ranks.agree(lambda: [0.1, "a"])
    ranks.close()
    known = {"rank": ranks.rank, "size": ranks.size, "local": ranks.local, "device": str(ranks.device)}
    known |= {"value": value, "second": second, "pid": os.getpid(), "group": dist.is_initialized()}
    (folder / f"{ranks.rank}.json").write_text(json.dumps(known))
    if ranks.rank == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    while stays and not ranks.orphaned():
        time.sleep(0.05)
    if ranks.rank == 0:
        ended = ranks.wait(60)
        (folder / "children.json").write_text(json.dumps([ended, ranks.lost(), ranks.failed()]))
    else:
        # Longer than the first one takes, to show that it waits.
        time.sleep(0.5)
        (folder / f"{ranks.rank}.done").touch()


def main() -> None:
    """What the command line does."""
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    own = {key: settings.pop(key, None) for key in ("fails", "dies", "stays")}
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **settings)
    try:
        ranks = Ranks(trainer.strategy)
        ranks.launch(lambda: work(ranks, folder, **own))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
