# Licensed under Apache-2.0.
"""ToCo's modules and its whole network, through the checkpoint converter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.methods.toco.toco import ToCo
from mmwsss.methods.toco.toco_keys import convert_toco
from mmwsss.models.heads.large_fov_head import LargeFOVHead
from mmwsss.models.heads.projection_head import ProjectionHead
from mmwsss.models.teachers.ema_copy import EMACopy
from tests.goldens.toco_model import close, state_dict, tiny_toco


def test_decoder(golden) -> None:
    data = golden('toco_decoder_largefov')
    weights = {k.removeprefix('decoder.'): v for k, v in state_dict(data).items()}
    hidden, width = weights['conv6.weight'].shape[:2]
    head = LargeFOVHead(width, hidden, num_classes=len(weights['conv8.weight']))
    weights['conv_seg.weight'] = weights.pop('conv8.weight')
    head.load_state_dict(weights)
    close(head((torch.from_numpy(data['x']),)), data['logits'])


def projection_head(weights: dict, prefix: str) -> ProjectionHead:
    """A head of the width of the weights below ``prefix``."""
    own = {
        k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)
    }
    hidden, width = own['mlp.0.weight'].shape
    out, bottleneck = own['last_layer.weight_v'].shape
    head = ProjectionHead(width, hidden, bottleneck, out)
    head.load_state_dict(own)
    return head


def test_projection_head_and_its_ema(golden) -> None:
    data = golden('toco_ctc_head')
    x = torch.from_numpy(data['x'])
    named = {k: torch.from_numpy(v) for k, v in data.items() if '.' in k}
    student = projection_head(named, 'student.')
    close(student(x), data['out'])
    teacher = EMACopy(projection_head(named, 'teacher_before.'))
    teacher.follow(student, float(data['momentum']))
    for key, value in teacher.module.state_dict().items():
        close(value, data[f'teacher_after.{key}'])
    close(teacher(x), data['teacher_out_after'])


@pytest.mark.parametrize('case', 'abc')
def test_network(golden, case: str) -> None:
    data = golden('toco_network')
    model = tiny_toco(data)
    with torch.no_grad():
        features = model.encode(torch.from_numpy(data[f'{case}_image']))
        cam, aux = model.cam_logits(features)
        outputs = {
            'enc_cls_token': features.cls_token,
            'enc_patch_tokens': features.maps[-1].flatten(2).transpose(1, 2),
            'enc_aux_tokens': features.maps[0].flatten(2).transpose(1, 2),
            'cls': model.cam_head(features.maps),
            'cls_aux': model.aux_cam_head(features.maps),
            'seg': model.decode_head(features.maps),
            'cam': cam,
            'cam_aux': aux,
        }
    for name, value in outputs.items():
        close(value, data[f'{case}_{name}'])


def test_crop_path(golden) -> None:
    data = golden('toco_network')
    model = tiny_toco(data)
    model.proj_head_ema.follow(model.proj_head, float(data['momentum']))
    views = [torch.from_numpy(data[k]) for k in ('a_image', 'crop_view2')]
    crops = torch.from_numpy(data['crop_locals'])
    with torch.no_grad():
        tokens = model.encode(torch.cat(views)).cls_token
        local = model.encode(crops.flatten(0, 1)).cls_token
        close(model.proj_head_ema(tokens), data['crop_out_teacher'])
        close(model.proj_head(torch.cat([tokens, local])), data['crop_out_student'])


@pytest.mark.parametrize('dataset', ['voc', 'coco'])
def test_released_checkpoint_layout(golden, dataset: str) -> None:
    """Every released key is placed, every key of the full-size model is filled."""
    data = golden('toco_checkpoint_layout')
    shapes = [tuple(int(n) for n in row if n >= 0) for row in data[f'{dataset}_shapes']]
    released = {
        str(key): torch.empty(shape, device='meta')
        for key, shape in zip(data[f'{dataset}_keys'], shapes, strict=True)
    }
    classes = {k.removeprefix('module.'): v for k, v in released.items()}
    with torch.device('meta'):
        model = ToCo(
            num_classes=len(classes['decoder.conv8.weight']),
            backbone=dict(type='WSSSViT', arch='base', out_indices=(9, 11)),
            cam_head=dict(type='CAMHead', in_channels=768),
            aux_cam_head=dict(type='CAMHead', in_channels=768, in_index=0),
            decode_head=dict(type='LargeFOVHead', in_channels=768, channels=512),
            proj_head=dict(type='ProjectionHead', in_channels=768),
        )
    converted = convert_toco(released)
    ours = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    assert {k: tuple(v.shape) for k, v in converted.items()} == ours


def test_unknown_key_is_refused(golden) -> None:
    state = state_dict(golden('toco_network')) | {'decoder.extra': torch.zeros(1)}
    with pytest.raises(ValueError, match='decoder.extra'):
        convert_toco(state)


def test_networks_differ_between_files(golden) -> None:
    """The two tiny networks have other weights: the tests above can fail."""
    one, two = (
        golden(n)['sd.classifier.weight'] for n in ('toco_network', 'toco_train_step')
    )
    assert one.shape != two.shape or not np.allclose(one, two)
