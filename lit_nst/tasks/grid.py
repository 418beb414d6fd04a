"""Which problem each row of ``w`` is: pictures × settings × restarts."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONGEST = 150


@dataclass(frozen=True)
class Problem:
    """One row of the run.

    Attributes:
        images: Role → number of its picture.
        setting: Term → number of its weight.
        restart: Number of the start, from 0.
    """

    images: Mapping[str, int]
    setting: Mapping[str, int]
    restart: int


class Grid:
    """All rows of a run: the product of the pictures of every role, of the weights and of the restarts.

    The first role changes slowest, the restart fastest.

    Args:
        counts: Role → number of its pictures.
        weights: Term → its weights; a term with one weight adds no rows.
        restarts: Starts of every problem.

    >>> grid = Grid({"content": 2, "style": 3}, {"style": [1.0, 10.0]}, restarts=1)
    >>> len(grid), grid[7].images["content"], grid[7].images["style"], grid[7].setting["style"]
    (12, 1, 0, 1)
    """

    def __init__(self, counts: Mapping[str, int], weights: Mapping[str, Sequence[float]], restarts: int) -> None:
        self.weights = weights
        self.restarts = restarts
        pictures = itertools.product(*(range(count) for count in counts.values()))
        settings = list(itertools.product(*(range(len(values)) for values in weights.values())))
        self.problems = [
            Problem(dict(zip(counts, images, strict=True)), dict(zip(weights, setting, strict=True)), restart)
            for images, setting, restart in itertools.product(pictures, settings, range(restarts))
        ]

    def __len__(self) -> int:
        return len(self.problems)

    def __getitem__(self, row: int) -> Problem:
        return self.problems[row]

    def weight(self, row: int, term: str) -> float:
        """Weight of a term in a row."""
        return self.weights[term][self.problems[row].setting[term]]

    def best(self, losses: Sequence[float]) -> list[int]:
        """The row of the lowest loss among the restarts of each problem; the first one where none is a number.

        >>> Grid({"target": 2}, {}, restarts=2).best([3.0, 1.0, float("nan"), 5.0])
        [1, 3]
        """
        starts = range(0, len(self), self.restarts)
        finite = [loss if loss == loss else math.inf for loss in losses]
        return [min(range(start, start + self.restarts), key=lambda row: finite[row]) for start in starts]

    def names(self, pictures: Mapping[str, Sequence[str]], rows: Sequence[int] | None = None) -> list[str]:
        """A name per row: its pictures, and what else distinguishes it.

        Args:
            pictures: Role → names of its pictures; a role that is left out is not named.
            rows: One of each problem, whose restart is not named; None: all.

        >>> Grid({"style": 1}, {"style": [1.0, 100.0]}, restarts=2).names({"style": ["reed"]})
        ['reed_style-1_1', 'reed_style-1_2', 'reed_style-100_1', 'reed_style-100_2']
        """
        names = []
        for row in range(len(self)) if rows is None else rows:
            problem = self.problems[row]
            parts = ["+".join(pictures[role][index] for role, index in problem.images.items() if role in pictures)]
            # Files have names of at most 255 bytes.
            parts[0] = parts[0].encode()[:LONGEST].decode(errors="ignore")
            parts += [f"{term}-{self.weight(row, term):g}" for term, values in self.weights.items() if len(values) > 1]
            parts += [str(problem.restart + 1)] if self.restarts > 1 and rows is None else []
            names.append("_".join(parts))
        taken = Counter(name.casefold() for name in names)
        return [n if taken[n.casefold()] == 1 else f"{n}_row{row}" for row, n in enumerate(names)]
