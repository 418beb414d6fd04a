"""Prompts → what the U-Net reads of them."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

SHOWN = 200


def embed(texts: Sequence[str], tokenizer: Any, encoder: Any) -> Tensor:
    """Last hidden states of the text encoder, as Stable Diffusion takes them.

    Every text is padded to the encoder's length; what is longer is cut, with a warning that names the words.

    Args:
        texts: N prompts; an empty one is the unconditional text.
        tokenizer: Of the pipeline.
        encoder: Of the pipeline; its device and precision.

    Returns:
        N×L×D, float32 or wider.
    """
    length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    tokens = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    _warn(texts, tokenizer, length)
    mask = tokens.attention_mask.to(encoder.device) if getattr(encoder.config, "use_attention_mask", False) else None
    states: Tensor = encoder(tokens.input_ids.to(encoder.device), attention_mask=mask)[0]
    return states.to(torch.promote_types(states.dtype, torch.float32))


def _warn(texts: Sequence[str], tokenizer: Any, length: int) -> None:
    # The start and the end are tokens too.
    room = length - 2
    for text in dict.fromkeys(texts):
        places = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False).offset_mapping
        if len(places) > room:
            # From the beginning of the word in which it is cut.
            begin = text.rfind(" ", 0, places[room][0]) + 1
            cut = text[begin:] if len(text) - begin <= SHOWN else f"{text[begin : begin + SHOWN]}…"
            warnings.warn(f'the prompt is too long, "{cut}" is cut off; shorten it', stacklevel=4)
