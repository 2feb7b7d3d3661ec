# Licensed under Apache-2.0.
"""The metric on samples with and without the outputs of a WSSS model."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmwsss.evaluation.areas import areas_from_labels
from mmwsss.evaluation.photo_areas import mean_iou, read_photo_areas
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.registry import METRICS

CLASSES = ('background', 'cat', 'dog', 'bird')
PALETTE = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]


def sample(seed, wsss=True, truth=True):
    rng = torch.Generator().manual_seed(seed)
    size = (8 + seed, 10)
    one = SegDataSample(metainfo=dict(img_path=f'/data/im_{seed}.jpg', ori_shape=size))
    draw = lambda low: torch.randint(low, 4, (1, *size), generator=rng)  # noqa: E731
    one.pred_sem_seg = PixelData(data=draw(0))
    if truth:
        gt = draw(0)
        gt[0, 0] = 255
        one.gt_sem_seg = PixelData(data=gt)
    if wsss:
        for name in ('pred_cam', 'pred_aux_cam'):
            score = torch.rand(1, *size, generator=rng)
            setattr(one, name, PixelData(score=score, label=draw(1)))
        pseudo = draw(0)
        pseudo[0, :, 0] = 255
        one.pred_pseudo = PixelData(data=pseudo)
        one.pred_score = torch.rand(3, generator=rng)
        one.gt_score = torch.tensor([1.0, 0.0, 1.0])
    return one


def metric(**kwargs):
    built = METRICS.build(dict(type='WSSSMetric', **kwargs))
    built.dataset_meta = dict(classes=CLASSES, palette=PALETTE)
    return built


def run(built, samples):
    built.process({}, [s.to_dict() for s in samples])
    return built.evaluate(len(samples))


def miou(samples, label_of):
    total = None
    for s in samples:
        areas = areas_from_labels(s.gt_sem_seg.data[0], label_of(s), 4)
        if total is None:
            total = areas
        else:
            total += areas
    return 100 * scores_from_areas(total).miou


def at(threshold, name='pred_cam'):
    def label(s):
        cam = getattr(s, name)
        return torch.where(cam.score > threshold, cam.label, 0)[0]

    return label


def test_all_outputs():
    samples = [sample(i) for i in range(5)]
    got = run(metric(bkg_thr=0.45, aux_bkg_thr=0.3), samples)
    assert got['seg_mIoU'] == pytest.approx(
        miou(samples, lambda s: s.pred_sem_seg.data[0])
    )
    assert got['cam_mIoU'] == pytest.approx(miou(samples, at(0.45)))
    assert got['aux_cam_mIoU'] == pytest.approx(miou(samples, at(0.3, 'pred_aux_cam')))
    assert got['pseudo_mIoU'] == pytest.approx(
        miou(samples, lambda s: s.pred_pseudo.data[0])
    )
    assert got['pseudo_labelled'] == pytest.approx(90, abs=1)
    sweep = [miou(samples, at(t / 100)) for t in range(101)]
    assert got['cam_oracle_mIoU'] == pytest.approx(max(sweep))
    assert got['cam_oracle_thr'] == int(np.argmax(sweep)) / 100
    assert {'cls_F1', 'cls_mAP', 'aux_cam_oracle_thr', 'seg_FP', 'seg_FN'} <= set(got)
    assert got.pop('images') == len(samples)
    assert all(isinstance(v, float) for v in got.values())


def test_plain_segmentor():
    got = run(metric(), [sample(i, wsss=False) for i in range(2)])
    figures = {'seg_mIoU', 'seg_FP', 'seg_FN', 'seg_pAcc', 'seg_mAcc'}
    assert set(got) == figures | {'images'}


def test_the_iou_of_each_class():
    samples = [sample(i, wsss=False) for i in range(2)]
    scored = metric()
    got = run(scored, samples)
    assert list(scored.class_iou['seg']) == list(CLASSES)
    assert np.mean([*scored.class_iou['seg'].values()]) == pytest.approx(
        got['seg_mIoU']
    )


def test_padding_of_the_last_round_is_dropped():
    """One process of one: what exceeds the data set is a repeat."""
    samples = [sample(i) for i in range(3)]
    padded = metric()
    padded.process({}, [s.to_dict() for s in [*samples, samples[0]]])
    assert padded.evaluate(3) == run(metric(), samples)
    assert padded.results == []


def test_ranks_take_their_share(monkeypatch):
    """Two ranks with a padded sampler give what one process gives."""
    samples = [sample(i) for i in range(5)]
    whole = run(metric(), samples)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(
            'mmwsss.evaluation.wsss_metric.get_dist_info', lambda rank=rank: (rank, 2)
        )
        monkeypatch.setattr(
            'mmwsss.evaluation.wsss_metric.all_gather_object',
            lambda part: parts.append(part) or [part],
        )
        one = metric()
        order = [*range(5), 0][rank::2]
        one.process({}, [samples[i].to_dict() for i in order])
        one.evaluate(5)
    assert metric().compute_metrics(parts) == pytest.approx(whole)


def test_average_over_all_classes():
    samples = [sample(0, wsss=False)]
    samples[0].gt_sem_seg.data[:] = 1
    present = run(metric(), samples)['seg_mIoU']
    everything = run(metric(average='all'), samples)['seg_mIoU']
    assert everything == pytest.approx(present / 4)


def test_saves_palette_masks(tmp_path):
    samples = [sample(i, truth=False) for i in range(2)]
    assert 'seg_mIoU' not in run(metric(save_dir=str(tmp_path)), samples)
    picture = Image.open(tmp_path / 'im_0.png')
    assert picture.mode == 'P'
    np.testing.assert_array_equal(np.asarray(picture), samples[0].pred_sem_seg.data[0])
    assert picture.getpalette()[3:6] == [255, 0, 0]
    run(metric(save_dir=str(tmp_path / 'p'), save_what='pseudo'), samples)
    assert 255 in np.asarray(Image.open(tmp_path / 'p' / 'im_1.png'))


def test_bad_settings(tmp_path):
    with pytest.raises(ValueError, match="average='mean'"):
        metric(average='mean')
    with pytest.raises(ValueError, match="save_what='x'"):
        metric(save_what='x')
    with pytest.raises(KeyError, match='test_cfg.outputs'):
        run(metric(save_dir=str(tmp_path), save_what='cam'), [sample(0, wsss=False)])


def test_counts_of_each_image(tmp_path):
    samples = [sample(seed) for seed in range(3)]
    file = tmp_path / 'areas.npz'
    figures = run(metric(areas_file=str(file)), samples)
    names, areas = read_photo_areas(file)
    assert names == ['im_0', 'im_1', 'im_2']
    assert set(areas) == {'seg', 'cam', 'aux_cam', 'pseudo'}
    for name, of in areas.items():
        assert mean_iou(of.sum(0)) == pytest.approx(figures[f'{name}_mIoU'])
    one = areas_from_labels(
        samples[1].gt_sem_seg.data[0], samples[1].pred_sem_seg.data[0], 4
    )
    assert np.array_equal(areas['seg'][1], [one.correct, one.predicted, one.truth])
