# Licensed under Apache-2.0.
"""The weak losses: values by hand, edges, gradients, mixed precision."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmwsss.cam import IGNORE, affinity_targets
from mmwsss.methods.irn.pair_affinity_loss import pair_affinity_loss
from mmwsss.methods.irn.pairs import pair_targets
from mmwsss.methods.smaf.attention_consistency import softmax_consistency
from mmwsss.methods.toco.class_token_contrast import class_token_contrast
from mmwsss.models.losses.affinity_loss import affinity_loss
from mmwsss.models.losses.balanced_cross_entropy import balanced_cross_entropy
from mmwsss.models.losses.dense_energy_loss import dense_energy_loss
from mmwsss.models.losses.multi_label_soft_margin import multi_label_soft_margin
from mmwsss.models.losses.patch_token_contrast import patch_token_contrast
from mmwsss.registry import MODELS


def rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def label_map() -> Tensor:
    return torch.tensor([[[0, 1, IGNORE], [2, 0, 0]], [[IGNORE, 2, 2], [1, 1, 0]]])


def cases(dtype: torch.dtype = torch.float32) -> dict:
    """name → (loss of one tensor, that tensor); all tiny."""
    token_labels = torch.tensor([[[0, 1], [1, IGNORE]], [[0, 0], [2, 1]]])
    teacher, flags = (
        rand(4, 6, seed=2, dtype=dtype),
        torch.tensor([[1.0, 1, 0, 1], [1, 1, 1, 0]]),
    )
    pixels = torch.randint(
        0, 256, (1, 3, 6, 6), generator=torch.Generator().manual_seed(3)
    ).to(dtype)
    label = torch.tensor([0, 1, IGNORE]).repeat(12).view(1, 6, 6)
    box = torch.tensor([[0, 5, 1, 6]])
    hot = torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    return dict(
        cls=(lambda x: multi_label_soft_margin(x, hot), rand(2, 3, dtype=dtype)),
        cls_weighed=(
            lambda x: multi_label_soft_margin(x, hot, torch.tensor([5.0, 1, 0.5])),
            rand(2, 3, dtype=dtype),
        ),
        ptc=(
            lambda x: patch_token_contrast(x, affinity_targets(token_labels)),
            rand(2, 5, 2, 2, dtype=dtype),
        ),
        ctc=(
            lambda x: class_token_contrast(x, teacher, flags, 0.5),
            rand(8, 6, dtype=dtype),
        ),
        aff=(
            lambda x: affinity_loss(x, affinity_targets(token_labels, self_pairs=True)),
            rand(2, 4, 4, dtype=dtype).sigmoid(),
        ),
        pair=(
            lambda x: pair_affinity_loss(x, pair_targets(label_map(), 2, 3)),
            rand(2, 4, 1, 1, dtype=dtype).sigmoid(),
        ),
        mac=(
            lambda x: softmax_consistency(
                x, rand(2, 3, 4, 4, seed=4, dtype=dtype).softmax(1)
            ),
            rand(2, 3, 2, 2, dtype=dtype),
        ),
        seg=(
            lambda x: balanced_cross_entropy(x, label_map()),
            rand(2, 3, 2, 2, dtype=dtype),
        ),
        reg=(
            lambda x: dense_energy_loss(
                pixels, x, label, box, scale=1e-2, sigma_xy=20.0, exact_grad=True
            ),
            rand(1, 3, 6, 6, dtype=dtype),
        ),
    )


@pytest.mark.parametrize('name', cases())
def test_scalar_with_gradient(name: str) -> None:
    function, tensor = cases()[name]
    loss = function(tensor.requires_grad_())
    assert loss.shape == () and loss.dtype == torch.float32
    loss.backward()
    assert torch.isfinite(tensor.grad).all() and tensor.grad.any()


@pytest.mark.parametrize('name', cases())
def test_gradcheck(name: str) -> None:
    function, tensor = cases(torch.float64)[name]
    assert torch.autograd.gradcheck(function, tensor.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize('name', cases())
def test_mixed_precision(name: str) -> None:
    """Under autocast a loss is the float32 loss of the same half values."""
    function, tensor = cases()[name]
    half = tensor.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        loss = function(half)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, function(half.float()))


@pytest.mark.parametrize(
    'name,config',
    [
        ('cls', dict(type='MultiLabelSoftMargin')),
        ('cls', dict(type='MultiLabelSoftMargin', pos_weight=[2.0, 1.0])),
        ('ptc', dict(type='PatchTokenContrast')),
        ('ctc', dict(type='ClassTokenContrast', temperature=0.5)),
        ('aff', dict(type='AffinityLoss')),
        ('pair', dict(type='PairAffinityLoss', weights=(0.2, 0.3, 0.5))),
        ('mac', dict(type='AttentionConsistency')),
        ('seg', dict(type='BalancedCrossEntropy')),
        ('reg', dict(type='DenseEnergyLoss', scale=2.0)),
    ],
)
def test_modules_have_no_state(name: str, config: dict) -> None:
    assert not list(MODELS.build(config).state_dict())


def test_soft_margin_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])
    loss = multi_label_soft_margin(logits, torch.tensor([[1.0, 0.0]]))
    # -(log 1/2 + log 1/4) / 2
    torch.testing.assert_close(loss, torch.tensor(1.5 * math.log(2)))
    with pytest.raises(ValueError, match=r'\(1, 2\).*\(1, 3\).*num_classes'):
        multi_label_soft_margin(logits, torch.zeros(1, 3))


# ------------------------------------------------------------- patch tokens
def test_ptc_by_hand() -> None:
    tokens = torch.tensor([[1.0, 0], [1, 0], [0, 2], [-3, 0]]).T.reshape(1, 2, 2, 2)
    label = torch.tensor([[[1, 1], [2, 2]]])
    # ordered pairs; similar: (0,1) |cos| 1, (2,3) 0 -> 2 of 4; dissimilar: (0,2) 0,
    # (0,3) 1, (1,2) 0, (1,3) 1 -> 4 of 8
    loss = patch_token_contrast(tokens, affinity_targets(label))
    expected = 0.5 * (1 - 2 / (4 + 1)) + 0.5 * 4 / (8 + 1)
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_ptc_without_any_pair_is_a_half() -> None:
    tokens = rand(2, 5, 2, 2).requires_grad_()
    targets = torch.full((2, 4, 4), IGNORE, dtype=torch.uint8)
    loss = patch_token_contrast(tokens, targets)
    loss.backward()
    assert loss == 0.5 and not tokens.grad.any()


def test_ptc_with_a_zero_token() -> None:
    tokens = torch.zeros(1, 3, 2, 2, requires_grad=True)
    patch_token_contrast(tokens, torch.ones(1, 4, 4, dtype=torch.uint8)).backward()
    assert torch.isfinite(tokens.grad).all()


def test_ptc_only_looks_at_directions() -> None:
    tokens, targets = rand(2, 5, 2, 2), affinity_targets(torch.arange(8).view(2, 2, 2))
    loss = patch_token_contrast(tokens, targets)
    scaled = tokens * torch.rand(2, 1, 2, 2).add(0.1)
    torch.testing.assert_close(patch_token_contrast(scaled, targets), loss)
    torch.testing.assert_close(patch_token_contrast(-tokens, targets), loss)


def test_ptc_bad_shapes() -> None:
    with pytest.raises(ValueError, match=r'\(1, 5, 2, 2\).*\(1, 9, 9\)'):
        patch_token_contrast(rand(1, 5, 2, 2), torch.ones(1, 9, 9))


# ------------------------------------------------------------- affinity
def test_affinity_loss_by_hand() -> None:
    p = torch.tensor([[[0.9, 0.2], [0.3, 0.6]]])
    targets = torch.tensor([[[1, 0], [0, IGNORE]]], dtype=torch.uint8)
    expected = 0.5 * 0.1 / (1 + 1) + 0.5 * (0.2 + 0.3) / (2 + 1)
    torch.testing.assert_close(affinity_loss(p, targets), torch.tensor(expected))


@pytest.mark.parametrize(
    'value,expected', [(1, 0.5 * 8 * 0.75 / 9), (0, 0.5 * 8 * 0.25 / 9), (IGNORE, 0.0)]
)
def test_affinity_loss_of_one_kind_of_pair(value: int, expected: float) -> None:
    p = torch.full((2, 2, 2), 0.25, requires_grad=True)
    loss = affinity_loss(p, torch.full((2, 2, 2), value, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert p.grad.any() == (value != IGNORE) and torch.isfinite(p.grad).all()


def test_affinity_loss_bad_shapes() -> None:
    with pytest.raises(ValueError, match=r'\(2, 4, 4\) and \(2, 3, 3\)'):
        affinity_loss(rand(2, 4, 4), torch.zeros(2, 3, 3, dtype=torch.uint8))


# ------------------------------------------------------------- pairs of pixels
def test_pair_affinity_by_hand() -> None:
    a = torch.tensor([0.9, 0.5, 0.8, 0.4, 0.25]).view(1, 5, 1, 1)
    targets = torch.tensor([2, 1, 0, 0, IGNORE], dtype=torch.uint8).view(1, 5, 1, 1)
    expected = -(
        0.25 * math.log(0.9)
        + 0.25 * math.log(0.5)
        + 0.5 * (math.log(0.2) + math.log(0.6)) / 2
    )
    assert pair_affinity_loss(a, targets).item() == pytest.approx(expected, rel=1e-4)
    weighted = pair_affinity_loss(a, targets, (0.0, 2.0, 0.0))
    assert weighted.item() == pytest.approx(-2 * math.log(0.5), rel=1e-4)


@pytest.mark.parametrize('value', [0, 1, 2, IGNORE])
@pytest.mark.parametrize('affinity', [0.0, 1.0])
def test_pair_affinity_of_one_kind_at_the_ends(value: int, affinity: float) -> None:
    a = torch.full((1, 3, 2, 2), affinity, requires_grad=True)
    loss = pair_affinity_loss(a, torch.full((1, 3, 2, 2), value, dtype=torch.uint8))
    loss.backward()
    wrong = value != IGNORE and (value == 0) == (affinity == 1)
    share = {0: 0.5, 1: 0.25, 2: 0.25, IGNORE: 0}[value]
    expected = -share * math.log(1e-5) if wrong else 0
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert torch.isfinite(a.grad).all() and a.grad.any() == (value != IGNORE)


def test_pair_affinity_bad_input() -> None:
    with pytest.raises(ValueError, match=r'\(1, 2, 3, 3\) and \(1, 2, 3, 4\)'):
        pair_affinity_loss(
            torch.rand(1, 2, 3, 3), torch.zeros(1, 2, 3, 4, dtype=torch.uint8)
        )
    for weights in ((0.5, 0.5), (1, 1, -1)):
        with pytest.raises(ValueError, match='three numbers >= 0'):
            MODELS.build(dict(type='PairAffinityLoss', weights=weights))


# ------------------------------------------------------------- class tokens
def ctc_by_loops(student: Tensor, teacher: Tensor, flags: Tensor, t: float) -> float:
    """The sum of the docstring, with exponentials and loops, in float64."""
    student, teacher, eps = student.double(), teacher.double(), 1e-4
    (batch, views), total = flags.shape, 0.0
    for i in range(batch):
        part = 0.0
        for v in range(2):
            e = [
                math.exp(float(teacher[v * batch + i] @ student[j * batch + i]) / t)
                for j in range(views)
            ]
            n = sum(x for x, flag in zip(e, flags[i]) if not flag)
            part += sum(
                -math.log(x / (x + n + eps)) for x, flag in zip(e, flags[i]) if flag
            )
            part += math.log(1 + n + eps)
        total += part / (2 * (float(flags[i].sum()) + eps))
    return total / batch


@pytest.mark.parametrize('temperature', [0.5, 1.0])
def test_ctc_against_loops(temperature: float) -> None:
    student, teacher = rand(10, 6), rand(4, 6, seed=1)
    flags = torch.tensor([[1.0, 1, 0, 1, 0], [1, 1, 0, 0, 0]])
    loss = class_token_contrast(student, teacher, flags, temperature)
    expected = ctc_by_loops(student, teacher, flags, temperature)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_ctc_without_negatives_is_almost_nothing() -> None:
    flags = torch.ones(2, 5)
    loss = class_token_contrast(0.3 * rand(10, 6), rand(4, 6, seed=1), flags, 0.5)
    assert 0 < loss < 1e-2


@pytest.mark.parametrize('sign', [1, -1])
def test_ctc_does_not_overflow(sign: int) -> None:
    """Inner products of 500 T: exp overflows in float32, loss and gradient don't."""
    teacher = torch.eye(2, 4)
    student = (sign * 250.0 * teacher.repeat(3, 1)).requires_grad_()  # three views
    flags = torch.tensor([[1.0, 1, 0]])
    loss = class_token_contrast(
        student[::2], teacher[:1].repeat(2, 1), flags, temperature=0.5
    )
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()
    # equal logits: two positives of log 2 each; or none of the exponentials counts
    positives = 2 * math.log(2) if sign > 0 else 2 * (500 + math.log(1e-4))
    extra = 500 if sign > 0 else 1e-4
    assert loss.item() == pytest.approx((positives + extra) / (2 + 1e-4), rel=1e-4)


