# Licensed under Apache-2.0.
"""Hooks on short runs of the toy model in this process."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmengine.runner import ValLoop
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmwsss.cli.arguments import plain_errors
from mmwsss.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from mmwsss.engine.hooks.cam_panel_hook import plain_view
from mmwsss.engine.hooks.iter_seed_hook import iteration_seed
from mmwsss.engine.hooks.label_stats_hook import collapse_messages
from mmwsss.engine.hooks.setup_check_hook import SetupCheckHook
from mmwsss.io.atomic_file import AtomicLocalBackend, write_atomic
from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError
from mmwsss.io.published import published_checkpoint
from mmwsss.io.weights import CheckpointMismatch
from mmwsss.registry import HOOKS
from mmwsss.testing import build
from mmwsss.testing.tool_runs import build_runner
from tests.helpers import ROOT

CONFIG = ROOT / 'tests' / 'helpers' / 'toy_config.py'
BOUNDS = dict(min_fg=0.01, max_fg=0.9, max_ignore=0.9)


def test_run_leaves_plain_checkpoints(tmp_path):
    build_runner(CONFIG, tmp_path).train()
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_6.pth')
    assert not list(tmp_path.rglob('*.tmp'))
    saved = torch.load(tmp_path / 'iter_6.pth', weights_only=True)
    assert {'state_dict', 'optimizer', 'message_hub', 'param_schedulers'} <= set(saved)
    assert len(list(tmp_path.glob('best_*.pth'))) == 1


def test_kept_checkpoints(tmp_path):
    build_runner(
        CONFIG,
        tmp_path,
        default_hooks__checkpoint__interval=1,
        default_hooks__checkpoint__max_keep_ckpts=2,
    ).train()
    assert sorted(p.name for p in tmp_path.glob('iter_*')) == [
        'iter_5.pth',
        'iter_6.pth',
    ]


def test_killed_while_saving(tmp_path, monkeypatch):
    """The last good checkpoint and the pointer to it stay, and can be resumed."""
    writes = []

    def put(self, data, path):
        writes.append(path)
        if path.endswith('iter_4.pth'):
            raise KeyboardInterrupt
        write_atomic(data, path)

    monkeypatch.setattr(AtomicLocalBackend, 'put', put)
    settings = dict(
        default_hooks__checkpoint__interval=2,
        default_hooks__checkpoint__max_keep_ckpts=1,
        default_hooks__checkpoint__save_best=None,
    )
    runner = build_runner(CONFIG, tmp_path, **settings)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert (tmp_path / 'iter_2.pth').is_file()
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_2.pth')
    monkeypatch.undo()
    build_runner(CONFIG, tmp_path, resume=True, **settings).train()
    assert [p.name for p in tmp_path.glob('iter_*')] == ['iter_6.pth']


@pytest.mark.parametrize('killed', [3, 6])
def test_killed_while_validating(tmp_path, monkeypatch, killed):
    """The scores and the best checkpoint are those of a run that wasn't."""
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    build_runner(CONFIG, whole).train()
    validate = ValLoop.run

    def run(self):
        if self.runner.iter == killed:
            raise KeyboardInterrupt
        return validate(self)

    monkeypatch.setattr(ValLoop, 'run', run)
    with pytest.raises(KeyboardInterrupt):
        build_runner(CONFIG, resumed).train()
    assert (resumed / 'last_checkpoint').read_text().endswith(f'iter_{killed}.pth')
    monkeypatch.undo()
    runner = build_runner(CONFIG, resumed, resume=True)
    runner.train()
    best = [[p.name for p in folder.glob('best_*.pth')] for folder in (whole, resumed)]
    assert best[0] == best[1] and len(best[0]) == 1
    assert 'seg_mIoU' in ' '.join(runner.message_hub.log_scalars)


@pytest.mark.parametrize('step,validations', [(2, 2), (3, 2), (4, 1), (6, 1)])
def test_only_a_validated_iteration_is_validated_again(
    tmp_path, monkeypatch, step, validations
):
    settings = dict(
        default_hooks__checkpoint__interval=1,
        default_hooks__checkpoint__max_keep_ckpts=-1,
    )
    build_runner(CONFIG, tmp_path, **settings).train()
    done, validate = [], ValLoop.run
    monkeypatch.setattr(
        ValLoop, 'run', lambda self: done.append(self.runner.iter) or validate(self)
    )
    build_runner(
        CONFIG,
        tmp_path / 'resumed',
        resume=True,
        load_from=str(tmp_path / f'iter_{step}.pth'),
        **settings,
    ).train()
    assert len(done) == validations and done[-1] == 6


