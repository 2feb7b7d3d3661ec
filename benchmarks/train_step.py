# Licensed under Apache-2.0.
"""Time a training step in parts, count its multiply-adds and its memory.

    python benchmarks/train_step.py configs/toco/toco_vit-b_voc.py --repeat 3
    python benchmarks/train_step.py configs/toco/toco_vit-t_shapes.py --published

Random pictures of the config's crop size, random weights, all terms active. With
``--published`` the released order of work (global views encoded three times, nothing
of the main pass reused, the decoder run in CAM passes, each image refined twice) is
measured in the same process, and the ratio of the medians is given. That is a lower
bound of the release's work: fused attention and the restriction of maps to the classes
present stay. ``--also`` measures other ways of running the same step: ``amp``
(bfloat16 on a CPU that has it), ``compiled`` (``torch.compile`` of the encoder's
blocks). On a CPU the memory is the process's peak so far.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, print_log
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmwsss.registry import MODELS

#: part → the model's methods and modules that belong to it
PARTS = {
    'forward': (
        'encode_views',
        'encode_student',
        'classification',
        'decode_head.forward',
    ),
    'CAM': ('fused_cams',),
    'mask CAM': ('uncertainty_cam',),
    'teacher': ('follow_student', 'encode_teacher', 'project_patches'),
    'projector': ('reinforce',),
    'crops': ('local_crops', 'class_contrast'),
    'PAR': ('pseudo_label',),
    'energy': ('losses.reg.forward',),
    'losses': (
        'token_pairs',
        'losses.ptc.forward',
        'losses.ctc.forward',
        'losses.seg.forward',
        'losses.unc.forward',
        'losses.cer.forward',
    ),
}
#: other ways of running the same step
VARIANTS = ('amp', 'compiled')
LATE = 10**9  # an iteration at which every scheduled term is active


class Stopwatch:
    """Exclusive wall time and multiply-adds of named parts (inner ones win)."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.macs: dict[str, float] = defaultdict(float)
        self.counter: FlopCounterMode | None = None
        self._stack: list[str] = []
        self._mark = (0.0, 0.0)

    def _now(self) -> tuple[float, float]:
        if self.device == 'cuda':
            torch.cuda.synchronize()
        flops = self.counter.get_total_flops() if self.counter else 0
        return time.perf_counter(), flops / 2

    def _charge(self) -> None:
        now = self._now()
        if self._stack:
            self.seconds[self._stack[-1]] += now[0] - self._mark[0]
            self.macs[self._stack[-1]] += now[1] - self._mark[1]
        self._mark = now

    @contextmanager
    def part(self, name: str):
        """Charge what happens inside to ``name``."""
        self._charge()
        self._stack.append(name)
        try:
            yield
        finally:
            self._charge()
            self._stack.pop()

    def watch(self, model: nn.Module) -> None:
        """Wrap the methods of :data:`PARTS` that the model has."""
        for part, paths in PARTS.items():
            for path in paths:
                *owners, method = path.split('.')
                try:
                    owner = model.get_submodule('.'.join(owners))
                    function = getattr(owner, method)
                except AttributeError:
                    continue
                setattr(owner, method, self._wrapped(part, function))

    def _wrapped(self, part: str, function):
        @wraps(function)
        def run(*args, **kwargs):
            with self.part(part):
                return function(*args, **kwargs)

        return run


def published_order(model: nn.Module) -> None:
    """Make a ToCo model do the released amount of work; its result stays the same."""
    encode_views, fused, pseudo = (
        model.encode_views,
        model.fused_cams,
        model.pseudo_label,
    )
    cam_logits = model.cam_logits

    def views(inputs):
        both = torch.cat([inputs['view1'], inputs['view2']])
        model.encode(inputs['view1'])  # main pass, apart from the student's
        model.encode(both)  # the teacher's, with a graph
        return encode_views(inputs)

    def with_decoder(features):
        if not torch.is_grad_enabled():
            model.decode_head(features.maps)
        return cam_logits(features)

    def refine(images, cam, labels, *args, **kwargs):
        one = partial(pseudo, *args, **kwargs)
        for _ in ('high', 'low'):
            out = [
                one(images[i : i + 1], cam[i : i + 1], labels.select(slice(i, i + 1)))
                for i in range(len(images))
            ]
        return torch.cat(out)

    model.encode_views = views
    model.fused_cams = lambda images, labels, features=None: fused(images, labels)
    model.cam_logits = with_decoder
    model.pseudo_label = lambda images, cam, labels, box=None, **kw: refine(
        images, cam, labels, **kw
    )


def crop_size(cfg: Config) -> int:
    """The crop size that the train pipeline names."""
    for transform in cfg.train_pipeline:
        if 'crop_size' in transform:
            return transform['crop_size']
    raise ValueError('no transform of train_pipeline has a crop_size; pass --size')


