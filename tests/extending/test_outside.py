# Licensed under Apache-2.0.
"""Methods of a package outside mmwsss: the shared testers, and the ordinary tools.

``outside_methods`` is a package as a user has it: nothing of mmwsss names it. Each
method is a config and a file or none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from PIL import Image
from torch.nn.functional import cosine_similarity

from mmwsss.labelers.segment_shares import segment_means
from mmwsss.registry import MODELS
from mmwsss.structures import ImageLabels
from mmwsss.testing import (
    MethodTester,
    assert_resume_is_exact,
    at,
    begins,
    build,
    pictures,
    run_tool,
    sample,
    step,
    train_batch,
)
from mmwsss.testing.training_runs import assert_same, load

HERE = Path(__file__).parent
CONFIGS = HERE / 'outside_methods' / 'configs'
TEXT, VOTED, TEACHER = (
    CONFIGS / f'{name}.py'
    for name in ('text_gradients', 'voted_segments', 'remembering_teacher')
)
#: side of the cells that segments are made of, in pixels
CELL = 12
#: the decoder learns from iteration 2 on, in runs of four iterations
SHORT = """
_base_ = [{base!r}]
train_dataloader = dict(batch_size=2, dataset=dict(data_root={data!r}))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=dict(data_root={data!r}))
test_dataloader = val_dataloader | dict(dataset=dict(data_root={data!r}))
model = dict(train_cfg=dict(weights=dict(seg=[(0, 0.0), (2, 0.3)])))
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=2, warmup_ratio=1e-6,
                        power=0.9, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.fixture(scope='module', autouse=True)
def _on_the_path() -> Iterator[None]:
    """Python finds the package, here and in the tools, as ``PYTHONPATH=HERE`` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        known = os.environ.get('PYTHONPATH', '')
        patch.setenv('PYTHONPATH', os.pathsep.join(filter(None, (str(HERE), known))))
        yield


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """A few Shapes pictures, and segments: cells, parted where they are dark."""
    folder = tmp_path_factory.mktemp('shapes')
    sizes = ('--train', 8, '--val', 2, '--test', 4, '--jobs', 1)
    run_tool('tools/dataset_converters/shapes.py', '--out', folder, *sizes)
    (folder / 'Segments').mkdir()
    for path in (folder / 'JPEGImages').iterdir():
        with Image.open(path) as picture:
            ids = segments_of(np.asarray(picture.convert('L')))
        Image.fromarray(ids).save(folder / 'Segments' / f'{path.stem}.png')
    return folder


def segments_of(grey: np.ndarray) -> np.ndarray:
    """(H, W) uint8 numbers from 1 on, two for each cell."""
    row, column = (np.arange(side) // CELL for side in grey.shape)
    cells = row[:, None] * (grey.shape[1] // CELL) + column
    return (2 * cells + (grey > grey.mean()) + 1).astype(np.uint8)


def run_method(
    config: Path, data: Path, folder: Path, processes: int = 1, *options: str
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Train, resume, test, generate.

    Args:
        config: the method's.
        data: the data set.
        folder: where everything goes; ``whole`` and ``resumed`` are the runs.
        processes: that train.
        *options: ``--cfg-options`` of test and generation.

    Returns:
        The scores of the test; the generated masks by the names of their pictures.
    """
    short = folder / f'{config.stem}.py'
    short.write_text(SHORT.format(base=str(config), data=str(data)))
    assert_resume_is_exact(short, folder, stop=2, total=4, processes=processes)
    checkpoint, more = folder / 'whole' / 'iter_4.pth', ()
    if options:
        more = ('--cfg-options', *options)
    work_dir = ('--work-dir', folder / 'test')
    run_tool('tools/test.py', short, checkpoint, *work_dir, *more)
    masks = folder / 'masks'
    run_tool(
        *('tools/generate_pseudo_labels.py', short, checkpoint),
        *('--out', masks, '--workers', 0, *more),
    )
    found = {p.stem: np.asarray(Image.open(p)) for p in (masks / 'mask').iterdir()}
    assert len(found) == 8
    return json.loads((folder / 'test' / 'metrics.json').read_text()), found