def test_ctc_teaches_the_student_only() -> None:
    student, teacher = rand(8, 6).requires_grad_(), rand(4, 6, seed=1).requires_grad_()
    flags = torch.tensor([[1.0, 1, 0, 1]] * 2)
    class_token_contrast(student, teacher, flags, 0.5).backward()
    assert teacher.grad is None
    assert student.grad.abs().amax(1).all()  # globals and locals alike


def test_ctc_bad_input() -> None:
    with pytest.raises(ValueError, match='positive, got 0'):
        class_token_contrast(rand(4, 3), rand(2, 3), torch.ones(1, 4), 0)
    with pytest.raises(ValueError, match=r'\(2, 4\).*got 6 and 4'):
        class_token_contrast(rand(6, 3), rand(4, 3), torch.ones(2, 4), 1.0)


# ------------------------------------------------------------- segmentation
def test_balanced_cross_entropy_by_hand() -> None:
    logits = torch.zeros(1, 3, 1, 4)
    logits[0, 0, 0, 0] = math.log(2)  # 2/4 on background where it is background
    label = torch.tensor([[[0, 0, 2, IGNORE]]])
    loss = balanced_cross_entropy(logits, label)
    background = (math.log(2) + math.log(3)) / 2
    torch.testing.assert_close(loss, torch.tensor(0.5 * background + 0.5 * math.log(3)))