@pytest.mark.parametrize('key', ['seg_mIoU', 'cam_oracle_mIoU', 'cls_mAP', 'sim_mAP'])
def test_pixel_labels_that_choose_a_checkpoint_are_named(key, monkeypatch):
    told = []
    monkeypatch.setattr(
        'mmwsss.engine.hooks.atomic_checkpoint_hook.print_log',
        lambda text, *_: told.append(text),
    )
    monkeypatch.setattr(CheckpointHook, 'before_train', lambda *_: None)
    hook = AtomicCheckpointHook(
        by_epoch=False, interval=1, save_best=key, rule='greater'
    )
    hook.before_train(SimpleNamespace(iter=0, train_loop=None, _resume=False))
    assert len(told) == ('mIoU' in key)
    assert all('PIXEL labels' in text and key in text for text in told)


def test_half_written_file_never_shows(tmp_path, monkeypatch):
    target = tmp_path / 'a.pth'
    write_atomic(b'old', target)
    monkeypatch.setattr('os.fsync', lambda _: (_ for _ in ()).throw(OSError('full')))
    with pytest.raises(OSError, match='full'):
        AtomicLocalBackend().put(b'new', str(target))
    assert target.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [target]


def test_iteration_seeds_differ():
    seeds = {
        iteration_seed(s, r, t) for s in range(3) for r in range(4) for t in range(50)
    }
    assert len(seeds) == 600
    assert iteration_seed(0, 0, 0) == iteration_seed(0, 0, 0) < 2**32


def test_iter_seed_hook_sets_three_generators():
    from mmwsss.engine.hooks.iter_seed_hook import IterSeedHook

    class Runner:
        seed, iter = 3, 7

    draws = []
    for _ in range(2):
        IterSeedHook().before_train_iter(Runner, 0)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    'shares, kind',
    [
        ((0.3, 0.5, 0.2), None),
        ((0.0, 0.8, 0.2), 'empty'),
        ((0.79, 0.01, 0.2), 'full'),
        ((0.02, 0.03, 0.95), 'ignored'),
        ((0.0, 0.0, 1.0), 'ignored'),
    ],
)
def test_collapse_messages(shares, kind):
    names = ('label_fg', 'label_bg', 'label_ignore')
    found = collapse_messages(dict(zip(names, shares)), **BOUNDS)
    assert list(found) == ([kind] if kind else [])


def test_label_stats_warn_and_are_logged(tmp_path):
    runner = build_runner(CONFIG, tmp_path)
    hook = next(h for h in runner.hooks if type(h).__name__ == 'LabelStatsHook')
    hook.bounds['min_fg'], hook.max_warnings = 1.0, 2
    runner.train()
    log = next(tmp_path.rglob('*.log')).read_text()
    assert log.count('of the labelled pixels are foreground') == 2
    assert 'not repeated further' in log
    assert 'classes_seen' in log and 'label_ignore' in log


def test_panels_are_written_and_change_nothing(tmp_path):
    ends = []
    for interval in (0, 2):
        folder = tmp_path / str(interval)
        hooks = [
            dict(type='IterSeedHook'),
            dict(type='CAMPanelHook', interval=interval, num_images=2),
        ]
        runner = build_runner(CONFIG, folder, custom_hooks=hooks)
        runner.train()
        ends.append(runner.model.state_dict())
        names = sorted(p.name for p in folder.rglob('*_panel_*.png'))
        assert names == (
            []
            if interval == 0
            else [
                'train_panel_2.png',
                'train_panel_4.png',
                'train_panel_6.png',
                'val_panel_3.png',
                'val_panel_6.png',
            ]
        )
    assert all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])


def test_training_panels_hold_no_truth(tmp_path, monkeypatch):
    titles = []
    import mmwsss.engine.hooks.cam_panel_hook as module

    original = module.compose_panel

    def spy(rows, *args, **kwargs):
        titles.append([t.title for t in rows[0]])
        return original(rows, *args, **kwargs)

    monkeypatch.setattr(module, 'compose_panel', spy)
    build_runner(
        CONFIG,
        tmp_path,
        train_cfg__max_iters=3,
        train_dataloader__dataset__with_masks=True,
    ).train()
    training, validation = titles
    assert 'truth' not in training and 'truth' in validation
    assert training[0].startswith('photo: ')


def test_padding_of_training_images_is_shown_as_ignored():
    from mmwsss.engine.hooks.cam_panel_hook import _ignore_padding

    sample = SegDataSample()
    sample.pred_pseudo = PixelData(data=torch.ones(1, 4, 5).long())
    sample.set_field(torch.tensor([1, 3, 0, 2]), 'valid_box')
    _ignore_padding(sample)
    assert (sample.pred_pseudo.data == 1).nonzero()[:, 1:].tolist() == [
        [1, 0],
        [1, 1],
        [2, 0],
        [2, 1],
    ]


