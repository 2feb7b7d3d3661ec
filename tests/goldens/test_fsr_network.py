# Licensed under Apache-2.0.
"""FSR's whole network through the converter: outputs, gradients, CAMs, inference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam import fuse_seg_logits, resize, scaled_size
from mmwsss.methods.fsr.fsr_keys import convert_fsr, convert_fsr_network
from mmwsss.structures import ImageLabels
from tests.goldens.fsr_model import below, near, tensors, tiny_fsr


def token_mask(data) -> torch.Tensor:
    """The stored mask of both views."""
    return torch.from_numpy(data['mask']).bool()


def patch_tokens(maps: torch.Tensor) -> torch.Tensor:
    """(B, D, h, w) → (B, N, D)."""
    return maps.flatten(2).transpose(1, 2)


def project(model, features) -> torch.Tensor:
    """The projector on [pooled token ; patches], as the reference runs it."""
    return model.proj_head(
        torch.cat([features.cls_token[:, None], patch_tokens(features.maps[-1])], 1)
    )


def outputs(model, features, batch: int) -> dict[str, torch.Tensor]:
    """What the reference network returns; all but the projections for view 1."""
    first = features._replace(cls_token=None).select(slice(batch))
    cam, aux = model.cam_logits(first)
    return dict(
        top_cls_out=model.cam_head(first.maps),
        top_cam=cam,
        aux_cam=aux,
        aux_cls_out=model.aux_cam_head(first.maps),
        top_fmap=first.maps[-1],
        seg_out=model.decode_head(first.maps),
        aux_fmap=first.maps[0],
        project_out=project(model, features),
    )


def test_two_views_with_gradients(golden) -> None:
    data = golden('fsr_student')
    model = tiny_fsr(data)
    views = torch.cat([torch.from_numpy(data[k]) for k in ('view1', 'view2')])
    features = model.backbone.encode(views, token_mask(data), pool=slice(None))
    tokens = torch.cat(
        [features.cls_token[:, None], patch_tokens(features.maps[-1])], 1
    )
    near(tokens, data['encoder/tokens'])
    near(patch_tokens(features.maps[0]), data['encoder/aux'])
    found = outputs(model, features, len(data['view1']))
    stored = below(data, 'student/')
    assert set(stored) == set(found)
    for key, value in stored.items():
        near(found[key], value)

    sum(
        (torch.from_numpy(g) * found[key]).sum()
        for key, g in below(data, 'upstream/').items()
    ).backward()
    grads = below(data, 'grad/')
    if 'encoder.pos_embed' in grads:
        assert not grads['encoder.pos_embed'][:, 0].any()  # the slot that isn't ours
    for key, value in convert_fsr_network(tensors(grads)).items():
        near(model.get_parameter(key).grad, value.numpy())


def test_without_a_mask(golden) -> None:
    data = golden('fsr_student')
    model = tiny_fsr(data)
    views = torch.cat([torch.from_numpy(data[k]) for k in ('view1', 'view2')])
    near(
        project(model, model.backbone.encode(views, pool=slice(None))),
        data['nomask/project_out'],
    )
    # the teacher starts as the student
    teacher = model.backbone_ema.module.encode(views, pool=slice(None))
    tokens = torch.cat([teacher.cls_token[:, None], patch_tokens(teacher.maps[-1])], 1)
    near(model.proj_head_ema(tokens), data['nomask/project_out'])


def test_another_size(golden) -> None:
    data = golden('fsr_student')
    model = tiny_fsr(data)
    x = torch.from_numpy(data['other/x'])
    found = outputs(model, model.backbone.encode(x, pool=slice(None)), len(x))
    for key, value in below(data, 'other/').items():
        if key != 'x':
            near(found[key], value)


def test_an_early_end(golden) -> None:
    """Encoding up to the auxiliary tap gives that map, and no later block runs."""
    data = golden('fsr_student')
    model = tiny_fsr(data)
    view = torch.from_numpy(data['view1'])
    whole = model.encode(view)
    model.backbone.layers[-1].register_forward_pre_hook(
        lambda *_: pytest.fail('the last block ran')
    )
    early = model.backbone.encode(view, until=0)
    assert len(early.maps) == 1 and torch.equal(early.maps[0], whole.maps[0])


def test_fused_cams(golden) -> None:
    data = golden('fsr_student')
    model = tiny_fsr(data)
    view = torch.from_numpy(data['view1'])
    labels = ImageLabels.every_class(len(view), model.num_foreground)
    for features in (None, model.encode(view)):
        cams = model.fused_cams(view, labels, features)
        near(cams.cam, data['ms/cam'])
        near(cams.aux, data['ms/aux_cam'])
    near(model.uncertainty_cam(view, labels), data['ms/aux_cam'])


def test_inference(golden) -> None:
    """Native size, three scales, sum of the mirrored pair, maximum over scales."""
    data = golden('fsr_inference')
    model = tiny_fsr(data, state=golden('fsr_student')).eval()
    images = [k for k in data if k.endswith('/x')]
    assert images
    for name in images:
        x, number = torch.from_numpy(data[name]), name.split('/')[0]
        for teacher in (False, True):  # equal weights here
            sample = model.predict(
                x,
                seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
                use_teacher=teacher,
            )[0]
            np.testing.assert_array_equal(
                sample.pred_sem_seg.data[0], data[f'{number}/pred']
            )


def test_fused_logits(golden) -> None:
    """The scores behind those predictions."""
    data = golden('fsr_inference')
    model = tiny_fsr(data, state=golden('fsr_student')).eval()
    for name in [k for k in data if k.endswith('/x')]:
        x = torch.from_numpy(data[name])
        size, raw = tuple(x.shape[-2:]), []
        with torch.no_grad():
            for scale in (1.0, 1.25, 1.5):
                scaled = resize(x, scaled_size(size, scale))
                raw.append(
                    tuple(
                        model.decode_head(model.encode(image).maps)
                        for image in (scaled, scaled.flip(-1))
                    )
                )
        near(fuse_seg_logits(raw, size, 'sum', 'max'), data[name.replace('/x', '/seg')])


# ------------------------------------------------------------------ converter
def test_teacher_of_another_file(golden) -> None:
    student = tensors(below(golden('fsr_student'), 'state/'))
    teacher = {k: v + 1 for k, v in student.items()}
    ours = convert_fsr(student, teacher)
    copies = {k for k in ours if '_ema.module.' in k}
    assert copies
    for key in copies:
        assert torch.equal(ours[key], ours[key.replace('_ema.module', '')] + 1)


def test_newer_weight_norm_and_unknown_keys(golden) -> None:
    student = tensors(below(golden('fsr_student'), 'state/'))
    expected = convert_fsr(student)
    renamed = {
        k.replace(
            'last_layer.weight_g', 'last_layer.parametrizations.weight.original0'
        ).replace(
            'last_layer.weight_v', 'last_layer.parametrizations.weight.original1'
        ): v
        for k, v in student.items()
    }
    assert renamed.keys() != student.keys()
    assert convert_fsr(renamed).keys() == expected.keys()
    with pytest.raises(ValueError, match=r'decoder\.extra'):
        convert_fsr(student | {'decoder.extra': torch.zeros(1)})
    with pytest.raises(ValueError, match='no projector.last_layer'):
        convert_fsr({'top_classifier.weight': torch.zeros(1)})
