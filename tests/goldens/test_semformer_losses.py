# Licensed under Apache-2.0.
"""SemFormer's arithmetic and losses against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.cam import box_mask, scale_box
from mmwsss.methods.semformer.activation_complementation import (
    ActivationComplementation,
    activation_complementation,
)
from mmwsss.methods.semformer.activation_suppression import activation_suppression
from mmwsss.methods.semformer.class_attention import class_relative_attention
from mmwsss.methods.semformer.class_contrast import (
    ClassBackgroundLoss,
    ClassForegroundLoss,
)
from mmwsss.methods.semformer.complement import complementary_images
from mmwsss.methods.semformer.semantic_similarity import (
    SemanticSimilarity,
    semantic_similarity,
)
from mmwsss.methods.semformer.semantics import clamped_cosine, class_embedding
from mmwsss.structures import ClassPairs
from tests.goldens.semformer_model import GRADIENT, near

REDUCTIONS = ('sum', 'mean', 'max')


def leaf(array) -> torch.Tensor:
    return torch.from_numpy(np.array(array)).requires_grad_()


def pairs_of(labels) -> ClassPairs:
    return ClassPairs.from_lists(
        [np.flatnonzero(row[1:]).tolist() for row in labels], labels.shape[1] - 1
    )


def compact(array, pairs: ClassPairs) -> torch.Tensor:
    """(P, K, D) embeddings of all classes → (P, S, D) of the present ones."""
    return array.gather(1, pairs.pair_ids[..., None].expand(-1, -1, array.shape[-1]))


# ------------------------------------------------------------------ arithmetic
def test_cosine(golden) -> None:
    g = golden('semformer_cosine')
    x, y = leaf(g['x']), leaf(g['y'])
    similarity = clamped_cosine(x, y)
    near(similarity, g['sim'])
    (torch.from_numpy(g['upstream']) * similarity).sum().backward()
    near(x.grad, g['grad_x'], **GRADIENT)
    near(y.grad, g['grad_y'], **GRADIENT)


@pytest.mark.parametrize('reduction', REDUCTIONS)
def test_class_embedding(golden, reduction: str) -> None:
    g = golden('semformer_caae_embed')
    tokens, w_embed, w_sem = (leaf(g[k]) for k in ('tokens', 'w_embed', 'w_sem'))
    labels = torch.from_numpy(g['labels']).float()
    primary = F.linear(tokens, w_embed).relu().unflatten(-1, w_sem.shape)
    near(primary, g['primary'])
    near(w_sem.relu(), g['semantics'])
    embedding = class_embedding(primary, reduction)
    near(embedding, g[f'embed_{reduction}'])
    near(clamped_cosine(embedding, w_sem.relu()), g[f'sim_{reduction}'])
    loss = semantic_similarity(embedding, w_sem.relu(), labels, gate=True)
    near(loss, g[f'loss_{reduction}'])
    loss.backward()
    for name, value in (('tokens', tokens), ('w_embed', w_embed), ('w_sem', w_sem)):
        near(value.grad, g[f'grad_{name}_{reduction}'], **GRADIENT)


def test_attention(golden) -> None:
    g = golden('semformer_cam_fusion')
    logits = torch.from_numpy(g['logits'])
    grid = logits.shape[-2:]
    rows = torch.from_numpy(g['attn']).transpose(0, 1).unflatten(-1, grid)
    used = [int(k.removeprefix('attn_norm_U')) for k in g if k.startswith('attn_norm')]
    assert used
    for blocks in used:
        attention = class_relative_attention(rows, blocks)
        near(attention, g[f'attn_norm_U{blocks}'])
        fused = (logits.relu() * attention)[:, 1:]
        near(fused[0], g[f'cam_U{blocks}'])
        near(fused[1].flip(-1), g[f'cam_flip_U{blocks}'])


# ------------------------------------------------------------------ stage 2
@pytest.fixture
def case(golden):
    return golden('semformer_seg_losses')


def maps_of(case, logits):
    """Activation maps (B, K, s, s), their validity, the auto-encoder's images."""
    crop = case['images'].shape[-2:]
    size = case['ae_images'].shape[-2:]
    regions = torch.from_numpy(case['regions'])[:, [1, 3, 0, 2]]  # to y0, y1, x0, x1
    valid = box_mask(scale_box(regions, crop, size, floor=True), size)
    maps = F.interpolate(logits, size, mode='bilinear', align_corners=True).sigmoid()
    return maps * valid[:, None], valid


def test_maps(case) -> None:
    maps, valid = maps_of(case, torch.from_numpy(case['mask_logits']))
    near(valid.float(), case['valid'])
    near(maps, case['masks'])


