# Licensed under Apache-2.0.
"""What predictions must be like, and how two of them are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.structures import StoredMaps

from .tiny_batches import predict_batch

#: share of the pixels whose label may differ: those on an edge
LABEL_SHARE = 2e-3


def fields(samples: Sequence[SegDataSample]) -> list[dict[str, Tensor]]:
    """The predicted tensors of each sample by name."""
    found = []
    for one in samples:
        flat: dict[str, Tensor] = {}
        for name, value in one.items():
            if name.startswith('pred_'):
                parts = (
                    value.items()
                    if isinstance(value, BaseDataElement)
                    else [('', value)]
                )
                flat |= {f'{name}.{key}'.rstrip('.'): v for key, v in parts}
        found.append(flat)
    return found


def assert_same_predictions(ours: list[dict], theirs: list[dict], exact: bool) -> None:
    """Equal outputs; unless ``exact``, up to float error and a few edge pixels."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            if exact:
                assert torch.equal(one[key], other[key]), key
            elif one[key].is_floating_point():
                torch.testing.assert_close(one[key], other[key], atol=1e-4, rtol=1e-4)
            else:
                differ = (one[key] != other[key]).float().mean()
                assert differ < LABEL_SHARE, (key, float(differ))


def assert_outputs(
    model: WeakSegmentor,
    samples: Sequence[SegDataSample],
    outputs: Sequence[str],
    kept: Sequence[Sequence[int]],
) -> None:
    """Sizes, types and ranges of all outputs of some samples."""
    for one, values, classes in zip(samples, fields(samples), kept):
        shape = (1, *one.ori_shape)
        names = {key.split('.')[0] for key in values}
        wanted = {'seg': 'pred_sem_seg'}
        assert names == {'pred_score', *(wanted.get(o, f'pred_{o}') for o in outputs)}
        score = values.pop('pred_score')
        assert score.shape == (model.num_foreground,)
        assert ((score >= 0) & (score <= 1)).all()
        for key, value in values.items():
            assert tuple(value.shape) == shape, key
            ids = set(value.unique().tolist())
            if key.endswith('.score'):
                assert value.dtype == torch.float32
                assert value.min() >= 0 and value.max() <= 1
                continue
            assert value.dtype == torch.int64, key
            present = {c + 1 for c in classes}
            if key.startswith(('pred_cam', 'pred_aux_cam')):
                assert ids <= (present or {0}), key
            elif key.startswith('pred_pseudo'):
                assert ids <= present | {0, 255}
            else:
                assert ids <= set(range(model.num_classes))


def mirrored(model: WeakSegmentor, outputs: tuple[str, ...]) -> list[list[dict]]:
    """Predictions of (image, mirrors on or off), (mirrored image, un-mirrored)."""
    results = []
    cases = ((False, True), (True, True), (False, False), (True, False))
    for flip, seg_flip in cases:
        data = predict_batch(model.eval())
        for one in data['data_samples']:  # at the image's own size
            one.set_metainfo(dict(ori_shape=(64, 80)))
        data['inputs'] = data['inputs'].flip(-1) if flip else data['inputs']
        found = fields(
            model.predict(
                **data, seg=dict(mirror=seg_flip), cam_filter='gt', outputs=outputs
            )
        )
        for one in found:
            one.pop('pred_score')  # of the plain image alone
        results.append(
            [{k: v.flip(-1) if flip else v for k, v in one.items()} for one in found]
        )
    return results


def class_maps(
    model: Any, data: dict[str, Any], strides: Sequence[int] = (1,), **settings: Any
) -> list[dict[int, StoredMaps]]:
    """The fused class maps of each image: stride → maps.

    Args:
        model: a network with class maps.
        data: ``inputs`` and ``data_samples`` of a batch.
        strides: of the grids, in pixels of the label.
        **settings: entries of ``test_cfg`` to replace.
    """
    cam = {**settings.pop('cam', {}), 'strides': tuple(strides)}
    samples = model.predict(**data, outputs=('class_maps',), cam=cam, **settings)
    return [sample.class_maps for sample in samples]
