# Licensed under Apache-2.0.
"""Masks, class lists and image labels, held against each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.folder import FolderWeakDataset
from mmwsss.datasets.mask_checks import check_masks
from mmwsss.datasets.mask_checks.between_runs import between_runs
from mmwsss.datasets.mask_checks.finding import Finding
from mmwsss.datasets.mask_checks.mask_facts import MaskFacts, look_at
from mmwsss.datasets.mask_checks.mask_findings import mask_findings
from mmwsss.datasets.mask_checks.symbol_map import symbol_map
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.palette import voc_palette
from mmwsss.io.wording import worded

CLASSES = ('background', 'ant', 'bee', 'cat', 'dog')
#: a colour for each class, none of them VOC's
COLOURS = np.array([(9, 9, 9), (200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)])
#: ids of each picture; every class stands alone once and comes with another once
LABELS = [
    (1,),
    (2,),
    (3,),
    (4,),
    (1, 3),
    (2, 4),
    (1, 2),
    (3, 4),
    (1,),
    (2,),
    (4,),
    (3,),
]
SIZE = 48


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """What is only told."""
    lines: list[str] = []
    monkeypatch.setattr(check_masks, 'print_log', lambda text, *_: lines.append(text))
    return lines


def true_mask(ids) -> np.ndarray:
    """Squares of 16 pixels of the classes, well apart."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for place, i in enumerate(ids):
        mask[4 + 24 * place : 20 + 24 * place, 8:24] = i
    return mask


def write(root, make, labels=LABELS, masks=None):
    """Photos, labels and the masks that ``make`` gives for true ones."""
    for name in ('images', 'masks'):
        (root / name).mkdir(parents=True)
    rows = []
    for number, ids in enumerate(labels):
        name = f'{number:02d}'
        Image.new('RGB', (SIZE, SIZE), 'grey').save(root / 'images' / f'{name}.jpg')
        mask = make(true_mask(ids if masks is None else masks[number]))
        if isinstance(mask, np.ndarray):
            mask = Image.fromarray(mask)
        mask.save(root / 'masks' / f'{name}.png')
        rows.append(' '.join([name, *(CLASSES[i] for i in ids or (0,))]))
    (root / 'labels.txt').write_text('\n'.join(rows) + '\n')
    return root


def opened(root, **kwargs):
    kwargs.setdefault('test_mode', True)
    kwargs.setdefault('metainfo', dict(classes=CLASSES))
    return FolderWeakDataset('labels.txt', str(root), **kwargs)


def indexed(mask, colours=COLOURS):
    picture = Image.fromarray(mask)
    picture.putpalette(colours.astype(np.uint8).tobytes())
    return picture


def swapped(mask):
    return np.array([0, 2, 1, 4, 3], np.uint8)[mask]


KINDS = {
    'objects 255': (
        lambda m: (m > 0).astype(np.uint8) * 255,
        r'12 of 12 masks hold none of the classes .* only 0 and 255',
    ),
    'shifted': (
        lambda m: np.where(m == 0, 255, m - 1).astype(np.uint8),
        r'none of the classes .* shifted by one.* --map 255=0 0=1 1=2 2=3 3=4,',
    ),
    'shifted up': (
        lambda m: m + 1,
        r'holds the ids \[5\], outside 0\.\.4 and 255.*--map 1=0 2=1 3=2 4=3 5=4,',
    ),
    'other order': (swapped, r'none of the classes .*in another order: .*2=1'),
    'stretched': (lambda m: m * 50, r'outside 0\.\.4.*--map 50=1 100=2 150=3 200=4,'),
    'places in a palette': (
        lambda m: Image.fromarray(COLOURS[m].astype(np.uint8)).quantize(
            len(np.unique(m))
        ),
        r'contradicts other masks: the colour .* places in a palette.*--colours',
    ),
    'bilinear': (
        lambda m: Image.fromarray(m).resize((24, 24), 2).resize((SIZE, SIZE), 2),
        r'was resized with interpolation: .* nearest neighbours',
    ),
    'cubic': (
        lambda m: Image.fromarray(m * 60).resize((24, 24), 3).resize((SIZE, SIZE), 3),
        r'outside 0\.\.4 and 255.* with interpolation.* nearest neighbours',
    ),
    'colours': (
        lambda m: COLOURS[m].astype(np.uint8),
        r'holds colours, not class ids.*--colours .*200,0,0=1',
    ),
    'grey colours': (
        lambda m: np.stack([m] * 3, -1),
        r'holds colours.*python tools/dataset_converters/masks.py \S+ OUT, and name',
    ),
    'black and white': (
        lambda m: Image.fromarray(m > 0),
        r'none of the classes .*they hold only 0 and 1; with 4 classes',
    ),
    'instances': (
        lambda m: np.unique(m, return_inverse=True)[1].reshape(m.shape).astype('uint8'),
        r'none of the classes .*count 1, 2, \.\.\. in each mask',
    ),
    'empty': (lambda m: m * 0, r'12 of 12 masks hold none.*browse_dataset'),
}