# ---------------------------------------------------------------- text and gradients
class TestTextGradients(MethodTester):
    """All that holds for every method, for classes that are scored by their names."""

    config = TEXT
    test_pinned = None

    def test_names_make_the_vectors(self, model) -> None:
        names = ('background', 'rings', 'dots', 'stripes', 'check', 'grid', 'zigzag')
        before = model.text.clone()
        torch.testing.assert_close(before.norm(dim=1), torch.ones(6))
        model.use_metainfo(dict(classes=names))
        order = (3, 1, 0, 2, 5, 4)  # of the config's names
        assert torch.equal(model.text, before[list(order)])
        assert not any('text' in key for key in model.state_dict())

    def test_maps_are_gradients(self, model) -> None:
        """Those of each class of each image, taken one by one."""
        data = train_batch(model, (0, 2))  # two and three classes
        labels = model.image_labels(data['data_samples'], 'cpu')
        images = data['inputs']['view1']
        (maps,) = model.compact_maps(model.encode(images), labels)
        assert maps.shape == (2, 3, 12, 12) and not maps.requires_grad
        final = model.encode(images).maps[-1].detach()
        for image, classes in enumerate(((0, 3), (1, 4, 5))):
            for slot, one in enumerate(classes):
                leaf = final[image].clone().requires_grad_()
                cosine = cosine_similarity(leaf.mean((1, 2)), model.text[one], dim=0)
                (10 * cosine).backward()
                by_hand = (leaf.grad * leaf.detach()).sum(0).relu()
                torch.testing.assert_close(maps[image, slot], by_hand)
        assert maps.any()

    def test_labels_have_no_ignored_pixel(self, model) -> None:
        losses = step(model, begins(model)[-1])
        assert losses['label_fg'] > 0 and losses['label_bg'] > 0
        assert losses['label_ignore'] == 0  # within the boxes of real pixels


def test_text_gradients_by_the_tools(data, tmp_path) -> None:
    scores, masks = run_method(TEXT, data, tmp_path)
    assert {'seg_mIoU', 'cam_mIoU', 'pseudo_mIoU', 'cls_mAP'} <= set(scores)
    named = labels_by_name(data)
    for name, mask in masks.items():  # no pixel is ignored
        assert set(np.unique(mask)) <= {0, *named[name]}, name
    assert any(mask.any() for mask in masks.values())


def labels_by_name(data: Path) -> dict[str, set[int]]:
    """The class ids of each training picture."""
    names = (data / 'classes.txt').read_text().split()
    lines = (data / 'splits' / 'train.txt').read_text().splitlines()
    rows = (line.split() for line in lines)
    return {name: {names.index(c) for c in classes} for name, *classes in rows}


# ---------------------------------------------------------------- segments on disk
class TestVotedSegments(MethodTester):
    """All that holds for every method, for a config without any code."""

    config = VOTED
    test_pinned = None

    def test_segments_are_needed(self, model) -> None:
        data = train_batch(model)
        del data['data_samples'][1].segments
        at(begins(model)[-1])
        with pytest.raises(ValueError, match=r"1\.jpg has no side input 'segments'"):
            model.loss(**data)


def test_voted_segments_by_the_tools(data, tmp_path) -> None:
    scores, masks = run_method(VOTED, data, tmp_path)
    assert {'seg_mIoU', 'cam_mIoU', 'pseudo_mIoU'} <= set(scores)
    for name, mask in masks.items():
        segments = np.asarray(Image.open(data / 'Segments' / f'{name}.png'))
        for one in np.unique(segments):  # one label each
            assert len(np.unique(mask[segments == one])) == 1, (name, one)
    assert any(len(np.unique(mask)) > 1 for mask in masks.values())


