# Licensed under Apache-2.0.
"""GradCAM of a frozen CLIP whose class scores compete (CLIP-ES): pure functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import normalise_cam
from mmwsss.cam.attention_affinity import EPS
from mmwsss.structures import ImageLabels

from .backbones.clip_vit import CLIPViT
from .precision import in_float32
from .texts.class_texts import ClassTexts

#: classes whose gradients are made at once
_AT_ONCE = 16


def text_probabilities(
    images: Tensor, texts: Tensor, scale: Tensor | float, present: Tensor
) -> Tensor:
    """How much an image is like each text, among those that compete for it.

    softmax over k of exp(logit scale) · cos(image, text_k), plain norms (CLIP-ES,
    section 3.1).

    Args:
        images: (B, E) image vectors.
        texts: (B, K, E) text vectors of each image; or (K, E), the same for all.
        scale: exp(logit scale), 100 in CLIP's published weights.
        present: (B, K) bool, which texts compete.

    Returns:
        (B, K) float32, 0 for texts that don't compete (where any does).
    """
    images = images / images.norm(dim=-1, keepdim=True)
    texts = texts / texts.norm(dim=-1, keepdim=True)
    logits = scale * (texts @ images[..., None])[..., 0]
    # the lowest number rather than -inf: nothing competes, nothing is NaN
    lowest = torch.finfo(logits.dtype).min
    return logits.masked_fill(~present, lowest).softmax(-1)


def slot_gradients(scores: Tensor, activation: Tensor) -> Tensor:
    """The gradient of each slot's score, all slots in one batched backward pass.

    Images are independent, so the gradient of the sum over the batch is each image's.

    Args:
        scores: (B, K) with a graph.
        activation: the leaf (B, …) that it leads to.

    Returns:
        (K, B, …).
    """
    slots = torch.eye(scores.shape[1], dtype=scores.dtype, device=scores.device)
    found = [
        torch.autograd.grad(
            scores,
            activation,
            some[:, None].expand(-1, len(scores), -1),
            retain_graph=True,
            is_grads_batched=True,
        )[0]
        for some in slots.split(_AT_ONCE)
    ]
    return torch.cat(found)


def gradient_weighted(activation: Tensor, gradients: Tensor) -> Tensor:
    """Signed class maps: channels weighted by their mean gradient (GradCAM).

    Source: Selvaraju et al. (ICCV 2017), equations 1 and 2, before the ReLU.

    Args:
        activation: (B, N, D) tokens.
        gradients: (K, B, N, D) of each class's score.

    Returns:
        (B, K, N).
    """
    return torch.einsum('kbd,bnd->bkn', gradients.mean(2), activation)


def twice_normalised(raw: Tensor, eps: float = EPS) -> Tensor:
    """ReLU, then min–max twice.

    The second time is not idle: the maximum of a class with a tiny probability is near
    ``eps`` or below it, and the first division leaves it well under 1 (CLIP-ES as
    released).

    Args:
        raw: (B, K, h, w) signed.
        eps: added to the maximum.
    """
    return normalise_cam(normalise_cam(raw.relu(), eps), eps)


def slot_texts(foreground: Tensor, background: Tensor, ids: Tensor) -> Tensor:
    """The texts that compete for each image: its classes, then all background words.

    Args:
        foreground: (C, E); background: (M, E).
        ids: (B, K) int64 class ids 1..C, 0 in unused slots.

    Returns:
        (B, K + M, E).
    """
    own = F.embedding((ids - 1).clamp_min(0), foreground)
    return torch.cat([own, background.expand(len(ids), -1, -1)], 1)


@in_float32
def class_gradient_maps(
    stream: Tensor,
    grid: tuple[int, int],
    backbone: CLIPViT,
    texts: ClassTexts,
    labels: ImageLabels,
) -> tuple[Tensor, Tensor]:
    """GradCAM with softmax of the classes that images hold (CLIP-ES).

    The classes of an image and all background words compete; the gradient is of the
    probability, at the first LayerNorm of the last block. The last block runs once for
    the batch, forward and, for all slots together, backward. Nothing gets a gradient.

    Args:
        stream: (B, 1 + N, D) before the last block.
        grid: (h, w), N = h w.
        backbone: the image encoder.
        texts: the vectors of classes and background words.
        labels: the K classes of each image.

    Returns:
        (B, K, h, w) maps in [0, 1), 0 in unused slots; and (B, 1 + N, 1 + N) the
        attention of the last block. float32.
    """
    with torch.enable_grad():
        last = backbone.last_block(stream)
        competing = slot_texts(texts.foreground, texts.background, labels.ids)
        words = labels.mask.new_ones(len(labels), len(texts.background))
        probs = text_probabilities(
            backbone.embed(last.tokens),
            competing,
            texts.scale,
            torch.cat([labels.mask, words], 1),
        )
        slots = labels.ids.shape[1]
        gradients = slot_gradients(probs[:, :slots], last.activation)
    raw = gradient_weighted(last.activation.detach()[:, 1:], gradients[:, :, 1:])
    maps = twice_normalised(raw.unflatten(2, grid))
    return labels.valid(maps), last.attention


@in_float32
def text_scores(images: Tensor, texts: ClassTexts) -> Tensor:
    """Logits of each class against all background words together.

    A picture may hold several classes, so these don't compete with each other here;
    without background words they do.

    Args:
        images: (B, E) image vectors.
        texts: the vectors.

    Returns:
        (B, C) float32; above 0 a class is likelier than the background.
    """
    every = torch.cat([texts.foreground, texts.background])
    logits = texts.scale * F.normalize(images, dim=-1) @ F.normalize(every, dim=-1).T
    classes, words = logits.split([len(texts.foreground), len(texts.background)], 1)
    if len(texts.background):
        return classes - words.logsumexp(1, keepdim=True)
    others = classes[:, None].repeat(1, classes.shape[1], 1)
    others.diagonal(dim1=1, dim2=2).fill_(float('-inf'))
    return classes - others.logsumexp(-1)
