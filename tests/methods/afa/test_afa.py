# Licensed under Apache-2.0.
"""AFA through the shared tester, and what only it has."""

from __future__ import annotations

import pytest
import torch

from mmwsss.methods.afa import afa
from mmwsss.methods.afa.box_refine import refined_propagated_label
from mmwsss.testing import MethodTester, begins, build, predict_batch, step, train_batch
from mmwsss.testing.config_files import load_config

TINY = 'configs/afa/afa_mit-t_shapes.py'


CRF_LABELS = dict(
    type='TwoThresholdLabeler',
    low_thr=0.35,
    high_thr=0.55,
    refiner=dict(type='DenseCRF'),
)


ONE_THRESHOLD = dict(type='ThresholdLabeler', bkg_thr=0.4, refiner=dict(type='PAR'))


class TestAFA(MethodTester):
    """Affinity from attention."""

    config = TINY
    encoded = (
        (2, 3, 96, 96),
        (2, 3, 96, 96),  # mirrored, for the CAM
        (4, 3, 48, 48),  # its two other scales, with mirrors
        (4, 3, 144, 144),
    )
    refused = (
        (
            dict(labeler=None, train_cfg=dict(weights=dict(cls=1.0, aff=0.1))),
            'aff needs a labeler',
        ),
        (dict(labeler=CRF_LABELS), 'only PAR can.*DenseCRF'),
        (dict(decode_head=None), 'needs a decode_head'),
        (
            dict(affinity_head=dict(type='AffinityHead', num_maps=16)),
            '2 blocks of 4 heads give 8 attention maps.*num_maps=16',
        ),
        (dict(affinity_radius=-1), 'radius must be >= 0 tokens, got -1'),
    )
    protocols = MethodTester.protocols | dict(
        long_side=dict(
            input=dict(long_side=96),
            seg=dict(scales=(1.0, 0.75), mirror=True, pair='mean', fuse_at='logits'),
        ),
        refined=dict(pseudo=dict(source='refined_propagated')),
        cam_label=dict(pseudo=dict(source='cam')),
    )

    def test_affinities_of_the_largest_scale_alone(self) -> None:
        """And no scale but that one makes an affinity, of un-mirrored images."""
        model, tokens = build(TINY, seg_source='propagated'), []
        model.affinity_head.register_forward_hook(
            lambda _, inputs, affinity: tokens.append(tuple(affinity.shape))
        )
        step(model, begins(model)[-1])
        assert tokens == [(2, 18 * 18, 18 * 18), (2, 12 * 12, 12 * 12)]

    @pytest.mark.parametrize(
        'seg,aff,affinities,labels',
        [
            ('cam', 'cam', [12], ['cam']),  # nothing is propagated yet
            ('propagated', 'cam', [18, 12], ['cam', 'propagated']),
            ('propagated', None, [18], ['propagated']),
            (None, 'cam', [12], ['cam']),
        ],
    )
    def test_nothing_is_made_for_nobody(self, seg, aff, affinities, labels) -> None:
        """Labels of the active terms alone; no affinity but for those that need it."""
        weights = dict(seg=float(seg is not None), aff=float(aff is not None), reg=0.0)
        model = build(
            TINY,
            weights=weights,
            seg_source=seg or 'propagated',
            aff_source=aff or 'cam',
            # untrained affinities spread CAMs thinly
            low_thr=0.05,
            high_thr=0.1,
        )
        tokens, made, label_from = [], [], model.label_from
        model.affinity_head.register_forward_hook(
            lambda _, inputs, affinity: tokens.append(affinity.shape[1])
        )
        model.label_from = lambda source, *rest: (
            made.append(source),
            label_from(source, *rest),
        )[1]
        losses = step(model, 240)
        assert tokens == [n * n for n in affinities] and sorted(made) == labels
        assert losses['label_fg'] > 0
        assert ('loss_seg' in losses, 'loss_aff' in losses) == (bool(seg), bool(aff))

    def test_label_sources(self) -> None:
        """Each term follows the source of its own schedule."""
        both = dict(seg_source='cam', aff_source='propagated')
        got = {
            name: step(build(TINY, **both | settings), 240)
            for name, settings in dict(
                mixed={},
                cam=dict(aff_source='cam'),
                spread=dict(seg_source='propagated'),
            ).items()
        }
        assert got['mixed']['loss_seg'] == got['cam']['loss_seg']
        assert got['mixed']['loss_aff'] == got['spread']['loss_aff']
        assert got['cam']['loss_aff'] != got['spread']['loss_aff']
        assert got['cam']['label_fg'] != got['spread']['label_fg']

    def test_released_side_effects_of_the_cam_passes(self) -> None:
        """Norm statistics follow them; stochastic depth is active in them."""

        def after(**settings):
            model = build(TINY, **settings)
            step(model, 120)
            assert model.backbone.training
            return model.decode_head.fusion_conv.norm.num_batches_tracked.item()

        assert after() == 4 and after(norm_from_cams=False) == 1
        model = build(
            TINY,
            backbone=dict(drop_path_rate=0.1),
            stochastic_cams=False,
            norm_from_cams=False,
        )
        data = train_batch(model)
        images, samples = data['inputs']['view1'], data['data_samples']
        labels, features = model.image_labels(samples, 'cpu'), model.encode(images)
        for stochastic in (False, True):
            model.train_cfg['stochastic_cams'] = stochastic
            one, two = (
                model.attended_cams(images, labels, features).cam for _ in range(2)
            )
            assert torch.equal(one, two) != stochastic

    def test_prediction_of_the_label(self, model) -> None:
        """The sources give labels of their own; the plain one ignores nothing."""
        model.eval()
        labels = {
            source: [
                p.pred_pseudo.data
                for p in model.predict(
                    **predict_batch(model), cam_filter='gt', pseudo=dict(source=source)
                )
            ]
            for source in model.PSEUDO_SOURCES
        }
        assert not any((one == 255).any() for one in labels['propagated'])
        for first, second in (('cam', 'propagated'), ('cam', 'refined_propagated')):
            assert any(
                not torch.equal(a, b)
                for a, b in zip(labels[first], labels[second], strict=True)
            )

    @pytest.mark.parametrize(
        'term,key', [('seg', 'seg_source'), ('aff', 'aff_source'), (None, 'source')]
    )
    def test_propagated_labels_need_two_thresholds(self, term, key: str) -> None:
        """Wherever they may be used, from the beginning or later."""
        cfg = load_config(TINY)
        cfg.model.labeler = ONE_THRESHOLD
        cfg.model.train_cfg |= dict(seg_source='cam', aff_source='cam')
        cfg.model.test_cfg.pseudo.source = 'cam'
        build(cfg)
        if term is None:
            cfg.model.test_cfg.pseudo.source = 'propagated'
            what = "pseudo.source='propagated' of AFA"
        else:
            cfg.model.train_cfg[key] = [(0, 'cam'), (200, 'propagated')]
            what = f'the loss term {term}'.replace('seg', '(seg|reg)')
        with pytest.raises(ValueError, match=f'{what} needs a labeler.thresholds'):
            build(cfg)

    def test_the_refiner_s_settings_hold_for_the_propagated_label(
        self, monkeypatch
    ) -> None:
        """Its grid, and what it does to a picture."""
        given = []

        def spy(pixels, stacks, labels, par, box, downscale):
            given.append((bool(pixels.max() <= 1), downscale))
            return refined_propagated_label(pixels, stacks, labels, par, box, downscale)

        monkeypatch.setattr(afa, 'refined_propagated_label', spy)
        labels = []
        for settings in (dict(), dict(downscale=4), dict(whole_levels=False)):
            cfg = load_config(TINY)
            cfg.model.labeler.refiner.update(settings)
            model = build(cfg).eval()
            samples = model.predict(
                **predict_batch(model), pseudo=dict(source='refined_propagated')
            )
            labels.append(torch.stack([p.pred_pseudo.data for p in samples]))
        assert given == [(True, 2), (True, 4), (False, 2)]
        assert not torch.equal(labels[0], labels[1])

    @pytest.mark.parametrize(
        'settings,message',
        [
            (dict(seg_source='aux_cam'), r"seg_source must be.*\['aux_cam'\]"),
            (dict(aff_source=[(0, 'cam'), (5, 'x')]), r"aff_source must be.*\['x'\]"),
            (dict(radius=3), r"no train_cfg entries \['radius'\]"),
        ],
    )
    def test_unknown_sources(self, settings, message) -> None:
        with pytest.raises(ValueError, match=message):
            build(TINY, **settings)

    def test_unknown_prediction_settings(self, model) -> None:
        for settings, message in (
            (dict(pseudo=dict(source='oracle')), "pseudo.source.*AFA, got 'oracle'"),
            (dict(seg=dict(fuse_at='image')), "seg.fuse_at.*got 'image'"),
            (
                dict(input=dict(squash=(96, 96), long_side=96)),
                'squash=.*long_side=96',
            ),
        ):
            with pytest.raises(ValueError, match=message):
                model.predict(**predict_batch(model), **settings)
