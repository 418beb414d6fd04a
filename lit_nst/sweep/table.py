"""``table.csv``."""

import csv
import io
from collections.abc import Sequence

from lit_nst.sweep.records import Row


def csv_of(rows: Sequence[Row]) -> str:
    """A line per row of every cell: axes, pictures, weights, start, then every figure.

    What is missing or not finite is empty.
    """
    lines = []
    for row in rows:
        place: dict[str, object] = {"cell": row.cell, **row.labels, "name": row.name}
        place |= {} if row.prompt is None else {"prompt": row.prompt}
        place |= {f"images.{role}": name for role, name in row.images.items()}
        place |= {f"weights.{term}": weight for term, weight in row.weights.items()}
        lines.append({**place, "restart": row.restart, **row.figures})
    # Cells of several classes have several terms.
    columns = list(dict.fromkeys(key for line in lines for key in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
