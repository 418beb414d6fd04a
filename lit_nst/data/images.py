"""The pictures of a run, by role."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from lit_nst.data.read import MAX_PIXELS, Alpha, image_size, list_images, read_image, read_mask
from lit_nst.data.resize import Fit, fit_image, fit_inside, fit_mask, size_inside
from lit_nst.errors import InputError

# Pixels of a side: more is no picture that could be made.
LONGEST = 50_000


class Iterations:
    """The numbers 0, 1, 2, … without an end: the loop has no data, and ``trainer.max_steps`` ends it."""

    def __iter__(self) -> Iterator[int]:
        return itertools.count()


class Images(LightningDataModule):
    """The pictures of a run, by role.

    Each role is a file, several, a folder, a pattern such as ``photos/*.png``, or pictures that come with
    the package, such as ``embedded:portraits``. Each picture is one row of ``w``. Paths are looked up once,
    in ``setup`` or at the first call; files are read at each ``load``.

    Args:
        content: Pictures whose content is kept.
        style: Pictures whose style is taken.
        target: Pictures that are to be reached.
        truth: The undegraded pictures, for metrics only.
        mask: White is the hole to be filled. One for all targets or one for each, of the target's size.
        fit: How a picture gets the size of the run: ``crop`` cuts the centre, ``pad`` repeats the edge,
            ``stretch`` changes the aspect.
        alpha: ``composite`` puts transparent pictures over the background; with ``mask`` the transparent
            part of a target is its hole, unless masks are given.
        background: Grey level behind transparent pictures, from 0 (black) to 1 (white).
        size: Of the generated pictures, where the generator leaves it open. One number: the longer side,
            with the aspect of the first content, style or target; two: height and width. None: the size of
            those pictures, which must then have the same.
        unreadable: A picture that cannot be read ends the run, ``stop``, or the command line leaves its rows out and
            says so, ``skip``.
        style_scale: A style picture keeps its aspect and is shrunk, where it is larger, until its longer side is
            this many times that of the generated pictures. Larger means larger strokes.

    Raises:
        InputError: A size or scale that is not positive, or that no picture has.
    """

    def __init__(
        self,
        content: str | list[str] | None = None,
        style: str | list[str] | None = None,
        target: str | list[str] | None = None,
        truth: str | list[str] | None = None,
        mask: str | list[str] | None = None,
        fit: Fit = "crop",
        alpha: Alpha = "composite",
        background: float = 1.0,
        size: int | tuple[int, int] | None = None,
        style_scale: float = 1.0,
        unreadable: Literal["stop", "skip"] = "stop",
    ) -> None:
        super().__init__()
        self.sources = {"content": content, "style": style, "target": target, "truth": truth, "mask": mask}
        self.fit: Fit = fit
        self.alpha: Alpha = alpha
        self.background = background
        self.size, self.style_scale, self.unreadable = size, style_scale, unreadable
        sides = () if size is None else size if isinstance(size, tuple) else (size,)
        if not all(1 <= side <= LONGEST for side in sides):
            raise InputError(f"--data.size is {size}; give sides of 1 to {LONGEST} pixels")
        if math.prod(sides) > MAX_PIXELS:
            raise InputError(f"--data.size is {size}; give no more than {MAX_PIXELS:,} pixels")
        if not 0 < style_scale <= LONGEST:
            raise InputError(f"--data.style_scale is {style_scale:g}; give a positive factor")
        self._files: dict[str, list[Path]] = {}
        self._style_sizes: set[tuple[int, int]] | None = None
        # Every unit of a run asks for its size, which many pictures decide.
        self._run_sizes: dict[str, dict[Path, tuple[int, int]]] = {}

    def setup(self, stage: str = "fit") -> None:
        """Looks up the files of every role.

        Raises:
            InputError: A path that does not exist, or stands for no image.
        """
        for role in self.sources:
            self.files(role)

    def files(self, role: str) -> list[Path]:
        """The files of a role, one per row; empty when none were given.

        Raises:
            InputError: A path that does not exist, or stands for no image.
        """
        if role not in self._files:
            source = self.sources[role]
            try:
                self._files[role] = [] if source is None else list_images(source)
            except InputError as error:
                raise InputError(f"--data.{role}: {error}") from None
        return self._files[role]

    def has(self, role: str) -> bool:
        """Whether pictures of a role were given."""
        return self.sources[role] is not None

    def count(self, role: str) -> int:
        """How many pictures a role has.

        Raises:
            InputError: As ``files``.
        """
        return len(self.files(role))

    def names(self, role: str) -> list[str]:
        """A name per picture, none twice: the file's stem, with ``-2``, ``-3``, … where it is taken.

        Names that differ in case only count as equal, since they do on some file systems.

        Raises:
            InputError: As ``files``.
        """
        stems = [path.stem for path in self.files(role)]
        taken, seen, names = {stem.casefold() for stem in stems}, set[str](), list[str]()
        numbers: dict[str, Iterator[int]] = {}
        for stem in stems:
            name, key = stem, stem.casefold()
            if key in seen:
                # It goes on counting: thousands of folders may each have a file of that name.
                numbered = (f"{stem}-{number}" for number in numbers.setdefault(key, itertools.count(2)))
                name = next(other for other in numbered if other.casefold() not in taken)
                taken.add(name.casefold())
            seen.add(key)
            names.append(name)
        return names

    def require(self, role: str, by: str) -> None:
        """Makes sure that pictures of a role were given.

        Args:
            role: Such as ``"target"``.
            by: Name of the class that needs them.

        Raises:
            InputError: There are none.
        """
        if not self.has(role):
            raise InputError(f"`{by}` needs a {role}; give --data.{role} FILE")

    def load(self, role: str, indices: Sequence[int], size: tuple[int, int] | None = None) -> Tensor:
        """Reads some pictures of a role.

        Args:
            role: Such as ``"target"``.
            indices: Which of them, from 0.
            size: Height and width; None: the pictures' own.

        Returns:
            N×3×H×W float32 in [0, 1], sRGB; masks are N×1×H×W of 0 and 1.

        Raises:
            InputError: None were given, a file cannot be read, or sizes differ where ``size`` is None.
        """
        self.require(role, by="load")
        paths = [self.files(role)[index] for index in indices]
        if role == "mask":
            return _stack(paths, [_fitted_mask(read_mask(path), size, self.fit) for path in paths])
        images = [read_image(path, self.alpha, self.background)[0] for path in paths]
        return _stack(paths, images if size is None else [fit_image(image, size, self.fit) for image in images])

    def run_size(self, role: str) -> tuple[int, int]:
        """Height and width of the generated pictures, by ``size`` and the pictures of a role.

        Raises:
            InputError: The pictures differ in size, and none was given; too many pixels; or as ``files``.
        """
        if isinstance(self.size, tuple):
            return self.size
        if role not in self._run_sizes:
            found = ((path, self._size_of(path)) for path in self.files(role))
            self._run_sizes[role] = {path: size for path, size in found if size is not None}
        sizes = self._run_sizes[role]
        if not sizes:
            raise InputError(f"--data.{role}: none of its {self.count(role)} pictures can be read; give others")
        first, (height, width) = next(iter(sizes.items()))
        if self.size is not None:
            scale = self.size / max(height, width)
            height, width = max(1, round(height * scale)), max(1, round(width * scale))
            if height * width > MAX_PIXELS:
                raise InputError(
                    f"--data.size is {self.size}: {height}×{width}, more than {MAX_PIXELS:,} pixels; give less"
                )
            return height, width
        for path, (h, w) in sizes.items():
            if (h, w) != (height, width):
                raise InputError(f"{path} is {h}×{w}, but {first} is {height}×{width}; give --data.size")
        return height, width

    def _size_of(self, path: Path) -> tuple[int, int] | None:
        """None: it cannot be read, and is to be left out."""
        try:
            return image_size(path)
        except InputError:
            if self.unreadable == "stop":
                raise
            return None

    def load_styles(self, size: tuple[int, int], indices: Iterable[int] | None = None) -> dict[int, Tensor]:
        """Style pictures by their numbers, with their own aspects, for generated pictures of a size.

        Args:
            size: Of those.
            indices: Numbers of the pictures; None: all.

        Raises:
            InputError: As ``load``.
        """
        longest = max(1, round(max(size) * self.style_scale))
        chosen = range(self.count("style")) if indices is None else sorted(set(indices))
        return {index: fit_inside(self.load("style", [index])[0], longest) for index in chosen}

    def style_sizes(self, size: tuple[int, int]) -> set[tuple[int, int]]:
        """The sizes that all of them have then, by their headers; those that cannot be read are left out.

        Raises:
            InputError: One that cannot be read, and is not to be left out.
        """
        if self._style_sizes is None:
            found = (self._size_of(path) for path in self.files("style"))
            self._style_sizes = {own for own in found if own is not None}
        longest = max(1, round(max(size) * self.style_scale))
        return {size_inside(own, longest) for own in self._style_sizes}

    def mask_for(self, indices: Sequence[int], size: tuple[int, int] | None = None) -> Tensor | None:
        """The holes of some targets, fitted as the targets are.

        Args:
            indices: Which targets, from 0.
            size: Height and width; None: the pictures' own.

        Returns:
            N×1×H×W of 0 and 1, where 1 is the hole, with N = 1 when one mask serves all; None when no
            mask was given and, with ``alpha="mask"``, none of these targets has transparency.

        Raises:
            InputError: Neither one mask nor one per target, a mask that has not its target's size, a file
                that cannot be read, or sizes that differ where ``size`` is None.
        """
        self.require("target", by="mask_for")
        targets = [self.files("target")[index] for index in indices]
        if self.has("mask"):
            return self._mask_files(indices, targets, size)
        if self.alpha != "mask":
            return None
        pairs = [read_image(path, "mask") for path in targets]
        if all(hole is None for _, hole in pairs):
            return None
        holes = [torch.zeros_like(image[:1]) if hole is None else hole for image, hole in pairs]
        return _stack(targets, [_fitted_mask(hole, size, self.fit) for hole in holes])

    def train_dataloader(self) -> Iterations:
        """The endless counter that drives the loop."""
        return Iterations()

    def _mask_files(self, indices: Sequence[int], targets: list[Path], size: tuple[int, int] | None) -> Tensor:
        masks, number = self.count("mask"), self.count("target")
        if masks not in (1, number):
            raise InputError(f"--data.mask: {masks} masks for {number} targets; give one mask, or one per target")
        chosen = [0] * len(targets) if masks == 1 else list(indices)
        for index, target in zip(chosen, targets, strict=True):
            _same_size(self.files("mask")[index], target)
        return self.load("mask", chosen[:1] if masks == 1 else chosen, size)


def _fitted_mask(mask: Tensor, size: tuple[int, int] | None, how: Fit) -> Tensor:
    return mask if size is None else fit_mask(mask, size, how)


def _same_size(mask: Path, target: Path) -> None:
    (h, w), (height, width) = image_size(mask), image_size(target)
    if (h, w) != (height, width):
        raise InputError(
            f"{mask} is {h}×{w}, but the target {target.name} is {height}×{width}; give a mask of the target's size"
        )


def _stack(paths: Sequence[Path], images: Sequence[Tensor]) -> Tensor:
    """N pictures → one batch."""
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            (h, w), (height, width) = image.shape[-2:], images[0].shape[-2:]
            raise InputError(
                f"{path} is {h}×{w}, but {paths[0]} is {height}×{width}; give pictures of one size, or a size for all"
            )
    return torch.stack(list(images))
