# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import init_default_scope
from mmseg.structures import SegDataSample
from torch import nn

from mmwsss.cli.arguments import config_from
from mmwsss.cli.inference_options import apply_post_processor, segmentor_cfg
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.io.checkpoint import load_checkpoint_file, use_safe_checkpoints
from mmwsss.io.errors import UserError
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_picture, read_rgb
from mmwsss.io.provenance import record_in
from mmwsss.io.published import compare_classes, load_to_predict, saved_classes
from mmwsss.models.prediction.inference_cfg import MAPS
from mmwsss.models.prediction.large_predictor import STRIDE
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.large_prediction import predict_large, too_large
from mmwsss.pipeline.prediction_cost import LargePictures
from mmwsss.pipeline.usual_size import say_shrunk, shrunk_to, side_for
from mmwsss.registry import DATASETS, MODELS, class_of


def init_model(
    config: str | Path | Config,
    checkpoint: str | None = None,
    device: str = 'cpu',
    post_processor: str | None = None,
) -> nn.Module:
    """Build a model and load its weights strictly.

    Args:
        config: path of a config, or the config itself.
        checkpoint: path or URL; ``None``: random weights.
        device: where to put the model.
        post_processor: ``'crf'``, ``'crf:PRESET'`` or ``'par'`` refines the prediction
            with the image, as ``tools/test.py --post-processor``.

    Returns:
        The model in eval mode, with ``cfg``, ``dataset_meta`` (class names and
        palette), ``trained_classes`` (those that the checkpoint names), ``picture``
        (how it reads photos) and ``provenance`` (what the checkpoint says of where it
        comes from, or ``None``) attached.

    Raises:
        FileNotFoundError: if the config or checkpoint isn't there.
        ValueError: if the checkpoint doesn't fit the model, or there is no such
            post-processor.

    Examples:
        >>> from mmwsss.apis import init_model, zoo_model
        >>> config, weights = zoo_model('toco_vit-t_shapes')
        >>> model = init_model(config, weights, device='cpu')
        >>> model.dataset_meta['classes'][:3]
        ('background', 'stripes', 'dots')
    """
    use_safe_checkpoints()
    cfg = copy.deepcopy(config) if isinstance(config, Config) else config_from(config)
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    network = segmentor_cfg(cfg)
    if 'pretrained' in network.get('backbone', {}):
        network.backbone.pretrained = None  # the checkpoint holds the backbone
    if post_processor is not None:
        apply_post_processor(cfg, post_processor)
    model = MODELS.build(cfg.model)
    saved: Mapping[str, Any] = {}
    if checkpoint is not None:
        saved = load_checkpoint_file(checkpoint, map_location='cpu')
        load_to_predict(model, saved, str(checkpoint))
        compare_classes(
            saved_classes(saved), dataset_meta(cfg).get('classes'), str(checkpoint)
        )
    model.cfg = cfg
    model.picture = picture_rule(cfg, saved)
    model.trained_classes = saved_classes(saved)
    model.provenance = record_in(saved)
    model.dataset_meta = saved.get('meta', {}).get('dataset_meta') or dataset_meta(cfg)
    if hasattr(model, 'use_metainfo'):  # a method may need the classes' names
        model.use_metainfo(model.dataset_meta)
    return model.to(device).eval()


def dataset_meta(cfg: Config) -> dict[str, Any]:
    """Class names and palette of the config's data set class, without its files.

    Examples:
        >>> from mmengine.config import Config
        >>> from mmwsss.apis import dataset_meta
        >>> dataset = dict(metainfo=dict(classes=['background', 'cat']))
        >>> dataset_meta(Config(dict(test_dataloader=dict(dataset=dataset))))
        {'classes': ['background', 'cat']}
    """
    dataset = (cfg.get('test_dataloader') or cfg.get('train_dataloader') or {}).get(
        'dataset', {}
    )
    kind = class_of(dataset['type'], DATASETS) if 'type' in dataset else None
    return {**getattr(kind, 'METAINFO', {}), **dataset.get('metainfo', {})}


