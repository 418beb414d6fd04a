"""What the terminal shows of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_nst.report import human_time, summary_table

LINES, TOLD = 20, 5


def summary(
    record: Mapping[str, Any], folder: Path, distance: str, steps: int, written: Sequence[str] = ("comparison.png",)
) -> str:
    """The figures of at most 20 rows, the means of all, what was left out, and where the files are.

    Args:
        record: What ``metrics.json`` holds, with numbers that need not be finite.
        folder: Of the run.
        distance: Name of the judge's figure.
        steps: That were done, of those that a row has.
        written: Pictures beside those of the rows.
    """
    keys = ["name", "loss", "measurement_psnr", "psnr", "composite_psnr", "ssim", distance,
            "content_distance", "style_distance", "latent_distance", "generator_distance"]  # fmt: skip
    rows = [{key: row[key] for key in keys if key in row} for row in record["rows"]]
    if rows and "style_distance" in rows[0]:
        # Pixels have no latent to speak of.
        rows = [{key: value for key, value in row.items() if key != "latent_distance"} for row in rows]
    names = ("results", *(f"results/{name}" for name in written), "metrics.json", "metrics.csv")
    return "\n".join([
        "", *_table(rows), *_left_out(record.get("unreadable", [])), "",
        f"{steps} steps in {human_time(record['seconds'])}. Look at:", *(f"  {folder / name}" for name in names),
        f"  tensorboard --logdir {folder.parent}",
    ])  # fmt: skip


def _table(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """A head and its rule, the rows, a rule and the means."""
    lines = summary_table(rows).split("\n")
    if (more := len(rows) - LINES) > 0:
        lines[2 + LINES : -2] = [f"… and {more} more, in metrics.json"]
    return lines


def _left_out(rows: Sequence[Mapping[str, str]]) -> list[str]:
    if not rows:
        return []
    told = [f"  {row['name']}: {row['reason']}" for row in rows[:TOLD]]
    more = [f"  … and {len(rows) - TOLD} more, in metrics.json"] if len(rows) > TOLD else []
    return ["", f"{len(rows)} left out, since a picture cannot be read:", *told, *more]
