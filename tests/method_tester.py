# Licensed under Apache-2.0.
"""One tester for all single-stage methods.

A method's test is a class of a few lines::

    class TestMyMethod(MethodTester):
        config = 'configs/my/my_vit-t_shapes.py'

Everything is read from the config: which terms apply when, which heads there are, what
is predicted. A new method's numbers are pinned, and changed ones are accepted, by ::

    python -m tests.method_tester --update configs/my/my_vit-t_shapes.py
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.models import SingleStageWSSS
from mmwsss.models.utils import EMACopy
from mmwsss.registry import MODELS
from tests.helpers.host_sync import NoHostSync

ROOT = Path(__file__).resolve().parents[1]
PINNED = ROOT / 'tests' / 'data' / 'pinned'
RTOL = 1e-4
LABEL_SHARE = 2e-3  # of the pixels: those on an edge may fall to the other side
SIZE = 96
VIEWS = ('view1', 'view2', 'local')
#: the samples' image labels; the last one has none
LABELS = ((0, 3), (2,), (5, 1, 4), ())
CAMS = ('pred_cam', 'pred_aux_cam')


# ------------------------------------------------------------------ material
def build(config: str, seed: int = 0, **train_cfg) -> SingleStageWSSS:
    """A model with seeded random weights; no file is read but the config."""
    cfg = Config.fromfile(ROOT / config)
    init_default_scope('mmwsss')
    cfg.model.backbone.pretrained = None
    cfg.model.train_cfg.update(train_cfg)
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    for module in model.modules():
        if isinstance(module, EMACopy):  # so that teacher and student can be told apart
            for parameter in module.parameters():
                parameter.data += 0.01 * torch.randn_like(parameter)
    return model


def pictures(count: int, size: tuple[int, int] = (SIZE, SIZE), seed: int = 0
             ) -> list[Tensor]:
    """Smooth random pictures with some noise, (3, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(count, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size, mode='bicubic')
    noise = 20 * torch.randn(count, 3, *size, generator=generator)
    return list((smooth + noise).clamp(0, 255).to(torch.uint8))


def sample(labels: Sequence[int] | None, size: tuple[int, int], index: int = 0,
           box: Sequence[int] | None = None) -> SegDataSample:
    """A data sample as the pipelines pack it."""
    meta = dict(img_path=f'{index}.jpg', img_id=str(index), ori_shape=size)
    if labels is not None:
        meta['gt_labels'] = tuple(labels)
    out = SegDataSample(metainfo=meta)
    if box is not None:
        out.set_data(dict(valid_box=torch.tensor(box)))
    return out


def train_batch(model: SingleStageWSSS, images: Sequence[int] = (0, 1)) -> dict:
    """``inputs`` and ``data_samples`` of a training step, for images of LABELS."""
    boxes = ((0, 96, 0, 96), (8, 96, 0, 80), (0, 64, 16, 96), (0, 96, 0, 96))
    views = {name: [pictures(4, seed=seed)[i] for i in images]
             for seed, name in enumerate(VIEWS)}
    samples = [sample(LABELS[i], (SIZE, SIZE), i, boxes[i]) for i in images]
    return model.data_preprocessor(dict(inputs=views, data_samples=samples), True)


def test_batch(model: SingleStageWSSS, images: Sequence[int] = (0, 1),
               sizes: Sequence[tuple[int, int]] = ((64, 80), (64, 80)),
               labels: str = 'gt') -> dict:
    """Inputs of a prediction; labels ``'gt'``, ``'wrong'`` or ``'none'``."""
    wrong = [tuple((c + 1) % model.num_foreground for c in some) for some in LABELS]
    known = dict(gt=LABELS, wrong=wrong, none=[None] * len(LABELS))[labels]
    inputs = [pictures(1, size, seed=10 + i)[0] for i, size in zip(images, sizes)]
    # labels are 5 pixels wider than the image: outputs follow ori_shape
    samples = [sample(known[i], (size[0], size[1] + 5), i)
               for i, size in zip(images, sizes)]
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)


test_batch.__test__ = False


def at(iteration: int) -> None:
    """Let models believe that this iteration runs."""
    MessageHub.get_current_instance().update_info('iter', iteration)


def step(model: SingleStageWSSS, iteration: int, images: Sequence[int] = (0, 1),
         seed: int = 0) -> dict[str, Tensor]:
    """The losses of one training step; its random draws are seeded."""
    at(iteration)
    data = train_batch(model, images)
    torch.manual_seed(seed)
    return model.train().loss(**data)


def total(losses: dict[str, Tensor]) -> Tensor:
    """What the runner minimises."""
    return sum(v for k, v in losses.items() if k.startswith('loss_'))


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Gradient of every parameter that has one."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {k: p.grad.clone() for k, p in model.named_parameters()
            if p.grad is not None}


def begins(model: SingleStageWSSS) -> list[int]:
    """Iterations at which a loss weight changes."""
    return sorted({b for term in model.schedule.weights.values() for b in term.begins})