def class_names(model: nn.Module) -> list[str]:
    """Names of a model's classes by id, background first.

    Args:
        model: from :func:`init_model`.

    Raises:
        UserError: if neither its checkpoint nor its config says them.
    """
    names = model.dataset_meta.get('classes')
    if not names:
        raise UserError(
            'neither the checkpoint nor the config names the classes: set '
            '--cfg-options "test_dataloader.dataset.metainfo.classes=[background,...]"'
        )
    return list(names)


def picture_rule(cfg: Config, saved: Mapping[str, Any] | None = None) -> PictureRule:
    """How photos are read that a model predicts: as the data set of its config says.

    Where the config says nothing, as the data set that it was trained on did.

    Args:
        cfg: with the test or training data set.
        saved: the checkpoint.

    Raises:
        UserError: if an entry is wrong.
    """
    for part in ('test', 'val', 'train'):
        dataset = (cfg.get(f'{part}_dataloader') or {}).get('dataset', {})
        if dataset.get('picture'):
            return PictureRule.of(dataset['picture'])
    meta = (saved or {}).get('meta', {}).get('dataset_meta') or {}
    return PictureRule.of(meta.get('picture'))


def read_photo(path: str | Path, rule: PictureRule | None = None) -> np.ndarray:
    """Read a photo as RGB (H, W, 3) uint8, upright unless the rule says otherwise.

    Args:
        path: of the photo.
        rule: ``model.picture`` of :func:`init_model`, for pictures that aren't 8-bit
            RGB; of several bands those that are shown.

    Raises:
        DataError: if it isn't a readable image, or the rule doesn't cover it.

    Examples:
        >>> from PIL import Image
        >>> from mmwsss.apis import read_photo
        >>> Image.new('RGB', (64, 48), 'red').save('photo.png')
        >>> read_photo('photo.png')[0, 0].tolist()
        [255, 0, 0]
    """
    return read_rgb(path, rule)


def packed(
    model: nn.Module, *photos: np.ndarray, side: int | None = None
) -> dict[str, Any]:
    """Photos as a batch that the model takes: ``inputs`` and ``data_samples``.

    Args:
        model: from :func:`init_model`.
        *photos: RGB (H, W, 3) uint8 (N bands for a network of N).
        side: long side that larger photos are shrunk to; predictions have the size of
            the photo all the same.

    Raises:
        ValueError: if an array has another form.
    """
    items = []
    for pixels in photos:
        check_form(model, pixels)
        size = pixels.shape[:2]
        pixels = shrunk_to(pixels, side)
        if isinstance(model.data_preprocessor, ImgDataPreprocessor):
            pixels = pixels[..., ::-1]  # mmseg's pipelines load BGR
        sizes = dict(ori_shape=size, img_shape=pixels.shape[:2])
        items.append(PackWeakInputs()(dict(img=pixels, **sizes)))
    batch = {
        name: [item[name] for item in items] for name in ('inputs', 'data_samples')
    }
    return model.data_preprocessor(batch)


def check_form(model: nn.Module, pixels: np.ndarray) -> None:
    """Refuse an array that is no picture for a model.

    Args:
        model: from :func:`init_model`.
        pixels: of a picture.

    Raises:
        ValueError: with the form that is needed.
    """
    ours = hasattr(model.data_preprocessor, 'denormalise')
    count = len(model.data_preprocessor.mean) if ours else 3
    whole = pixels.ndim == 3 and min(pixels.shape[:2]) > 0
    if not whole or pixels.shape[2] != count or pixels.dtype != np.uint8:
        form = 'RGB (H, W, 3)' if count == 3 else f'(H, W, {count})'
        raise UserError(
            f'image must be {form} uint8, got {pixels.shape} {pixels.dtype}'
        )


