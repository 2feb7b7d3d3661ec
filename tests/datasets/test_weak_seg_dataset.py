# Licensed under Apache-2.0.
"""The weak-label data sets, their good and their bad input."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from PIL import Image

from mmwsss.datasets import unreadable_count
from mmwsss.datasets.coco14 import COCO14WeakDataset
from mmwsss.datasets.folder import FolderWeakDataset
from mmwsss.datasets.readers.label_table import LabelTable
from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.datasets.voc12 import VOC12WeakDataset
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import DataError, LabelError, MaskError, UnreadableImageError
from mmwsss.registry import DATASETS

CLASSES = ('background', 'cat', 'dog', 'red fox')
TRAIN = [
    dict(type='LoadPicture'),
    dict(type='ToCoViews', crop_size=16),
    dict(type='PackWeakInputs'),
]
TEST = [dict(type='LoadPicture'), dict(type='LoadMask'), dict(type='PackWeakInputs')]


def build(folder, **kwargs):
    kwargs.setdefault('pipeline', TRAIN)
    return ShapesDataset(data_root=str(folder), **kwargs)


def test_training_item_has_labels_and_no_mask(folder):
    dataset = build(folder)
    assert dataset.num_classes == 4
    assert dataset.metainfo['classes'] == CLASSES
    info = dataset.get_data_info(1)
    assert 'seg_map_path' not in info
    assert info['gt_labels'] == (0, 1)
    item = dataset[1]
    sample = item['data_samples']
    assert set(item['inputs']) == {'view1', 'view2', 'local'}
    assert all(view.shape == (3, 16, 16) for view in item['inputs'].values())
    assert sample.gt_score.tolist() == [1, 1, 0]
    assert sample.gt_score.dtype == torch.float32
    assert sample.valid_box.dtype == torch.int64
    assert 'gt_sem_seg' not in sample
    assert (sample.img_id, sample.num_foreground) == ('b', 3)
    assert sample.gt_labels == (0, 1)


def test_underscore_stands_for_a_blank(folder):
    assert build(folder).get_data_info(3)['gt_labels'] == (2,)


def test_test_item_has_its_mask_at_native_size(folder):
    dataset = build(folder, split='val', test_mode=True, pipeline=TEST)
    item = dataset[1]
    assert item['inputs'].shape == (3, 24, 32)
    mask = item['data_samples'].gt_sem_seg.data
    assert mask.shape == (1, 24, 32)
    assert mask.dtype == torch.int64
    assert mask.unique().tolist() == [0, 1, 2, 255]


def test_no_zero_label_is_taken_away(folder):
    """It was accepted and did nothing."""
    with pytest.raises(ValueError, match='no reduce_zero_label=True: id 0 is the back'):
        build(folder, reduce_zero_label=True)
    info = build(folder, reduce_zero_label=False).get_data_info(0)
    assert info['reduce_zero_label'] is False


def test_seed_decides_the_augmentation(folder):
    dataset = build(folder)
    one, two, other = dataset[0, 11], dataset[0, 11], dataset[0, 12]
    for name, view in one['inputs'].items():
        assert torch.equal(view, two['inputs'][name])
    assert not torch.equal(one['inputs']['view2'], other['inputs']['view2'])


@pytest.mark.parametrize('kind', ['RepeatDataset', 'ConcatDataset', 'ClassBalanced'])
def test_wrappers_hand_on_the_seed(folder, scope, kind):
    """And the sampler of a run takes them; mmengine's own are refused."""
    one = build(folder)
    one.get_cat_ids = lambda i: [one.get_data_info(i)['gt_labels'][0]]
    settings = dict(
        RepeatDataset=dict(dataset=one, times=3),
        ConcatDataset=dict(datasets=[one, build(folder)]),
        ClassBalanced=dict(dataset=one, oversample_thr=1e-3),
    )[kind]
    kind = 'ClassBalancedDataset' if kind == 'ClassBalanced' else kind
    wrapped = DATASETS.build(dict(type=kind, **settings))
    assert wrapped.metainfo['classes'] == CLASSES
    for index, inner in ((1, 1), (len(wrapped) - 1, len(one) - 1)):
        for name, view in wrapped[index, 11]['inputs'].items():
            assert torch.equal(view, one[inner, 11]['inputs'][name])
    assert set(wrapped[0]) == set(one[0])
    sampler = dict(type='SeededInfiniteSampler')
    settings = dict(batch_size=2, num_workers=0, sampler=sampler)
    loader = Runner.build_dataloader(settings | dict(dataset=wrapped), seed=3)
    assert len(next(iter(loader))['data_samples']) == 2
    if kind == 'RepeatDataset':
        theirs = DATASETS.build(
            dict(type='mmengine.RepeatDataset', dataset=one, times=3)
        )
        with pytest.raises(
            ValueError, match=r'RepeatDataset takes bare.*with_seed=Fal'
        ):
            Runner.build_dataloader(settings | dict(dataset=theirs), seed=3)


