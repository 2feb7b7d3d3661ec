# Licensed under Apache-2.0.
"""CLIP's converter: containers, layouts, words; what it writes loads strictly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mmwsss.io.errors import UserError
from mmwsss.models.backbones.clip_vit import CLIPViT
from mmwsss.models.texts.text_tower import text_tower, tokens_of
from mmwsss.pipeline.inference import init_model
from tests.helpers.tiny_clip import (
    hugging_face_state,
    openai_state,
    save_safetensors,
    save_torchscript,
    vit_cfg,
)
from tests.helpers.tools import load_tool

CONFIG = """
default_scope = 'mmwsss'
model = dict(
    type='CLIPES',
    num_classes=3,
    data_preprocessor=dict(type='WeakDataPreProcessor'),
    backbone={backbone},
    texts=dict(num_background={count}),
    affinity=dict(threshold=0.4),
    test_cfg=dict(cam_filter='gt', outputs=('cam',),
                  cam=dict(scales=(1.0,), mirror=False)),
)
test_dataloader = dict(dataset=dict(metainfo=dict(
    classes=['background', 'cat', {name!r}], prompts={prompts!r})))
"""


@pytest.fixture
def convert() -> Callable:
    """The tool's ``main``."""
    module = load_tool('tools/model_converters/clip.py')
    return lambda *args: module.main([str(arg) for arg in args])


def write_config(folder: Path, name='dog', prompts=None, count=25) -> Path:
    path = folder / 'config.py'
    path.write_text(
        CONFIG.format(backbone=vit_cfg(), count=count, name=name, prompts=prompts)
    )
    return path


def write(state: dict, container: str, folder: Path) -> Path:
    path = folder / f'theirs.{container}'
    if container == 'pt':
        save_torchscript(state, path)
    elif container == 'safetensors':
        save_safetensors(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize('layout', ['openai', 'hugging_face'])
@pytest.mark.parametrize('container', ['pt', 'safetensors', 'pth'])
def test_a_checkpoint_of_a_config(tmp_path, convert, layout, container) -> None:
    """The same from every container and layout; the names of the classes with it."""
    state = openai_state()
    theirs = hugging_face_state(state) if layout == 'hugging_face' else state
    source, target = write(theirs, container, tmp_path), tmp_path / 'ours.pth'
    config = write_config(tmp_path)
    if layout == 'hugging_face' and container == 'pt':
        pytest.skip('there are no such files')
    convert(source, target, '--config', config)
    model = init_model(str(config), str(target))
    assert model.trained_classes == ('background', 'cat', 'dog')
    tower = text_tower(state)
    with torch.no_grad():
        vector = tower.encode_text(tokens_of(['a clean origami dog.']))
    torch.testing.assert_close(
        model.texts.foreground[1:], F.normalize(vector), atol=1e-6, rtol=1e-6
    )
    assert torch.equal(model.backbone.proj, state['visual.proj'])
    assert model.texts.scale == pytest.approx(state['logit_scale'].exp().item())
    convert(source, target, '--config', config)  # over its own


def test_the_image_encoder_alone(tmp_path, convert) -> None:
    """For ``backbone.pretrained``, which takes the public files of tensors, too."""
    state = openai_state()
    source, target = write(state, 'pth', tmp_path), tmp_path / 'tower.pth'
    convert(source, target)
    towers = []
    for path in (source, target):
        cfg = vit_cfg(pretrained=str(path))
        cfg.pop('type')
        tower = CLIPViT(**cfg)
        tower.init_weights()
        towers.append(tower.state_dict())
    assert all(torch.equal(v, towers[1][k]) for k, v in towers[0].items())
    assert torch.equal(towers[0]['proj'], state['visual.proj'])


def test_words_of_ones_own(tmp_path, convert) -> None:
    """A file; several words of a class are averaged."""
    state = openai_state()
    source, target = write(state, 'pth', tmp_path), tmp_path / 'ours.pth'
    words = tmp_path / 'words.txt'
    words.write_text(
        '# of ours\nA7: gasket\nA7: seal ring\nbackground: workbench\n'
        'background: glove  # worn\ntemplate: a photo of a {}.\n'
    )
    config = write_config(tmp_path, name='A7', count=2)
    convert(source, target, '--config', config, '--words', words)
    model = init_model(str(config), str(target))
    texts = ['a photo of a gasket.', 'a photo of a seal ring.']
    with torch.no_grad():
        units = F.normalize(text_tower(state).encode_text(tokens_of(texts)))
    expected = F.normalize(units.mean(0), dim=0)
    torch.testing.assert_close(model.texts.foreground[1], expected)


@pytest.mark.parametrize(
    'kwargs,words,message',
    [
        (dict(name='17'), None, r"class 2 \('17'\) has no word"),
        (dict(prompts=dict(cow='cow')), None, "words for 'cow', which is no class"),
        (dict(prompts=dict(background=[])), None, 'has no background words'),
        (dict(prompts=dict(template='photo')), None, 'a template has one {}'),
        ({}, 'cat gasket', r'words\.txt, line 1: words are given as "class: words"'),
        ({}, f'cat: {"x y " * 40}', 'more than the 75 tokens'),
    ],
)
def test_bad_words(tmp_path, convert, kwargs, words, message) -> None:
    source = write(openai_state(), 'pth', tmp_path)
    more = []
    if words:
        (tmp_path / 'words.txt').write_text(words)
        more = ['--words', tmp_path / 'words.txt']
    config = write_config(tmp_path, **kwargs)
    with pytest.raises(UserError, match=message) as caught:
        convert(source, tmp_path / 'ours.pth', '--config', config, *more)
    assert '\n' not in str(caught.value)


def test_other_files_are_refused(tmp_path, convert) -> None:
    state = openai_state()
    resnet = {'visual.layer1.0.conv1.weight': torch.ones(1)}
    for name, bad in dict(
        other={'backbone.weight': torch.ones(1)},
        resnet={k: v for k, v in state.items() if 'visual' not in k} | resnet,
        numbers=dict(x=3),
    ).items():
        source = tmp_path / f'{name}.pth'
        torch.save(bad, source)
        with pytest.raises(UserError, match=rf'{name}\.pth'):
            convert(source, tmp_path / 'ours.pth')


@pytest.mark.parametrize(
    'change,message',
    [
        (lambda x: F.pad(x, (0, 4)), 'text vectors 16 wide, .* encoder are 12 wide'),
        (lambda x: x[:-1], 'set model.texts.num_background=24'),
    ],
)
def test_other_texts_are_refused(tmp_path, convert, change, message) -> None:
    """Of another CLIP, or of other background words: in one line."""
    source, target = write(openai_state(), 'pth', tmp_path), tmp_path / 'ours.pth'
    config = write_config(tmp_path)
    convert(source, target, '--config', config)
    saved = torch.load(target, weights_only=True)
    key = 'texts.background'
    saved['state_dict'][key] = change(saved['state_dict'][key])
    torch.save(saved, target)
    with pytest.raises(UserError, match=message) as caught:
        init_model(str(config), str(target))
    assert '\n' not in str(caught.value)


def test_an_archive_is_no_checkpoint(tmp_path) -> None:
    """The way out is named."""
    source = write(openai_state(), 'pt', tmp_path)
    config = write_config(tmp_path)
    with pytest.raises(
        UserError, match=r'theirs\.pt is a TorchScript archive.*clip\.py'
    ):
        init_model(str(config), str(source))