def without_labels(model: nn.Module, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of ``test_cfg`` for a prediction that reads no label.

    Args:
        model: from :func:`init_model`.
        overrides: entries to replace.
    """
    if hasattr(model, 'cam_head'):  # a plain segmentor has no labels to choose from
        return {'cam_filter': 'pred', **overrides}
    return dict(overrides)


def predict_image(
    model: nn.Module, image: str | Path | np.ndarray, **overrides: Any
) -> SegDataSample:
    """Predict one photo. No label is read: CAMs are masked by predicted classes.

    A photo larger than those of the model's data set is shrunk to their long side,
    where the data set says one and ``input`` doesn't; which is said. A photo that would
    take minutes goes through in windows, which is said before it begins;
    ``windows=dict(size=None)`` keeps it whole. Of one whose maps of all classes would
    take more than 512 MiB too, label, confidence and class maps at stride 4 are given
    (:class:`.LargePredictor`), unless ``outputs`` asks for others.

    Args:
        model: from :func:`init_model`.
        image: path of a photo, or RGB (H, W, 3) uint8 (N bands for a network of N).
        **overrides: entries of ``test_cfg`` to replace, see
            :class:`~mmwsss.models.prediction.inference_cfg.InferenceCfg`.

    Returns:
        The sample with what :meth:`predict` of the model describes, at the size of
        the photo. (Label and confidence of a picture of any size:
        :class:`.WSSSInferencer`.)

    Raises:
        ValueError: if the file isn't a readable image, or the array has another form.

    Examples:
        >>> import numpy as np
        >>> from mmwsss.apis import init_model, predict_image, zoo_model
        >>> model = init_model(*zoo_model('toco_vit-t_shapes'))
        >>> photo = np.full((80, 120, 3), 127, np.uint8)
        >>> sample = predict_image(model, photo, outputs=('seg', 'prob'))
        >>> tuple(sample.pred_sem_seg.data.shape), tuple(sample.pred_prob.data.shape)
        ((1, 80, 120), (7, 80, 120))
    """
    if isinstance(image, np.ndarray):
        pixels, name = image, ''
    else:
        pixels = read_picture(image, getattr(model, 'picture', None)).pixels
        name = str(image)
    check_form(model, pixels)
    overrides = without_labels(model, overrides)
    side = side_for(model, overrides)
    seen = shrunk_to(pixels, side)
    say_shrunk(model, side, pixels.shape[:2], 'input' in overrides)
    if 'windows' not in overrides:
        windows = large_pictures(model, overrides).overrides(seen.shape[:2], name)
        small = (windows or seen is not pixels) and 'outputs' not in overrides
        overrides |= windows
        if small and too_large(model, pixels.shape[:2]):
            overrides |= small_outputs(model)
            return predict_large(model, pixels, overrides, seen)
    if not isinstance(unwrap(model), WeakSegmentor):
        overrides = {}  # all that mmseg's take has been taken
    with torch.no_grad():
        return model.predict(**packed(model, pixels, side=side), **overrides)[0]


def small_outputs(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """The outputs of a model that take little memory of a large picture; says which.

    Args:
        model: from :func:`init_model`: a network of ours.
    """
    own = set(unwrap(model).test_cfg.get('outputs', ()))
    maps = own & {*MAPS, 'pseudo', 'class_maps'}
    outputs = ('seg', 'class_maps') if maps else ('seg',)
    print_log(
        'of a picture of this size label and confidence are given'
        + (f', and class maps at stride {STRIDE}' if maps else '')
        + '; outputs=(...) asks for others, which take more memory',
        'current',
    )
    return dict(outputs=outputs)


def large_pictures(model: nn.Module, overrides: Mapping[str, Any]) -> LargePictures:
    """What says of large pictures how they are predicted; kept for a model.

    Args:
        model: from :func:`init_model`.
        overrides: entries of ``test_cfg`` that are replaced.
    """
    known = model.__dict__.setdefault('_large_pictures', {})
    key = (repr(sorted(overrides.items())), next(model.parameters()).device.type)
    if key not in known:
        known[key] = LargePictures(model, overrides, fewer_views=True)
    return known[key]
