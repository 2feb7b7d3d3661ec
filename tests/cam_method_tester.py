# Licensed under Apache-2.0.
"""One tester for all methods with a CAM, those without a decoder included.

A method's test is a class of a few lines::

    class TestMyMethod(CAMMethodTester):
        config = 'configs/my/my_vit-t_shapes.py'

Everything is read from the config: which terms apply when, which heads there are, what
is predicted. Its numbers are pinned by
``python -m tests.helpers.pinned configs/my/my_vit-t_shapes.py``. A method with a
decoder takes ``tests.method_tester.MethodTester``, which checks that besides.
"""

from __future__ import annotations

import json

import pytest
import torch

from mmwsss.cam import resize
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.ema_copy import EMACopy
from tests.helpers.host_sync import NoHostSync
from tests.helpers.methods import (
    LABELS,
    SIZE,
    assert_outputs,
    assert_same_predictions,
    at,
    begins,
    build,
    fields,
    gradients,
    mirrored,
    predict_batch,
    sample,
    step,
    still_teacher,
    total,
    train_batch,
)
from tests.helpers.pinned import compare_numbers, numbers, pinned_path


class CAMMethodTester:
    """What holds for every method. Subclass it as ``TestX`` and name its config."""

    config: str
    #: test_cfg settings under which predictions must hold
    protocols = dict(
        native=dict(squash=None),
        squash=dict(squash=(96, 96)),
        tta=dict(seg_scales=(1.0, 1.25), seg_flip=True, seg_pair='max', seg_fuse='sum'),
    )

    @pytest.fixture(autouse=True)
    def _iteration_zero_after(self):
        yield
        at(0)

    @pytest.fixture
    def model(self) -> WeakSegmentor:
        return build(self.config)

    # -------------------------------------------------------------- training
    def test_training_step(self, model) -> None:
        """All terms of the last phase, finite; gradients reach every part."""
        losses = step(model, begins(model)[-1])
        terms = {k.removeprefix('loss_') for k in losses if k.startswith('loss_')}
        assert terms == set(model.schedule.weights) == set(model.losses)
        assert all(v.shape == () and torch.isfinite(v) for v in losses.values())
        grads = gradients(model, total(losses))
        for name, child in model.named_children():
            if any(p.requires_grad for p in child.parameters()):
                parts = [g for k, g in grads.items() if k.startswith(f'{name}.')]
                assert parts and any(g.any() for g in parts), name
        trained = {k for k, p in model.named_parameters() if p.requires_grad}
        assert set(grads) == trained
        assert all(torch.isfinite(g).all() for g in grads.values())

    def test_phases(self, model) -> None:
        """Each phase has its terms, up to the last iteration before the next."""
        for begin in begins(model):
            for iteration in {max(begin - 1, 0), begin}:
                got = {
                    k.removeprefix('loss_')
                    for k in step(model, iteration)
                    if k.startswith('loss_')
                }
                assert got == set(model.schedule(iteration)), iteration

    def test_weights_are_factors(self, model) -> None:
        last = begins(model)[-1]
        weights = model.schedule(last)
        ones = build(self.config, weights=dict.fromkeys(weights, 1.0))
        weighted, plain = step(model, last), step(ones, last)
        for term, weight in weights.items():
            torch.testing.assert_close(
                weighted[f'loss_{term}'], weight * plain[f'loss_{term}']
            )

    @pytest.mark.parametrize('inactive', ['zero_grad', 'off'])
    def test_modules_without_a_term(self, inactive: str) -> None:
        model = build(self.config, inactive=inactive)
        active = set(model.schedule(0))
        grads = gradients(model, total(step(model, 0)))
        if inactive == 'zero_grad':  # DDP and AdamW see every weight in every phase
            assert set(grads) == {
                k for k, p in model.named_parameters() if p.requires_grad
            }
        for name, terms in model.TERM_MODULES.items():
            if active & set(terms) or getattr(model, name.split('.')[0], None) is None:
                continue
            names = [
                k
                for k, p in model.named_parameters()
                if p.requires_grad and f'{k}.'.startswith(f'{name}.')
            ]
            assert names, name
            for key in names:
                assert (key in grads) == (inactive == 'zero_grad')
                assert inactive == 'off' or not grads[key].any()

    def test_inactive_modules_do_not_change_a_gradient(self) -> None:
        results = []
        for inactive in ('zero_grad', 'off'):
            model = build(self.config, inactive=inactive)
            results.append(gradients(model, total(step(model, 0))))
        for key, value in results[1].items():
            assert torch.equal(value, results[0][key]), key

    def test_images_without_a_label(self, model) -> None:
        losses = step(model, begins(model)[-1], images=(3, 3))
        grads = gradients(model, total(losses))
        assert all(torch.isfinite(v) for v in losses.values())
        assert all(torch.isfinite(g).all() for g in grads.values())

    def test_labels_are_needed(self, model) -> None:
        data = train_batch(model)
        data['data_samples'][1] = sample(None, (SIZE, SIZE), 1, (0, 96, 0, 96))
        with pytest.raises(ValueError, match=r'1\.jpg has no gt_labels'):
            model.loss(**data)

    def test_mixed_precision(self, model) -> None:
        """Under bfloat16 autocast losses stay float32, finite and near."""
        full = step(model, begins(model)[-1])
        with torch.autocast('cpu', torch.bfloat16):
            half = step(model, begins(model)[-1])
        for name, value in half.items():
            assert value.dtype == torch.float32 and torch.isfinite(value), name
        for term in ('loss_cls', 'loss_cls_aux', 'loss_ptc'):  # no hard labels between
            if term in full:
                torch.testing.assert_close(half[term], full[term], rtol=0.1, atol=0.01)

    def test_no_host_sync(self, model, monkeypatch) -> None:
        """Forward and backward never wait for the device or branch on a value."""
        at(begins(model)[-1])
        data = train_batch(model)
        # made on the CPU from Python lists before they are copied: allowed
        for name in ('image_labels', 'class_pairs'):
            made = getattr(model, name)(data['data_samples'], 'cpu')
            monkeypatch.setattr(model, name, lambda *_, made=made: made)
        with NoHostSync.patched(monkeypatch):
            losses = model.train().loss(**data)
            total(losses).backward()
        assert len(losses) > 1

    def test_gradient_of_two_processes(self) -> None:
        """Each process has its own normalisers; then gradients are averaged.

        Two models that see a half each, against one model that sees both halves one
        after the other: no state but the weights and the buffers, which are set back,
        may pass between them.
        """
        last, halves = begins(build(self.config))[-1], ((0, 1), (2, 3))
        single = []
        for half in halves:
            model = build(self.config)
            still_teacher(model)
            single.append(gradients(model, total(step(model, last, half))))
        model = build(self.config)
        still_teacher(model)
        kept, losses = [b.clone() for b in model.buffers()], []
        for half in halves:
            for buffer, value in zip(model.buffers(), kept, strict=True):
                buffer.data.copy_(value)  # autograd watches a norm's statistics
            losses.append(total(step(model, last, half)))
        both = sum(losses) / 2
        for key, value in gradients(model, both).items():
            mean = (single[0][key] + single[1][key]) / 2
            torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-6, msg=key)

    # -------------------------------------------------------------- prediction
    @pytest.mark.parametrize('cam_filter', ['gt', 'pred', 'none'])
    @pytest.mark.parametrize('protocol', protocols)
    def test_predictions(self, model, protocol: str, cam_filter: str) -> None:
        model.eval()
        every = range(model.num_foreground)
        outputs = model.test_cfg['outputs']
        for sizes in (((64, 80), (64, 80)), ((64, 80), (72, 56))):  # tensor, list
            samples = model.predict(
                **predict_batch(model, (0, 3), sizes),
                **self.protocols[protocol],
                cam_filter=cam_filter,
            )
            kept = [every] * 2 if cam_filter != 'gt' else [LABELS[0], LABELS[3]]
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
        for one in fields(model.eval().predict(**data, cam_filter='pred')):
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
        maps = model.class_maps(**data, strides=(1, 4), **settings)
        for one, cam, labels in zip(maps, cams, (LABELS[0], LABELS[3])):
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
        settings = dict(cam_filter='gt', outputs=('cam',), cam_scales=(1.0, 0.5))
        same = [fields(model.predict(**one, **settings)) for one in (data, views)]
        assert_same_predictions(*same, exact=True)
        views['inputs']['scale_0.5'] = torch.zeros_like(scaled)
        other = fields(model.predict(**views, **settings))
        assert not torch.equal(same[0][0]['pred_cam.score'], other[0]['pred_cam.score'])

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
        assert_same_predictions(*results[:2], exact=False)

    def test_unknown_settings(self, model) -> None:
        with pytest.raises(ValueError, match='cam_filter'):
            model.predict(**predict_batch(model), cam_filter='oracle')
        model.decode_head = None
        with pytest.raises(ValueError, match="'seg'.*no decode_head"):
            model.predict(**predict_batch(model), outputs=('seg',))

    # -------------------------------------------------------------- state
    def test_state_dict_round_trip(self, model) -> None:
        """Everything that decides an output, the teacher included, is in it."""
        other = build(self.config, seed=1)
        other.load_state_dict(model.state_dict(), strict=True)
        last = begins(model)[-1]
        ours, theirs = step(model, last), step(other, last)
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)
        for name, child in model.named_children():
            if isinstance(child, EMACopy):
                assert any(k.startswith(f'{name}.') for k in model.state_dict())

    def test_pinned(self) -> None:
        path = pinned_path(self.config)
        update = f'python -m tests.helpers.pinned {self.config}'
        assert path.is_file(), f'run: {update}'
        compare_numbers(numbers(self.config), json.loads(path.read_text()))
