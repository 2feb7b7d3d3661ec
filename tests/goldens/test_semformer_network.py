# Licensed under Apache-2.0.
"""SemFormer's two networks and a training step of each against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.methods.semformer.complement import (
    activation_maps,
    complementary_images,
    resize_to_corners,
    valid_pixels,
)
from mmwsss.methods.semformer.semantics import clamped_cosine
from mmwsss.methods.semformer.semformer_keys import (
    convert_caae,
    convert_segmentor,
    convert_semformer,
)
from mmwsss.structures import ClassPairs, label_lists, valid_boxes
from tests.goldens.semformer_model import (
    GRADIENT,
    below,
    caae_config,
    near,
    samples,
    tiny_caae,
    tiny_semformer,
)

#: term → name in the reference file, in the order of its weights
TERMS = dict(ss='ss', cf='cf', cb='cb', sup='as', comp='ac')


# ------------------------------------------------------------------ stage 1
@pytest.mark.parametrize('case', [0, 1])
def test_caae(golden, case: int) -> None:
    """Square and oblong images, the latter with resized positions."""
    g = golden('semformer_caae_full')
    model = tiny_caae(g)
    images = torch.from_numpy(g[f'images_{case}'])
    patches, grid = model.patches(images)
    near(patches, g[f'tokens_{case}'])
    primary = model.semantics.tokens(patches)
    near(model.semantics.embed(primary), g[f'embed_{case}'])
    near(model.similarity(images), g[f'sim_{case}'])
    near(model.decoder(primary, grid), g[f'recon_{case}'])
    losses = model.train().loss(images, samples(g[f'labels_{case}']))
    weights = dict(zip(('sim', 'recon'), g['loss_weights'].tolist()))
    for term, weight in weights.items():
        near(losses[f'loss_{term}'], weight * g[f'loss_{term}_{case}'])
    near(sum(losses.values()), g[f'loss_{case}'])


def test_caae_gradients(golden) -> None:
    g = golden('semformer_caae_full')
    model = tiny_caae(g)
    losses = model.train().loss(torch.from_numpy(g['images_0']), samples(g['labels_0']))
    sum(losses.values()).backward()
    expected = convert_caae(below(g, 'grad0.'))
    assert expected.keys() == dict(model.named_parameters()).keys()
    for name, value in expected.items():
        near(model.get_parameter(name).grad, value, **GRADIENT)


def test_prediction_of_the_caae(golden) -> None:
    g = golden('semformer_caae_full')
    found = tiny_caae(g).eval().predict(torch.from_numpy(g['images_0']))
    near(torch.stack([s.pred_similarity for s in found]), g['sim_0'])
    near(torch.stack([s.pred_score for s in found]), g['sim_0'][:, 1:])


@pytest.mark.parametrize('reduction', ['sum', 'mean', 'max'])
def test_embeddings_of_some_classes(golden, reduction: str) -> None:
    """Those of all classes, class by class."""
    g = golden('semformer_caae_full')
    semantics = tiny_caae(g).semantics
    semantics.reduction = reduction
    patches = torch.from_numpy(g['tokens_0'])
    count = semantics.shape[0]
    ids = torch.stack([torch.randperm(count)[:2] for _ in patches])
    every = semantics.embed(semantics.tokens(patches))
    near(
        semantics.embed_classes(patches, ids),
        torch.stack([e[i] for e, i in zip(every, ids)]).detach(),
    )


# ------------------------------------------------------------------ stage 2
@pytest.mark.parametrize('kind', ['', 'odd_'])
def test_segmentor(golden, kind: str) -> None:
    g = golden('semformer_segmentor')
    model = tiny_semformer(g).eval()
    features = model.encode(torch.from_numpy(g[f'{kind}images']))
    patches = features.maps[-1].flatten(2).transpose(1, 2)
    near(torch.cat([features.cls_token, patches], 1), g[f'{kind}tokens'])
    near(features.attention.transpose(0, 1).flatten(-2), g[f'{kind}attn'])
    near(model.cam_head.activation(features.maps), g[f'{kind}logits'])
    near(model.cam_head.cam(features.maps), g[f'{kind}logits'][:, 1:])
    if not kind:
        near(model.token_head(features.cls_token), g['class_embed'])


def test_only_the_last_blocks_tell_their_attention(golden) -> None:
    g = golden('semformer_segmentor')
    model = tiny_semformer(g, blocks=2)
    images = torch.from_numpy(g['images'])
    features = model.eval().encode(images)
    near(features.attention.transpose(0, 1).flatten(-2), g['attn'][-2:])
    assert model.train().encode(images).attention is None


@pytest.fixture
def step(golden, tmp_path):
    """The reference file and the model with its auto-encoder."""
    g = golden('semformer_train_step')
    state = convert_caae(below(g, 'ae.'))
    config = caae_config(state, int(g['num_heads_ae']))
    config.pop('decoder', None)
    torch.save(dict(state_dict=state), tmp_path / 'caae.pth')
    caae = dict(type='CAAE', **config, checkpoint=str(tmp_path / 'caae.pth'))
    model = tiny_semformer(
        g,
        caae,
        losses=dict(
            cf=dict(type='ClassForegroundLoss'),
            cb=dict(type='ClassBackgroundLoss'),
            sup=dict(type='ActivationSuppression'),
            comp=dict(type='ActivationComplementation'),
            ss=dict(type='SemanticSimilarity'),
        ),
        train_cfg=dict(
            weights=dict(zip(TERMS, g['loss_weights'].tolist())),
            caae_size=g['ae_images'].shape[-2:],
        ),
    )
    return g, model.train()


def test_train_step(step) -> None:
    g, model = step
    data = samples(g['labels'], g['regions'])
    losses = model.loss(torch.from_numpy(g['images']), data)
    for (term, name), weight in zip(TERMS.items(), g['loss_weights'].tolist()):
        near(losses[f'loss_{term}'], weight * g[f'loss_{name}'])
    total = sum(losses.values())
    near(total, g['loss_total'])
    total.backward()
    expected = convert_segmentor(below(g, 'grad.'))
    for name, parameter in model.named_parameters():
        # a key's bias shifts all scores of a row alike: no gradient but rounding
        near(parameter.grad, expected[name], **GRADIENT)
    assert len(expected) == len(list(model.parameters()))
    assert not any(p.grad is not None for p in model.judge.network.parameters())


def test_what_the_step_passes_on(step) -> None:
    """Images, masks and similarities, of embeddings from the frozen auto-encoder."""
    g, model = step
    data = samples(g['labels'], g['regions'])
    images = torch.from_numpy(g['images'])
    pairs = ClassPairs.from_lists(
        label_lists(data), model.num_foreground, images.device
    )
    caae = model.judge.load()
    size = tuple(g['ae_images'].shape[-2:])
    valid = valid_pixels(
        valid_boxes(data),
        tuple(images.shape[-2:]),
        size,
        len(images),
        images.device,
    )
    near(valid.float(), g['valid'])
    features = model.encode(images)
    maps = activation_maps(model.cam_head.activation(features.maps), valid)
    near(maps, g['masks'])
    small = resize_to_corners(images, size)
    near(small, g['ae_images'])
    token = clamped_cosine(
        model.token_head(features.cls_token), caae.semantics.semantics
    )
    near(token, g['sim_token'])
    sides = complementary_images(small, pairs.gather(maps), pairs)
    for name, side in zip(('fg', 'bg'), sides):
        embedding = caae.semantics.embed_classes(caae.patches(side)[0], pairs.pair_ids)
        cosine = clamped_cosine(embedding, caae.semantics.semantics[pairs.pair_ids])
        near(cosine[pairs.own], g[f'sim_{name}_self'])
        near(cosine[pairs.other], g[f'sim_{name}_other'])


# ------------------------------------------------------------------ converter
@pytest.mark.parametrize(
    'name,prefix,convert',
    [
        ('semformer_caae_full', 'sd.', convert_caae),
        ('semformer_segmentor', 'sd.', convert_segmentor),
    ],
)
def test_converter(golden, name: str, prefix: str, convert) -> None:
    """Told apart by keys, with the leftovers of full files, strict otherwise."""
    state = below(golden(name), prefix)
    ours = convert(state)
    net = next(k for k in state if k.endswith('patch_embed.proj.weight'))
    net = net.removesuffix('patch_embed.proj.weight')
    spare = {
        f'{net}{k}': torch.zeros(1)
        for k in (
            'cls_token',
            'dist_token',
            'pos_embed',
            'head.weight',
            'head_dist.bias',
        )
    }
    full = {f'module.{k}': v for k, v in (state | spare).items()}
    assert convert_semformer(full).keys() == ours.keys()
    with pytest.raises(ValueError, match='not of this layout'):
        convert_semformer(
            state | {'segmentor.odd' if 'segmentor' in name else 'odd': torch.zeros(1)}
        )
    with pytest.raises(ValueError, match='neither'):
        convert_semformer({'backbone.x': np.zeros(1)})
