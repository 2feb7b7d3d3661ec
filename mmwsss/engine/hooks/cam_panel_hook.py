# Licensed under Apache-2.0.
from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from PIL import Image
from torch import Tensor, nn

from mmwsss.io.atomic_file import write_picture
from mmwsss.io.image_files import output_stem
from mmwsss.io.output_folder import inside
from mmwsss.registry import HOOKS
from mmwsss.visualization.panels import Tile, compose_panel, sample_tiles
from mmwsss.visualization.samples import image_labels, sample_outputs, to_picture

# output -> the part of the model without which it can't be had
_NEEDS = {
    'seg': 'decode_head',
    'cam': 'cam_head',
    'aux_cam': 'aux_cam_head',
    'pseudo': 'refine',
}


@HOOKS.register_module()
class CAMPanelHook(Hook):
    """Pictures of what the labels look like, while training and at test time.

    A panel shows per image: photograph, CAM, auxiliary CAM, pseudo label, prediction
    and, in validation and testing only, the truth, with a legend. Training panels go
    to the visualizer (files, TensorBoard, W&B); so do those of the first validation
    images; test panels are files of ``show_dir``.

    Args:
        interval: Training iterations between panels; 0 = none.
        num_images: Images of a training batch, and of a validation run.
        view: Training view that is drawn, where there are several; of the views of a
            test protocol it is ``scale_1``.
        show_dir: Folder for a panel of every test image, or None.
        max_side: Longest side of a picture in pixels.
    """

    priority = 'LOW'

    def __init__(
        self,
        interval: int = 500,
        num_images: int = 4,
        view: str = 'view1',
        show_dir: str | None = None,
        max_side: int = 448,
    ) -> None:
        if interval < 0 or num_images < 1:
            raise ValueError(
                f'interval={interval} must be >= 0 and num_images={num_images} >= 1'
            )
        self.interval = interval
        self.num_images = num_images
        self.view = view
        self.show_dir = show_dir
        self.max_side = max_side
        self._rows: list[list[Tile]] = []

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draw the first images of the batch, every ``interval`` iterations."""
        if self.interval == 0 or not self.every_n_train_iters(runner, self.interval):
            return
        model = _bare(runner.model)
        if not is_main_process() or not hasattr(model, 'predict'):
            return
        images, samples = self._first(data_batch)
        predicted = _predict(model, images, samples)
        meta = getattr(runner.train_dataloader.dataset, 'metainfo', {})
        rows = [
            self._tiles(i, p, meta, truth=False)
            for i, p in zip(images, predicted, strict=True)
        ]
        heading = f'training images at iteration {runner.iter + 1}'
        self._publish(runner, 'train_panel', rows, meta, heading, runner.iter + 1)

    def after_val_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Keep the first images of a validation run."""
        if self.interval == 0 or not is_main_process():
            return
        meta = getattr(runner.val_dataloader.dataset, 'metainfo', {})
        images = plain_view(data_batch['inputs'])
        for image, sample in zip(images, outputs or (), strict=False):
            if len(self._rows) < self.num_images:
                self._rows.append(self._tiles(image, sample, meta, truth=True))

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        """Publish the panel of a validation run."""
        if self._rows:
            meta = getattr(runner.val_dataloader.dataset, 'metainfo', {})
            self._publish(
                runner,
                'val_panel',
                self._rows,
                meta,
                f'validation images at iteration {runner.iter}',
                runner.iter,
            )
        self._rows = []

    def after_test_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Write a panel per image where there is a ``show_dir``."""
        if self.show_dir is None:
            return
        meta = getattr(runner.test_dataloader.dataset, 'metainfo', {})
        images = plain_view(data_batch['inputs'])
        for image, sample in zip(images, outputs or (), strict=False):
            name = output_stem(sample.metainfo)
            row = self._tiles(image, sample, meta, truth=True)
            panel = compose_panel(
                [row], meta.get('classes', ()), meta.get('palette'), heading=str(name)
            )
            path = Path(self.show_dir) / inside(f'{name}.png')
            write_picture(Image.fromarray(panel), path)

    def _first(self, data_batch: dict) -> tuple[list[Tensor], list[Any]]:
        """First images (one view of each) and samples of a raw training batch."""
        inputs = plain_view(data_batch['inputs'], self.view)
        return (
            list(inputs[: self.num_images]),
            list(data_batch['data_samples'][: self.num_images]),
        )

    def _tiles(self, image: Tensor, sample: Any, meta: dict, truth: bool) -> list[Tile]:
        return sample_tiles(
            to_picture(image, meta.get('picture')),
            sample_outputs(sample, truth),
            meta.get('classes', ()),
            meta.get('palette'),
            image_labels(sample),
            max_side=self.max_side,
        )

    def _publish(
        self,
        runner: Any,
        name: str,
        rows: list[list[Tile]],
        meta: dict,
        heading: str,
        step: int,
    ) -> None:
        panel: np.ndarray = compose_panel(
            rows, meta.get('classes', ()), meta.get('palette'), heading
        )
        runner.visualizer.add_image(name, panel, step)


def plain_view(inputs: Any, name: str = 'scale_1') -> Any:
    """The images of a batch; of several views the named one, else the first."""
    if not isinstance(inputs, dict):
        return inputs
    return inputs.get(name, next(iter(inputs.values())))


@torch.no_grad()
def _predict(model: nn.Module, images: list[Tensor], samples: list[Any]) -> list[Any]:
    """All outputs of the model for raw training images at their own size."""
    copies = [copy.deepcopy(s) for s in samples]
    for image, sample in zip(images, copies, strict=True):
        size = tuple(image.shape[-2:])
        shown = dict(ori_shape=size, img_shape=size, flip=False)
        sample.set_metainfo(shown | dict(labels_known=True))  # what training goes by
    training = model.training
    model.eval()
    try:
        data = model.data_preprocessor(dict(inputs=images, data_samples=copies), False)
        predicted = model.predict(
            data['inputs'], data['data_samples'], **_overrides(model)
        )
    finally:
        model.train(training)
    for sample in predicted:
        _ignore_padding(sample)
    return predicted


def _ignore_padding(sample: Any) -> None:
    """Ignore the pseudo label outside the real pixels, as training does."""
    if 'pred_pseudo' not in sample or 'valid_box' not in sample:
        return
    y0, y1, x0, x1 = sample.valid_box.tolist()
    label = sample.pred_pseudo.data
    inside = torch.zeros_like(label, dtype=torch.bool)
    inside[..., y0:y1, x0:x1] = True
    sample.pred_pseudo.data = label.masked_fill(~inside, 255)


def _overrides(model: nn.Module) -> dict[str, Any]:
    """All outputs that the model has, masked by the image labels, without CRF."""
    names = inspect.signature(model.predict).parameters.values()
    if not any(p.name == 'cam_filter' or p.kind is p.VAR_KEYWORD for p in names):
        return {}  # a plain segmentor
    outputs = tuple(
        name for name, part in _NEEDS.items() if getattr(model, part, True) is not None
    )
    outputs += tuple(getattr(model, 'FURTHER_MAPS', ()))
    return dict(cam_filter='gt', outputs=outputs, post_processor=None)


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
