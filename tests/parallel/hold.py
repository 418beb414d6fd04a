"""Holds a claim until it is killed: ``python hold.py FOLDER``; no import of Lightning, which takes seconds."""

import importlib.util
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "lit_nst" / "parallel" / "claim.py"

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("claim", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    claim = module.Claim.take(Path(sys.argv[1]))
    print("taken" if claim else "refused", flush=True)
    time.sleep(60)
