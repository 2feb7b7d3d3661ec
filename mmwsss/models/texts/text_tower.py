# Licensed under Apache-2.0.
"""Text vectors by mmseg's CLIP text encoder and tokenizer, made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
from mmseg.models import CLIPTextEncoder
from mmseg.utils import tokenizer
from torch import Tensor

from mmwsss.io.errors import UserError
from mmwsss.models.converters.clip_keys import convert_clip_text

from .clip_words import ClipWords

#: width of a head in CLIP's text towers
_HEAD = 64


def text_tower(
    state: Mapping[str, Tensor], num_heads: int | None = None
) -> CLIPTextEncoder:
    """CLIP's text encoder with the weights of a file, in evaluation mode.

    Args:
        state: OpenAI's names (the vision tower's are passed over).
        num_heads: default: width / 64, as in all public CLIPs.

    Raises:
        UserError: if the file has no text tower, or of an unknown layout.
    """
    if 'token_embedding.weight' not in state or 'text_projection' not in state:
        raise UserError(
            'the file has no text encoder (no token_embedding.weight): class vectors '
            'are made with the file of the whole CLIP'
        )
    weights = convert_clip_text(state)
    vocabulary, width = weights['token_embedding.weight'].shape
    blocks = {k.split('.')[1] for k in weights if k.startswith('transformer.')}
    tower = new_text_tower(
        vocabulary,
        len(weights['positional_embedding']),
        width,
        len(blocks),
        weights['text_projection'].shape[1],
        num_heads,
        len(weights['transformer.0.ffns.0.layers.0.0.bias']) // width,
    )
    tower.load_state_dict(weights, strict=True)
    tower.vocabulary = state.get('vocabulary')
    return tower.eval()


def new_text_tower(
    vocabulary: int,
    context_length: int,
    width: int,
    num_layers: int,
    text_dims: int,
    num_heads: int | None = None,
    mlp_ratio: int = 4,
) -> CLIPTextEncoder:
    """CLIP's text encoder of some sizes, not initialised, without class names."""
    with DefaultScope.overwrite_default_scope('mmseg'):  # where QuickGELU is found
        return CLIPTextEncoder(
            vocabulary=[],
            templates=[],
            total_vocab_size=vocabulary,
            context_length=context_length,
            embed_dims=width,
            num_layers=num_layers,
            num_heads=num_heads or max(width // _HEAD, 1),
            mlp_ratio=mlp_ratio,
            output_dims=text_dims,
            cat_bg=False,
        )


def tokens_of(texts: Sequence[str], context_length: int = 77) -> Tensor:
    """CLIP's tokens (n, context_length) int64 of sentences.

    Raises:
        UserError: naming a sentence that is too long.
    """
    # one more than there is room for: mmseg's tokenizer cuts in silence
    tokens = tokenizer.tokenize(list(texts), context_length + 1)
    for text, row in zip(texts, tokens, strict=True):
        if row[-1]:
            raise UserError(
                f'the text {text!r} has more than the {context_length - 2} tokens that '
                'CLIP reads: shorten it'
            )
    return tokens[:, :context_length]


def known_tokens(
    tower: CLIPTextEncoder, tokens: Tensor, texts: Sequence[str]
) -> Tensor:
    """Tokens by the numbers that a tower has for them.

    A tiny tower has the tokens alone that it was trained with, in their order, as its
    file's ``vocabulary`` says; any other has all.

    Raises:
        UserError: naming a text with a token that the tower doesn't know.
    """
    vocabulary = getattr(tower, 'vocabulary', None)
    if vocabulary is None:
        return tokens
    found = torch.searchsorted(vocabulary, tokens).clamp_max(len(vocabulary) - 1)
    for text, same in zip(texts, (vocabulary[found] == tokens).all(1), strict=True):
        if not same:
            raise UserError(
                f'the text {text!r} has words that this text encoder never read: it '
                f'knows {len(vocabulary)} tokens'
            )
    return found


@torch.no_grad()
def averaged_vectors(tower: CLIPTextEncoder, tokens: Tensor) -> Tensor:
    """Unit vectors of sentences, averaged over what is said of one class.

    Each sentence's vector has length 1, so has their mean (CLIP).

    Args:
        tower: the text encoder.
        tokens: (T, n, L) of T sentences for each of n classes.

    Returns:
        (n, E) float32.
    """
    vectors = tower.encode_text(tokens.flatten(0, 1).long(), normalize=True)
    return F.normalize(vectors.unflatten(0, tokens.shape[:2]).mean(0), dim=-1)


def class_vectors(tower: CLIPTextEncoder, words: ClipWords) -> dict[str, Tensor]:
    """What ``ClassTexts`` holds of a data set's words.

    Args:
        tower: the text encoder.
        words: of the data set, see :func:`.words_of`.

    Returns:
        ``foreground`` (C, E), ``background`` (M, E) and ``logit_scale`` ().
    """

    def vector(options: Sequence[str]) -> Tensor:
        texts = [t.format(word) for word in options for t in words.templates]
        tokens = known_tokens(tower, tokens_of(texts, tower.num_pos), texts)
        return averaged_vectors(tower, tokens[:, None])[0]

    background = [vector([word]) for word in words.background]
    width = tower.text_projection.shape[1]
    return dict(
        foreground=torch.stack([vector(options) for options in words.foreground]),
        background=torch.stack(background) if background else torch.zeros(0, width),
        logit_scale=tower.logit_scale.detach().clone(),
    )
