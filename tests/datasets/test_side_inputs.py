# Licensed under Apache-2.0.
"""One declaration for every dense side input: found, checked, moved, packed."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image

from mmwsss.datasets.mask_checks.mask_facts import look_at
from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.datasets.side_inputs.grey_kind import GreyKind
from mmwsss.datasets.side_inputs.ids_kind import IdsKind
from mmwsss.datasets.side_inputs.maps_kind import MapsKind
from mmwsss.datasets.side_inputs.side_input_kind import SideInputKind
from mmwsss.io.data_errors import DataError, MaskError, SideInputError
from mmwsss.io.score_files import save_scores
from mmwsss.registry import SIDE_INPUT_KINDS, TRANSFORMS
from mmwsss.structures import side_input
from tests.datasets.conftest import CLASSES, LABELS

SIZE = (24, 32)
NAMES = [c.replace(' ', '_') for c in CLASSES]
LOAD = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PackWeakInputs'),
]
ALL = dict(
    saliency=dict(dir='Saliency', kind='grey'),
    fused=dict(dir='maps', kind='maps'),
    segments=dict(dir='segments', kind='ids'),
    mask=dict(dir='pseudo', kind='ids'),
)
KINDS = dict(
    saliency=GreyKind(),
    fused=MapsKind(),
    segments=IdsKind(),
    labels=IdsKind(classes=True),
)


@pytest.fixture
def root(folder: Path) -> Path:
    """A data set with all four side inputs of each image."""
    for name, entry in ALL.items():
        (folder / entry['dir']).mkdir()
        for stem in LABELS:
            write(folder, name, stem)
    return folder


def write(folder: Path, name: str, stem: str, size: tuple[int, int] = SIZE) -> None:
    """One file; segments have more than 255 ids, masks class 2 and ignored pixels."""
    rng = np.random.default_rng(sum(map(ord, stem)))
    place = folder / ALL[name]['dir']
    if name == 'fused':
        ids = [NAMES.index(c) for c in LABELS[stem]]
        save_scores(
            place / f'{stem}.npz', rng.random((len(ids), *size), np.float32), ids, size
        )
        return
    array = dict(
        saliency=rng.integers(0, 256, size).astype(np.uint8),
        segments=rng.integers(1, 900, size).astype(np.uint16),
        mask=np.where(rng.random(size) < 0.5, 2, 255).astype(np.uint8),
    )[name]
    Image.fromarray(array).save(place / f'{stem}.png')


def build(root: Path, side_inputs=ALL, pipeline=LOAD, **kwargs) -> ShapesDataset:
    return ShapesDataset(
        data_root=str(root), side_inputs=side_inputs, pipeline=pipeline, **kwargs
    )


def test_all_of_them_reach_the_sample(root: Path) -> None:
    sample = build(root)[1]['data_samples']
    assert sample.saliency.data.shape == (1, *SIZE)
    assert sample.saliency.data.dtype == torch.float32
    assert sample.fused.data.shape == (2, *SIZE)
    stored = np.asarray(Image.open(root / 'segments/b.png'))
    assert stored.max() > 255
    assert sample.segments.data.dtype == torch.int64
    assert np.array_equal(sample.segments.data[0], stored)
    assert sample.gt_sem_seg.data.unique().tolist() == [2, 255]
    assert 'mask' not in sample


def test_only_the_names_that_are_asked_for(root: Path) -> None:
    loader = dict(type='LoadSideInputs', names=('segments',))
    sample = build(root, pipeline=[LOAD[0], loader, LOAD[2]])[0]['data_samples']
    assert 'segments' in sample
    assert not {'saliency', 'fused', 'gt_sem_seg'} & set(sample.keys())


@pytest.mark.parametrize('first', ['LoadMask', 'LoadSideInputs'])
def test_a_mask_is_read_once(root: Path, first: str) -> None:
    """Whichever of both loaders comes first, or alone."""
    second = dict(LoadMask='LoadSideInputs', LoadSideInputs='LoadMask')[first]
    flip = dict(type='PILRandomFlip', prob=1.0)
    for loaders in ([first], [first, second]):
        steps = [LOAD[0], *(dict(type=t) for t in loaders), flip, LOAD[2]]
        sample = build(root, dict(mask=ALL['mask']), steps)[0]['data_samples']
        stored = np.asarray(Image.open(root / 'pseudo/a.png'))
        assert np.array_equal(sample.gt_sem_seg.data[0], stored[:, ::-1])


# ----------------------------------------------------------------- geometry


def field(name: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    return dict(
        saliency=rng.integers(1, 256, (24, 32)).astype(np.uint8),
        fused=rng.random((2, 24, 32)).astype(np.float32) + 0.1,
        segments=rng.integers(1, 900, (24, 32)).astype(np.int32),
        labels=rng.integers(1, 3, (24, 32)).astype(np.uint8),
    )[name]


def moved(cfg: dict, name: str, array: np.ndarray, img: np.ndarray | None = None):
    img = np.zeros((24, 32, 3), np.uint8) if img is None else img
    results = dict(
        {name: array}, img=img, side_inputs={name: SideFile('x', KINDS[name])}
    )
    random.seed(2)
    return TRANSFORMS.build(cfg).transform(results)


GEOMETRY = [
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILResizeLongSide', side_range=(20, 60)),
    dict(type='PILRandomFlip', prob=1.0),
    dict(type='PILPadCrop', crop_size=28),
    dict(type='PILRandomResizedCrop', size=(20, 30)),
]


@pytest.mark.parametrize('name', KINDS)
@pytest.mark.parametrize('cfg', GEOMETRY, ids=lambda cfg: cfg['type'])
def test_every_kind_in_every_transform(cfg: dict, name: str) -> None:
    """Size, type, no new ids, and what is outside of the picture."""
    array = field(name)
    out = moved(cfg, name, array)
    got, shape = out[name], out.get('img_shape', SIZE)
    assert got.dtype == array.dtype
    assert KINDS[name].pack(got).data.shape[-2:] == tuple(shape)
    outside = np.ones(shape, bool)
    y0, y1, x0, x1 = out.get('valid_box', (0, shape[0], 0, shape[1]))
    outside[y0:y1, x0:x1] = False
    assert outside.any() == (cfg['type'] == 'PILPadCrop')
    assert (got[..., outside] == (255 if name == 'labels' else 0)).all()
    if name in ('segments', 'labels'):
        assert set(np.unique(got[~outside])) <= set(np.unique(array))


@pytest.mark.parametrize('name', KINDS)
def test_mirrored_and_cropped_exactly(name: str) -> None:
    array = field(name)
    assert np.array_equal(moved(GEOMETRY[2], name, array)[name], array[..., ::-1])
    out = moved(dict(type='PILPadCrop', crop_size=40), name, array)
    y0, y1, x0, x1 = out['valid_box']
    assert np.array_equal(out[name][..., y0:y1, x0:x1], array)


@pytest.mark.parametrize('cfg', GEOMETRY, ids=lambda cfg: cfg['type'])
def test_grey_goes_with_a_channel_of_the_picture(cfg: dict) -> None:
    """The same filter, so the same numbers."""
    grey = field('saliency')
    out = moved(cfg, 'saliency', grey, np.stack([grey] * 3, -1))
    assert np.array_equal(out['saliency'], out['img'][..., 0])


FLIPS = [dict(type='mmseg.RandomFlip', prob=prob) for prob in (1.0, 0.0)]
ROTATE = dict(type='mmseg.RandomRotate', prob=1.0, degree=(90.0, 90.0))


@pytest.mark.parametrize(
    'name, foreign, kind',
    [
        *((name, FLIPS[:1], 'RandomFlip') for name in ('fused', 'saliency')),
        ('saliency', FLIPS, 'RandomFlip'),  # the second one says flip=False
        ('saliency', [dict(type='mmseg.Resize', scale=(16, 12))], 'Resize'),
        *((name, [ROTATE], 'RandomRotate') for name in ('saliency', 'segments')),
        ('segments', [dict(type='mmseg.RandomRotFlip')], 'RandomRotFlip'),
        ('segments', [dict(type='mmcv.RandomFlip', prob=1.0)], 'RandomFlip'),
        ('mask', [ROTATE | dict(seg_pad_val=0)], 'RandomRotate'),
        (
            'saliency',
            [dict(type='RandomApply', transforms=[ROTATE], prob=0.5)],
            'RandomRotate',
        ),
        (
            'saliency',
            [dict(type='MultiView', views=dict(a=[], b=[ROTATE]), main='b')],
            'RandomRotate',
        ),
    ],
)
def test_transforms_that_leave_it_behind_are_refused(root, name, foreign, kind) -> None:
    """Before the first picture: a map that wasn't turned has the right size."""
    message = rf'{kind} of the pipeline moves .*{name!r}: use the PIL'
    with pytest.raises(ValueError, match=message):
        build(root, {name: ALL[name]}, [*LOAD[:2], *foreign, LOAD[2]])
    build(root, {name: ALL[name]}, [LOAD[0], *foreign, LOAD[2]])  # isn't loaded