def fields(samples: Sequence[SegDataSample]) -> list[dict[str, Tensor]]:
    """The predicted tensors of each sample by name."""
    found = []
    for one in samples:
        flat = {}
        for name, value in one.items():
            if name.startswith('pred_'):
                parts = value.items() if isinstance(value, BaseDataElement) else [
                    ('', value)]
                flat |= {f'{name}.{key}'.rstrip('.'): v for key, v in parts}
        found.append(flat)
    return found


def assert_same_predictions(ours: list[dict], theirs: list[dict], exact: bool) -> None:
    """Equal outputs; unless ``exact``, up to float error and a few edge pixels."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            if exact:
                assert torch.equal(one[key], other[key]), key
            elif one[key].is_floating_point():
                torch.testing.assert_close(one[key], other[key], atol=1e-4, rtol=1e-4)
            else:
                differ = (one[key] != other[key]).float().mean()
                assert differ < LABEL_SHARE, (key, float(differ))


# ------------------------------------------------------------------ pinned outputs
def pinned_path(config: str) -> Path:
    """Where the numbers of a config are kept."""
    return PINNED / f'{Path(config).stem}.json'


def numbers(config: str) -> dict:
    """Losses of the last phase and sums of predictions of a seeded model."""
    model = build(config)
    losses = {k: float(v.detach())
              for k, v in step(model, begins(model)[-1]).items()}
    predicted = fields(model.eval().predict(**test_batch(model), cam_filter='gt'))
    sums = {}
    for key in predicted[0]:
        value = torch.cat([p[key].flatten() for p in predicted])
        if value.is_floating_point():
            ramp = torch.linspace(0, 1, value.numel())  # so that places count
            sums[key] = [float(value.mean()), float((value * ramp).mean())]
        else:
            ids, counts = value.unique(return_counts=True)
            sums[key] = {str(int(i)): float(c) / value.numel()
                         for i, c in zip(ids, counts)}
    return dict(losses=losses, predictions=sums)


def compare_numbers(ours: dict, pinned: dict) -> None:
    """Losses and means to RTOL, shares of labels to LABEL_SHARE."""
    assert ours['losses'].keys() == pinned['losses'].keys()
    for name, value in pinned['losses'].items():
        # label shares are counts of pixels
        tolerance = LABEL_SHARE if name.startswith('label_') else 1e-6
        assert ours['losses'][name] == pytest.approx(
            value, rel=RTOL, abs=tolerance), name
    assert ours['predictions'].keys() == pinned['predictions'].keys()
    for name, value in pinned['predictions'].items():
        got = ours['predictions'][name]
        if isinstance(value, list):
            assert got == pytest.approx(value, rel=RTOL, abs=1e-6), name
        else:
            for label in value.keys() | got.keys():
                assert got.get(label, 0.0) == pytest.approx(
                    value.get(label, 0.0), abs=LABEL_SHARE), (name, label)


# ------------------------------------------------------------------ the tester
class MethodTester:
    """What holds for every method; subclass it as ``TestX`` and name its config."""

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
    def model(self) -> SingleStageWSSS:
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

    def test_label_statistics(self, model) -> None:
        losses = step(model, begins(model)[-1])
        shares = [losses[f'label_{k}'] for k in ('fg', 'bg', 'ignore')]
        assert not any(s.requires_grad for s in shares)
        torch.testing.assert_close(sum(shares), torch.tensor(1.0))

    def test_phases(self, model) -> None:
        """Each phase has its terms, up to the last iteration before the next."""
        for begin in begins(model):
            for iteration in {max(begin - 1, 0), begin}:
                got = {k.removeprefix('loss_') for k in step(model, iteration)
                       if k.startswith('loss_')}
                assert got == set(model.schedule(iteration)), iteration

    @pytest.mark.parametrize('inactive', ['zero_grad', 'off'])
    def test_modules_without_a_term(self, inactive: str) -> None:
        model = build(self.config, inactive=inactive)
        active = set(model.schedule(0))
        grads = gradients(model, total(step(model, 0)))
        for name, terms in model.TERM_MODULES.items():
            module = getattr(model, name, None)
            if module is None or active & set(terms):
                continue
            names = [f'{name}.{k}' for k, p in module.named_parameters()
                     if p.requires_grad]
            assert names
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
        assert losses['label_fg'] == 0

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
        labels = model.image_labels(data['data_samples'], 'cpu')
        monkeypatch.setattr(model, 'image_labels', lambda *_: labels)
        with NoHostSync.patched(monkeypatch):
            losses = model.train().loss(**data)
            total(losses).backward()
        assert len(losses) > 1

    def test_gradient_of_two_processes(self) -> None:
        """Each process has its own normalisers; then gradients are averaged.

        Two models that see a half each, against one model that sees both halves one
        after the other: no state but the weights may pass between them.
        """
        last, halves = begins(build(self.config))[-1], ((0, 1), (2, 3))
        single = []
        for half in halves:
            model = build(self.config)
            self._still(model)
            single.append(gradients(model, total(step(model, last, half))))
        model = build(self.config)
        self._still(model)
        both = sum(total(step(model, last, half)) for half in halves) / 2
        for key, value in gradients(model, both).items():
            mean = (single[0][key] + single[1][key]) / 2
            torch.testing.assert_close(value, mean, rtol=1e-4, atol=1e-6, msg=key)

    @staticmethod
    def _still(model: SingleStageWSSS) -> None:
        """Teacher = student, so that following changes nothing."""
        for name, module in model.named_children():
            if isinstance(module, EMACopy):
                module.start_from(getattr(model, name.removesuffix('_ema')))

    # -------------------------------------------------------------- prediction
    def check(self, model, samples, outputs, kept) -> None:
        """Sizes, types and ranges of all outputs of some samples."""
        for one, values, classes in zip(samples, fields(samples), kept):
            shape = (1, *one.ori_shape)
            names = {key.split('.')[0] for key in values}
            wanted = {'seg': 'pred_sem_seg'}
            assert names == {'pred_score', *(
                wanted.get(o, f'pred_{o}') for o in outputs)}
            score = values.pop('pred_score')
            assert score.shape == (model.num_foreground,)
            assert ((score >= 0) & (score <= 1)).all()
            for key, value in values.items():
                assert tuple(value.shape) == shape, key
                ids = set(value.unique().tolist())
                if key.endswith('.score'):
                    assert value.dtype == torch.float32
                    assert value.min() >= 0 and value.max() <= 1
                    continue
                assert value.dtype == torch.int64, key
                present = {c + 1 for c in classes}
                if key.startswith(CAMS):
                    assert ids <= (present or {0}), key
                elif key.startswith('pred_pseudo'):
                    assert ids <= present | {0, 255}
                else:
                    assert ids <= set(range(model.num_classes))

    @pytest.mark.parametrize('cam_filter', ['gt', 'pred', 'none'])
    @pytest.mark.parametrize('protocol', protocols)
    def test_predictions(self, model, protocol: str, cam_filter: str) -> None:
        model.eval()
        every = range(model.num_foreground)
        outputs = model.test_cfg['outputs']
        for sizes in (((64, 80), (64, 80)), ((64, 80), (72, 56))):  # tensor, list
            samples = model.predict(
                **test_batch(model, (0, 3), sizes),
                **self.protocols[protocol], cam_filter=cam_filter)
            kept = [every] * 2 if cam_filter != 'gt' else [LABELS[0], LABELS[3]]
            self.check(model, samples, outputs, kept)

    def test_tta_of_the_config(self, model) -> None:
        tta = Config.fromfile(ROOT / self.config).get('tta_cfg')
        assert tta, f'{self.config} has no tta_cfg'
        samples = model.eval().predict(**test_batch(model), **tta)
        self.check(model, samples, tta['outputs'], LABELS)
        plain = model.predict(**test_batch(model), outputs=('seg',))
        assert any(not torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)
                   for a, b in zip(samples, plain))

    @pytest.mark.parametrize('cam_filter', ['pred', 'none'])
    def test_prediction_never_reads_labels(self, model, cam_filter: str) -> None:
        model.eval()
        results = [
            fields(model.predict(**test_batch(model, labels=kind),
                                 cam_filter=cam_filter))
            for kind in ('gt', 'wrong', 'none')]
        for other in results[1:]:
            assert_same_predictions(results[0], other, exact=True)
        with pytest.raises(ValueError, match='no gt_labels'):
            model.predict(**test_batch(model, labels='none'), cam_filter='gt')

    def test_without_data_samples(self, model) -> None:
        data = test_batch(model)
        data['data_samples'] = None
        samples = model.eval().predict(**data, cam_filter='pred')
        assert samples[0].pred_sem_seg.data.shape == (1, 64, 80)

    @pytest.mark.parametrize('protocol', protocols)
    def test_a_batch_is_its_images(self, model, protocol: str) -> None:
        model.eval()
        settings = self.protocols[protocol] | dict(cam_filter='gt')
        both = fields(model.predict(**test_batch(model), **settings))
        single = [fields(model.predict(
            **test_batch(model, (i,), ((64, 80),)), **settings))[0] for i in (0, 1)]
        assert_same_predictions(both, single, exact=False)

    def test_unknown_settings(self, model) -> None:
        with pytest.raises(ValueError, match='cam_filter'):
            model.predict(**test_batch(model), cam_filter='oracle')
        model.decode_head = None
        with pytest.raises(ValueError, match="'seg'.*no decode_head"):
            model.predict(**test_batch(model), outputs=('seg',))

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
        update = f'python -m tests.method_tester --update {self.config}'
        assert path.is_file(), f'run: {update}'
        compare_numbers(numbers(self.config), json.loads(path.read_text()))


def main(argv: Sequence[str] | None = None) -> None:
    """Write the pinned numbers of configs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--update', nargs='+', metavar='CONFIG', required=True)
    for config in parser.parse_args(argv).update:
        PINNED.mkdir(parents=True, exist_ok=True)
        text = json.dumps(numbers(config), indent=2, sort_keys=True)
        pinned_path(config).write_text(text + '\n')


if __name__ == '__main__':
    main()