@pytest.mark.parametrize(
    'sampler',
    [
        dict(type='SeededInfiniteSampler'),
        dict(type='DefaultSampler', shuffle=False),
    ],
)
def test_works_with_mmengines_loader(folder, sampler, scope):
    loader = Runner.build_dataloader(
        dict(batch_size=2, num_workers=0, sampler=sampler, dataset=build(folder)),
        seed=3,
    )
    batch = next(iter(loader))
    assert len(batch['inputs']['view1']) == 2
    assert len(batch['data_samples']) == 2


@pytest.mark.parametrize('workers', [1, 2])
def test_workers_change_nothing(folder, workers, scope):
    def first(num_workers):
        loader = Runner.build_dataloader(
            dict(
                batch_size=3,
                num_workers=num_workers,
                dataset=build(folder),
                sampler=dict(type='SeededInfiniteSampler'),
            ),
            seed=3,
        )
        batches = iter(loader)
        return [next(batches) for _ in range(3)]

    for here, there in zip(first(0), first(workers)):
        for name in here['inputs']:
            for a, b in zip(here['inputs'][name], there['inputs'][name]):
                assert torch.equal(a, b)
        assert [s.img_id for s in here['data_samples']] == [
            s.img_id for s in there['data_samples']
        ]


@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_loader_goes_on_bit_equal(folder, workers, scope):
    """mmengine's loop skips on the sampler, so nothing that was seen is loaded."""

    def batches(skip, count):
        loader = Runner.build_dataloader(
            dict(
                batch_size=3,
                num_workers=workers,
                dataset=build(folder),
                sampler=dict(type='SeededInfiniteSampler'),
            ),
            seed=3,
        )
        iterator = _InfiniteDataloaderIterator(loader)
        iterator.skip_iter(skip)
        return [next(iterator)['inputs']['view1'] for _ in range(count)]

    for one, other in zip(batches(0, 9)[5:], batches(5, 4)):
        assert all(torch.equal(a, b) for a, b in zip(one, other))


def test_split_file_and_indices(folder):
    (folder / 'few.txt').write_text('c\na\n')
    dataset = build(folder, split_file='few.txt')
    assert [dataset.get_data_info(i)['img_id'] for i in range(2)] == ['c', 'a']
    assert len(build(folder, indices=3)) == 3
    (folder / 'few.txt').write_text('c\nnew\n')
    with pytest.raises(LabelError, match='no labels for 1 of 2 images .*first: new'):
        build(folder, split_file='few.txt')


def test_some_of_the_classes():
    class Animals(WeakSegDataset):
        METAINFO = dict(classes=CLASSES)

    dataset = Animals(
        check_files=False,
        lazy_init=True,
        metainfo=dict(classes=('background', 'red fox', 'cat')),
    )
    channels, table = dataset.channels, LabelTable()
    assert dataset.label_map == {0: 0, 1: 2, 2: 255, 3: 1}
    assert channels.find('x', ('cat', 'dog'), table) == (1,)
    assert channels.find('x', ('red_fox',), table) == (0,)
    assert channels.find('x', ('dog',), table) is None  # no negative: left out