def test_what_moves_the_picture_before_the_loader_is_refused(root) -> None:
    flip = dict(type='PILRandomFlip', prob=1.0)
    with pytest.raises(ValueError, match=r"'segments', and stands before its loader"):
        build(root, dict(segments=ALL['segments']), [LOAD[0], flip, *LOAD[1:]])


def test_transforms_that_may_stand_there(root, scope) -> None:
    """Those that move nothing, or the side input too; unknown ones say so."""
    steps = [
        dict(type='mmseg.PhotoMetricDistortion'),
        dict(type='PILRandomBlur', prob=1.0),
        dict(type='RandomChoice', transforms=[[GEOMETRY[2]]]),
        dict(type='MultiView', views=dict(a=[], b=[ROTATE]), main='a'),
    ]
    build(root, ALL, [*LOAD[:2], *steps, LOAD[2]])
    build(root, dict(mask=ALL['mask']), [*LOAD[:2], ROTATE, LOAD[2]])
    ids = dict(segments=ALL['segments'])
    build(root, ids, [*LOAD[:2], ROTATE | dict(seg_pad_val=0), LOAD[2]])

    def strange(results):
        return results

    with pytest.raises(ValueError, match='strange of the pipeline .*keeps_side_inputs'):
        build(root, ids, [*LOAD[:2], strange, LOAD[2]])
    strange.keeps_side_inputs = True
    assert (
        'segments' in build(root, ids, [*LOAD[:2], strange, LOAD[2]])[0]['data_samples']
    )


