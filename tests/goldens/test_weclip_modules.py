# Licensed under Apache-2.0.
"""WeCLIP's fusion, decoder, affinity, losses and refinement, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import (
    affinity_targets,
    label_on_grid,
    normalise_cam,
    resize,
    window_mask,
)
from mmwsss.cam.attention_affinity import (
    EPS,
    attention_transition,
    mean_patch_attention,
    spread_by_attention,
)
from mmwsss.cam.score_boxes import score_box_mask
from mmwsss.labelers.background_power_labeler import BackgroundPowerLabeler
from mmwsss.methods.weclip.attention_choice import (
    chosen_layers,
    fused_affinity,
    layer_distances,
    mixed_attention,
)
from mmwsss.methods.weclip.fused_token_head import FusedTokenHead
from mmwsss.methods.weclip.weclip_keys import convert_weclip
from mmwsss.models.backbones.clip_vit import run_block
from mmwsss.models.losses.affinity_loss import affinity_loss
from mmwsss.models.losses.balanced_cross_entropy import balanced_cross_entropy
from mmwsss.structures import ImageLabels
from tests.goldens.toco_model import close, state_dict


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array))


# -------------------------------------------------------------------- decoder
@pytest.fixture
def decoder(golden):
    data = golden('weclip_decoder')
    head = FusedTokenHead(
        [int(data['in_channels'])] * int(data['num_inputs']),
        int(data['dim']),
        num_classes=int(data['num_classes']),
        depth=int(data['blocks']),
        num_heads=int(data['heads']),
        dropout_ratio=float(data['dropout']),
    )
    state = convert_weclip(state_dict(data))
    head.load_state_dict({k.removeprefix('decode_head.'): v for k, v in state.items()})
    return data, head


def test_fusion_decoder_affinity(decoder) -> None:
    data, head = decoder
    maps = tuple(tensor(data['x']))
    fused = head.eval().fuse(maps)
    close(fused, data['fts'])
    close(head.decode(fused), data['seg'])
    close(head(maps), data['seg'])
    close(fused_affinity(fused), data['affinity'])


def test_attention_of_the_decoder(decoder) -> None:
    data, head = decoder
    tokens = tensor(data['fts']).flatten(2).mT
    for block, expected in zip(head.blocks, data['decoder_attention'], strict=True):
        tokens, attention = run_block(block, tokens, block.ln1(tokens))
        close(attention, expected)


def test_dropout(decoder, monkeypatch) -> None:
    """Whole channels, scaled up; before the affinity and the decoder."""
    data, head = decoder
    mask = tensor(data['dropout_mask'])[..., None, None]
    maps = tuple(tensor(data['x']))
    assert head.train().dropout.p == float(data['dropout'])
    drawn = head.fuse(maps) / tensor(data['fts'])
    assert torch.equal(drawn.amax((2, 3)) > 0.5, drawn.amin((2, 3)) > 0.5)
    monkeypatch.setattr(head.dropout, 'forward', lambda x: x * mask)
    close(head.fuse(maps), data['fts_dropout'])


# -------------------------------------------------------------------- losses
CASES = ('mixed', 'with_255', 'no_background', 'no_foreground')


@pytest.mark.parametrize('case', CASES)
def test_losses(golden, case: str) -> None:
    data = golden('weclip_losses')
    logits = tensor(data['logits']).requires_grad_()
    affinity = tensor(data['affinity']).requires_grad_()
    label = tensor(data[f'{case}_label']).long()
    grid = tuple(data['token_hw'].tolist())
    window = window_mask(grid, int(data['radius']))
    np.testing.assert_array_equal(window, data['radius_mask'])
    targets = affinity_targets(label_on_grid(label, grid), window, self_pairs=True)
    np.testing.assert_array_equal(targets, data[f'{case}_affinity_label'])
    assert (targets == 1).sum() + 1 == data[f'{case}_pos_plus1']
    assert (targets == 0).sum() + 1 == data[f'{case}_neg_plus1']
    seg, aff = balanced_cross_entropy(logits, label), affinity_loss(affinity, targets)
    named = f'{case}_seg'
    close(seg, data[named if named in data else f'{named}_empty_half_as_zero'])
    close(aff, data[f'{case}_aff'])
    (seg + float(data['affinity_weight']) * aff).backward()
    close(affinity.grad, data[f'{case}_grad_affinity'], 1e-4)
    if f'{case}_grad_logits' in data:
        close(logits.grad, data[f'{case}_grad_logits'], 1e-4)


# -------------------------------------------------------------------- refinement
RULES = ('voc', 'coco')


class Refinement:
    """The stored maps of one picture, and the constants of a data set."""

    def __init__(self, data: dict[str, np.ndarray], rule: str) -> None:
        self.data, self.rule = data, rule
        self.attention = tensor(data['attention'])[None]
        self.affinity = tensor(data['seg_attention'])
        self.cams = tensor(data['cams'])[None]
        channels = max(data['label_channels']) + 1
        self.labels = ImageLabels.from_lists(
            [data['label_channels'].tolist()], int(channels)
        )

    def stored(self, name: str) -> np.ndarray:
        return self.data[f'{self.rule}_{name}']

    def used(self, phase: str) -> Tensor:
        last = int(self.stored(f'last_{phase}'))
        if phase == 'before':
            return mean_patch_attention(self.attention, last)
        return mixed_attention(self.attention, self.affinity, last)

    def refined(self, phase: str) -> Tensor:
        mask = score_box_mask(self.cams, float(self.stored('threshold')))
        np.testing.assert_array_equal(mask[0], self.stored('mask'))
        transition = attention_transition(self.used(phase))
        return spread_by_attention(self.cams, transition, mask)

    def label(self, maps: Tensor, image: Tensor) -> Tensor:
        labeler = BackgroundPowerLabeler(
            alpha=float(self.data['background_power']),
            refiner=dict(
                type='PAR',
                dilations=self.data['par_dilations'].tolist(),
                num_iters=int(self.data['par_iterations']),
                w1=float(self.data['w1']),
                w2=float(self.data['w2']),
                downscale=1,
                whole_levels=False,
            ),
        )
        return labeler(image, maps, self.labels).ids[0]


@pytest.fixture(params=RULES)
def case(request, golden) -> Refinement:
    return Refinement(golden('weclip_rfm'), request.param)


def test_choice_of_layers(case) -> None:
    last = int(case.stored('last_after'))
    maps = case.attention[:, -last:, 1:, 1:]
    distances = layer_distances(maps, case.affinity, 'signed')
    close(distances[0], case.stored('difference'))
    chosen = chosen_layers(distances)[0]
    np.testing.assert_array_equal(chosen, case.stored('selected').astype(bool))
    gap = (distances - distances.mean()).abs().min()
    close(gap, case.stored('selection_gap'), 1e-3)


def test_choice_does_not_depend_on_the_affinity_unless_absolute(case) -> None:
    last = int(case.stored('last_after'))
    maps = case.attention[:, -last:, 1:, 1:]
    other = torch.rand_like(case.affinity)
    choices = [
        [chosen_layers(layer_distances(maps, p, rule)) for p in (case.affinity, other)]
        for rule in ('signed', 'absolute')
    ]
    assert torch.equal(*choices[0])
    with pytest.raises(ValueError, match='signed'):
        layer_distances(maps, other, 'squared')


@pytest.mark.parametrize('phase', ['before', 'after'])
def test_refinement(case, phase: str) -> None:
    used = case.used(phase)
    close(used[0], case.stored(f'{phase}_used_attention'))
    transition = attention_transition(used)
    close((transition @ transition)[0], case.stored(f'{phase}_transition'))
    refined = case.refined(phase)
    close(refined[0], case.stored(f'{phase}_refined'))
    image = tensor(case.data['image'])[None]
    highres = resize(normalise_cam(refined, EPS), tuple(image.shape[-2:]))
    close(highres[0], case.stored(f'{phase}_highres'), 5e-5)
    sure = case.stored(f'{phase}_unsure') == 0
    found = case.label(highres, image).numpy()
    np.testing.assert_array_equal(found[sure], case.stored(f'{phase}_label')[sure])


def test_label_of_the_validation(case) -> None:
    """At the label's size; the picture is resized to it with aligned corners."""
    size = tuple(case.data['label_hw'].tolist())
    highres = resize(normalise_cam(case.refined('after'), EPS), size)
    close(highres[0], case.stored('val_highres'), 5e-5)
    image = F.interpolate(
        tensor(case.data['image'])[None], size, mode='bilinear', align_corners=True
    )
    sure = case.stored('val_unsure') == 0
    found = case.label(highres, image).numpy()
    np.testing.assert_array_equal(found[sure], case.stored('val_label')[sure])