@pytest.mark.parametrize(
    ('split', 'count'),
    [('train_aug', 10582), ('train', 1464), ('val', 1449), ('test', 1456)],
)
def test_voc_splits_come_with_labels(split, count):
    dataset = VOC12WeakDataset(
        split=split,
        data_root='nowhere',
        check_files=False,
        test_mode=split in ('val', 'test'),
    )
    assert len(dataset) == count
    info = dataset.get_data_info(0)
    assert info['img_path'].startswith('nowhere/JPEGImages/')
    assert ('seg_map_path' in info) == (split == 'val')
    assert bool(info['gt_labels']) == (split != 'test')
    assert dataset.num_classes == 21
    assert dataset.metainfo['palette'][15] == [192, 128, 128]


def test_voc_train_is_part_of_train_aug_and_apart_from_val():
    def names(split):
        dataset = VOC12WeakDataset(split=split, check_files=False)
        return {dataset.get_data_info(i)['img_id'] for i in range(len(dataset))}

    assert names('train') < names('train_aug')
    assert not names('train_aug') & names('val')
    with pytest.raises(ValueError, match="split='dev' is unknown"):
        VOC12WeakDataset(split='dev')


def test_coco_has_81_classes():
    dataset = COCO14WeakDataset(lazy_init=True, data_root='nowhere')
    assert dataset.num_classes == 81
    assert dataset.metainfo['classes'][80] == 'toothbrush'
    assert dataset.channels.table['traffic_light'] == 9


def test_folder_of_class_folders(folder):
    target = folder / 'train'
    for name, source in (('cat/1.jpg', 'a'), ('cat+dog/1.jpg', 'b')):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / 'JPEGImages' / f'{source}.jpg').rename(target / name)
    dataset = FolderWeakDataset(data_root=str(folder), pipeline=TRAIN)
    infos = [dataset.get_data_info(i) for i in range(2)]
    assert {i['img_id']: i['gt_labels'] for i in infos} == {
        'cat/1': (0,),
        'cat+dog/1': (0, 1),
    }
    assert dataset[0]['inputs']['view1'].shape == (3, 16, 16)


@pytest.mark.parametrize('suffix', ['csv', 'json'])
def test_folder_with_a_label_file(folder, suffix):
    Image.open(folder / 'JPEGImages' / 'b.jpg').save(folder / 'JPEGImages' / 'e.PNG')
    labels = {'a': ['cat'], 'e': ['dog'], 'c.jpg': ['red fox']}
    text = (
        json.dumps(labels)
        if suffix == 'json'
        else ''.join(f'{name},{items[0]}\n' for name, items in labels.items())
    )
    (folder / f'labels.{suffix}').write_text(text)
    dataset = FolderWeakDataset(
        ann_file=f'labels.{suffix}',
        data_root=str(folder),
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=TRAIN,
    )
    paths = [dataset.get_data_info(i)['img_path'] for i in range(3)]
    assert [path.rsplit('/')[-1] for path in paths] == ['a.jpg', 'e.PNG', 'c.jpg']


# ------------------------------------------------------------------- bad input


def test_unknown_class_is_refused_at_start(folder):
    (folder / 'splits' / 'train.txt').write_text('a cat wolf\n')
    with pytest.raises(LabelError, match="image 'a' the unknown class 'wolf'.*Fix"):
        build(folder)


def test_image_without_labels_is_refused_in_training_only(folder):
    (folder / 'splits' / 'train.txt').write_text('a cat\nb\n')
    with pytest.raises(LabelError, match=r'no class for 1 of 2 images \(first: b\)'):
        build(folder)
    assert build(folder, test_mode=True).get_data_info(1)['gt_labels'] == ()
    assert build(folder, allow_unlabelled=True)[1]['data_samples'].gt_score.sum() == 0


def test_missing_image_is_refused_at_start(folder):
    (folder / 'JPEGImages' / 'b.jpg').unlink()
    with pytest.raises(UnreadableImageError, match=r'JPEGImages/b\.jpg.*Fix'):
        build(folder)


