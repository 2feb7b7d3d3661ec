# Licensed under Apache-2.0.
"""What a config is, in the words of the model zoo; its entry's ``Metadata`` says so.

``tools/misc/update_metafiles.py`` writes these facts into the metafiles, so that no
page of the zoo says anything that the config doesn't.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.evaluation.wsss_metric import WSSSMetric
from mmwsss.io.initial_weights import Backbone

from .publish import OWN_WEIGHTS, config_as_written, initial_weights

#: fields of ``Metadata`` that are a config's own
FACTS = (
    'Supervision',
    'Pretraining',
    'Training Data',
    'Class Count',
    'Crop Size',
    'Batch Size',
    'Iterations',
    'Protocol',
)
_DATA = {
    'VOC12WeakDataset': 'PASCAL VOC 2012',
    'COCO14WeakDataset': 'COCO 2014',
    'ShapesDataset': 'Shapes',
    'VOCAnimalsDataset': 'VOC Animals',
    'FolderWeakDataset': 'your own images',
}
_TINY_COCO = 'data/coco_tiny'
_IMAGE_LABELS = 'image labels'
#: side input that training reads → what it adds to image labels
_MORE = {
    'saliency': 'image labels, saliency maps',
    'partial': 'image labels, known pixels of some pictures',
    'mask': 'pseudo masks',
}


def config_facts(
    path: Path, root: Path, backbones: Mapping[str, Backbone]
) -> dict[str, Any]:
    """The fields of :data:`FACTS` that a config has, as plain values.

    Args:
        path: the config, of a network or of a pipeline.
        root: the folder that paths in pipelines are relative to.
        backbones: the known initial weights, see :func:`.backbones`.

    Raises:
        UserError: if it can't be read.
    """
    cfg = config_as_written(path)
    if 'stages' in cfg:
        return _pipeline_facts(cfg, root, backbones)
    loader = cfg.train_dataloader
    facts = {
        'Supervision': supervision(loader.dataset, 'checkpoint' in cfg.model),
        'Pretraining': pretraining(cfg, backbones),
        'Training Data': training_data(loader.dataset),
        'Class Count': cfg.num_classes,
        'Protocol': protocol(cfg),
    }
    if cfg.train_cfg.max_iters:  # it is trained at all
        facts |= {
            'Crop Size': crop_size(loader.dataset.pipeline),
            'Batch Size': loader.batch_size,
            'Iterations': cfg.train_cfg.max_iters,
        }
    return {key: facts[key] for key in FACTS if facts.get(key) is not None}


def _pipeline_facts(
    cfg: Config, root: Path, backbones: Mapping[str, Backbone]
) -> dict[str, Any]:
    """Data and supervision of the first network, protocol of the last test."""
    kinds = {
        name: [root / s['config'] for s in cfg.stages if s['type'] in types]
        for name, types in dict(first=('train', 'generate'), test=('test',)).items()
    }
    facts = config_facts(kinds['first'][0], root, backbones)
    kept = ('Supervision', 'Training Data', 'Class Count')
    result = {key: facts[key] for key in kept if key in facts}
    for path in kinds['test'][-1:]:
        result['Protocol'] = config_facts(path, root, backbones)['Protocol']
    return result


def supervision(dataset: Mapping[str, Any], has_base: bool = False) -> str:
    """What training is told of a picture.

    Args:
        dataset: config of the data set.
        has_base: whether the network goes on from one that was trained before, as in
            self-training. What that one was told counts too: its side inputs, which
            are set to ``None``.
    """
    if dataset.get('with_masks'):
        return 'masks'
    inputs = [
        name
        for name, side in (dataset.get('side_inputs') or {}).items()
        if side is not None or has_base
    ]
    found = [text for name, text in _MORE.items() if name in inputs]
    return found[0] if found else _IMAGE_LABELS


def pretraining(cfg: Config, backbones: Mapping[str, Backbone]) -> str:
    """The name of the initial weights in ``zoo/backbones.yml``, or what they are."""
    source = initial_weights(cfg)
    if source is None:
        return 'none'
    if source.startswith(OWN_WEIGHTS):
        return source.removeprefix(OWN_WEIGHTS).removesuffix('.pth')
    found = [name for name, one in backbones.items() if one.is_of(source)]
    return found[0] if found else source


def training_data(dataset: Mapping[str, Any]) -> str:
    """The name of a data set."""
    if dataset.get('data_root') == _TINY_COCO:
        return 'COCO, a few photos'
    return _DATA.get(dataset['type'], dataset['type'])


def crop_size(pipeline: Sequence[Any]) -> int | None:
    """Side in pixels of the largest square that a pipeline cuts out."""
    for name in ('crop_size', 'size'):  # of windows; of random areas, resized
        sides = [
            side
            for key, value in _settings(pipeline)
            if key == name
            for side in (value if isinstance(value, (list, tuple)) else (value,))
        ]
        if sides:
            return max(sides)
    return None


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys of nested settings, with their values."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key, item
            yield from _settings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _settings(item)


def protocol(cfg: Config) -> str | None:
    """How ``tools/test.py`` scores, without options: pictures, their size, CAMs."""
    loader, evaluator = cfg.get('test_dataloader'), cfg.get('test_evaluator')
    if loader is None or evaluator is None:
        return None
    test = segmentor_cfg(cfg).get('test_cfg') or {}
    parts = [loader.dataset.get('split') or 'val', _input_size(test)]
    if {'cam', 'aux_cam'} & set(test.get('outputs') or ()):
        first = evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator
        parts.append(_cam_protocol(test, first))
    if (test.get('seg') or {}).get('source') == 'maps':
        parts.append(_map_segmentation(test))
    return ', '.join(parts)


def _input_size(test: Mapping[str, Any]) -> str:
    size = test.get('input') or {}
    if size.get('squash'):
        height, width = size['squash']
        return f'{height} x {width}'
    return 'native size'


def _map_segmentation(test: Mapping[str, Any]) -> str:
    main, chosen = test.get('main_map', 'cam'), test.get('cam_filter', 'pred')
    scales = (test.get(main) or {}).get('scales') or (1.0,)
    whose = "the image's" if chosen == 'gt' else 'predicted'
    refined = test['seg']['labeler'].get('refiner')
    text = '/'.join(f'{scale:g}' for scale in scales)
    how = f', {refined["type"]}' if refined else ''
    return (
        f'segmentation from the {main.upper()} of {whose} classes, scales {text}{how}'
    )


def _cam_protocol(test: Mapping[str, Any], evaluator: Mapping[str, Any]) -> str:
    scales = (test.get('cam') or {}).get('scales') or (1.0,)
    default = inspect.signature(WSSSMetric).parameters['bkg_thr'].default
    threshold = evaluator.get('bkg_thr', default)
    whose = "the image's labels" if test.get('cam_filter') == 'gt' else 'all classes'
    text = '/'.join(f'{scale:g}' for scale in scales)
    return f'CAM of {whose}, scales {text}, threshold {threshold:g}'
