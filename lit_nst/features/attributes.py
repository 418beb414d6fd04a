"""What a picture of the shipped text-to-image model shows, read by a network that guides nothing."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lit_nst.embedded import locate
from lit_nst.errors import InputError, quote
from lit_nst.files import write_atomically

SIZE = 32
CHUNK = 256
EMBEDDED = "embedded:judge.safetensors"
CHOICES = 'give "embedded" or the path of a .safetensors file that AttributeClassifier.save wrote'
ARTICLES = ("a", "an", "the", "on")

Questions = Mapping[str, Sequence[str]]


class AttributeClassifier(nn.Module):
    """Answers questions about a picture: one head of logits per question.

    Eight 3×3 convolutions with group normalisation (Wu & He 2018) and SiLU, from 32×32 to 4×4, and one hidden
    layer. The shipped one knows ``shape``, ``color``, ``background``, ``size``, ``place`` and ``ground`` (the
    surface of the background) of drawn pictures. It has seen no sample of a generator: a judge of adherence to a
    caption that shares no weight with what it judges. It always answers, also about a picture of nothing it knows.

    Args:
        weights: ``"embedded"`` (shipped), the path of a ``.safetensors`` file that ``save`` wrote, or ``"random"``:
            PyTorch's own start from the global stream, to be trained.
        questions: Answers to each question, for random weights alone; a file has its own.

    Raises:
        InputError: No such file, a damaged one or one of another network; random weights without questions, or
            questions for other weights.
    """

    def __init__(self, weights: str = "embedded", questions: Questions | None = None) -> None:
        super().__init__()
        state: dict[str, Tensor] | None = None
        if (weights == "random") != (questions is not None):
            raise InputError(f'attribute classifier: weights "{weights}" and questions={questions}; {CHOICES}')
        path = locate(EMBEDDED) if weights == "embedded" else Path(weights)
        if questions is None:
            questions, state = _read(path)
        self.questions = {name: tuple(answers) for name, answers in questions.items()}
        try:
            # Loading takes no random number from the stream that others draw from.
            with contextlib.nullcontext() if state is None else torch.device("meta"):
                self.body = _body()
                self.heads = nn.ModuleDict({name: nn.Linear(256, len(a)) for name, a in self.questions.items()})
            if state is not None:
                self.load_state_dict(state, assign=True)
        except (RuntimeError, KeyError) as error:
            raise InputError(f"attribute classifier: {weights}: {quote(error, 200)}; {CHOICES}") from None
        if state is not None:
            self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits.

        Args:
            images: B×3×H×W in [0, 1]; what lies outside is clamped, other sizes than 32×32 are resized.

        Returns:
            By question, B×answers.

        Raises:
            InputError: Another shape.
        """
        if images.dim() != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
            raise InputError(f"attribute classifier: images of shape {tuple(images.shape)}; give B×3×H×W")
        if images.shape[2:] != (SIZE, SIZE):
            images = F.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)
        code = self.body(2 * images.clamp(0, 1) - 1)
        return {name: head(code) for name, head in self.heads.items()}

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> dict[str, Tensor]:
        """By question, B×answers in float32, each row of sum 1; images as in ``forward``."""
        dtype = next(self.parameters()).dtype
        parts = [self(part.to(dtype)) for part in torch.split(images, CHUNK)]
        return {name: torch.cat([part[name] for part in parts]).float().softmax(1) for name in self.questions}

    def read(self, images: Tensor) -> dict[str, list[str]]:
        """By question, the likeliest answer about each image; images as in ``forward``."""
        found = self.probabilities(images)
        return {name: [answers[i] for i in found[name].argmax(1).tolist()] for name, answers in self.questions.items()}

    def named(self, caption: str) -> dict[str, str]:
        """Which shape, colour and background a caption names, see ``named``."""
        return named(caption, self.questions)

    def adherence(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        """How much of its caption each picture shows.

        Args:
            images: As in ``forward``.
            captions: One per image.

        Returns:
            B values on the CPU: of the shape, colour and background that the caption names, the share that is read
            as named; NaN where it names none of them.

        Raises:
            InputError: Another number of captions than of images.
        """
        if len(captions) != len(images):
            raise InputError(f"attribute classifier: {len(captions)} captions for {len(images)} images; give one each")
        found, shares = self.read(images), []
        for row, caption in enumerate(captions):
            right = [found[name][row] == answer for name, answer in self.named(caption).items()]
            shares.append(sum(right) / len(right) if right else float("nan"))
        return torch.tensor(shares)

    def save(self, path: str | Path) -> None:
        """Writes the weights in float16 and, beside them, the questions, into a ``.safetensors`` file."""
        tensors = {name: value.detach().cpu().half().contiguous() for name, value in self.state_dict().items()}
        write_atomically(Path(path), save(tensors, {"questions": json.dumps(self.questions)}))


def named(caption: str, questions: Questions) -> dict[str, str]:
    """Which shape, colour and background a caption names.

    The first shape; the last colour between the article before it and itself; the same for the last
    ``background``. What is not named is left out, so a caption of another kind gives nothing.

    Args:
        caption: Any text.
        questions: The words: those of ``shape``, ``color`` and ``background``.

    >>> words = {"shape": ["ring", "star"], "color": ["red", "blue"], "background": ["red", "blue"]}
    >>> named("a big red ring at the top on a striped blue background", words)
    {'shape': 'ring', 'color': 'red', 'background': 'blue'}
    >>> named("a ballerina", words)
    {}
    """
    words = re.findall(r"\w+", caption.lower())
    found: dict[str, str] = {}
    shape = next((i for i, word in enumerate(words) if word in questions.get("shape", ())), None)
    if shape is not None:
        found["shape"] = words[shape]
        if color := _before(words[:shape], questions.get("color", ())):
            found["color"] = color
    if "background" in words:
        last = len(words) - 1 - words[::-1].index("background")
        if color := _before(words[:last], questions.get("background", ())):
            found["background"] = color
    return found


def _before(words: Sequence[str], colors: Sequence[str]) -> str | None:
    """The last colour after the last article."""
    for word in reversed(words):
        if word in colors or word in ARTICLES:
            return word if word in colors else None
    return None


def _body() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after, stride in ((3, 32, 1), (32, 64, 2), (64, 128, 2), (128, 128, 2)):
        layers += [nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.SiLU()]
        layers += [nn.Conv2d(after, after, 3, 1, 1), nn.GroupNorm(8, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * (SIZE // 8) ** 2, 256), nn.SiLU())


def _read(path: Path) -> tuple[Questions, dict[str, Tensor]]:
    """Questions and float32 weights of a file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            questions = json.loads((file.metadata() or {}).get("questions", "null"))
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        reason = quote(str(error).partition("\n")[0], 200)
        raise InputError(f"attribute classifier: {path} cannot be read ({reason}); {CHOICES}") from error
    rows = list(questions.values()) if isinstance(questions, dict) else []
    if not rows or not all(isinstance(row, list) and row and all(isinstance(a, str) for a in row) for row in rows):
        raise InputError(f"attribute classifier: {path} says no questions and answers in its metadata; {CHOICES}")
    return questions, state