def make_batch(model: nn.Module, size: int, batch: int) -> dict:
    """Random pictures as the data preprocessor hands them to the model."""
    smooth = torch.rand(batch, 3, size // 8, size // 8)
    image = nn.functional.interpolate(smooth, (size, size), mode='bicubic')
    pixels = (image.clamp(0, 1) * 255).byte()
    inputs = {name: list(pixels) for name in ('view1', 'view2', 'local')}
    samples = []
    for i in range(batch):
        labels = tuple(sorted({i % model.num_foreground, 3 % model.num_foreground}))
        sample = SegDataSample(metainfo=dict(gt_labels=labels))
        sample.set_data(dict(valid_box=torch.tensor([0, size, 0, size])))
        samples.append(sample)
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), True)


def step(model: nn.Module, batch: dict, watch: Stopwatch, amp: bool) -> None:
    """Forward and backward of one iteration."""
    model.zero_grad(set_to_none=True)
    with watch.part('other'), torch.autocast(watch.device, enabled=amp):
        losses = model.loss(**batch)
        total: Tensor = sum(v for k, v in losses.items() if k.startswith('loss'))
    with watch.part('backward'):
        total.backward()


def build(cfg: Config, device: str) -> nn.Module:
    """The config's model with random weights."""
    cfg.model.backbone.pretrained = None
    torch.manual_seed(0)
    return MODELS.build(cfg.model).to(device).train()


def measure(
    cfg: Config, args: argparse.Namespace, published: bool = False, variant: str = ''
) -> dict:
    """Median seconds and multiply-adds of each part."""
    model = build(cfg, args.device)
    amp = args.amp or variant == 'amp'
    if published:
        published_order(model)
    if variant == 'compiled':
        for block in model.backbone.layers:
            block.compile(dynamic=True)
    watch = Stopwatch(args.device)
    watch.watch(model)
    batch = make_batch(model, args.size or crop_size(cfg), args.batch)
    rows: list[dict[str, float]] = []
    if args.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    for index in range(args.repeat + 1):  # the first one warms up
        watch.seconds.clear()
        step(model, batch, watch, amp)
        if index:
            rows.append(dict(watch.seconds))
    seconds = {p: statistics.median(r.get(p, 0.0) for r in rows) for p in rows[0]}
    total = statistics.median(sum(r.values()) for r in rows)
    # Before counting, which materialises the attention maps.
    memory = (
        torch.cuda.max_memory_allocated()
        if args.device == 'cuda'
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    # Fused attention counts as nothing on a CPU: count under the MATH backend.
    watch.counter = FlopCounterMode(display=False)
    watch.macs.clear()
    with watch.counter, sdpa_kernel(SDPBackend.MATH) if args.count else nullcontext():
        if args.count and variant != 'compiled':
            step(model, batch, watch, amp)
    return dict(seconds=seconds, total=total, macs=dict(watch.macs), memory=memory)


def table(result: dict) -> str:
    """Markdown table of the parts."""
    lines = ['| part | s (median) | share | GMAC |', '| --- | ---: | ---: | ---: |']
    for part, seconds in sorted(result['seconds'].items(), key=lambda r: -r[1]):
        macs = result['macs'].get(part, 0.0) / 1e9
        share = seconds / result['total']
        lines.append(f'| {part} | {seconds:.3f} | {share:.0%} | {macs:.1f} |')
    macs = sum(result['macs'].values()) / 1e9
    lines.append(f'| **total** | {result["total"]:.3f} | 100% | {macs:.1f} |')
    lines.append(f'\npeak memory {result["memory"] / 2**30:.2f} GiB')
    return '\n'.join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('--batch', type=int, default=2, help='images for each view')
    parser.add_argument('--size', type=int, help='default: the crop size of the config')
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu'
    )
    parser.add_argument('--amp', action='store_true')
    parser.add_argument('--no-count', dest='count', action='store_false')
    parser.add_argument(
        '--published', action='store_true', help='also the released order of work'
    )
    parser.add_argument(
        '--also',
        nargs='+',
        choices=VARIANTS,
        default=[],
        help='also so, with the ratio',
    )
    parser.add_argument('--out', type=Path, help='write the report to this file')
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    MessageHub.get_current_instance().update_info('iter', LATE)
    cfg = Config.fromfile(args.config)
    ours = measure(cfg, args)
    name = (
        torch.cuda.get_device_name()
        if args.device == 'cuda'
        else (f'CPU, {args.threads} threads')
    )
    report = [
        f'{args.config}, batch {args.batch}, {name}, torch {torch.__version__}'
        f'{", AMP" if args.amp else ""}\n',
        table(ours),
    ]
    if args.published:
        theirs = measure(cfg, args, published=True)
        ratio = theirs['total'] / ours['total']
        report += [
            '\nreleased order of work, same process:\n',
            table(theirs),
            f'\ntime ratio released / ours: {ratio:.2f}',
        ]
    for variant in args.also:
        seconds = measure(cfg, args, variant=variant)['total']
        ratio = ours['total'] / seconds
        report.append(
            f'\n{variant}: {seconds:.3f} s, time ratio plain / it {ratio:.2f}'
        )
    print_log('\n' + '\n'.join(report), 'current')
    if args.out:
        args.out.write_text('\n'.join(report) + '\n')


if __name__ == '__main__':
    main()
