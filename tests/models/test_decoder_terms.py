# Licensed under Apache-2.0.
"""The loss term partial: by hand, in every method with a decoder, in two processes."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.structures import PixelData
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmwsss.cam import IGNORE
from mmwsss.models.losses.pixel_cross_entropy import pixel_cross_entropy
from mmwsss.structures import known_pixels
from mmwsss.testing import at, build, total, train_batch
from mmwsss.testing.config_files import load_config
from mmwsss.testing.host_sync import NoHostSync
from mmwsss.testing.training_steps import gradients
from tests.helpers.processes import in_processes

CAM = 'configs/cam/cam_vit-t_shapes_seg.py'
#: method → config, and an iteration at which its decoder learns from pseudo labels
METHODS = dict(
    cam=(CAM, 599),
    toco=('configs/toco/toco_vit-t_shapes.py', 599),
    fsr=('configs/fsr/fsr_vit-t_shapes.py', 599),
    afa=('configs/afa/afa_mit-t_shapes.py', 599),
)


def model_of(config: str, weight: object = 0.5):
    cfg = load_config(config)
    cfg.model.train_cfg.weights['partial'] = weight
    return build(cfg)


def batch_of(model, known: dict[int, int]) -> dict:
    """A batch in whose picture i rows 10 to 19 are known to be of a class."""
    data = train_batch(model)
    for i, sample in enumerate(data['data_samples']):
        partial = torch.full((1, 96, 96), IGNORE)
        if i in known:
            partial[:, 10:20] = known[i]
        sample.partial = PixelData(data=partial)
    return data


# ------------------------------------------------------------------ the loss by hand
def test_mean_over_the_known_pixels_of_the_batch() -> None:
    logits = torch.zeros(2, 3, 1, 2)
    logits[0, 1, 0, 0] = math.log(2)  # 2/4 on class 1 where it is class 1
    known = torch.tensor([[[1, IGNORE]], [[2, 0]]])
    loss = pixel_cross_entropy(logits, known)
    torch.testing.assert_close(loss, torch.tensor((math.log(2) + 2 * math.log(3)) / 3))


def test_nothing_known_is_zero_with_a_graph() -> None:
    logits = torch.randn(2, 3, 2, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((2, 4, 4), IGNORE))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None and not logits.grad.any()


def test_only_known_pixels_have_a_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    known = torch.full((1, 4, 4), IGNORE)
    known[0, 1, 2] = 2
    pixel_cross_entropy(logits, known).backward()
    touched = logits.grad.abs().sum(1)[0] > 0
    assert touched.nonzero().tolist() == [[1, 2]]
    assert torch.autograd.gradcheck(lambda x: pixel_cross_entropy(x, known), logits)


def test_half_precision_is_float32() -> None:
    logits, known = torch.randn(1, 3, 4, 4), torch.zeros(1, 4, 4).long()
    half = pixel_cross_entropy(logits.bfloat16(), known)
    assert half.dtype == torch.float32
    assert torch.equal(half, pixel_cross_entropy(logits.bfloat16().float(), known))


# ------------------------------------------------------------------ in the methods
@pytest.mark.parametrize('name', METHODS)
def test_every_method_with_a_decoder_learns_from_it(name: str) -> None:
    """From iteration 0 on, before pseudo labels and beside them, by one weight."""
    config, late = METHODS[name]
    model = model_of(config)
    for iteration in (0, late):
        at(iteration)
        found = model.train().loss(**batch_of(model, {0: 1}))
        assert found['loss_partial'] > 0
        assert ('loss_seg' in found) == (iteration > 0)
        grads = gradients(model, found['loss_partial'])
        assert any(g.any() for k, g in grads.items() if k.startswith('decode_head.'))
        assert any(g.any() for k, g in grads.items() if k.startswith('backbone.'))
    at(0)


@pytest.mark.parametrize('name', METHODS)
def test_pseudo_labels_keep_what_is_known(name: str, monkeypatch) -> None:
    """Of the methods' own labelers; without a weight on the loss too."""
    config, late = METHODS[name]
    model, seen = build(config), []
    monkeypatch.setattr(
        model.losses['seg'],
        'forward',
        lambda logits, label: seen.append(label) or logits.sum(),
    )
    for known in ({}, {0: 4}):  # a class that its image label lacks
        at(late)
        torch.manual_seed(0)
        found = model.train().loss(**batch_of(model, known))
        assert 'loss_partial' not in found
    at(0)
    plain, kept = seen
    assert (kept[0, 10:20] == 4).all() and not (plain[0, 10:20] == 4).all()
    rest = torch.ones(96, dtype=torch.bool)
    rest[10:20] = False
    assert torch.equal(plain[0, rest], kept[0, rest])
    assert torch.equal(plain[1], kept[1])