def test_a_size_that_is_wrong_all_the_same(root) -> None:
    """Behind a promise that isn't kept."""

    def halve(results):
        return results | dict(img=results['img'][::2], img_shape=(12, 32))

    halve.keeps_side_inputs = True
    with pytest.raises(SideInputError, match=r"a\.jpg.*'saliency'.*not with it.*PIL"):
        build(root, dict(saliency=ALL['saliency']), [*LOAD[:2], halve, LOAD[2]])[0]


def test_ids_follow_in_transforms_of_mmseg(root: Path) -> None:
    steps = [*LOAD[:2], dict(type='mmseg.RandomFlip', prob=1.0), LOAD[2]]
    sample = build(root, dict(segments=ALL['segments']), steps)[0]['data_samples']
    stored = np.asarray(Image.open(root / 'segments/a.png'))
    assert np.array_equal(sample.segments.data[0], stored[:, ::-1])


def test_views_of_toco_carry_all_but_masks(root: Path) -> None:
    """With view 1; a mask has no reader there."""
    steps = [*LOAD[:2], dict(type='ToCoViews', crop_size=(20, 28)), LOAD[2]]
    names = ('saliency', 'fused', 'segments')
    sample = build(root, {n: ALL[n] for n in names}, steps)[0]['data_samples']
    assert all(sample.get(n).data.shape[-2:] == (20, 28) for n in names)
    with pytest.raises(
        ValueError, match=r'a\.jpg: ToCoViews carries no masks.*LoadMask'
    ):
        build(root, dict(mask=ALL['mask']), steps)[0]


# ------------------------------------------------------------- before training


@pytest.mark.parametrize('name', ALL)
def test_a_missing_file(root: Path, name: str) -> None:
    next((root / ALL[name]['dir']).glob('c.*')).unlink()
    message = (
        rf'c\.\w+ is not there: 1 of 4 {name} files is missing. Fix: .*'
        rf'side_inputs\.{name}\.dir'
    )
    with pytest.raises(DataError, match=message):
        build(root)
    build(root, indices=2)  # c is not asked for
    build(root, check_files=False)


@pytest.mark.parametrize('name', ALL)
def test_a_file_of_another_size(root: Path, name: str) -> None:
    """In any file: samples are not enough."""
    write(root, name, 'c', (32, 24))
    with pytest.raises(
        DataError, match=r'c\.(png is 32x24 but|npz was made of an ima)'
    ):
        build(root, check_samples=0)