@pytest.mark.parametrize('kind', KINDS)
def test_masks_that_contradict_are_refused(tmp_path, kind):
    make, match = KINDS[kind]
    root = write(tmp_path, make)
    with pytest.raises(MaskError, match=match):
        opened(root)


def test_true_masks_are_taken_without_a_word(tmp_path, told):
    write(tmp_path / 'grey', lambda m: m)
    write(tmp_path / 'indexed', indexed)
    assert len(opened(tmp_path / 'grey')) == 12
    assert len(opened(tmp_path / 'indexed')) == 12
    assert told == []


def test_masks_are_looked_at_where_they_are_read(tmp_path):
    """A weakly supervised training reads none; a fully supervised one does."""
    root = write(tmp_path, lambda m: m * 0)
    assert len(opened(root, test_mode=False)) == 12
    with pytest.raises(MaskError, match='none of the classes'):
        opened(root, test_mode=False, with_masks=True)
    assert len(opened(root, check_samples=0)) == 12


def test_below_a_fifth_is_told(tmp_path, told):
    """As in VOC, where some labelled objects aren't drawn."""
    masks = list(LABELS)
    masks[2] = masks[7] = (1,)
    root = write(tmp_path, lambda m: m, masks=masks)
    opened(root)
    assert "'cat' (3)" in told[-1] and '2 of 12 masks hold none' in told[-1]
    masks[0] = (2,)
    root = write(tmp_path / 'more', lambda m: m, masks=masks)
    with pytest.raises(MaskError, match='3 of 12 masks hold none'):
        opened(root)
    opened(root, check_masks=False)
    assert '3 of 12' in told[-1]


def test_what_stops_a_test_is_never_only_told(tmp_path):
    masks = [(7,), *LABELS[1:]]
    root = write(tmp_path, lambda m: m, masks=masks)
    with pytest.raises(MaskError, match=r'holds the ids \[7\].* 1 of 12 masks'):
        opened(root, check_masks=False)


def test_ignored_masks_and_negatives_contradict_nothing(tmp_path, told):
    labels = [(), (), *LABELS]
    masks = [(), (), *((255,) if i % 2 else ids for i, ids in enumerate(LABELS))]
    root = write(tmp_path, lambda m: np.where(m.max() == 255, 255, m).astype(np.uint8),
                 labels, masks)  # fmt: skip
    opened(root)
    assert '6 of 14 masks are' in told[-1] and 'not counted' in told[-1]


def test_objects_in_negatives(tmp_path):
    labels = [(), (), (), (), *LABELS]
    root = write(tmp_path, lambda m: m, labels, [(1,)] * 4 + LABELS)
    with pytest.raises(MaskError, match='labelled to hold no object; so are 4 of 16'):
        opened(root)


