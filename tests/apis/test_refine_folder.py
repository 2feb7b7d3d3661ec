# Licensed under Apache-2.0.
"""Refinement of a folder: serial, in processes, in batches; resumed; with faults."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.io.data_errors import DataError
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import OutputError
from mmwsss.io.score_files import load_scores, save_scores
from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    dense_crf,
    dense_crf_labels,
    par,
    unary_from_prob,
)
from mmwsss.pipeline.lock import OUTPUT_LOCK, BusyError, folder_lock
from mmwsss.pipeline.refine import refine_folder as refine
from mmwsss.pipeline.refine.refine_cfg import RefineCfg, Task
from mmwsss.pipeline.refine.refine_folder import refine_folder
from tests.helpers.generation import read_png
from tests.helpers.methods import pictures

SIZES = ((20, 24), (20, 24), (24, 20), (20, 24), (18, 18))
NAMES = tuple(f'im_{i}' for i in range(len(SIZES)))
WAYS = dict(serial={}, processes=dict(workers=2), batched=dict(batch_size=3, workers=2))


def maps(size, count: int, seed: int) -> np.ndarray:
    """Smooth probabilities (count, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 3 * torch.randn(1, count, 4, 4, generator=generator)
    return (
        torch.nn.functional.interpolate(coarse, size, mode='bilinear')[0]
        .softmax(0)
        .numpy()
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    """images/, prob/, cam/ (of 1 to 3 classes), label/."""
    for name in ('images', 'prob', 'cam', 'label'):
        (tmp_path / name).mkdir()
    for i, (name, size) in enumerate(zip(NAMES, SIZES)):
        image = pictures(1, size, seed=i)[0].permute(1, 2, 0).numpy()
        suffix = 'png' if i % 2 else 'jpg'
        Image.fromarray(image).save(tmp_path / 'images' / f'{name}.{suffix}')
        prob = maps(size, 4, i)
        np.save(tmp_path / 'prob' / f'{name}.npy', prob)
        count = 1 + i % 3
        cam = prob[:count] / prob[:count].max((1, 2), keepdims=True)
        np.savez(tmp_path / 'cam' / f'{name}.npz', scores=cam, keys=[2, 15, 20][:count])
        label = np.array([0, 3, 7, 20], np.uint8)[prob.argmax(0)]
        Image.fromarray(label).save(tmp_path / 'label' / f'{name}.png')
    return tmp_path


def image_of(folder: Path, name: str) -> torch.Tensor:
    (path,) = (folder / 'images').glob(f'{name}.*')
    with Image.open(path) as photo:
        pixels = np.array(photo.convert('RGB'))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


def run(folder: Path, out: str, cfg: RefineCfg, **options) -> tuple:
    report = refine_folder(
        folder / 'images', folder / cfg.kind, folder / out, cfg, **options
    )
    return report, {p.stem: read_png(p) for p in sorted((folder / out).glob('*.png'))}


@pytest.mark.parametrize(
    'cfg',
    [
        RefineCfg('crf'),
        RefineCfg('par'),
        RefineCfg('crf', kind='cam', bkg_thr=(0.3, 0.7)),
        RefineCfg('par', kind='cam', alpha=4.0),
        RefineCfg('crf', kind='label'),
    ],
    ids=str,
)
def test_all_ways_give_the_same(folder, cfg) -> None:
    results = {}
    for way, options in WAYS.items():
        report, results[way] = run(folder, way, cfg, **options)
        assert (report.written, report.skipped, report.failed) == (5, 0, {})
    for labels in results.values():
        assert labels.keys() == set(NAMES)
        for name in NAMES:
            assert np.array_equal(labels[name], results['serial'][name])
    assert any(len(np.unique(label)) > 1 for label in results['serial'].values())


def test_probabilities_equal_the_operators(folder) -> None:
    settings = DENSE_CRF_PRESETS['toco_seg']
    _, crf = run(folder, 'crf', RefineCfg('crf'))
    _, filtered = run(folder, 'par', RefineCfg('par'))
    changed = 0
    for i, name in enumerate(NAMES):
        image = image_of(folder, name)
        prob = torch.from_numpy(maps(SIZES[i], 4, i))[None]
        want = dense_crf(image, unary_from_prob(prob), **settings).argmax(1)[0]
        assert np.array_equal(crf[name], want.numpy())
        assert np.array_equal(filtered[name], par(image, prob).argmax(1)[0].numpy())
        changed += (crf[name] != prob.argmax(1)[0].numpy()).sum()
    assert changed


@pytest.mark.parametrize('num_classes', [None, 21])
def test_labels_equal_the_operator(folder, num_classes) -> None:
    """Of the classes that occur (IRN), or of all 21 (SMAF)."""
    cfg = RefineCfg(kind='label', preset='smaf_pseudo', num_classes=num_classes)
    _, got = run(folder, 'out', cfg)
    for name in NAMES:
        label = torch.tensor(read_png(folder / 'label' / f'{name}.png')).long()
        ids = label.unique() if num_classes is None else torch.arange(21)
        slots = torch.searchsorted(ids, label)
        q = dense_crf_labels(
            image_of(folder, name),
            slots[None],
            len(ids),
            0.7,
            **DENSE_CRF_PRESETS['smaf_pseudo'],
        )
        assert np.array_equal(got[name], ids[q.argmax(1)[0]].numpy())


@pytest.mark.parametrize('num_classes', [None, 21])
def test_hard_labels_of_cams(folder, num_classes) -> None:
    """As a file of the strongest labels, with the same label set."""
    cfg = RefineCfg(
        preset='smaf_pseudo',
        kind='cam',
        unary='labels',
        bkg_thr=(0.5,),
        num_classes=num_classes,
    )
    _, got = run(folder, 'out', cfg)
    for name, size in zip(NAMES, SIZES):
        maps = load_scores(folder / 'cam' / f'{name}.npz', 'cam', size)
        constant = np.full((1, *size), 0.5, np.float32)
        slots = torch.from_numpy(np.concatenate([constant, maps.scores]).argmax(0))
        ids = np.array([0, *maps.ids])
        q = dense_crf_labels(
            image_of(folder, name),
            slots[None],
            num_classes or len(ids),
            0.7,
            **DENSE_CRF_PRESETS['smaf_pseudo'],
        )
        assert np.array_equal(got[name], ids[q[0, : len(ids)].argmax(0)])


def test_a_class_beyond_num_classes_is_named(folder) -> None:
    cfg = RefineCfg(kind='cam', unary='labels', bkg_thr=(0.5,), num_classes=3)
    report, _ = run(folder, 'out', cfg)
    assert 'but num_classes=3. Fix: raise num_classes' in ' '.join(
        report.failed.values()
    )


def test_cams_keep_their_class_ids(folder) -> None:
    _, labels = run(folder, 'out', RefineCfg('par', kind='cam', bkg_thr=(0.5, 0.6)))
    found = {int(i) for label in labels.values() for i in np.unique(label)}
    assert found <= {0, 2, 15, 20, 255} and {0, 2, 255} <= found


def test_palette(folder) -> None:
    run(folder, 'out', RefineCfg('par', palette=[(1, 2, 3), (4, 5, 6)]))
    with Image.open(folder / 'out' / 'im_0.png') as picture:
        assert picture.mode == 'P' and picture.getpalette()[:6] == [1, 2, 3, 4, 5, 6]


def test_resume(folder, monkeypatch) -> None:
    cfg = RefineCfg('par')
    report, whole = run(folder, 'out', cfg, names=NAMES[:2])
    assert report.written == 2 and set(whole) == set(NAMES[:2])
    save_label_png(np.full(whole['im_0'].shape, 9), folder / 'out' / 'im_0.png')
    (folder / 'out' / 'im_1.png').write_bytes(b'cut off')  # by a power failure
    report = refine_folder(folder / 'images', folder / 'prob', folder / 'out', cfg)
    assert (report.written, report.skipped) == (4, 1)
    with Image.open(folder / 'out' / 'im_0.png') as mine:
        assert (np.asarray(mine) == 9).all()
    report, labels = run(folder, 'out', cfg, overwrite=True)
    assert (report.written, report.skipped) == (5, 0)
    assert np.array_equal(labels['im_0'], whole['im_0'])
    monkeypatch.setattr(refine, '_one_file', None)  # nothing to do: nothing is done
    assert (
        refine_folder(folder / 'images', folder / 'prob', folder / 'out', cfg).skipped
        == 5
    )


@pytest.mark.parametrize('way', WAYS)
def test_a_file_that_fails_is_named_and_the_others_go_on(folder, way) -> None:
    np.save(folder / 'prob' / 'im_1.npy', np.full((4, 20, 24), np.nan))
    np.save(folder / 'prob' / 'im_2.npy', maps((9, 9), 4, 0))
    (folder / 'images' / 'im_3.png').write_bytes(b'no image')
    report, labels = run(folder, 'out', RefineCfg('par'), **WAYS[way])
    assert report.written == 2 and set(labels) == {'im_0', 'im_4'}
    assert {k: v.split(' Fix')[0].split('/')[-1] for k, v in report.failed.items()} == {
        'im_1': 'im_1.npy holds NaN or infinite values.',
        'im_2': 'im_2.npy has maps of (9, 9), its image has (24, 20) (height, width).',
        'im_3': report.failed['im_3'].split(' Fix')[0].split('/')[-1],
    }
    assert 'im_3.png cannot be read as an image' in report.failed['im_3']
    assert not list((folder / 'out').glob('*.tmp'))


@pytest.mark.parametrize('way', ['serial', 'batched'])
def test_a_failing_operator_is_blamed_on_its_file(folder, way, monkeypatch) -> None:
    good = refine.refine_items

    def fails_on_one(cfg, items, device='cpu'):
        if any(item.pixels.float().mean() == bad for item in items):
            raise RuntimeError('out of memory')
        return good(cfg, items, device)

    bad = image_of(folder, 'im_1').mean()
    monkeypatch.setattr(refine, 'refine_items', fails_on_one)
    report, labels = run(folder, 'out', RefineCfg('par'), **WAYS[way])
    assert set(labels) == set(NAMES) - {'im_1'}
    assert report.failed.keys() == {'im_1'}
    assert report.failed['im_1'].endswith('im_1.png: RuntimeError: out of memory')


@pytest.mark.parametrize('way', ['serial', 'batched'])
def test_a_label_that_cannot_be_written(folder, way, monkeypatch) -> None:
    def full(*_):
        raise OSError('no space left')

    monkeypatch.setattr(refine, 'save_label_png', full)
    report, labels = run(folder, 'out', RefineCfg('par'), **WAYS[way])
    assert len(report.failed) == 5 and not labels
    assert 'OSError: no space left' in report.failed['im_4']


def test_a_killed_worker(folder, monkeypatch) -> None:
    """Finished labels stay; the message says what to do."""
    monkeypatch.setattr(refine, '_one_file', kill_at_im_3)
    with pytest.raises(RuntimeError, match='a worker process was killed.*fewer'):
        run(folder, 'out', RefineCfg('par'), workers=2)
    monkeypatch.undo()
    kept = {path.stem for path in (folder / 'out').glob('*.png')}
    assert 'im_3' not in kept
    report, labels = run(folder, 'out', RefineCfg('par'))
    assert report.skipped == len(kept) and set(labels) == set(NAMES)


def kill_at_im_3(cfg: RefineCfg, task: Task) -> str | None:
    """What a worker does, but one image ends its process."""
    if Path(task.image).stem == 'im_3':
        os.kill(os.getpid(), signal.SIGKILL)
    return refine._one_file(cfg, task)


def test_two_writers_in_one_folder(folder) -> None:
    (folder / 'out').mkdir()
    with (
        folder_lock(folder / 'out', '--out', OUTPUT_LOCK),
        pytest.raises(BusyError, match=f'process {os.getpid()} .*another --out'),
    ):
        run(folder, 'out', RefineCfg('par'), overwrite=True)
    assert not list((folder / 'out').glob('*.png'))
    assert run(folder, 'out', RefineCfg('par'))[0].written == len(NAMES)


# ------------------------------------------------------------------ before the work
def expect(message: str, folder: Path, **options) -> None:
    with pytest.raises(DataError, match=message):
        refine_folder(
            folder / 'images',
            folder / 'prob',
            folder / 'out',
            RefineCfg('par'),
            **options,
        )
    assert not (folder / 'out').exists()


def test_missing_maps(folder) -> None:
    (folder / 'prob' / 'im_3.npy').unlink()
    expect(r'prob has no maps \(.npy, .npz\) for 1 names: im_3\.', folder)
    report, _ = run(folder, 'out', RefineCfg('par'), names=['im_0.jpg', 'im_0'])
    assert report.written == 1


def test_missing_images(folder) -> None:
    (folder / 'images' / 'im_3.png').unlink()
    expect(r'images has maps in .*prob, no image for 1 names: im_3\.', folder)
    expect(
        r'images has no image for 2 names: im_3, im_9\.',
        folder,
        names=['im_0', 'im_3', 'im_9'],
    )


def test_a_name_twice(folder) -> None:
    (folder / 'images' / 'im_3.jpg').write_bytes(b'')
    expect(r'im_3\.png has the name of .*im_3\.jpg', folder)


def test_folders(folder) -> None:
    cfg = RefineCfg('par')
    with pytest.raises(DataError, match='none is no folder'):
        refine_folder(folder / 'none', folder / 'prob', folder / 'out', cfg)
    with pytest.raises(OutputError, match='which is read'):
        refine_folder(folder / 'images', folder / 'prob', folder / 'prob', cfg)
    (folder / 'empty').mkdir()
    with pytest.raises(DataError, match='holds no image'):
        refine_folder(folder / 'empty', folder / 'empty', folder / 'out', cfg)
    with pytest.raises(ValueError, match="device 'nonsense' cannot be used"):
        refine_folder(
            folder / 'images', folder / 'prob', folder / 'out', cfg, device='nonsense'
        )


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(refine='filter'), "refine must be one of .*'crf', 'par'.*'filter'"),
        (dict(kind='logits'), "'logits'"),
        (dict(refine='par', preset='irn'), 'settings of the CRF'),
        (dict(bkg_thr=(0.5,)), "kind is 'prob'"),
        (dict(kind='cam'), 'no background'),
        (dict(num_classes=21), "kind is 'prob'"),
        (dict(preset='best'), "'best'"),
        (dict(unary='cam'), "'cam'"),
    ],
)
def test_contradictory_settings(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        RefineCfg(**settings)


def test_compact_cams(folder) -> None:
    """Files at stride 4 are refined as their maps, enlarged, would be."""
    for name, size in zip(NAMES, SIZES):
        grid = tuple((side - 1) // 4 + 1 for side in size)
        cam = maps(grid, 3, 0)
        save_scores(folder / 'coarse' / f'{name}.npz', cam, [2, 15, 20], size)
        full = load_scores(folder / 'coarse' / f'{name}.npz', 'cam', size)
        (folder / 'cam' / f'{name}.npz').unlink()
        np.savez(folder / 'cam' / f'{name}.npz', scores=full.scores, keys=full.ids)
    cfg = RefineCfg('crf', kind='cam', bkg_thr=(0.3,))
    _, fine = run(folder, 'fine', cfg)
    refine_folder(folder / 'images', folder / 'coarse', folder / 'out', cfg)
    for name in NAMES:
        assert np.array_equal(read_png(folder / 'out' / f'{name}.png'), fine[name])


def test_a_labeler_with_side_inputs_is_refused_at_once() -> None:
    """Not at the first picture: a folder of maps has none."""
    with pytest.raises(
        ValueError, match=r"SegmentVote needs \('segments',\).*generate"
    ):
        RefineCfg(kind='cam', labeler=dict(type='SegmentVote', bkg_thr=0.3))


# ---------------------------------------------------------------- labels over segments
VOTE = dict(type='SegmentVote', bkg_thr=0.5, vote='hard')


def segmented(folder: Path, **settings) -> dict:
    """Segments of all images in files of three forms; the declaration."""
    (folder / 'segments').mkdir(exist_ok=True)
    for i, (name, (height, width)) in enumerate(zip(NAMES, SIZES)):
        rows, columns = np.ogrid[:height, :width]
        ids = (rows // 7 * 5 + columns // 6).astype(np.uint16)  # that of number 0: none
        path = folder / 'segments' / name
        if i % 3 == 0:
            Image.fromarray(ids).save(f'{path}.png')
        elif i % 3 == 1:
            np.savez(f'{path}.npz', segments=ids)
        else:
            masks = [ids == n for n in np.unique(ids)[1:]]
            np.savez(f'{path}.npz', segments=np.stack(masks))
    declared = dict(dir=str(folder / 'segments'), kind='segments', root='.')
    return dict(segments=declared | settings)


@pytest.mark.parametrize('kind', ['cam', 'prob', 'label'])
def test_votes_over_segments(folder, kind) -> None:
    """Each way the same, and each segment one class."""
    cfg = RefineCfg(kind=kind, labeler=VOTE, side_inputs=segmented(folder))
    found = [run(folder, way, cfg, **options) for way, options in WAYS.items()]
    for report, labels in found:
        assert (report.written, report.failed) == (5, {})
        for name in NAMES:
            assert np.array_equal(labels[name], found[0][1][name])
            ids = np.arange(labels[name].shape[0])[:, None] // 7 * 5
            ids = ids + np.arange(labels[name].shape[1]) // 6
            for one in np.unique(ids)[1:]:
                assert len(np.unique(labels[name][ids == one])) == 1
    assert any(len(np.unique(label)) > 1 for label in found[0][1].values())


def test_majority_of_a_label_file(folder) -> None:
    """Votes of hard labels on disk: the share of a class above one half."""
    cfg = RefineCfg(kind='label', labeler=VOTE, side_inputs=segmented(folder))
    _, labels = run(folder, 'out', cfg)
    for name in NAMES:
        before = read_png(folder / 'label' / f'{name}.png')
        inside = np.zeros(before.shape, bool)
        inside[7:14, 6:12] = True
        counts = np.bincount(before[inside])
        assert labels[name][8, 8] == counts.argmax(), name
        assert np.array_equal(labels[name][:7, :6], before[:7, :6])  # no segment


def test_a_label_that_fits_is_kept_by_merging(folder) -> None:
    merge = dict(type='SegmentMerge', bkg_thr=0.5, of_segment=None, of_label=1.0)
    cfg = RefineCfg(kind='label', labeler=merge, side_inputs=segmented(folder))
    _, labels = run(folder, 'out', cfg)
    for name in NAMES:
        assert np.array_equal(labels[name], read_png(folder / 'label' / f'{name}.png'))


def test_segments_are_checked_before_any_work(folder) -> None:
    cfg = RefineCfg(kind='cam', labeler=VOTE, side_inputs=segmented(folder))
    path = folder / 'segments' / f'{NAMES[4]}.npz'
    path.rename(folder / 'kept.npz')
    with pytest.raises(DataError, match='1 of 5 segments files is missing'):
        run(folder, 'out', cfg)
    np.savez(path, segments=np.ones((3, 5), np.uint8))
    with pytest.raises(DataError, match=r'im_4.npz is 3x5 but its image .* is 18x18'):
        run(folder, 'out', cfg)
    np.savez(path, segments=np.zeros((18, 18), np.uint8))
    with pytest.raises(DataError, match='im_4.npz holds no segment'):
        run(folder, 'out', cfg)
    assert not list((folder / 'out').glob('*.png'))


@pytest.mark.parametrize(
    'cfg,message',
    [
        (dict(kind='cam', bkg_thr=(0.5,)), 'ThresholdLabeler reads no segments'),
        (dict(kind='label'), 'read by a labeler: give one'),
        (dict(kind='label', labeler=VOTE, preset='irn'), 'leave out preset'),
    ],
)
def test_segments_that_nobody_reads(folder, cfg, message) -> None:
    with pytest.raises(ValueError, match=message):
        RefineCfg(**cfg, side_inputs=segmented(folder))
