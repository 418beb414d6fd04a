"""Runs over two processes that are killed and go on, a long one, and what two processes are worth.

    python benchmarks/endurance.py kills        # 100 small runs, killed at random moments
    python benchmarks/endurance.py long         # 500 targets, two processes, six kills; memory over time
    python benchmarks/endurance.py throughput   # one process, two, and two that have nothing to do with each other

Needs Linux's ``/proc``.
"""

import os

# Forks keep no pool of threads.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

begun = time.perf_counter()
import torch
from kills import kills
from warm import observe


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    gc.collect()
    gc.freeze()
    observe()
    folder = Path(tempfile.mkdtemp(prefix="endurance_"))
    print(folder, time.perf_counter() - begun, flush=True)
    print(json.dumps(kills(folder, arguments.cases, arguments.seed), indent=1))


main()