@pytest.mark.parametrize('value,share', [(0, 0.5), (1, 0.5), (IGNORE, 0.0)])
def test_an_empty_half_counts_nothing(value: int, share: float) -> None:
    logits = torch.zeros(2, 3, 2, 2, requires_grad=True)
    loss = balanced_cross_entropy(logits, torch.full((2, 4, 4), value))
    loss.backward()
    torch.testing.assert_close(loss, torch.tensor(share * math.log(3)))
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.any() == bool(share)


def test_balanced_cross_entropy_bad_shapes() -> None:
    with pytest.raises(ValueError, match=r'\(2, 3, 2, 2\) and \(1, 4, 4\)'):
        balanced_cross_entropy(rand(2, 3, 2, 2), torch.zeros(1, 4, 4).long())


# ------------------------------------------------------------- dense energy
def test_energy_prefers_agreement_of_like_pixels() -> None:
    """On a plain image the energy falls as the pixels agree."""
    pixels, label = torch.full((1, 3, 8, 8), 90.0), torch.full((1, 8, 8), IGNORE)
    mixed = torch.zeros(1, 2, 8, 8)
    sure = mixed.clone()
    sure[:, 0] = 5.0
    low, high = (dense_energy_loss(pixels, x, label) for x in (sure, mixed))
    assert low < high < 0


def test_energy_outside_the_box() -> None:
    """No box is the whole crop; a pixel of the padding gets no gradient."""
    pixels, label = torch.rand(1, 3, 8, 8) * 255, torch.full((1, 8, 8), IGNORE)
    logits = rand(1, 3, 8, 8).requires_grad_()
    whole = torch.tensor([[0, 8, 0, 8]])
    assert torch.equal(
        dense_energy_loss(pixels, logits, label),
        dense_energy_loss(pixels, logits, label, whole),
    )
    dense_energy_loss(pixels, logits, label, torch.tensor([[0, 8, 0, 4]])).backward()
    assert logits.grad[..., :4].any() and not logits.grad[..., 4:].any()


def test_energy_scale_is_a_factor() -> None:
    pixels, label = torch.rand(1, 3, 8, 8) * 255, torch.zeros(1, 8, 8).long()
    logits = rand(1, 3, 8, 8)
    one, ten = (dense_energy_loss(pixels, logits, label, scale=s) for s in (1.0, 10.0))
    torch.testing.assert_close(10 * one, ten)
