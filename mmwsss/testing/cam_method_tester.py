# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from mmwsss.cam import resize
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

from .predictions import (
    assert_outputs,
    assert_same_predictions,
    class_maps,
    fields,
    mirrored,
)
from .tiny_batches import labels_of, predict_batch
from .training_tester import TrainingTester


class CAMMethodTester(TrainingTester):
    """What a method with CAMs promises besides, with or without a decoder.

    ::

        class TestMyMethod(CAMMethodTester):
            config = 'configs/my_method/my_method_vit-t_shapes.py'

    Which outputs there are is read from ``test_cfg.outputs`` of the config.
    """

    #: settings of ``test_cfg`` under which predictions must hold
    protocols: ClassVar[dict[str, dict[str, Any]]] = dict(
        native=dict(squash=None),
        squash=dict(squash=(96, 96)),
        tta=dict(seg=dict(scales=(1.0, 1.25), mirror=True, pair='max', fuse='sum')),
    )

    @pytest.mark.parametrize('cam_filter', ['gt', 'pred', 'none'])
    @pytest.mark.parametrize('protocol', protocols)
    def test_predictions(self, model, protocol: str, cam_filter: str) -> None:
        model.eval()
        every = range(model.num_foreground)
        labels = labels_of(model.num_foreground)
        outputs = model.test_cfg['outputs']
        for sizes in (((64, 80), (64, 80)), ((64, 80), (72, 56))):  # tensor, list
            samples = model.predict(
                **predict_batch(model, (0, 3), sizes),
                **self.protocols[protocol],
                cam_filter=cam_filter,
            )
            kept = [labels[0], labels[3]] if cam_filter == 'gt' else [every] * 2
            assert_outputs(model, samples, outputs, kept)

    @pytest.mark.parametrize('cam_filter', ['pred', 'none'])
    def test_prediction_never_reads_labels(self, model, cam_filter: str) -> None:
        model.eval()
        results = [
            fields(
                model.predict(
                    **predict_batch(model, labels=kind), cam_filter=cam_filter
                )
            )
            for kind in ('gt', 'wrong', 'none')
        ]
        for other in results[1:]:
            assert_same_predictions(results[0], other, exact=True)
        with pytest.raises(ValueError, match='no gt_labels'):
            model.predict(**predict_batch(model, labels='none'), cam_filter='gt')

    def test_without_data_samples(self, model) -> None:
        data = predict_batch(model)
        data['data_samples'] = None
        outputs = set(model.test_cfg['outputs'])
        if model.labeler is not None and model.labeler.side_inputs:  # of a sample
            outputs.discard('pseudo')
        settings = dict(cam_filter='pred', outputs=tuple(outputs))
        for one in fields(model.eval().predict(**data, **settings)):
            assert all(
                value.shape[-2:] == (64, 80)
                for name, value in one.items()
                if name != 'pred_score'
            )

    @pytest.mark.parametrize('where', ['input', 'label'])
    def test_class_maps(self, model, where: str) -> None:
        """Their strongest class is the predicted CAM; grids take every s-th pixel."""
        settings = dict(cam_filter='gt', cam_fuse_at=where)
        data = predict_batch(model.eval(), (0, 3), ((64, 80), (72, 56)))
        cams = model.predict(**data, outputs=('cam',), **settings)
        maps = class_maps(model, data, strides=(1, 4), **settings)
        known = labels_of(model.num_foreground)
        for one, cam, labels in zip(maps, cams, (known[0], known[3])):
            height, width = cam.ori_shape
            assert one[1].ids.tolist() == sorted(c + 1 for c in labels)
            grid = (height - 1) // 4 + 1, (width - 1) // 4 + 1
            assert one[4].maps.shape[1:] == grid
            assert one[1].maps.shape == (len(labels), height, width)
            if labels:
                assert torch.equal(one[1].maps.amax(0), cam.pred_cam.score[0])

    def test_ready_views(self, model) -> None:
        """Views from the loader take the place of those that the network makes."""
        data = predict_batch(model.eval())
        scaled = resize(data['inputs'], (32, 40))
        views = dict(data, inputs={'scale_1': data['inputs'], 'scale_0.5': scaled})
        settings = dict(cam_filter='gt', outputs=('cam',), cam=dict(scales=(1.0, 0.5)))
        plain = fields(model.predict(**data, **settings))
        same = fields(model.predict(**views, **settings))
        assert_same_predictions(plain, same, exact=True)
        views['inputs']['scale_0.5'] = torch.zeros_like(scaled)
        other = fields(model.predict(**views, **settings))
        assert not torch.equal(same[0]['pred_cam.score'], other[0]['pred_cam.score'])
        for how in (dict(squash=(96, 96), long_side=None), dict(long_side=96)):
            with pytest.raises(ValueError, match=r"InputCfg.*views \['scale_0.5'\]"):
                model.predict(**views, **settings, input=dict(squash=None) | how)
            alone = dict(data, inputs={'scale_1': data['inputs']})
            assert model.predict(**alone, **settings, input=dict(squash=None) | how)

    @pytest.mark.parametrize('protocol', protocols)
    def test_a_batch_is_its_images(self, model, protocol: str) -> None:
        model.eval()
        settings = self.protocols[protocol] | dict(cam_filter='gt')
        both = fields(model.predict(**predict_batch(model), **settings))
        single = [
            fields(
                model.predict(**predict_batch(model, (i,), ((64, 80),)), **settings)
            )[0]
            for i in (0, 1)
        ]
        assert_same_predictions(both, single, exact=False)

    def test_mirrored_cams(self, model) -> None:
        """CAMs always have mirrors: the mirrored image has the mirrored CAM."""
        results = mirrored(model, ('cam',))
        assert_same_predictions(results[0], results[1], exact=False)

    def test_unknown_settings(self, model) -> None:
        with pytest.raises(ValueError, match='cam_filter'):
            model.predict(**predict_batch(model), cam_filter='oracle')
        unwrap(model).decode_head = None
        with pytest.raises(ValueError, match="'seg'.*no decode_head"):
            model.predict(**predict_batch(model), outputs=('seg',))