def test_unlabelled_pictures(tmp_path):
    """Without labels the ids alone must do."""
    root = write(tmp_path, lambda m: (m > 0).astype(np.uint8) * 255)
    names = (root / 'labels.txt').read_text().split('\n')
    (root / 'labels.txt').write_text('\n'.join(n.split(' ')[0] for n in names))
    with pytest.raises(MaskError, match='holds no class, nor do 11 others'):
        opened(root)


def test_one_class_of_0_and_255(tmp_path):
    root = write(tmp_path, lambda m: (m > 0).astype(np.uint8) * 255, [(1,)] * 5)
    with pytest.raises(MaskError, match=r'--map 255=1, and name'):
        opened(root, metainfo=dict(classes=('background', 'ant')))


def test_palette_in_another_order(tmp_path, told):
    """Refused where the labels say so, told where they agree with the ids."""
    own = dict(classes=CLASSES, palette=COLOURS.tolist())
    order = [0, 2, 1, 4, 3]
    wrong = write(tmp_path / 'a', lambda m: indexed(swapped(m), COLOURS[order]))
    with pytest.raises(MaskError, match=r'palette in another order .*--map 2=1 1=2'):
        opened(wrong, metainfo=own)
    right = write(tmp_path / 'b', lambda m: indexed(m, COLOURS[order]))
    opened(right, metainfo=own)
    assert 'palette in another order' in told[-1]


def test_pseudo_masks_may_hold_none_of_a_class(tmp_path, told):
    root = write(tmp_path, lambda m: m * 0)
    side = dict(mask=dict(dir='masks', kind='ids'))
    opened(root, test_mode=False, side_inputs=side)
    assert '12 of 12 masks hold none' in told[-1]
    Image.fromarray(np.full((SIZE, SIZE), 9, np.uint8)).save(root / 'masks' / '11.png')
    with pytest.raises(MaskError, match=r'holds the ids \[9\]'):
        opened(root, test_mode=False, side_inputs=side)


def test_chosen_classes(tmp_path, monkeypatch):
    """Ids are those of all classes that the data set knows."""
    monkeypatch.setattr(FolderWeakDataset, 'METAINFO', dict(classes=CLASSES))
    root = write(tmp_path, lambda m: m)
    data = opened(root, metainfo=dict(classes=('background', 'dog', 'bee')))
    assert len(data) == 7  # those with one of both
    facts = look_at(data.get_data_info(0))
    assert (facts.labels, facts.classes) == (frozenset({2}), frozenset({2}))


@pytest.mark.parametrize('name', ['__ignore__', '_background_', 'Background'])
def test_lines_of_labelling_tools_are_no_classes(tmp_path, name):
    root = write(tmp_path, lambda m: m)
    (root / 'classes.txt').write_text(f'{name}\n' + '\n'.join(CLASSES[1:]))
    with pytest.raises(UserError, match=f'{name}.*take it out of classes.txt'):
        opened(root, metainfo=None)


def test_labels_of_labelling_tools_are_negatives(tmp_path):
    root = write(tmp_path, lambda m: m * 0, [(), ()])
    (root / 'labels.txt').write_text('00 _background_\n01 _background_ ant\n')
    data = opened(root, test_mode=False)
    assert [data.get_data_info(i)['gt_labels'] for i in (0, 1)] == [(), (0,)]


def test_a_bounded_number_is_looked_at(tmp_path, monkeypatch):
    root = write(tmp_path, lambda m: m)
    looked = []
    monkeypatch.setattr(check_masks, 'look_at',
                        lambda info: looked.append(info) or look_at(info))  # fmt: skip
    monkeypatch.setattr(check_masks, 'MASKS', 5)
    opened(root)
    assert [info['img_id'] for info in looked] == ['00', '02', '05', '08', '11']
    monkeypatch.setattr(check_masks, 'PIXELS', 2 * SIZE**2)
    monkeypatch.setattr(check_masks, 'FEWEST', 3)
    looked.clear()
    opened(root)
    assert len(looked) == 3


