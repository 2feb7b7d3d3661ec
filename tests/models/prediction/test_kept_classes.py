# Licensed under Apache-2.0.
"""Whose classes a prediction keeps: the classification's, the decoder's."""

from __future__ import annotations

import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.models.prediction.kept_classes import classes_of_label, kept_classes
from mmwsss.testing import build, predict_batch

TOCO = 'configs/toco/toco_vit-t_shapes.py'


def label(**counts: int) -> torch.Tensor:
    """A label (h, 1) that has some ids so often: ``label(id0=3, id2=1)``."""
    ids = [int(k[2:]) for k, count in counts.items() for _ in range(count)]
    return torch.tensor(ids)[:, None]


def test_classes_of_a_label() -> None:
    assert classes_of_label(label(id0=1, id2=5, id4=4), 5) == [1]
    assert classes_of_label(label(id2=1, id4=5, id6=4), 5) == [1, 3]  # no background
    assert classes_of_label(label(id0=7), 5) == []


@pytest.mark.parametrize(
    'how,scores,shown,expected',
    [
        ('pred', [1, -1, 1], None, [0, 2]),
        ('pred_else_seg', [1, -1, -1], label(id0=1, id2=9), [0]),
        ('pred_else_seg', [-1, -1, -1], label(id0=1, id2=5, id3=4), [1]),
        ('seg_else_pred', [1, -1, -1], label(id0=1, id2=5, id3=4), [1, 2]),
        ('seg_else_pred', [1, -1, -1], label(id0=9), [0]),
        ('seg_else_pred', [1, -1, -1], label(id0=9, id2=3), []),  # too little of it
    ],
)
def test_filters(how: str, scores: list, shown, expected: list) -> None:
    given = None if shown is None else shown[None]
    assert kept_classes(how, torch.tensor([scores]).float(), given) == [expected]


@pytest.mark.parametrize('windows', [None, (48, 48)])
def test_filters_of_a_prediction(windows, monkeypatch) -> None:
    """Any network with a decoder has them, whole or in windows."""
    model = build(TOCO).eval()
    logits = model.seg_logits
    # no score is positive; the decoder is sure of class 3 everywhere
    monkeypatch.setattr(model, 'image_scores', lambda f: -torch.ones(len(f.maps[0]), 6))
    favour = 1e3 * torch.eye(7)[3].view(1, -1, 1, 1)
    monkeypatch.setattr(model, 'seg_logits', lambda f: logits(f) + favour)
    ids = {}
    for how in ('pred', 'pred_else_seg', 'seg_else_pred'):
        samples = model.predict(
            **predict_batch(model),
            outputs=('class_maps',),
            cam_filter=how,
            windows=dict(size=windows),
        )
        ids[how] = [sample.class_maps[1].ids.tolist() for sample in samples]
    assert ids == dict(
        pred=[[], []], pred_else_seg=[[3], [3]], seg_else_pred=[[3], [3]]
    )


def test_a_decoder_is_needed() -> None:
    model = build(TOCO).eval()
    model.decode_head = None
    with pytest.raises(UserError, match="'pred_else_seg' reads the decoder"):
        model.predict(
            **predict_batch(model), outputs=('cam',), cam_filter='pred_else_seg'
        )


def test_maps_that_a_network_does_not_make() -> None:
    model = build(TOCO).eval()
    for settings in (dict(outputs=('lam',)), dict(outputs=('cam_lam',)),
                     dict(outputs=('class_maps',), main_map='lam')):  # fmt: skip
        with pytest.raises(UserError, match=r"maps \['lam'\], but ToCo makes \['cam'"):
            model.predict(**predict_batch(model), **settings)


def test_a_plain_cam_segments() -> None:
    """Without any decoder: by a labeler, here the threshold of the scores."""
    model = build('configs/cam/cam_vit-t_shapes.py').eval()
    labeler = dict(type='ThresholdLabeler', bkg_thr=0.4)
    settings = dict(cam_filter='gt', outputs=('seg', 'cam'))
    found = model.predict(
        **predict_batch(model), **settings, seg=dict(source='maps', labeler=labeler)
    )
    for one in found:
        expected = one.pred_cam.label.where(one.pred_cam.score > 0.4, 0)
        assert torch.equal(one.pred_sem_seg.data, expected)