def test_missing_mask_is_refused_at_start(folder):
    (folder / 'SegmentationClass' / 'b.png').unlink()
    build(folder)  # training needs none
    with pytest.raises(DataError, match=r'SegmentationClass/b\.png is not there.*Fix'):
        build(folder, test_mode=True)


@pytest.mark.parametrize(
    ('mask', 'message'),
    [
        (np.zeros((24, 31), np.uint8), r'is 24x31 but its image .* is 24x32'),
        (np.full((24, 32), 4, np.uint8), r'ids \[4\], outside 0..3 and 255'),
        (np.zeros((24, 32, 3), np.uint8), 'holds colours'),
    ],
)
def test_wrong_mask_is_refused_at_start(folder, mask, message):
    path = folder / 'SegmentationClass' / 'a.png'
    Image.fromarray(mask).save(path)
    with pytest.raises(MaskError, match=message) as info:
        build(folder, test_mode=True)
    assert str(path) in str(info.value)
    assert 'Fix' in str(info.value)
    dataset = build(folder, test_mode=True, check_samples=0, pipeline=TEST)
    with pytest.raises(MaskError, match=message):
        dataset[0]


def test_mask_loader_without_masks_says_so(folder):
    dataset = build(folder, pipeline=TEST)
    with pytest.raises(MaskError, match='no mask in this data set'):
        dataset[0]


@pytest.fixture
def torn(folder):
    """The data set with one image cut short."""
    path = folder / 'JPEGImages' / 'a.jpg'
    path.write_bytes(path.read_bytes()[:200])
    return folder


def test_unreadable_image_is_replaced_with_one_warning(torn, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        unreadable_count, 'print_log', lambda message, **_: warnings.append(message)
    )
    dataset = build(torn, max_unreadable=1)
    items = [dataset[0, seed]['data_samples'].img_id for seed in (5, 5, 6, 7, 8)]
    assert 'a' not in items
    assert items[0] == items[1]
    assert len(warnings) == 1
    assert 'a.jpg' in warnings[0]
    assert 'unreadable image 1 of at most 1' in warnings[0]


def test_too_many_unreadable_images_stop_training(torn):
    with pytest.raises(UnreadableImageError, match=r'a\.jpg.*Fix'):
        build(torn, max_unreadable=0)[0]
    with pytest.raises(UnreadableImageError, match=r'a\.jpg'):
        build(torn, indices=1)[0]  # nothing to replace it by


def test_unreadable_image_stops_testing(torn):
    with pytest.raises(UnreadableImageError, match=r'a\.jpg.*Fix'):
        build(torn, test_mode=True, check_samples=0, pipeline=TEST)[0]
    with pytest.raises(UnreadableImageError, match=r'a\.jpg.*Fix'):
        build(torn, test_mode=True)  # found at start, among the samples


def test_classes_are_checked(folder):
    with pytest.raises(ValueError, match='has no classes'):
        WeakSegDataset(lazy_init=True)
    with pytest.raises(ValueError, match="must begin with 'background'"):
        WeakSegDataset(lazy_init=True, metainfo=dict(classes=('cat', 'dog')))
    with pytest.raises(DataError, match=r'classes\.txt names the classes'):
        build(folder, metainfo=dict(classes=('background', 'cat')))


def test_errors_come_back_from_worker_processes():
    for error in (MaskError('f', 'p', 'x'), UnreadableImageError('f', 'cause')):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)


def test_all_are_registered():
    for name in (
        'WeakSegDataset',
        'VOC12WeakDataset',
        'COCO14WeakDataset',
        'ShapesDataset',
        'FolderWeakDataset',
    ):
        assert DATASETS.get(name) is not None


def test_collated_samples_keep_their_place(folder):
    dataset = build(folder)
    batch = pseudo_collate([dataset[0, 1], dataset[1, 2]])
    assert [s.img_id for s in batch['data_samples']] == ['a', 'b']
    assert torch.equal(batch['inputs']['local'][1], dataset[1, 2]['inputs']['local'])