# ------------------------------------------------------------------------------ parts
def test_between_runs():
    row = np.array([[0, 0, 1, 4, 5, 5, 255, 3, 0]], np.uint8)
    assert between_runs(row) == ({1: 1, 4: 1}, 4)  # 0|1 1|4 4|5 3|0
    nested = np.array([[0, 1, 2, 1, 0]], np.uint8)
    assert between_runs(nested) == ({1: 2}, 4)
    wide = np.repeat(np.array([[0, 1, 2]], np.uint8), 9, 1)
    assert between_runs(wide) == ({}, 2)
    assert between_runs(row.T) == between_runs(row)
    two_rows = np.array([[0, 1], [2, 3]], np.uint8)  # none goes on in the next row
    assert between_runs(two_rows) == ({}, 4)


def test_nested_classes_are_not_interpolated():
    """A nucleus (2) in a cell (1): named by the label."""
    masks = [
        MaskFacts(f'{i}.png', frozenset({1, 2}), {0: 9, 1: 9, 2: 9}, {}, {}, 0, False,
                  {1: 40}, 80)
        for i in range(3)
    ]  # fmt: skip
    assert mask_findings(masks, ('background', 'cell', 'nucleus')) == []
    only = [MaskFacts(m.path, frozenset({2}), m.pixels, between=m.between,
                      changes=m.changes) for m in masks]  # fmt: skip
    kinds = [one.kind for one in mask_findings(only, ('background', 'cell', 'nucleus'))]
    assert kinds == ['interpolated']


def test_symbol_map():
    labels = [(1,), (2,), (1, 2), (), (1,)]
    held = [{255, 0}, {255, 1}, {255, 0, 1}, {255}, {255, 0}]
    assert symbol_map(held, labels) == {0: 1, 1: 2, 255: 0}
    assert symbol_map([{0}, {5}], [(1,), (2,)]) == {5: 2, 0: 1}
    assert symbol_map([{0, 5}, {0, 5}], [(1,), (1,)]) == {5: 1, 0: 0}
    assert symbol_map([{0, 5}] * 4, [(1,), (2,), (3,), (4,)]) is None
    assert symbol_map([{0}], [()]) is None


def test_finding():
    def one(count, of, limit=0.2):
        return Finding('kind', 'a.png', count, of, 'is wrong', 'mend it', limit).refused

    assert [one(2, 10), one(3, 10), one(1, 3), one(1, 1)] == [False, True, False, True]
    assert [one(1, 1000, 0), one(5, 5, float('inf'))] == [True, False]


def test_unlike_palettes_of_equal_ids_are_no_harm(tmp_path):
    """A random palette a file, with ids that agree."""
    rng = np.random.default_rng(0)
    root = write(tmp_path, lambda m: indexed(m, rng.integers(0, 256, (256, 3))))
    assert len(opened(root)) == 12


def test_voc_masks_with_borders(tmp_path):
    """255 around everything; the palette is VOC's and the data set has none."""

    def bordered(mask):
        edge = mask != np.roll(mask, 1, 0)
        return indexed(np.where(edge, 255, mask).astype(np.uint8), voc_palette())

    assert len(opened(write(tmp_path, bordered))) == 12


def test_masks_that_are_missing_are_counted_with_the_way_out(tmp_path):
    """All of them: another folder; some: draw them, or score other pictures."""
    root = write(tmp_path / 'a', lambda mask: mask)
    (root / 'masks' / '01.png').unlink()
    several = rf'masks/01\.png.*1 of {len(LABELS)} masks is missing.*draw those that'
    with pytest.raises(DataError, match=several):
        opened(root)
    with (
        worded({'data_prefix.seg_map_path': '--masks'}),
        pytest.raises(DataError, match=r'the masks \(--masks\), or take'),
    ):
        opened(root)
    (root / 'masks').rename(root / 'ids')
    with pytest.raises(DataError, match=r'by data_prefix\.seg_map_path, with one PNG'):
        opened(root)