def test_segments_of_another_size_follow_the_picture() -> None:
    """A picture that the model resizes has its segments resized to it."""
    model = build(VOTED).eval()
    segments = np.arange(6).reshape(2, 3).repeat(32, 0).repeat(32, 1)  # (64, 96)
    (picture,) = pictures(1, (64, 96))
    one = sample((0, 3), (64, 96))
    one.segments = PixelData(data=torch.from_numpy(segments)[None] + 1)
    data = model.data_preprocessor(dict(inputs=[picture], data_samples=[one]), False)
    settings = dict(outputs=('pseudo',), cam_filter='gt', input=dict(squash=(32, 32)))
    (found,) = model.predict(**data, **settings)
    # the picture is halved and narrowed, the label is large again
    label = found.pred_pseudo.data[0]
    cells = label.unflatten(0, (2, 32)).unflatten(2, (3, 32)).transpose(1, 2)
    inner = cells[..., 3:-3, 3:-3].flatten(2)
    assert (inner == inner[..., :1]).all() and len(label.unique()) > 1


# ---------------------------------------------------------------- teacher and memory
class TestRememberingTeacher(MethodTester):
    """All that holds for every method, for a teacher with a memory."""

    config = TEACHER
    test_pinned = None

    def test_teacher_follows(self, model) -> None:
        before = model.backbone_ema.module.pos_embed.clone()
        step(model, 0)
        assert torch.equal(model.backbone_ema.module.pos_embed, before)
        step(model, 1)
        wanted = 0.9 * before + 0.1 * model.backbone.pos_embed
        torch.testing.assert_close(model.backbone_ema.module.pos_embed, wanted)

    def test_memory_is_of_the_teacher(self, model) -> None:
        """The queue holds what the teacher says, in the order of the labels."""
        step(model, 0, (0, 2))
        memory = model.memory
        assert memory.tags[:6].tolist() == [1, 4, 0, 2, 5, 6]
        assert int(memory.count) == int(memory.pointer) == 6
        kept = memory.features[:6].clone()
        torch.nn.init.zeros_(model.backbone_ema.module.ln1.weight)
        torch.nn.init.ones_(model.backbone_ema.module.ln1.bias)
        step(model, 0, (0, 2))
        assert torch.equal(memory.features[:6], kept)
        assert not torch.allclose(memory.features[6:12], kept)


def test_remembering_teacher_by_the_tools(data, tmp_path) -> None:
    """Two processes; tested and generated with the teacher."""
    teacher = 'model.test_cfg.use_teacher=True'
    scores, _ = run_method(TEACHER, data, tmp_path, 2, teacher)
    assert {'seg_mIoU', 'cam_mIoU', 'pseudo_mIoU'} <= set(scores)
    ends = [load(tmp_path / 'resumed' / f'after_rank{rank}.pth') for rank in (0, 1)]
    assert_same(*ends)
    assert any(  # the teacher is not its student
        not torch.equal(value, ends[0][key.replace('_ema.module', '')])
        for key, value in ends[0].items()
        if '_ema.module.' in key
    )
    first = [load(tmp_path / 'whole' / f'batch_rank{rank}.pth') for rank in (0, 1)]
    lists = [[s.gt_labels for s in batch['data_samples']] for batch in first]
    ids = [ImageLabels.from_lists(one, 6).ids.flatten() for one in lists]
    wanted = torch.cat(ids)  # rank 0 first
    assert torch.equal(ends[0]['memory.tags'][: len(wanted)], wanted)
    assert ends[0]['memory.prototypes'].any() and ends[0]['memory.count'] > len(wanted)


def test_nothing_of_mmwsss_names_the_package() -> None:
    """And without ``custom_imports`` nothing is registered."""
    init_default_scope('mmwsss')
    imports = [Config.fromfile(c).get('custom_imports') for c in (TEXT, TEACHER)]
    assert all(one.imports[0].startswith('outside_methods.') for one in imports)
    for name in ('TextGradients', 'RememberingTeacher'):
        assert MODELS.get(name).__module__.startswith('outside_methods.')
    root = Path(segment_means.__code__.co_filename).parents[1]
    sources = [p.read_text(encoding='utf-8') for p in root.rglob('*.py')]
    assert not [text for text in sources if 'outside_methods' in text]
