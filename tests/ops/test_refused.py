# Licensed under Apache-2.0.
"""Every operator refuses what it can't take: a ValueError that says what it got."""

from __future__ import annotations

import math

import pytest
import torch

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    PermutohedralLattice,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    dense_energy,
    gaussian_filter,
    par,
    par_affinity,
    par_propagate,
    prob_from_cam,
    unary_from_cam,
    unary_from_labels,
    unary_from_prob,
)


def poisoned(tensor, value):
    spoilt = tensor.clone()
    spoilt.view(-1)[spoilt.numel() // 2] = value
    return spoilt


def broken_maps(maps):
    """Maps that no operator may take, with what the message must hold."""
    shape = tuple(maps.shape)
    yield maps[0], str(shape[1:])
    yield maps[None], str((1, *shape))
    yield maps.reshape(-1), str((maps.numel(),))
    yield maps.long(), 'int64'
    yield maps.bool(), 'bool'
    yield maps.to(torch.complex64), 'complex64'
    yield maps.to(torch.float8_e4m3fn), 'float8'
    yield maps.to('meta'), 'meta'
    yield maps[:0], str((0, *shape[1:]))
    yield maps[:, :0], str((shape[0], 0, *shape[2:]))
    yield maps[..., :0], str((*shape[:-1], 0))
    yield poisoned(maps.float(), math.nan), '1 NaN'
    yield poisoned(maps.float(), math.inf), '1 NaN or infinite'
    yield poisoned(maps.double(), -math.inf), '1 NaN or infinite'
    yield torch.cat([maps, maps[:1]]), str(shape[0] + 1)
    yield None, 'NoneType'
    yield maps.numpy(), 'ndarray'
    yield [maps], 'list'


BROKEN_NUMBERS = (
    math.nan,
    math.inf,
    -math.inf,
    1e300,
    10**400,
    None,
    'two',
    [1, 2, 3, 4],
)
BROKEN_SIGMAS = (0, 0.0, -1.0, 1e-300, *BROKEN_NUMBERS)
BROKEN_COUNTS = (-1, 2.0, True, None, 'two')
BROKEN_RINGS = ((), (0,), (-1,), (1.5,), (True,), ('1',), (1, 2**40), None, 3)


def calls():
    """Name, function, valid arguments, and broken ones with their messages."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(1, 256, (2, 3, 6, 5), generator=generator).float()
    prob = torch.rand(2, 4, 6, 5, generator=generator).softmax(dim=1)
    maps = dict(image=list(broken_maps(image)))
    values = dict(values=[*broken_maps(prob), (prob[..., :4], '(6, 4)')])
    spatial = dict(sigma_xy=numbers(BROKEN_SIGMAS), mode=[('fast', 'fast')])
    both = dict(sigma_xy=5.0, sigma_rgb=20.0)
    yield (
        'par_affinity',
        par_affinity,
        dict(image=image),
        only_batch(maps)
        | dict(
            dilations=[(rings, repr(rings)) for rings in BROKEN_RINGS],
            w1=numbers(BROKEN_SIGMAS),
            w2=numbers((-1.0, *BROKEN_NUMBERS)),
        ),
    )
    affinity = par_affinity(image, (1, 2))
    arguments = dict(affinity=affinity, masks=prob, dilations=(1, 2))
    yield (
        'par_propagate',
        par_propagate,
        arguments,
        dict(
            affinity=list(broken_maps(affinity)),
            masks=[*broken_maps(prob), (prob[..., :4], '(6, 4)')],
            dilations=[((1,), '16'), *((rings, repr(rings)) for rings in BROKEN_RINGS)],
            num_iters=[(count, repr(count)) for count in BROKEN_COUNTS],
        ),
    )
    yield (
        'par',
        par,
        dict(image=image, masks=prob),
        maps | dict(masks=list(broken_maps(prob))),
    )
    arguments = dict(image=image, values=prob, **both)
    yield (
        'bilateral_filter',
        bilateral_filter,
        arguments,
        maps
        | values
        | spatial
        | dict(
            image=[*maps['image'], (image[:, :1], '(2, 1, 6, 5)')],
            sigma_rgb=[*numbers(BROKEN_SIGMAS), (1e-3, 'bits')],
        ),
    )
    yield (
        'gaussian_filter',
        gaussian_filter,
        dict(values=prob, sigma_xy=2.0),
        (
            dict(values=only_batch(dict(values=list(broken_maps(prob))))['values'])
            | spatial
        ),
    )
    yield from lattice_calls(prob.flatten(2))
    yield from energy_calls(image, prob)
    yield from crf_calls(image, prob)
    yield from unary_calls(prob)


def numbers(values):
    return [(value, 'None' if value is None else str(value)) for value in values]


def only_batch(broken):
    """Without what is fine where there is one tensor: other batches, `meta`."""
    return {
        name: [
            pair for pair in pairs
            if not (isinstance(pair[0], torch.Tensor)
                    and (pair[0].is_meta or pair[0].dim() == 4 and len(pair[0]) == 3))
        ]
        for name, pairs in broken.items()
    }  # fmt: skip


def lattice_calls(features):
    shape = tuple(features.shape)
    broken = [
        (features[0], str(shape[1:])),
        (features.long(), 'int64'),
        (features[:, :, :0], '(2, 4, 0)'),
        (features.repeat(1, 5, 1), '(2, 20, 30)'),
        (poisoned(features, math.nan), '1 NaN'),
        (poisoned(features.double(), 1e300), '1e+300'),
        (features * 1e5, 'bits'),
        (features * 1e37, 'e+36'),
        (features[:, :1] * 1e9, 'e+08'),
        (None, 'NoneType'),
    ]
    build = PermutohedralLattice.build
    yield 'lattice', build, dict(features=features), dict(features=broken)
    lattice, rows = build(features), features[:, 0].reshape(-1, 1)
    broken = [
        (rows[1:], '(59, 1)'),
        (rows[:, 0], '(60,)'),
        (rows[:, :0], '(60, 0)'),
        (rows.long(), 'int64'),
        (rows.to('meta'), 'meta'),
        (poisoned(rows, math.inf), '1 NaN or infinite'),
        (None, 'NoneType'),
    ]
    yield 'lattice.filter', lattice.filter, dict(values=rows), dict(values=broken)


def energy_calls(image, prob):
    plane = torch.ones(2, 6, 5)
    arguments = dict(image=image, prob=prob, roi=plane, unlabelled=plane > 0)
    sums = [(prob * 2, 'off by 1'), (prob - 0.5, 'minimum'), (prob * 0.9, 'off by 0.1')]
    yield (
        'dense_energy',
        dense_energy,
        arguments,
        dict(
            image=[*broken_maps(image), (image[:, :2], '(2, 2, 6, 5)')],
            prob=[*broken_maps(prob), *sums],
            roi=[
                (plane[:1], '(1, 6, 5)'),
                (plane[None], '(1, 2, 6, 5)'),
                (plane.to('meta'), 'meta'),
                (poisoned(plane, math.nan), '1 NaN'),
                (3, 'int'),
            ],
            unlabelled=[
                (plane[:, :3], '(2, 3, 5)'),
                (plane.to('meta'), 'meta'),
                (None, 'None'),
            ],
            sigma_rgb=[*numbers(BROKEN_SIGMAS), (1e-3, 'bits')],
            sigma_xy=numbers(BROKEN_SIGMAS),
            scale_factor=[*numbers(BROKEN_SIGMAS), (0.1, '0.1')],
            mode=[('fast', 'fast'), (None, 'None')],
        ),
    )


def crf_calls(image, prob):
    params = dict(DENSE_CRF_PRESETS['psa'])
    unary = unary_from_prob(prob)
    broken = dict(
        pos_xy_std=[
            *numbers(BROKEN_SIGMAS),
            ((1.0, 0.0), '0.0'),
            ((1.0,) * 3, '(1.0, 1.0, 1.0)'),
        ],
        bi_xy_std=[*numbers(BROKEN_SIGMAS), ((-2.0, 1.0), '-2.0')],
        bi_rgb_std=[*numbers(BROKEN_SIGMAS), ((1.0,) * 2, '1.0'), (1e-3, 'bits')],
        mode=[('fast', 'fast')],
        iter_max=[(count, repr(count)) for count in BROKEN_COUNTS],
    )
    rewards = [
        (torch.ones(3), '(3,)'),
        (torch.ones(4, 3), '(4, 3)'),
        (torch.ones(0), '(0,)'),
        (torch.full((4,), math.nan), '4 NaN'),
        (torch.full((4, 4), math.inf), '16 NaN'),
        (torch.ones(4, device='meta'), 'meta'),
        *numbers((*BROKEN_NUMBERS[:-1], [1.0, 'x'])),
    ]
    features = torch.ones(2, 2, 6, 5)
    term = [
        (features[:1], '1 maps'),
        (features[..., :4], '(6, 4)'),
        (features.long(), 'int64'),
        (features.to('meta'), 'meta'),
        (features.repeat(1, 9, 1, 1), '18'),
        (poisoned(features, math.nan), '1 NaN'),
        (poisoned(features.double(), 1e300), '1 NaN or infinite'),
    ]
    counts = [
        (torch.ones(3), '(3,)'),
        (torch.ones(4, 1), '(4, 1)'),
        (torch.tensor([1.0, 0.5, 1.0, 1.0]), '0.5'),
        (torch.tensor([1.0, math.nan, 1.0, 1.0]), 'nan'),
        (torch.tensor([1.0, math.inf, 1.0, 1.0]), 'inf'),
        (torch.ones(4, device='meta'), 'meta'),
        ([1, 1, 1, 1], 'list'),
    ]
    arguments = dict(images=image, unary=unary, **params)
    yield 'dense_crf', dense_crf, arguments, broken | dict(
        # A list is another way to call it.
        images=[pair for pair in broken_maps(image) if not isinstance(pair[0], list)],
        unary=[*broken_maps(unary), (unary[..., :4], '(6, 4)')],
        pos_w=rewards,
        bi_w=rewards,
        extra_terms=[*(([(maps, 1.0)], text) for maps, text in term),
                     *(([(features, weight)], text) for weight, text in rewards)],
        multiplicity=counts,
    )  # fmt: skip
    lists = [
        ([], '0'),
        ([image[0]], '1 and 2'),
        ([image[0], None], 'None'),
        ([image[0], image], '(2, 3, 6, 5)'),
        ([image[0], image[1, :2]], '(1, 2, 6, 5)'),
        ([image[0], image[1].to('meta')], 'meta'),
        ((image[0], poisoned(image[1], math.nan)), '1 NaN'),
    ]
    arguments = dict(images=list(image), unary=list(unary), **params)
    yield (
        'dense_crf of lists',
        dense_crf,
        arguments,
        dict(
            images=lists,
            unary=[(unary, 'no list'), (None, 'no list'), ([unary[0]], '2 and 1')],
            extra_terms=[([(features, 1.0)], 'a list')],
        ),
    )
    labels = prob.argmax(dim=1)
    arguments = dict(images=image, labels=labels, num_labels=4, **params)
    yield (
        'dense_crf_labels',
        dense_crf_labels,
        arguments,
        broken | broken_labels(labels) | dict(images=list(broken_maps(image))),
    )


def broken_labels(labels):
    return dict(
        labels=[
            (labels[0], '(6, 5)'),
            (labels[:0], '(0, 6, 5)'),
            (labels.float(), 'float32'),
            (labels > 0, 'bool'),
            (labels.to(torch.complex64), 'complex64'),
            (labels.to('meta'), 'meta'),
            (labels + 250, '0..3'),
            (labels - 3, '-'),
            (None, 'None'),
            ([[0, 1]], 'list'),
        ],
        num_labels=[(count, repr(count)) for count in (0, *BROKEN_COUNTS)],
        confidence=numbers((0, 1.0, -0.1, *BROKEN_NUMBERS)),
    )


def unary_calls(prob):
    broken = only_batch(dict(prob=list(broken_maps(prob))))
    broken['prob'].append((poisoned(prob, -0.25), '-0.25'))
    yield 'unary_from_prob', unary_from_prob, dict(prob=prob), broken
    cams = only_batch(dict(cam=list(broken_maps(prob))))
    cams['cam'] += [(poisoned(prob, -0.25), '-0.25'), (poisoned(prob, 1.25), '1.25')]
    cams['alpha'] = numbers(BROKEN_SIGMAS)
    yield 'prob_from_cam', prob_from_cam, dict(cam=prob, alpha=4.0), cams
    yield 'unary_from_cam', unary_from_cam, dict(cam=prob, alpha=4.0), cams
    labels = prob.argmax(dim=1)
    arguments = dict(labels=labels, num_labels=4)
    yield 'unary_from_labels', unary_from_labels, arguments, broken_labels(labels)


REFUSED = [
    pytest.param(function, arguments, {key: value}, text, id=f'{name}-{key}-{text}')
    for name, function, arguments, broken in calls()
    for key, pairs in broken.items()
    for value, text in pairs
]


class TestRefused:
    def test_valid_calls_are_valid(self):
        for _, function, arguments, _ in calls():
            function(**arguments)

    @pytest.mark.parametrize(('function', 'arguments', 'change', 'text'), REFUSED)
    def test_refused(self, function, arguments, change, text):
        """A ValueError, and nothing else, that says what it was given."""
        with pytest.raises(ValueError) as error:
            function(**(arguments | change))
        assert text in str(error.value)

    def test_memory(self, monkeypatch):
        image, unary = torch.rand(1, 3, 6, 5), torch.rand(1, 4, 6, 5)
        labels = torch.zeros(1, 6, 5).long()
        params = DENSE_CRF_PRESETS['psa']
        monkeypatch.setattr('mmwsss.ops._checks._SMALL_BYTES', 0)
        monkeypatch.setattr('mmwsss.ops._checks._free_bytes', lambda device: 900.0)
        with pytest.raises(ValueError, match=r'dense CRF.*0\.0 GiB'):
            dense_crf(image, unary, **params)
        for call in (
            unary_from_labels,
            lambda *a: dense_crf_labels(image, *a, **params),
        ):
            with pytest.raises(ValueError, match='1000000000000 labels'):
                call(labels, 10**12)
