# Licensed under Apache-2.0.
"""A network as a file, and the example that runs it without mmwsss."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.io.errors import UserError
from mmwsss.pipeline.deploy.traced_program import FACTS
from mmwsss.pipeline.inference import init_model, predict_image
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG

EXAMPLE = ROOT / 'demo/onnx_example.py'
SHAPE = ('--shape', 96, 128)
NO_ONNX = 'onnxruntime is not installed: pip install "mmwsss[deploy]"'


@pytest.fixture(scope='module')
def chelsea(tmp_path_factory) -> Path:
    """A photo of 451 x 300 pixels."""
    data = pytest.importorskip('skimage.data')
    path = tmp_path_factory.mktemp('photo') / 'chelsea.png'
    Image.fromarray(data.chelsea()).save(path)
    return path


def export(load_tool, *options: object) -> None:
    tool = load_tool(ROOT / 'tools/deploy/export.py')
    tool.main([str(option) for option in (CONFIG, CHECKPOINT, *options)])


def test_onnx_without_mmwsss(chelsea, load_tool, tmp_path, capsys) -> None:
    """The example's mask of a photo is that of `predict_image` at the file's size."""
    pytest.importorskip('onnxruntime', reason=NO_ONNX)
    file, mask = tmp_path / 'toco.onnx', tmp_path / 'mask.png'
    export(load_tool, '--out', file, *SHAPE)
    said = capsys.readouterr().out
    assert 'not in the file: scales and mirrors of test_cfg' in said
    assert 'largest difference from PyTorch: prob ' in said
    said = subprocess.run(
        [sys.executable, EXAMPLE, file, chelsea, mask],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    ).stdout  # fmt: skip

    model = init_model(CONFIG, CHECKPOINT)
    sample = predict_image(
        model, chelsea, outputs=('seg',), input=dict(squash=(96, 128))
    )
    with Image.open(mask) as found:
        assert found.mode == 'P'
        colours = found.getpalette()[: 3 * 7]
        equal = (np.asarray(found) == sample.pred_sem_seg.data[0].numpy()).mean()
    assert equal > 0.995  # the photo's size is reached in two steps, not in one
    assert colours == np.ravel(model.dataset_meta['palette']).tolist()
    names = model.dataset_meta['classes'][1:]
    scores = dict(line.split(': ') for line in said.splitlines())
    for name, score in zip(names, sample.pred_score.tolist(), strict=True):
        assert abs(float(scores[name]) - score) < 2e-3


def test_the_example_imports_no_torch() -> None:
    nodes = ast.walk(ast.parse(EXAMPLE.read_text()))
    names = {
        alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names
    }
    nodes = ast.walk(ast.parse(EXAMPLE.read_text()))
    names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    assert names == {'json', 'sys', 'numpy', 'onnxruntime', 'PIL'}


def test_torch_export(load_tool, tmp_path, capsys) -> None:
    pytest.importorskip('skimage.data')
    file = tmp_path / 'toco.pt2'
    export(load_tool, '--out', file, *SHAPE)
    assert 'images of 96 x 128' in capsys.readouterr().out
    facts = {FACTS: ''}
    network = torch.export.load(file, extra_files=facts).module()
    said = json.loads(facts[FACTS])
    assert said['size'] == [96, 128] and said['any_size'] is False
    assert said['classes'] == list(
        init_model(CONFIG, CHECKPOINT).dataset_meta['classes']
    )
    outputs = network(torch.zeros(3, 3, 96, 128))
    shapes = dict(zip(said['outputs'], (tuple(o.shape) for o in outputs), strict=True))
    assert shapes == dict(prob=(3, 7, 96, 128), scores=(3, 6), cams=(3, 6, 96, 128))


def test_what_is_refused(load_tool, tmp_path) -> None:
    with pytest.raises(UserError, match=r"of --out must be one of .*, got '\.pth'"):
        export(load_tool, '--out', tmp_path / 'a.pth')
    with pytest.raises(UserError, match='give --shape HEIGHT WIDTH'):
        export(load_tool, '--out', tmp_path / 'a.pt2')
    (tmp_path / 'b.pt2').write_bytes(b'')
    with pytest.raises(UserError, match=r'b\.pt2 is there and was not made by'):
        export(load_tool, '--out', tmp_path / 'b.pt2', *SHAPE)