def test_an_unreadable_file(root: Path) -> None:
    (root / 'segments/c.png').write_bytes(b'nothing')
    with pytest.raises(MaskError, match=r'c\.png cannot be read'):
        build(root, check_samples=0)


def test_a_file_that_may_not_be_read(root: Path) -> None:
    """It isn't missing; here a folder stands in its place."""
    (root / 'x.png').mkdir()
    with pytest.raises(MaskError, match=r'x\.png cannot be read \(Is a directory\)'):
        look_at(dict(seg_map_path=str(root / 'x.png')))
    with pytest.raises(MaskError, match=r'y\.png is missing'):
        look_at(dict(seg_map_path=str(root / 'y.png')))


def test_only_masks_hold_classes(root: Path) -> None:
    Image.fromarray(np.full(SIZE, 9, np.uint8)).save(root / 'pseudo/a.png')
    with pytest.raises(MaskError, match=r'a\.png holds the ids \[9\], outside 0\.\.3'):
        build(root)
    strict = dict(segments=dict(dir='segments', kind='ids', classes=True))
    with pytest.raises(MaskError, match=r'holds the ids .*outside'):
        build(root, strict)


def test_where_folders_are(root: Path, tmp_path, monkeypatch) -> None:
    """Below data_root, below root where it is given, or absolute; never guessed."""
    work = tmp_path / 'work'
    work.mkdir()
    monkeypatch.chdir(work)
    (root / 'segments').rename(work / 'outputs')
    entry = dict(dir='outputs', kind='ids')
    with pytest.raises(DataError, match=r'set/outputs/a\.png is not there'):
        build(root, dict(segments=entry))
    build(root, dict(segments=entry | dict(root='.')))
    build(root, dict(segments=entry | dict(dir=str(work / 'outputs'))))


def test_suffixes(root: Path) -> None:
    path = root / 'segments/b.png'
    path.rename(path.with_suffix('.tif'))
    entry = dict(dir='segments', kind='ids', suffix=('.png', '.tif'))
    assert 'segments' in build(root, dict(segments=entry))[1]['data_samples']