def test_views_of_a_test_protocol_are_drawn_at_scale_one():
    """Whatever the order of the views; a single view is what it is."""
    views = {'scale_0.5': [0], 'scale_1': [1], 'scale_2': [2]}
    assert plain_view(views) == [1]
    assert plain_view({'view1': [3], 'view2': [4]}) == [3]
    assert plain_view({'view1': [3], 'view2': [4]}, 'view2') == [4]
    assert plain_view([5]) == [5]


def test_test_panels(tmp_path):
    build_runner(CONFIG, tmp_path, train_cfg__max_iters=3).train()
    hooks = [dict(type='CAMPanelHook', show_dir=str(tmp_path / 'show'))]
    build_runner(
        CONFIG, tmp_path, custom_hooks=hooks, load_from=str(tmp_path / 'iter_3.pth')
    ).test()
    pictures = sorted((tmp_path / 'show').iterdir())
    assert len(pictures) == 5
    assert Image.open(pictures[0]).width > 3 * 224


@pytest.mark.parametrize('part', ['train', 'val'])
def test_class_count_against_the_data(tmp_path, part):
    options = {f'{part}_dataloader__dataset__classes': 5}
    with pytest.raises(ValueError, match=f'{part} data set .*5 classes.*num_classes=3'):
        build_runner(CONFIG, tmp_path, **options).train()


def test_class_count_against_the_checkpoint(tmp_path):
    build_runner(CONFIG, tmp_path, train_cfg__max_iters=3).train()
    other = dict(model__num_classes=5, load_from=str(tmp_path / 'iter_3.pth'))
    other |= {f'{part}_dataloader__dataset__classes': 5 for part in ('train', 'val')}
    with pytest.raises(
        CheckpointMismatch, match=r'iter_3\.pth.*\n.*made for 3 classes'
    ):
        build_runner(CONFIG, tmp_path, **other).train()


@pytest.mark.parametrize(
    'names,fits',
    [(None, True), (('background', 'a', 'b'), True), (('background', 'b', 'a'), False)],
)
def test_class_names_of_an_earlier_stage(names, fits):
    """A frozen network's file was trained with other classes than the data set's."""
    model = torch.nn.Sequential(torch.nn.Identity())
    model[0].saved_classes, model[0].checkpoint = names, 'base.pth'
    dataset = SimpleNamespace(metainfo=dict(classes=('background', 'a', 'b')))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner = SimpleNamespace(
        model=model,
        _train_loop=loop,
        _val_loop=None,
        _test_loop=None,
        optim_wrapper=None,
        message_hub=MessageHub('names'),
        iter=0,
        max_iters=1,
        train_dataloader=SimpleNamespace(batch_size=2, sampler=[0, 1], drop_last=False),
        cfg=Config(),
    )
    if fits:
        SetupCheckHook().before_train(runner)
    else:
        with pytest.raises(CheckpointMismatch, match=r'base\.pth was trained with'):
            SetupCheckHook().before_train(runner)


def test_class_names_against_the_checkpoint(tmp_path):
    build_runner(CONFIG, tmp_path, train_cfg__max_iters=3).train()
    file = tmp_path / 'iter_3.pth'
    saved = torch.load(file, weights_only=True)
    classes = list(saved['meta']['dataset_meta']['classes'])
    saved['meta']['dataset_meta']['classes'] = classes[:1] + classes[:0:-1]
    torch.save(saved, file)
    with pytest.raises(CheckpointMismatch, match='in that order'):
        build_runner(CONFIG, tmp_path, load_from=str(file)).test()


@pytest.mark.parametrize('every', [1, 2])
def test_averages_follow_optimiser_steps(tmp_path, every):
    """Not iterations; a resumed run goes on as the one that never stopped."""
    options = dict(
        model__type='ToyTeacher',
        optim_wrapper__accumulative_counts=every,
        param_scheduler=[],
        default_hooks__checkpoint__interval=2,
        default_hooks__checkpoint__max_keep_ckpts=3,
    )
    whole = build_runner(CONFIG, tmp_path / 'whole', **options)
    whole.train()
    assert whole.model.moved == [i > 0 and i % every == 0 for i in range(6)]
    saved = torch.load(tmp_path / 'whole' / 'iter_6.pth', weights_only=True)
    assert 'accumulative_counts' not in saved['message_hub']['runtime_info']
    options |= dict(resume=True, load_from=str(tmp_path / 'whole' / 'iter_4.pth'))
    resumed = build_runner(CONFIG, tmp_path / 'rest', **options)
    resumed.train()
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    assert any(key.startswith('backbone_ema.') for key in ours)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_another_length_is_not_resumed(tmp_path):
    """The rates would go on from those of the shorter schedule."""
    build_runner(CONFIG, tmp_path, train_cfg__max_iters=3).train()
    with pytest.raises(UserError, match='of 3 iterations.*max_iters is 6: .*same'):
        build_runner(CONFIG, tmp_path, resume=True).train()


