# Licensed under Apache-2.0.
"""ToCo through the shared tester, and what only it has."""

from __future__ import annotations

import pytest
import torch

from mmwsss.testing import MethodTester, build, load_config, step

TOCO = 'configs/toco/toco_vit-t_shapes.py'


class TestToCo(MethodTester):
    """Token contrast."""

    config = TOCO
    encoded = (
        (4, 3, 96, 96),  # both global views
        (16, 3, 32, 32),  # eight crops of each picture
        (2, 3, 96, 96),  # the mirrored view 1, for the CAM
        (4, 3, 48, 48),  # its two other scales, with mirrors
        (4, 3, 144, 144),
    )
    ablations = {
        'configs/toco/toco_vit-t_shapes_cls.py': {
            'cls_aux',
            'ptc',
            'ctc',
            'seg',
            'reg',
        },
        'configs/toco/toco_vit-t_shapes_aux.py': {'ptc', 'ctc', 'seg', 'reg'},
        'configs/toco/toco_vit-t_shapes_ptc.py': {'ctc', 'seg', 'reg'},
        'configs/toco/toco_vit-t_shapes_ctc.py': {'seg', 'reg'},
        'configs/toco/toco_vit-t_shapes_seg.py': {'reg'},
    }
    refused = (
        (dict(proj_head=None), 'ctc needs a proj_head'),
        (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
        (dict(labeler=None), 'needs a labeler'),
        (dict(decode_head=None), 'needs a decode_head'),
        (dict(losses=dict(cls=dict(type='MultiLabelSoftMargin'))), r"\['cls_aux', "),
    )

    @pytest.mark.parametrize('key', ['local_crops', 'ema_momentum'])
    def test_missing_settings_are_refused(self, key: str) -> None:
        with pytest.raises(ValueError, match=f'ctc needs a train_cfg.{key}'):
            build(TOCO, **{key: None})

    def test_labels_of_a_missing_auxiliary_cam_are_refused(self) -> None:
        config = 'configs/cam/cam_vit-t_shapes.py'
        build(config)
        cfg = load_config(config)
        cfg.model.type = 'ToCo'
        cfg.model.train_cfg.pseudo_source = 'aux_cam'
        with pytest.raises(ValueError, match=r"must be one of \('cam',\), got"):
            build(cfg)

    def test_teacher_follows_the_student_before_it_is_used(self, model) -> None:
        student = model.proj_head.state_dict()
        teacher = model.proj_head_ema.module
        before = {k: v.clone() for k, v in teacher.state_dict().items()}
        momentum = model.train_cfg['ema_momentum']
        step(model, 0)
        for key, value in teacher.state_dict().items():
            torch.testing.assert_close(
                value, momentum * before[key] + (1 - momentum) * student[key]
            )

    def test_teacher_is_no_copy_by_name_only(self, model) -> None:
        keys = set(model.state_dict())
        heads = {k for k in keys if k.startswith('proj_head.')}
        assert {k.replace('proj_head.', 'proj_head_ema.module.') for k in heads} <= keys
        assert not any(p.requires_grad for p in model.proj_head_ema.parameters())

    def test_label_source(self) -> None:
        """Until the switch the pseudo label is that of the auxiliary CAM."""
        shares = [
            step(build(TOCO, pseudo_source=source), 200)['label_fg']
            for source in ('cam', 'aux_cam', [(0, 'aux_cam'), (200, 'cam')])
        ]
        assert shares[0] == shares[2] != shares[1]

    def test_scaled_token_box(self) -> None:
        """A box in pixels on the token grid drops tokens that are real (released)."""
        losses = [
            step(build(TOCO, scale_token_box=scale), 0)['loss_ptc']
            for scale in (True, False)
        ]
        assert losses[0] != losses[1]


def test_a_term_that_is_none_is_taken_out():
    """``model.losses.reg=None``: with its weight."""
    cfg = load_config(TOCO)
    cfg.model.losses.reg = None
    model = build(cfg)
    assert 'reg' not in model.losses and 'reg' not in model.terms.names
    assert 'seg' in model.terms.names
