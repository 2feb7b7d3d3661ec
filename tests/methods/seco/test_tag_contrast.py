# Licensed under Apache-2.0.
"""Both contrastive losses against loops, and their options."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.methods.seco.tag_contrast import (
    TagContrast,
    global_contrast,
    local_contrast,
    noisy_rows,
)

T = 0.2


def batch(seed: int = 0, rows: int = 7, classes: int = 4) -> tuple[Tensor, ...]:
    """Queries, their tags, keys (the first are seen twice), their tags, prototypes."""
    torch.manual_seed(seed)
    queries = F.normalize(torch.randn(rows, 6, dtype=torch.float64), dim=1)
    current = F.normalize(torch.randn(rows, 6, dtype=torch.float64), dim=1)
    older = F.normalize(torch.randn(9, 6, dtype=torch.float64), dim=1)
    keys = torch.cat([current, current, older])
    tags = torch.randint(-1, classes + 1, (rows,))
    key_tags = torch.cat([tags, tags, torch.randint(-1, classes + 1, (9,))])
    prototypes = F.normalize(torch.randn(classes, 6, dtype=torch.float64), dim=1)
    return queries, tags, keys, key_tags, prototypes


def local_by_hand(queries, tags, keys, key_tags) -> float:
    """L_lil row by row; no row is noisy in these batches."""
    brackets, pairs = [], 0
    for query, tag in zip(queries, tags.tolist(), strict=True):
        if tag < 0:
            continue
        logits = [float(query @ key) / T for key in keys]
        gaps = [value - max(logits) for value in logits]
        total = sum(
            math.exp(gap)
            for gap, other in zip(gaps, key_tags.tolist(), strict=True)
            if other >= 0 and gap < -1e-5
        )
        own = [g for g, other in zip(gaps, key_tags.tolist()) if other == tag]
        pairs += sum(gap < -1e-5 for gap in own)
        bracket = sum(own) - len(keys) * math.log(total + 1e-12)
        brackets.append(bracket if total > 0 and bracket < 0 else 0.0)
    return -sum(brackets) / pairs / len(queries) if pairs else 0.0


def global_by_hand(queries, tags, prototypes, categories) -> float:
    """L_lig row by row."""
    known = [(q, t) for q, t in zip(queries, tags.tolist()) if t > 0]
    seen = {t for _, t in known} if categories == 'tagged' else range(1, 5)
    losses = [
        math.log(sum(math.exp(float(q @ prototypes[c - 1]) / T) for c in seen))
        - float(q @ prototypes[t - 1]) / T
        for q, t in known
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize('seed', range(4))
def test_local_contrast_against_a_loop(seed: int) -> None:
    queries, tags, keys, key_tags, _ = batch(seed)
    loss, revised = local_contrast(queries, tags, keys, key_tags, T)
    expected = local_by_hand(queries, tags, keys, key_tags)
    assert expected > 0 and torch.equal(revised, tags)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('categories', ['tagged', 'all'])
def test_global_contrast_against_a_loop(categories: str) -> None:
    queries, tags, _, _, prototypes = batch(1)
    tags = tags.masked_fill(tags == 4, 2)  # nothing of class 4
    loss = global_contrast(queries, tags, prototypes, T, categories=categories)
    expected = global_by_hand(queries, tags, prototypes, categories)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_gradients() -> None:
    """Of the parts that are smooth: which rows and pairs count doesn't change here."""
    queries, tags, keys, key_tags, prototypes = batch(2)
    queries.requires_grad_()
    others = dict(denominator='all', normaliser='positives', noise_ratio=None)
    torch.autograd.gradcheck(
        lambda q: local_contrast(q, tags, keys, key_tags, T, **others)[0]
        # the row's maximum is a constant of the gradient, and falls out of X - log S
        , queries,
    )  # fmt: skip
    torch.autograd.gradcheck(lambda q: global_contrast(q, tags, prototypes, T), queries)


def test_no_gradient_reaches_keys_and_prototypes() -> None:
    queries, tags, keys, key_tags, prototypes = batch()
    for tensor in (queries, keys, prototypes):
        tensor.requires_grad_()
    terms, _ = TagContrast(dict(temperature=T), dict(temperature=T))(
        queries, tags, keys, key_tags, prototypes
    )
    sum(terms.values()).backward()
    assert queries.grad.any() and keys.grad is None and prototypes.grad is None


def test_the_second_loss_reads_the_tags_that_the_first_revised() -> None:
    """Nearly all keys have the row's tag and are equally far: it becomes background."""
    torch.manual_seed(0)
    queries = F.normalize(torch.randn(2, 5), dim=1)
    keys = F.normalize(-queries[:1] + 0.05 * torch.randn(40, 5), dim=1)
    keys[0] = queries[0]
    tags = torch.tensor([2, 1])
    key_tags = torch.full((40,), 2)
    prototypes = F.normalize(torch.randn(3, 5), dim=1)
    arguments = queries, tags, keys, key_tags
    for ratio, expected in ((10.0, [0, 1]), (None, [2, 1])):
        loss = TagContrast(dict(temperature=T, noise_ratio=ratio), dict(temperature=T))
        terms, revised = loss(*arguments, prototypes)
        assert revised.tolist() == expected
        alone = global_contrast(queries, torch.tensor(expected), prototypes, T)
        assert torch.equal(terms['lig'], alone)


