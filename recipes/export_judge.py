"""Ships the trained judge of the text-to-image model's pictures: float16 safetensors, and its card.

python recipes/export_judge.py text-to-image --command "python recipes/train_text_to_image.py …"
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captioned_shapes import SIZE, render
from captions import SURFACES, Scene, sample
from latent_networks import QUESTIONS
from sample_text_to_image import EMBEDDED, trained_judge
from text_to_image_gate import NAMED, held_out

from lit_nst.features.attributes import AttributeClassifier
from lit_nst.files import sha256, write_atomically

COUNT = 2048
# A seed that no pool of the training has.
SEED = 80


def accuracy(judge: AttributeClassifier, asked: list[Scene]) -> dict[str, float]:
    """The share of drawings that are read right, by question."""
    found = judge.read(render(asked, SEED))
    right = {name: np.array(found[name]) == [getattr(scene, name) for scene in asked] for name in QUESTIONS}
    return {name: round(float(values.mean()), 4) for name, values in right.items()}


def card(judge: AttributeClassifier, path: Path, state: dict[str, Any], command: str, hardware: str) -> dict[str, Any]:
    """What the judge is, what it was made of and how, and how well it reads."""
    drawn = sample(COUNT, np.random.default_rng(SEED), SURFACES, pairs=True)
    return {
        "name": "judge, a classifier of the attributes of captioned shapes",
        "file": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "parameters": sum(value.numel() for value in judge.parameters()),
        "precision": "float16, read as float32",
        "picture": [3, SIZE, SIZE],
        "questions": {name: list(answers) for name, answers in judge.questions.items()},
        "data": "recipes/captioned_shapes.py: procedural pictures, with some blur, noise and shift of colour",
        "never_seen": "samples of a generator",
        "recipe": "recipes/train_text_to_image.py, stage classifier: cross-entropy of all questions, then this export",
        "command": command,
        "steps": state["step"],
        "minutes": round(state["spent"] / 60, 1),
        "hardware": hardware,
        "licence": "Apache-2.0, as the project",
        "gate": {
            "held_out_drawings": COUNT,
            "accuracy": accuracy(judge, drawn),
            "accuracy on the pairs held out from the model": accuracy(judge, held_out(drawn)),
            "required": dict.fromkeys(NAMED, 0.95),
        },
    }


def main() -> None:
    """Exports, measures, writes the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the training's folder")
    parser.add_argument("--command", required=True, help="how the training was started")
    parser.add_argument("--hardware", default="one core of an x86-64 CPU with AMX")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="folder for judge.safetensors and judge.json")
    options = parser.parse_args()
    path = options.out / "judge.safetensors"
    trained_judge(options.folder).save(path)
    state = torch.load(options.folder / "classifier.pt", weights_only=True)
    found = card(AttributeClassifier(str(path)), path, state, options.command, options.hardware)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    write_atomically(options.out / "judge.json", text.encode())
    print(text)


if __name__ == "__main__":
    main()