def test_a_finished_run_says_so(tmp_path):
    """Asked after each run: two in one second share a log."""

    def told() -> bool:
        texts = [log.read_text() for log in tmp_path.glob('*/*.log')]
        return any(
            'All 3 iterations are done already: nothing is trained' in t for t in texts
        )

    for again in (False, True):
        build_runner(CONFIG, tmp_path, resume=True, train_cfg__max_iters=3).train()
        assert told() is again


@pytest.mark.parametrize(
    'method,found', [('afa/afa_mit', False), ('fsr/fsr_vit', True)]
)
def test_a_teacher_that_is_not_there(method, found):
    """Before the first image."""
    model = build(f'configs/{method}-t_shapes.py')
    model.test_cfg = dict(model.test_cfg, use_teacher=True)
    runner = SimpleNamespace(
        model=model, _train_loop=None, _val_loop=None, _test_loop=None
    )
    if found:
        SetupCheckHook().before_run(runner)
    else:
        with pytest.raises(UserError, match='AFA keeps no teacher .*: leave it out'):
            SetupCheckHook().before_run(runner)


def test_tools_end_with_the_message_alone():
    message = 'error: a is missing. Fix: fetch b.'
    with pytest.raises(SystemExit, match=message), plain_errors():
        raise DataError('a', 'is missing', 'fetch b')
    with pytest.raises(ValueError, match='of the code'), plain_errors():
        raise ValueError('of the code')


def test_a_misspelt_setting_of_a_class_ends_with_the_message():
    message = r"^error: .*'intervals'\. Correct"
    with pytest.raises(SystemExit, match=message), plain_errors():
        HOOKS.build(dict(type='LabelStatsHook', intervals=1))
    with pytest.raises(TypeError, match='of the code'), plain_errors():
        raise TypeError('of the code')


def test_published_file_cannot_be_resumed(tmp_path):
    build_runner(CONFIG, tmp_path, train_cfg__max_iters=3).train()
    saved = torch.load(tmp_path / 'iter_3.pth', weights_only=True)
    torch.save(
        dict(meta=saved['meta'], state_dict=saved['state_dict']),
        tmp_path / 'weights.pth',
    )
    with pytest.raises(CheckpointMismatch, match='holds no training state'):
        build_runner(
            CONFIG, tmp_path, resume=True, load_from=str(tmp_path / 'weights.pth')
        ).train()


@pytest.fixture
def without_cam_head(tmp_path):
    """A published file, and a folder for runs."""
    build_runner(CONFIG, tmp_path / 'run', train_cfg__max_iters=3).train()
    saved = torch.load(tmp_path / 'run/iter_3.pth', weights_only=True)
    made = published_checkpoint(saved, ['cam_head'])
    file = tmp_path / 'published.pth'
    torch.save(made, file)
    return file, tmp_path / 'other'


def test_published_file_is_tested(without_cam_head):
    """In single precision; the log names what it lacks."""
    file, folder = without_cam_head
    runner = build_runner(CONFIG, folder, load_from=str(file))
    runner.test()
    assert runner.model.decode_head.weight.dtype == torch.float32
    (log,) = folder.glob('*/*.log')
    assert 'published file without cam_head: only training reads' in log.read_text()


@pytest.mark.parametrize('resume', [False, True])
def test_published_file_is_no_start_of_a_training(without_cam_head, resume):
    file, folder = without_cam_head
    runner = build_runner(CONFIG, folder, load_from=str(file), resume=resume)
    with pytest.raises(
        CheckpointMismatch, match=r'made to predict: cam_head.*iter_N\.pth'
    ):
        runner.train()


def test_published_file_as_a_start_that_was_asked_for(without_cam_head):
    file, folder = without_cam_head
    hooks = [dict(type='SetupCheckHook', allow_missing=['^cam_head'])]
    build_runner(CONFIG, folder, load_from=str(file), custom_hooks=hooks).train()
    assert (folder / 'iter_6.pth').is_file()


def test_published_file_lacks_what_it_says_and_nothing_else(without_cam_head):
    file, folder = without_cam_head
    saved = torch.load(file, weights_only=True)
    del saved['state_dict']['decode_head.bias']
    torch.save(saved, file)
    with pytest.raises(CheckpointMismatch, match=r'missing in the file \(1\)'):
        build_runner(CONFIG, folder, load_from=str(file)).test()
