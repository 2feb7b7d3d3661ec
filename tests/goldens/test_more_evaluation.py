# Licensed under Apache-2.0.
"""MoRe's validation during training: CAM, map, their product, decoder."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample

from mmwsss.evaluation.wsss_metric import WSSSMetric
from mmwsss.structures import ClassMaps, Features, ImageLabels
from tests.goldens.more_model import close, equal
from tests.goldens.test_more_cam import bare_more, calls_of


def test_validation(golden, monkeypatch) -> None:
    """Of the full-size config, whose scales are replaced by the file's."""
    data = golden('more_evaluation')
    plain, *cams = calls_of(data)
    classes, width = plain['tokens'].shape[1:]
    model = bare_more(classes, width, aux_cam_head=dict(type='CAMHead', in_index=0))
    sizes: list[tuple[int, ...]] = []

    def encode(images: torch.Tensor) -> Features:
        """Maps that hold the numbers of the file's calls, images then mirrors."""
        number = 2 * len(sizes) + torch.arange(len(images))
        sizes.append(tuple(images.shape[-2:]))
        return Features((number.view(-1, 1, 1, 1).float(),) * 2)

    def view_maps(features: Features, labels: ImageLabels) -> tuple[ClassMaps, ...]:
        number = int(features.maps[0][0])
        call, mirrored = cams[number // 2], number % 2
        return tuple(
            ClassMaps(torch.from_numpy(call[name])[mirrored : mirrored + 1])
            for name in ('cam', 'cam_aux')
        )

    further = model.further_maps
    fmap, tokens = (torch.from_numpy(plain[k]) for k in ('fmap', 'tokens'))
    replaced = dict(
        encode=encode,
        view_maps=view_maps,
        further_maps=lambda _, labels: further(Features((fmap,), tokens), labels),
        image_scores=lambda features: torch.from_numpy(plain['cls']),
        seg_logits=lambda features: torch.from_numpy(plain['seg']),
    )
    for name, method in replaced.items():
        monkeypatch.setattr(model, name, method)
    found = predict(model, data)
    assert sizes == [tuple(call['hw'].tolist()) for call in cams]
    check(model, found, data)


def predict(model, data: dict[str, np.ndarray]) -> SegDataSample:
    """Under the validation's settings of the config of VOC."""
    settings = Config.fromfile(
        'configs/more/more_vit-b_voc.py'
    ).model.test_cfg.to_dict()
    settings['input'] = dict(squash=(int(data['crop_size']),) * 2)
    settings['cam']['scales'] = tuple(round(float(s), 6) for s in data['scales'])
    image = torch.from_numpy(data['image'])
    present = tuple(np.flatnonzero(data['image_labels'][0]).tolist())
    sample = SegDataSample(
        metainfo=dict(ori_shape=tuple(data['label_hw'].tolist()), gt_labels=present)
    )
    (found,) = model.predict(image, [sample], **settings)
    return found


def check(model, found: SegDataSample, data: dict[str, np.ndarray]) -> None:
    metric = WSSSMetric(bkg_thr=float(data['bkg']))
    sample = found.to_dict()
    pairs = dict(cam='cam', lam='lam', cam_lam='fused', seg='seg')
    for ours, theirs in pairs.items():
        label = metric.label_map(sample, ours)
        assert label is not None
        equal(label, data[f'{theirs}_label'])
    present = torch.from_numpy(data['image_labels']) > 0
    for ours, theirs in (('lam', 'lam_map'), ('cam_lam', 'fused_map')):
        maps = torch.from_numpy(data[theirs])[present]
        close(found.get(f'pred_{ours}').score[0], maps.amax(0).numpy())