def test_noisy_rows() -> None:
    gaps = torch.zeros(3, 24)
    gaps[0, 1:] = -1.0  # 23 below their mean, 1 above
    gaps[1, 2:] = -1.0  # 22 below, 2 above
    assert noisy_rows(gaps, 10).tolist() == [True, True, False]
    assert noisy_rows(gaps, 11.5).tolist() == [True, False, False]
    assert noisy_rows(gaps, None).tolist() == [False, False, False]


def test_copies_of_the_nearest_key_stand_out_whatever_their_last_bit() -> None:
    """Two matrix products may differ in it; the loss may not."""
    queries, tags, keys, key_tags, _ = batch(3)
    plain, _ = local_contrast(queries, tags, keys, key_tags, T)
    keys[: len(queries)] *= 1 + 1e-7
    other, _ = local_contrast(queries, tags, keys, key_tags, T)
    torch.testing.assert_close(plain, other, rtol=1e-5, atol=0)


@pytest.mark.parametrize('tag', [0, -1])
def test_rows_that_nothing_is_like(tag: int) -> None:
    """No pair, no class: both 0, with zero gradients."""
    queries, _, keys, key_tags, prototypes = batch()
    queries.requires_grad_()
    tags = torch.full((len(queries),), tag)
    key_tags = key_tags.masked_fill(key_tags == 0, 3)
    loss, revised = local_contrast(queries, tags, keys, key_tags, T)
    (loss + global_contrast(queries, revised, prototypes, T)).backward()
    assert loss.item() == 0 and not queries.grad.any()


def test_base_temperature_is_a_factor() -> None:
    queries, tags, keys, key_tags, prototypes = batch()
    for base in (None, 2 * T):
        lil, _ = local_contrast(queries, tags, keys, key_tags, T, base)
        lig = global_contrast(queries, tags, prototypes, T, base)
        if base is None:
            plain = lil, lig
    torch.testing.assert_close((2 * lil, 2 * lig), plain)


@pytest.mark.parametrize(
    'option',
    [
        dict(denominator='all'),
        dict(normaliser='positives'),
        dict(background_pairs=False),
    ],
)
def test_options_act(option: dict) -> None:
    queries, tags, keys, key_tags, _ = batch(0)
    tags[:2] = key_tags[:2] = key_tags[7:9] = 0  # some background
    plain, _ = local_contrast(queries, tags, keys, key_tags, T)
    other, _ = local_contrast(queries, tags, keys, key_tags, T, **option)
    assert torch.isfinite(other) and other != plain


def test_half_precision_is_computed_in_float32() -> None:
    queries, tags, keys, key_tags, prototypes = batch()
    single = [t.bfloat16() for t in (queries, keys, prototypes)]
    with torch.autocast('cpu', torch.bfloat16):
        lil, _ = local_contrast(single[0], tags, single[1], key_tags, T)
        lig = global_contrast(single[0], tags, single[2], T)
    full = [t.float() for t in single]
    assert lil == local_contrast(full[0], tags, full[1], key_tags, T)[0]
    assert lig == global_contrast(full[0], tags, full[2], T)
    assert lil.dtype == lig.dtype == torch.float32


def test_prototypes_of_any_length() -> None:
    """Before their first update they are long: exp would overflow, the loss doesn't."""
    queries, tags, _, _, prototypes = (t.float() if t.is_floating_point() else t
                                       for t in batch())  # fmt: skip
    loss = global_contrast(queries.requires_grad_(), tags, 1000 * prototypes, 0.1)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(queries.grad).all()


@pytest.mark.parametrize(
    'change,message',
    [
        (dict(keys=torch.rand(3, 5)), r'must fit, got \(7, 6\), \(7,\), \(3, 5\)'),
        (dict(tags=torch.zeros(3, dtype=torch.long)), 'must fit'),
        (dict(temperature=0), 'must be positive, got 0'),
        (dict(base_temperature=-1.0), 'must be positive'),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    names = ('queries', 'tags', 'keys', 'key_tags')
    given = dict(zip(names, batch()), temperature=T) | change
    with pytest.raises(ValueError, match=message):
        local_contrast(**given)


@pytest.mark.parametrize(
    'lil,lig',
    [
        (dict(temperature=T, denominator='most'), dict(temperature=T)),
        (dict(temperature=T, normaliser='mean'), dict(temperature=T)),
        (dict(temperature=T), dict(temperature=T, categories='some')),
    ],
)
def test_unknown_settings(lil: dict, lig: dict) -> None:
    with pytest.raises(ValueError, match=r'lil|lig.*must be one of'):
        TagContrast(lil, lig)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """The same numbers as on the CPU, and the host doesn't wait."""
    loss = TagContrast(dict(temperature=T), dict(temperature=T))
    arguments = [t.float() if t.is_floating_point() else t for t in batch()]
    on_gpu = [t.cuda() for t in arguments]
    results = []
    for given in (arguments, on_gpu):
        given[0].requires_grad_()
        torch.cuda.set_sync_debug_mode('error')
        try:
            terms, revised = loss(*given)
            sum(terms.values()).backward()
        finally:
            torch.cuda.set_sync_debug_mode('default')
        results.append([*terms.values(), revised, given[0].grad])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(theirs.cpu(), ours, rtol=1e-4, atol=1e-5)
