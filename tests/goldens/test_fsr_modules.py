# Licensed under Apache-2.0.
"""FSR's pieces against the authors' functions: mask, aggregation, projector, losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.methods.fsr.attentive_aggregation import AttentiveAggregation
from mmwsss.methods.fsr.block_masks import (
    block_grid,
    blocks_to_tokens,
    choose_blocks,
    masked_count,
    masked_tokens,
    uncertain_blocks,
)
from mmwsss.methods.fsr.mask_token_vit import MaskTokenViT
from mmwsss.methods.fsr.self_distillation import SelfDistillation
from mmwsss.methods.fsr.uncertain_masking import UncertainMasking
from mmwsss.models.heads.projection_head import ProjectionHead
from mmwsss.models.loss_schedule import Ramp
from mmwsss.structures import ImageLabels
from tests.goldens.fsr_model import below, near, tensors


def cases(data: dict[str, np.ndarray]) -> list[str]:
    """The names of a file's cases, at least one."""
    names = sorted({k.split('/')[0] for k in data if k.startswith('case')})
    assert names
    return names


# ------------------------------------------------------------------ mask
def test_mask(golden) -> None:
    data = golden('fsr_mask')
    for name in cases(data):
        case = below(data, f'{name}/')
        size, block, patch = (
            int(case[f'{k}_size']) for k in ('input', 'block', 'patch')
        )
        grid = block_grid((size, size), block, patch)
        labels = ImageLabels.from_lists(
            [np.flatnonzero(row) for row in case['labels']], case['labels'].shape[1]
        )
        cam = labels.valid(labels.gather(torch.from_numpy(case['cam'])))
        noise = torch.from_numpy(case['noise']).view(-1, *grid)
        torch.manual_seed(int(case['seed']))
        assert torch.equal(torch.rand(noise.shape), noise)  # one draw, nothing else
        ratio = round(float(case['mask_ratio']), 6)  # written as float32
        roi = None
        if case['uncertain']:
            low, high = float(case['low']), float(case['high'])
            roi = uncertain_blocks(
                cam.amax(1),
                low,
                high,
                grid,
                'bilinear' if case['bilinear'] else 'nearest',
            )
            np.testing.assert_array_equal(roi, case['roi'], err_msg=name)
        count = masked_count(grid[0] * grid[1], ratio)
        assert count == int(case['num_masked_blocks'])
        mask = blocks_to_tokens(choose_blocks(noise, count, roi), block // patch)
        np.testing.assert_array_equal(mask, case['mask'], err_msg=name)
        tokens = count * (block // patch) ** 2
        index = masked_tokens(mask, tokens)
        again = torch.zeros_like(mask.flatten(1)).scatter(1, index, True)
        assert torch.equal(again.view_as(mask), mask)


def test_mask_as_the_model_draws_it(golden) -> None:
    """The same through the settings object, seeded."""
    data = golden('fsr_mask')
    for name in cases(data):
        case = below(data, f'{name}/')
        masking = UncertainMasking(
            int(case['block_size']),
            round(float(case['mask_ratio']), 6),
            float(case['low']),
            float(case['high']),
            'uncertain' if case['uncertain'] else 'random',
            reduce='bilinear' if case['bilinear'] else 'nearest',
        )
        score = torch.from_numpy(case['cam'] * case['labels'][..., None, None]).amax(1)
        size = int(case['input_size'])
        torch.manual_seed(int(case['seed']))
        mask = masking(
            torch.zeros(len(score), 3, size, size), int(case['patch_size']), 0, score
        )
        np.testing.assert_array_equal(mask.tokens, case['mask'])


# ------------------------------------------------------------------ aggregation
def aggregation(data: dict[str, np.ndarray], **options) -> AttentiveAggregation:
    """The module with the file's weights."""
    state = below(data, 'state/')
    hidden, width = state['0.mlp.fc1.weight'].shape
    if '0.gamma1' in state:
        options['layer_scale'] = 0.1
    module = AttentiveAggregation(
        width, int(data['num_heads']), hidden, int(data['depth']), **options
    )
    named = {f'blocks.{k}': v for k, v in tensors(state).items()}
    module.load_state_dict(
        named | {'cls_token': torch.from_numpy(data['cls_token'])}, strict=True
    )
    return module


@pytest.mark.parametrize('name', ['fsr_aggregation', 'fsr_aggregation_firstdrop'])
def test_aggregation(golden, name: str) -> None:
    data = golden(name)
    mask = torch.from_numpy(data['mask']).bool() if 'mask' in data else None
    module = aggregation(data, key_mask='none' if mask is None else '-inf')
    tokens = torch.from_numpy(data['tokens']).requires_grad_()
    token = module.cls_token.expand(len(tokens), -1, -1)
    for i, block in enumerate(module.blocks):
        token = block(token, tokens, mask)
        near(token, data[f'out{i}'])
    out = module(tokens, mask)
    assert torch.equal(out, token[:, 0])
    (torch.from_numpy(data['upstream'])[:, 0] * out).sum().backward()
    near(module.cls_token.grad, data['grad_cls_token'])
    near(tokens.grad, data['grad_tokens'])
    for key, value in below(data, 'grad/').items():
        near(module.get_parameter(f'blocks.{key}').grad, value)


def test_key_masks(golden) -> None:
    """No mask: all three agree. The paper's: score 0 for masked patches, literally.

    In double precision: whatever the sizes, rounding is no excuse.
    """
    data = golden('fsr_aggregation_firstdrop')
    tokens = torch.from_numpy(data['tokens']).double()
    mask = torch.from_numpy(data['mask']).bool()
    empty = torch.zeros_like(mask)
    out = {
        kind: aggregation(data, key_mask=kind).double()
        for kind in ('none', '-inf', 'paper')
    }
    for module in out.values():
        near(module(tokens, empty), out['none'](tokens).detach().numpy(), 1e-6)
    module = out['paper']
    attn, x = module.blocks[0].attn, module.blocks[0].norm1(tokens)
    token = module.blocks[0].norm1(module.cls_token.expand(len(tokens), -1, -1))
    heads = [
        layer(y).unflatten(2, (attn.num_heads, -1)).transpose(1, 2)
        for layer, y in ((attn.q, token), (attn.k, x), (attn.v, x))
    ]
    scores = (heads[0] @ heads[1].transpose(2, 3)) * attn.scale
    scores = scores * (1 - mask.double())[:, None, None]
    expected = attn.proj((scores.softmax(-1) @ heads[2]).transpose(1, 2).flatten(2))
    near(attn(token, x, mask), expected.detach().numpy(), 1e-6)
    # all masked: as if nothing were, never NaN
    full = torch.ones_like(mask)
    near(out['-inf'](tokens, full), out['none'](tokens).detach().numpy(), 1e-6)


# ------------------------------------------------------------------ projector
def test_projector(golden) -> None:
    data = golden('fsr_projector')
    for name in cases(data):
        case = below(data, f'{name}/')
        state = below(case, 'state/')
        hidden, width = state['mlp.0.weight'].shape
        out, bottleneck = state['last_layer.weight_v'].shape
        head = ProjectionHead(width, hidden, bottleneck, out, int(case['nlayers']))
        head.load_state_dict(tensors(state), strict=True)
        x = torch.from_numpy(case['x']).requires_grad_()
        result = head(x)
        near(result, case['out'])
        (torch.from_numpy(case['upstream']) * result).sum().backward()
        near(x.grad, case['grad_x'])
        for key, value in below(case, 'grad/').items():
            near(head.get_parameter(key).grad, value)
        assert head.last_layer.weight_g.grad is None
        # the mean of the outputs is the output of the mean of the unit vectors
        near(
            head.last_layer(head.embed(x).mean((0, 1))),
            result.detach().mean((0, 1)).numpy(),
        )


# ------------------------------------------------------------------ losses
@pytest.mark.parametrize('name', ['fsr_loss', 'fsr_loss_local'])
def test_self_distillation(golden, name: str) -> None:
    data = golden(name)
    modules = [
        SelfDistillation(
            data['step0/student'].shape[2],
            round(float(data['student_temp']), 6),
            round(float(data['momentum']), 6),
        )
        for _ in range(2)
    ]
    epochs, warmup = int(data['epochs']), int(data['warmup_epochs'])
    stored = data['f64_teacher_temp']
    temperature = Ramp(stored[0], stored[-1], warmup)
    np.testing.assert_allclose(
        [temperature(i) for i in range(epochs)], stored, rtol=1e-12
    )
    for number, iteration in enumerate(data['iters']):
        step = below(data, f'step{number}/')
        check_step(step, modules, temperature(int(iteration)), int(data['num_local']))
    if 'nomask/class_loss' not in data:
        return
    # once more without a mask
    last = below(data, 'nomask/')
    class_loss, patch_loss, _, _ = losses(
        step, modules, float(data['f64_teacher_temp'][-1]), 0, masked=False
    )
    near(class_loss, last['class_loss'])
    near(modules[0].center, last['class_center_after'])
    assert patch_loss == last['patch_loss'] == 0
    near(modules[1].center, step['patch_center_after'])


def losses(step, modules, temperature: float, num_local: int, masked: bool = True):
    """Both losses of a call on the tokens that each of them reads."""
    of_class, of_patch = modules
    student = torch.from_numpy(step['student']).requires_grad_()
    teacher = torch.from_numpy(step['teacher'])
    batch = len(student) // 2
    mask = torch.from_numpy(step['mask'][batch:]).bool().flatten(1)
    pooled, local = student[batch:, :1], None
    if num_local:
        local = torch.from_numpy(step['student_local']).requires_grad_()
        pooled = torch.cat(
            [pooled, local.unflatten(0, (num_local, batch)).transpose(0, 1)], 1
        )
    target = teacher[:batch, :1]
    class_loss = of_class(pooled, target, temperature, target.mean((0, 1)))
    patches, seen = student[batch:, 1:], teacher[batch:, 1:]
    if not masked:
        patches, seen_by_loss, mask = patches[:, :0], seen[:, :0], mask[:, :0]
    else:
        seen_by_loss = seen
    patch_loss = of_patch(patches, seen_by_loss, temperature, seen.mean((0, 1)), mask)
    return class_loss, patch_loss, student, local


def check_step(step, modules, temperature: float, num_local: int) -> None:
    """One call: centres before, losses, gradients, centres after."""
    for module, name in zip(modules, ('class', 'patch'), strict=True):
        near(module.center, step[f'{name}_center_before'])
    class_loss, patch_loss, student, local = losses(
        step, modules, temperature, num_local
    )
    near(class_loss, step['class_loss'])
    near(patch_loss, step['patch_loss'])
    wanted = [student] if local is None else [student, local]
    grads = torch.autograd.grad(class_loss, wanted, retain_graph=True)
    near(grads[0], step['grad_student_class'])
    if local is not None:
        near(grads[1], step['grad_local_class'])
    near(torch.autograd.grad(patch_loss, student)[0], step['grad_student_patch'])
    for module, name in zip(modules, ('class', 'patch'), strict=True):
        near(module.center, step[f'{name}_center_after'])


# ------------------------------------------------------------------ position embedding
def small_vit(width: int, size: int) -> MaskTokenViT:
    """A trunk of that width and resolution."""
    return MaskTokenViT(
        img_size=size,
        patch_size=16,
        out_indices=(0, 1),
        arch=dict(embed_dims=width, num_layers=2, num_heads=1, feedforward_channels=8),
    )


def position(model: MaskTokenViT, pretrained: torch.Tensor) -> MaskTokenViT:
    """The model with the position embedding of a plain ViT's file."""
    file = dict(pos_embed=pretrained.clone(), cls_token=pretrained[:, :1].clone())
    model.load_state_dict(model.fit_pretrained(file), strict=False)
    assert torch.equal(model.aggregation.cls_token, pretrained[:, :1])
    return model


def test_position_embedding(golden) -> None:
    """Loaded from a plain ViT's file, then adapted to the input."""
    data = golden('fsr_pos_embed')
    pretrained = torch.from_numpy(data['pretrained'])
    channels = pretrained.shape[2]
    names = [k for k in data if k.startswith('resized_')]
    assert 'resized_28' in names
    for name in names:
        side = round((data[name].shape[1] - 1) ** 0.5)
        model = position(small_vit(channels, 16 * side), pretrained)
        near(model.pos_embed, data[name][:, 1:])
        np.testing.assert_array_equal(data[name][:, :1], pretrained[:, :1])
    model = position(small_vit(channels, 448), pretrained)
    seen = []
    model.drop_after_pos.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for parameter in model.patch_embed.parameters():
        parameter.data.zero_()  # what is left is the position
    sizes = [k.removeprefix('interp_') for k in data if k.startswith('interp_')]
    assert sizes
    for size in sizes:
        model.encode(torch.zeros(1, 3, *map(int, size.split('x'))))
        near(seen[-1], data[f'interp_{size}'])