@pytest.mark.parametrize(
    'declared, message',
    [
        (
            dict(a=dict(dir='x', kind='gray')),
            r"a\.kind is 'gray'.*grey.*ids.*maps.*imp",
        ),
        (dict(a=dict(dir='x')), r'side_inputs\.a\.kind is None; use one of'),
        (dict(a=dict(kind='ids')), r"side_inputs\.a must be dict\(dir='FOLDER'"),
        (dict(a='folder'), r"side_inputs\.a must be dict.*got 'folder'"),
        (dict(a=dict(dir='x', kind='ids', sufix='.p')), r"'ids' does not know.*sufix"),
        (dict(img=dict(dir='x', kind='ids')), r"'img' is not free"),
        ({'a-b': dict(dir='x', kind='ids')}, "'a-b' is not free"),
        (dict(mask=dict(dir='x', kind='grey')), r'side_inputs\.mask'),
    ],
)
def test_wrong_declarations(root: Path, declared: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(root, declared, lazy_init=True)


def test_none_is_none(root: Path) -> None:
    dataset = build(root, dict(saliency=None, mask=None))
    assert not dataset.side_inputs and not dataset.with_masks
    with pytest.raises(SideInputError, match=r'a\.jpg has no side inputs'):
        dataset[0]


# ------------------------------------------------------------------- outside


class DepthKind(SideInputKind):
    """As another package would write it: (H, W) float32 in metres."""

    suffixes = ('.npy',)

    def __init__(self, limit: float = 10.0) -> None:
        self.limit = limit

    def check(self, path, info) -> None:
        if np.load(path, mmap_mode='r').ndim != 2:
            raise self.error(path, 'is not flat', 'write (H, W)')

    def load(self, path, results, backend_args=None) -> np.ndarray:
        return np.load(path).clip(0, self.limit)

    def resize(self, array, size, resample, align_corners) -> np.ndarray:
        rows = np.linspace(0, array.shape[0] - 1, size[0]).round().astype(int)
        columns = np.linspace(0, array.shape[1] - 1, size[1]).round().astype(int)
        return array[rows][:, columns]

    def pack(self, array) -> PixelData:
        return PixelData(data=torch.from_numpy(array)[None])


@pytest.fixture
def depth(root: Path):
    SIDE_INPUT_KINDS.register_module(name='depth', module=DepthKind, force=True)
    (root / 'Depth').mkdir()
    for stem in LABELS:
        array = np.linspace(0, 20, 24 * 32, dtype=np.float32).reshape(24, 32)
        np.save(root / 'Depth' / f'{stem}.npy', array)
    yield root
    SIDE_INPUT_KINDS.module_dict.pop('depth')


def test_a_kind_from_outside(depth: Path) -> None:
    """Registered, declared, and everything else goes by itself."""
    declared = dict(depth=dict(dir='Depth', kind='depth', limit=8.0))
    steps = [*LOAD[:2], *GEOMETRY[1:4], LOAD[2]]
    item = build(depth, declared, steps)[0, 4]
    values = item['data_samples'].depth.data
    assert values.shape == (1, *item['inputs'].shape[1:]) and values.max() == 8
    np.save(depth / 'Depth/b.npy', np.zeros((24, 32, 1), np.float32))
    with pytest.raises(SideInputError, match=r'b\.npy is not flat'):
        build(depth, declared)


# --------------------------------------------------------------- old configs


def old(root: Path, pipeline=LOAD, **kwargs):
    """The data set, and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        dataset = ShapesDataset(data_root=str(root), pipeline=pipeline, **kwargs)
    told = [str(w.message) for w in caught if w.category is FutureWarning]
    return dataset, told


def test_old_arguments(root: Path, monkeypatch) -> None:
    """Folders are where they were: saliency in data_root, the rest in the work dir."""
    monkeypatch.chdir(root / 'maps')
    dataset, told = old(
        root, sal_dir='Saliency', fused_dir='.', mask_dir='../pseudo', sal_suffix='.png'
    )
    assert len(told) == 1
    for part in (
        'sal_dir → side_inputs.saliency',
        'fused_dir → side_inputs.fused',
        "'mask': {'dir': '../pseudo', 'kind': 'ids', 'root': '.', 'suffix': '.png'}",
    ):
        assert part in told[0]
    got = dataset[1]['data_samples']
    want = build(root, {k: ALL[k] for k in ('saliency', 'fused', 'mask')})
    for name in ('saliency', 'fused', 'gt_sem_seg'):
        expected = getattr(want[1]['data_samples'], name).data
        assert torch.equal(getattr(got, name).data, expected)


def test_old_arguments_over_new_declarations(root: Path) -> None:
    """As an old config or an option does that is laid over one of ours."""
    dataset, told = old(root, side_inputs=ALL, sal_dir=None, fused_dir=None)
    assert [side.name for side in dataset.side_inputs] == ['segments', 'mask']
    assert len(told) == 1
    (root / 'other').mkdir()
    with pytest.raises(DataError, match=r'other/a\.png is not there'):
        old(root, side_inputs=ALL, mask_dir=str(root / 'other'))
    assert old(root, side_inputs=ALL)[1] == []


def test_old_loaders(root: Path) -> None:
    steps = [LOAD[0], dict(type='LoadSaliency'), dict(type='LoadFusedMaps'), LOAD[2]]
    dataset, told = old(root, steps, side_inputs=ALL)
    assert len(told) == 2 and all('is LoadSideInputs now' in text for text in told)
    sample = dataset[0]['data_samples']
    assert {'saliency', 'fused'} <= set(sample.keys()) and 'segments' not in sample
    with pytest.raises(
        SideInputError, match=r"no side input 'fused'.*side_inputs.fused"
    ):
        old(root, steps, side_inputs=dict(saliency=ALL['saliency']))[0][0]


# ------------------------------------------------------------------- readers


def test_fields_of_a_batch(root: Path) -> None:
    dataset = build(root)
    samples = [dataset[i]['data_samples'] for i in range(2)]
    maps = side_input(samples, 'fused', 'maps')
    assert [len(one) for one in maps] == [1, 2]
    samples[0].saliency = torch.ones(1, 2, 2)  # a tensor will do
    assert side_input(samples, 'saliency', 'grey')[0].shape == (1, 2, 2)
    del samples[1].fused
    with pytest.raises(
        ValueError, match=r"b\.jpg has no side input 'fused'.*kind='maps"
    ):
        side_input(samples, 'fused', 'maps')
