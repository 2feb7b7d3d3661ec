# Licensed under Apache-2.0.
"""SemFormer's losses and their arithmetic: by hand, edges, gradients, autocast."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmwsss.methods.semformer.activation_complementation import (
    ActivationComplementation,
    activation_complementation,
)
from mmwsss.methods.semformer.activation_suppression import activation_suppression
from mmwsss.methods.semformer.class_attention import class_relative_attention
from mmwsss.methods.semformer.class_contrast import class_contrast
from mmwsss.methods.semformer.complement import (
    activation_maps,
    complementary_images,
    strongest_other,
    valid_pixels,
)
from mmwsss.methods.semformer.reconstruction import reconstruction
from mmwsss.methods.semformer.semantic_similarity import semantic_similarity
from mmwsss.methods.semformer.semantics import clamped_cosine, class_embedding
from mmwsss.registry import MODELS
from mmwsss.structures import ClassPairs

LABELS = [(0, 2), (), (1,)]  # of three images; class ids (0, 1, 3), (0,), (0, 2)


@pytest.fixture
def pairs() -> ClassPairs:
    return ClassPairs.from_lists(LABELS, 3)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def cases(dtype: torch.dtype = torch.float32) -> dict:
    """name → (loss of one tensor, that tensor); all tiny."""
    pairs = ClassPairs.from_lists(LABELS, 3)
    semantics = draw(4, 5, dtype=dtype)
    valid = valid_pixels(torch.tensor([[0, 4, 2, 8]] * 3), (8, 8), (4, 4), 3, 'cpu')
    few = semantics[pairs.pair_ids].detach()
    every = torch.ones_like(pairs.score, dtype=torch.bool)

    def contrast(form: str):
        return lambda x: class_contrast(x, few, pairs.own, pairs.other, form)

    return dict(
        sim=(
            lambda x: semantic_similarity(x, semantics, pairs.score),
            0.1 + draw(3, 4, 5, dtype=dtype),
        ),
        recon=(
            lambda x: reconstruction(x, torch.ones(1, 3, 5, 5, dtype=dtype)),
            draw(1, 3, 4, 4, dtype=dtype),
        ),
        cf=(contrast('released'), draw(6, 3, 5, dtype=dtype)),
        cf_paper=(contrast('paper'), draw(6, 3, 5, dtype=dtype)),
        sup=(activation_suppression, draw(3, 4, 4, 4, dtype=dtype)),
        sup_paper=(
            lambda x: activation_suppression(x, 'paper'),
            draw(3, 4, 4, 4, dtype=dtype),
        ),
        comp=(
            lambda x: activation_complementation(pairs.gather(x), pairs.mask, valid),
            draw(3, 4, 4, 4, dtype=dtype),
        ),
        comp_paper=(
            lambda x: activation_complementation(
                x, pairs.score > 0, valid, every, per_image=True
            ),
            draw(3, 4, 4, 4, dtype=dtype),
        ),
    )


NAMES = list(cases())


@pytest.mark.parametrize('name', NAMES)
def test_gradients(name: str) -> None:
    loss, x = cases(torch.float64)[name]
    assert loss(x).dtype == torch.float64 and loss(x).shape == ()
    assert torch.autograd.gradcheck(loss, x.requires_grad_())


@pytest.mark.parametrize('name', NAMES)
def test_float32_under_autocast(name: str) -> None:
    loss, x = cases()[name]
    half = x.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(half)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(half.float()))


# ------------------------------------------------------------------ arithmetic
def test_pairs(pairs) -> None:
    assert pairs.ids.tolist() == [[0, 1, 3], [0, 0, 0], [0, 2, 0]]
    assert pairs.mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert pairs.score.tolist() == [[1, 1, 0, 1], [1, 0, 0, 0], [1, 0, 1, 0]]
    assert list(zip(pairs.image.tolist(), pairs.slot.tolist())) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (2, 0),
        (2, 1),
    ]
    assert len(pairs) == 6
    assert pairs.other.sum(1).tolist() == [2, 2, 2, 0, 1, 1]
    assert (pairs.own.sum(1) == 1).all() and not (pairs.own & pairs.other).any()
    with pytest.raises(ValueError, match=r'image 0.*\[3\]'):
        ClassPairs.from_lists([(3,)], 3)


def test_no_object_at_all() -> None:
    pairs = ClassPairs.from_lists([(), ()], 3)
    assert pairs.ids.shape == (2, 1) and len(pairs) == 2
    maps = draw(2, 4, 3, 3).requires_grad_()
    for form in ('released', 'paper'):
        loss = ActivationComplementation(form)(maps, pairs)
        assert (loss == 0) == (form == 'released')
        loss.backward()
        assert torch.isfinite(maps.grad).all()


def test_strongest_other_by_loops() -> None:
    maps, partners = draw(2, 4, 3, 3), torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0]]) > 0
    found = strongest_other(maps, partners)
    for b in range(2):
        for c in range(4):
            others = [maps[b, k] for k in range(4) if k != c and partners[b, k]]
            expected = (
                torch.stack(others).amax(0) if others else torch.full((3, 3), -1.0)
            )
            assert torch.equal(found[b, c], expected)


def test_complementation_by_loops(pairs) -> None:
    maps = draw(3, 4, 3, 3)
    for form, candidates in (('released', None), ('paper', range(4))):
        images = []
        for b, present in enumerate([(0, 1, 3), (0,), (0, 2)]):
            terms = []
            for c in present:
                others = [k for k in candidates or present if k != c]
                if others:
                    terms.append((maps[b, c] + maps[b, others].amax(0) - 1) ** 2)
            images.append(terms)
        flat = torch.stack([t for terms in images for t in terms]).mean()
        if form == 'paper':
            flat = torch.stack([torch.stack(t).mean() for t in images]).mean()
        torch.testing.assert_close(ActivationComplementation(form)(maps, pairs), flat)


def test_contrast_of_the_paper_by_loops(pairs) -> None:
    """Equations 7 and 8 for each image."""
    embedding, semantics = draw(6, 3, 5), draw(4, 5)[pairs.pair_ids]
    cosine = clamped_cosine(embedding, semantics)
    front, back = [], []
    for image in range(3):
        rows = [p for p in range(6) if pairs.image[p] == image]
        one, two = [], []
        for p in rows:
            own = cosine[p, pairs.slot[p]]
            others = cosine[p][pairs.other[p]]
            mean = others.sum() / max(len(others), 1)
            one.append(1 - own + mean)
            two.append(own + (1 - mean if len(others) else 0))
        front.append(sum(one) / len(rows))
        back.append(sum(two) / len(rows))
    found = class_contrast(embedding, semantics, pairs.own, pairs.other, 'paper')
    torch.testing.assert_close(found, sum(front) / 3)
    found = class_contrast(embedding, semantics, pairs.other, pairs.own, 'paper')
    torch.testing.assert_close(found, sum(back) / 3)


def test_complementary_images_add_up(pairs) -> None:
    images, maps = draw(3, 3, 4, 4), draw(3, 3, 4, 4)
    front, back = complementary_images(images, maps, pairs)
    torch.testing.assert_close(front + back, images[pairs.image])
    torch.testing.assert_close(front[2], images[0] * maps[0, 2])


def test_suppression_by_hand() -> None:
    maps = torch.tensor([[[[0.5]], [[0.2]], [[0.4]]]])
    assert float(activation_suppression(maps)) == pytest.approx(0.3 + 0.5)
    assert float(activation_suppression(maps, 'paper')) == pytest.approx(1.1 / 3)


def test_nothing_is_active_in_the_padding() -> None:
    valid = valid_pixels(torch.tensor([[1, 8, 0, 5]]), (8, 8), (4, 4), 1, 'cpu')
    assert valid[0].tolist() == [[1, 1, 0, 0]] * 4  # both edges rounded down
    maps = activation_maps(torch.zeros(1, 2, 2, 2), valid)
    assert torch.equal(maps, 0.5 * valid[:, None].expand(1, 2, 4, 4))
    assert valid_pixels(None, (8, 8), (4, 4), 2, 'cpu').all()


def test_embedding_of_half_tokens_is_summed_in_float32() -> None:
    tokens = torch.full((1, 4096, 2), 0.01, dtype=torch.float16)
    found = class_embedding(tokens)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, tokens.float().sum(1))


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    'call,message',
    [
        (lambda: class_embedding(draw(1, 2, 3), 'median'), "reduction.*'median'"),
        (
            lambda: class_relative_attention(draw(1, 2, 1, 1, 2, 2), 3),
            'last 3 blocks is wanted, 2 were',
        ),
        (lambda: activation_suppression(draw(1, 2, 2, 2), 'odd'), "form.*'odd'"),
        (
            lambda: activation_complementation(draw(1, 2, 2, 2), draw(1, 3) > 0),
            r'need present \(B, S\), got \(1, 3\)',
        ),
        (
            lambda: semantic_similarity(draw(2, 3, 4), draw(2, 4), draw(2, 3)),
            r'needs semantics \(K, D\)',
        ),
        (lambda: reconstruction(draw(1, 3, 4, 4), draw(1, 3, 2, 2)), 'does not fit'),
        (lambda: MODELS.build(dict(type='ClassForegroundLoss', form='x')), "got 'x'"),
        (
            lambda: MODELS.build(
                dict(type='ClassSemantics', in_channels=2, num_classes=2, reduction='x')
            ),
            "got 'x'",
        ),
        (
            lambda: MODELS.build(
                dict(
                    type='ActivationHead',
                    in_channels=2,
                    num_classes=2,
                    token_dropout=1.0,
                )
            ),
            'token_dropout must be in',
        ),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