def test_a_constant_is_a_factor_and_the_loss_is_that_of_the_logits() -> None:
    model = model_of(CAM, 0.25)
    data = batch_of(model, {1: 3})
    found = model.train().loss(**data)
    logits = model.seg_logits(model.encode(data['inputs']['view1']))
    known = known_pixels(data['data_samples'])
    torch.testing.assert_close(
        found['loss_partial'], 0.25 * pixel_cross_entropy(logits, known)
    )


def test_the_decoder_runs_once(monkeypatch) -> None:
    model, calls = model_of(CAM), []
    logits = model.seg_logits
    monkeypatch.setattr(model, 'seg_logits', lambda f: calls.append(1) or logits(f))
    for iteration in (0, 599):
        at(iteration)
        model.train().loss(**batch_of(model, {0: 1}))
        assert len(calls) == 1
        calls.clear()
    at(0)


def test_a_plain_cam_stays_plain() -> None:
    """With ``detach_decoder`` the encoder learns nothing of it."""
    cfg = load_config(CAM)
    cfg.model.train_cfg.update(detach_decoder=True)
    cfg.model.train_cfg.weights['partial'] = 1.0
    model = build(cfg)
    found = model.train().loss(**batch_of(model, {0: 1}))
    grads = gradients(model, found['loss_partial'])
    assert not any(g.any() for k, g in grads.items() if k.startswith('backbone.'))


def test_prediction_never_reads_it() -> None:
    model = model_of(CAM).eval()
    data = batch_of(model, {0: 4})
    assert model.side_inputs_of(data['data_samples']) == {}
    assert 'partial' in model.train().side_inputs_of(data['data_samples'])


def test_no_host_sync(monkeypatch) -> None:
    model = model_of(CAM)
    at(0)
    data = batch_of(model, {0: 1})
    side = model.train().side_inputs_of(data['data_samples'])
    features = model.encode(data['inputs']['view1'])
    labels = model.image_labels(data['data_samples'], torch.device('cpu'))
    with NoHostSync():
        total(model.weigh(model.classification(features, labels, side))).backward()


def test_what_it_needs() -> None:
    model = model_of(CAM)
    with pytest.raises(
        ValueError, match=r"0\.jpg has no side input 'partial': declare"
    ):
        model.train().loss(**train_batch(model))
    cfg = load_config('configs/cam/cam_vit-t_shapes.py')
    if cfg.model.get('decode_head'):
        cfg.model.decode_head = None
    cfg.model.train_cfg.weights = dict(cls=1.0, partial=1.0)
    cfg.model.test_cfg.outputs = ('cam',)
    with pytest.raises(ValueError, match='the loss term partial needs a decode_head'):
        build(cfg)


# ------------------------------------------------------------------ processes
class Decoder(nn.Module):
    """Logits of a fixed map, all 0 at the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1, bias=False)
        nn.init.zeros_(self.conv.weight)

    def forward(self, maps: Tensor, known: Tensor) -> Tensor:
        """The loss."""
        return pixel_cross_entropy(self.conv(maps), known)


def known_of(rank: int) -> Tensor:
    known = torch.full((1, 2, 2), IGNORE)
    if rank == 0:
        known[0, 0, 0] = 1
    return known


def one_step(rank: int) -> dict[str, Tensor]:
    """Process 1 knows nothing."""
    maps = torch.ones(1, 2, 2, 2) * (rank + 1)
    model = DistributedDataParallel(Decoder())
    loss = model(maps, known_of(rank))
    loss.backward()
    return dict(loss=loss.detach(), grad=model.module.conv.weight.grad)


def test_two_processes_average_their_means(tmp_path) -> None:
    """As the other losses: each by its own pixels; one without any doesn't hang."""
    first, second = in_processes(one_step, tmp_path)
    assert first['loss'].item() == pytest.approx(math.log(3)) and not second['loss']
    single = Decoder()
    single(torch.ones(1, 2, 2, 2), known_of(0)).backward()
    for found in (first, second):
        torch.testing.assert_close(found['grad'], single.conv.weight.grad / 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """The same numbers as on the CPU, and the host doesn't wait."""
    logits = torch.randn(2, 3, 4, 4)
    known = torch.full((2, 8, 8), IGNORE)
    known[0, 2:4, 3:6] = 2
    on_gpu = logits.cuda().requires_grad_(), known.cuda()
    torch.cuda.set_sync_debug_mode('error')
    try:
        loss = pixel_cross_entropy(*on_gpu)
        loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    logits.requires_grad_()
    expected = pixel_cross_entropy(logits, known)
    expected.backward()
    torch.testing.assert_close(loss.cpu(), expected)
    torch.testing.assert_close(on_gpu[0].grad.cpu(), logits.grad)
