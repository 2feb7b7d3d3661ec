# Licensed under Apache-2.0.
"""Networks as programs, and programs held against their networks."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.pipeline.deploy import export_network as exporting
from mmwsss.pipeline.deploy.deployable import deployable
from mmwsss.pipeline.deploy.export_network import ExportCfg, export_network
from mmwsss.pipeline.deploy.optional_modules import needed
from mmwsss.pipeline.deploy.traced_program import trace
from mmwsss.pipeline.deploy.trial_photos import trial_photos
from mmwsss.testing import build

VIT, WIDE_RESNET = 'configs/cam/cam_vit-t_shapes.py', 'configs/eps/eps_wr38-t_shapes.py'
#: the first four differ in how they encode; ToCo is in tests/tools/test_export.py
FAMILIES = [
    WIDE_RESNET,
    'configs/afa/afa_mit-t_shapes.py',
    'configs/semformer/semformer_deit-t_shapes.py',
    'configs/pseudo/deeplabv3_vit-t_shapes-pseudo.py',
    VIT,
    'configs/fsr/fsr_vit-t_shapes.py',
    'configs/smaf/smaf_cam_vit-t_shapes.py',
]


def network(config: str):
    model = build(config).eval()
    model.picture = PictureRule()
    if not getattr(model, 'dataset_meta', {}).get('classes'):
        model.dataset_meta = dict(classes=[f'class {i}' for i in range(7)])
    return model


@pytest.mark.parametrize('config', FAMILIES[:4])
def test_any_number_of_images_goes_through_a_program(config) -> None:
    traced = deployable(network(config))
    program = trace(traced, torch.randn(2, 3, 48, 48)).module()
    images = torch.randn(3, 3, 48, 48)
    with torch.no_grad():
        pairs = zip(traced(images), program(images), strict=True)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize('config', FAMILIES)
def test_onnx_of_every_family(config, tmp_path) -> None:
    pytest.importorskip('onnxruntime')
    found = export_network(network(config), tmp_path / 'a.onnx', ExportCfg((64, 80)))
    assert found and max(found.values()) < 1e-4


@pytest.mark.slow
def test_a_size_that_stays_open(tmp_path) -> None:
    cfg = ExportCfg((48, 48), any_size=True)
    found = export_network(network(WIDE_RESNET), tmp_path / 'a.pt2', cfg)
    assert max(found.values()) < 1e-4
    program = torch.export.load(tmp_path / 'a.pt2').module()
    assert program(torch.zeros(1, 3, 40, 72))[-1].shape == (1, 6, 40, 72)


def test_a_size_that_does_not_stay_open(tmp_path) -> None:
    """A ViT traced at the size of its own position embedding has that size alone."""
    cfg = ExportCfg((96, 96), any_size=True)
    with pytest.raises(UserError, match=r'fails on .* leave out --dynamic-size'):
        export_network(network(VIT), tmp_path / 'a.pt2', cfg)
    assert not (tmp_path / 'a.pt2').exists()


def test_a_file_that_differs_gets_no_name(tmp_path, monkeypatch) -> None:
    model, path = network(VIT), tmp_path / 'a.pt2'
    true = exporting.FORMS['.pt2']

    def wrong(content):
        run = true.open(content)
        return lambda images: [part + np.float32(2e-4) for part in run(images)]

    monkeypatch.setitem(exporting.FORMS, '.pt2', true._replace(open=wrong))
    with pytest.raises(UserError, match=r'prob 2\.0e-04 \(at most 0\.0001\)'):
        export_network(model, path, ExportCfg((48, 48)))
    assert not path.exists()


def test_a_file_that_fails_is_refused() -> None:
    def run(images):
        raise RuntimeError('of the runtime')

    images = [torch.zeros(2, 3, 48, 48)]
    with pytest.raises(UserError, match=r'images of \(2, 3, 48, 48\).*of the runtime'):
        exporting.compare(run, lambda images: (), [], images)


def test_no_number_is_no_small_difference() -> None:
    def run(images):
        return [np.full((1, 2), np.nan, np.float32)]

    one = [torch.zeros(1, 3, 8, 8)]
    found = exporting.compare(run, lambda images: (torch.zeros(1, 2),), ['prob'], one)
    with pytest.raises(UserError, match='prob inf'):
        exporting.refuse_difference(found)


def test_the_extra_is_named_where_a_module_is_missing(monkeypatch) -> None:
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, 'import_module', missing)
    for name in ('onnx', 'onnxruntime', 'skimage.data'):
        with pytest.raises(UserError, match=r'pip install "mmwsss\[deploy\]"'):
            needed(name)


def test_photos_of_another_number_of_bands() -> None:
    with pytest.raises(UserError, match=r'takes 5 bands, .* have \[3\]'):
        trial_photos(5)