def test_pairs_and_images(case) -> None:
    pairs = pairs_of(case['labels'])
    np.testing.assert_array_equal(pairs.image, case['pair_image'])
    np.testing.assert_array_equal(
        pairs.ids[pairs.image, pairs.slot], case['pair_class']
    )
    np.testing.assert_array_equal(pairs.score, case['labels'])
    maps = pairs.gather(torch.from_numpy(case['masks']))
    images = F.interpolate(
        torch.from_numpy(case['images']),
        case['ae_images'].shape[-2:],
        mode='bilinear',
        align_corners=True,
    )
    near(images, case['ae_images'])
    foreground, background = complementary_images(images, maps, pairs)
    near(foreground, case['fg_images'])
    near(background, case['bg_images'])


@pytest.mark.parametrize(
    'side,kind', [('fg', ClassForegroundLoss), ('bg', ClassBackgroundLoss)]
)
def test_class_contrast(case, side: str, kind: type) -> None:
    pairs = pairs_of(case['labels'])
    embedding = leaf(case[f'embed_{side}'])
    few = compact(embedding, pairs)
    semantics = torch.from_numpy(case['semantics'])[pairs.pair_ids]
    cosine = clamped_cosine(few, semantics)
    near(cosine[pairs.own], case[f'sim_{side}_self'])
    near(cosine[pairs.other], case[f'sim_{side}_other'])
    name = {'fg': 'cf', 'bg': 'cb'}[side]
    loss = kind()(few, semantics, pairs)
    near(loss, case[f'loss_{name}'])
    loss.backward()
    near(embedding.grad, case[f'grad_{name}_embed_{side}'], **GRADIENT)


def test_token_similarity(case) -> None:
    embedding = leaf(case['token_embed'])
    semantics = torch.from_numpy(case['semantics'])
    near(clamped_cosine(embedding, semantics), case['sim_token'])
    labels = torch.from_numpy(case['labels']).float()
    loss = SemanticSimilarity()(embedding, semantics, labels)
    near(loss, case['loss_ss'])
    loss.backward()
    near(embedding.grad, case['grad_ss_token_embed'], **GRADIENT)


def test_suppression_and_complementation(case) -> None:
    pairs = pairs_of(case['labels'])
    grads, losses = {}, {}
    for name in ('as', 'ac'):
        logits = leaf(case['mask_logits'])
        maps, valid = maps_of(case, logits)
        loss = (
            activation_suppression(maps)
            if name == 'as'
            else ActivationComplementation()(maps, pairs, valid)
        )
        near(loss, case[f'loss_{name}'])
        loss.backward()
        near(logits.grad, case[f'grad_{name}_mask_logits'], **GRADIENT)
        grads[name], losses[name] = logits.grad, loss.item()
    weights = dict(zip(('ss', 'cf', 'cb', 'as', 'ac'), case['loss_weights'].tolist()))
    near(
        sum(weights[k] * g for k, g in grads.items()),
        case['grad_total_mask_logits'],
        **GRADIENT,
    )
    rest = {k: float(case[f'loss_{k}']) for k in ('ss', 'cf', 'cb')}
    total = sum(weights[k] * value for k, value in (losses | rest).items())
    near(torch.tensor(total), case['loss_total'])


def test_without_validity(case) -> None:
    pairs = pairs_of(case['labels'])
    for name in ('as', 'ac'):
        maps = leaf(case['plain_masks'])
        loss = (
            activation_suppression(maps)
            if name == 'as'
            else activation_complementation(pairs.gather(maps), pairs.mask)
        )
        near(loss, case[f'plain_loss_{name}'])
        loss.backward()
        near(maps.grad, case[f'plain_grad_{name}'], **GRADIENT)


def test_background_only(case) -> None:
    """An image without an object: nothing to tell apart, no NaN."""
    pairs = pairs_of(case['deg_labels'])
    semantics = torch.from_numpy(case['semantics'])
    for side, kind in (('fg', ClassForegroundLoss), ('bg', ClassBackgroundLoss)):
        few = compact(torch.from_numpy(case[f'deg_embed_{side}']), pairs)
        name = {'fg': 'cf', 'bg': 'cb'}[side]
        near(kind()(few, semantics[pairs.pair_ids], pairs), case[f'deg_loss_{name}'])
    logits = torch.from_numpy(case['deg_mask_logits'])
    maps = (
        F.interpolate(
            logits, case['ae_images'].shape[-2:], mode='bilinear', align_corners=True
        )
        .sigmoid()
        .requires_grad_()
    )
    near(activation_suppression(maps), case['deg_loss_as'])
    loss = ActivationComplementation()(maps, pairs)
    near(loss, case['deg_loss_ac'])
    loss.backward()
    assert not maps.grad.any()
    near(
        semantic_similarity(
            torch.from_numpy(case['deg_token_embed']),
            semantics,
            torch.from_numpy(case['deg_labels']),
        ),
        case['deg_loss_ss'],
    )
