# Licensed under Apache-2.0.
from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from torch import nn

from mmwsss.cli.inference_options import apply_tta
from mmwsss.cli.inference_precision import autocast_for
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.palette import full_palette
from mmwsss.pipeline.inference import class_names, init_model, packed
from mmwsss.pipeline.photos import say_left_out
from mmwsss.pipeline.predict.given_model import (
    config_and_weights,
    refuse_beside,
    refuse_truth,
)
from mmwsss.pipeline.predict.given_picture import GivenPicture
from mmwsss.pipeline.predict.given_pictures import (
    Given,
    each_picture,
    folders_given,
    pictures_given,
)
from mmwsss.pipeline.predict.given_video import GivenVideo
from mmwsss.pipeline.predict.overlay_video import OverlayVideo
from mmwsss.pipeline.predict.photo_prediction import PhotoPrediction
from mmwsss.pipeline.predict.photo_predictor import EXTRAS, PhotoPredictor
from mmwsss.pipeline.predict.prediction_files import PredictionFiles
from mmwsss.pipeline.predict.prediction_stream import PredictionStream
from mmwsss.pipeline.predict.progress import with_progress
from mmwsss.registry import INFERENCERS
from mmwsss.visualization.overlays import label_overlay

#: what may be written
WRITTEN = ('mask', 'confidence', 'scores', 'geotiff', *EXTRAS)


@INFERENCERS.register_module()
class WSSSInferencer(BaseInferencer):
    """Segments pictures of any size; reads no labels.

    Pictures of one size go through together. One that would take minutes, or that
    ``test_cfg.windows`` cuts, is predicted in overlapping windows, whose maps are
    blended; of such a *stitched* picture, and of one whose class maps would take more
    than 512 MiB, label and confidence are made tile by tile and maps of classes at
    stride 4 (networks of ours with a decoder).

    Args:
        model: name of a model of the zoo; or path of a config, a config, or a model of
            :func:`.init_model`.
        weights: checkpoint, path or URL; not with a model, and with a name of the zoo
            only to take others than the zoo's.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``; ``None``: a GPU, if there is one.
        post_processor: ``'crf'``, ``'crf:PRESET'`` or ``'par'`` refines the prediction
            with the picture; stitched ones in tiles of 1024 pixels with 128 around.
        tta: test-time augmentation as the config's ``tta_cfg`` says.
        amp: ``'bf16'`` or ``'fp16'``, on devices that compute in it; what comes after
            the logits stays float32.
        test_cfg: entries of ``test_cfg`` to replace, as
            ``dict(windows=dict(size=(448, 448), overlap=0.25))``, see
            :class:`~mmwsss.models.prediction.inference_cfg.InferenceCfg`.
        show_progress: a bar on a terminal's standard error; elsewhere there is none.

    Raises:
        UserError: for ``cam_filter='gt'``, which would read labels; a config without
            weights; an unknown model of the zoo; ``amp`` on a device that can't.

    Examples:
        >>> import numpy as np
        >>> from mmwsss.apis import WSSSInferencer
        >>> inferencer = WSSSInferencer('toco_vit-t_shapes', device='cpu')
        >>> photo = np.full((96, 120, 3), 127, np.uint8)  # or 'photo.jpg', 'photos/'
        >>> (found,) = inferencer(photo, outputs=('cam', 'prob'))['predictions']
        >>> found.mask.shape, found.confidence.shape, found.prob.maps.shape
        ((96, 120), (96, 120), (7, 96, 120))
        >>> sorted(found.scores)
        ['check', 'dots', 'grid', 'rings', 'stripes', 'zigzag']

        Masks, panels and scores as files:

        >>> done = inferencer([photo], out_dir='out', outputs=('panel',))
        >>> sorted(path.name for path in Path('out').glob('[!.]*'))
        ['confidence', 'panels', 'picture_000000.png', 'scores.csv']
    """

    def __init__(
        self,
        model: str | os.PathLike | Config | nn.Module,
        weights: str | os.PathLike | None = None,
        device: str | None = None,
        *,
        post_processor: str | None = None,
        tta: bool = False,
        amp: str | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        show_progress: bool = True,
        scope: str = 'mmwsss',
    ) -> None:
        self.overrides = refuse_truth(test_cfg or {})
        self.built = model if isinstance(model, nn.Module) else None
        if isinstance(model, nn.Module):
            refuse_beside(
                model, weights=weights, post_processor=post_processor, tta=tta
            )
            device = str(next(model.parameters()).device)
            cfg = getattr(model, 'cfg', None) or Config(dict())
        else:
            cfg, weights = config_and_weights(model, weights)
            if tta:
                apply_tta(cfg)
        self.post_processor = post_processor
        super().__init__(
            cfg, None if weights is None else str(weights), device, scope, show_progress
        )
        self.device = next(self.model.parameters()).device
        self.autocast = autocast_for(amp, self.device)
        self.classes = class_names(self.model)
        self.palette = self.model.dataset_meta.get('palette')

    # ---------------------------------------------------------------- the user's calls
    def __call__(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 1,
        *,
        outputs: Collection[str] = (),
        out_dir: str | os.PathLike | None = None,
        keep: bool | None = None,
        recursive: bool = False,
    ) -> dict[str, Any]:
        """Predict pictures, or the frames of a video.

        Args:
            inputs: path, URL or glob of a picture or video; a folder of pictures; RGB
                (H, W, 3) uint8 (N bands for a network of N); or a list of these.
            return_datasamples: the models' samples as predictions.
            batch_size: at most so many pictures of one size at once.
            outputs: what is wanted beside mask, confidence and scores, of
                :data:`.EXTRAS`.
            out_dir: a folder to write to, and then nothing is kept: ``NAME.png``
                masks; folders ``confidence``, ``cam``, ``prob``, ``pseudo``,
                ``seg_logits`` and ``panels``; ``scores.csv``.
            recursive: whether folders below a folder are walked too.

        Returns:
            ``predictions``: a :class:`.PhotoPrediction` a picture, in the order given;
            ``visualization``: their panels (``None`` where none was asked for);
            ``failed``: source → message of the pictures that couldn't be predicted.

        Raises:
            DataError: if the only picture can't be read.
            UserError: if an output is unknown, or the model hasn't got it.
            FileNotFoundError: if there are no pictures.
        """
        given = pictures_given(inputs, recursive, out_dir)
        if out_dir is not None:
            written = ('mask', 'confidence', 'scores', *outputs)
            files = self.files(out_dir, written, given, folders_given(inputs))
            failed = self.write(given, files, batch_size)
            return dict(predictions=[], visualization=[], failed=failed)
        failed = {}
        several = sum(map(len, given)) > 1
        found = self.stream(
            given, batch_size, outputs, failed if several else None, return_datasamples
        )
        in_order = [one for _, one in sorted(found, key=lambda pair: pair[0])]
        say_left_out(failed, len(in_order) + len(failed))
        panels = self.visualize([], in_order)
        results = self.postprocess(in_order, panels, return_datasamples)
        return results | dict(failed=failed)

    def write(
        self, given: Sequence[Given], files: PredictionFiles, batch_size: int = 1
    ) -> dict[str, str]:
        """Predict pictures and write what is predicted; nothing is kept.

        Args:
            given: from :func:`.pictures_given`.
            files: of :meth:`files`, which says what is wanted.
            batch_size: at most so many pictures of one size at once.

        Returns:
            Source → message of the pictures that couldn't be predicted, which are
            named in the log.
        """
        failed: dict[str, str] = {}
        outputs = set(files.outputs) & set(EXTRAS)
        for _, found in self.stream(given, batch_size, outputs, failed):
            files.write(found)
        files.finish()
        say_left_out(failed, sum(map(len, given)))
        return failed

    def stream(
        self,
        inputs: Any,
        batch_size: int = 1,
        outputs: Collection[str] = (),
        failed: dict[str, str] | None = None,
        keep_samples: bool = False,
    ) -> Iterator[tuple[int, PhotoPrediction]]:
        """Predictions one by one, so that not all are held.

        Args:
            inputs: as for :meth:`__call__`, or what :func:`.pictures_given` gave.
            batch_size: likewise.
            outputs: likewise.
            failed: gets source → message of pictures that can't be predicted; ``None``:
                the first one is raised.
            keep_samples: whether the model's samples are handed on too.

        Yields:
            Number of the picture as given, and its prediction. Pictures of several
            sizes come in another order where ``batch_size`` is above 1.
        """
        if batch_size < 1:
            raise UserError(f'batch_size must be 1 or more, got {batch_size}')
        stream = PredictionStream(self.predictor(outputs), failed, keep_samples)
        given = pictures_given(inputs)
        pictures = enumerate(each_picture(given))
        bar = with_progress(pictures, sum(map(len, given)), self.show_progress)
        for index, _, found in stream(bar, batch_size):
            yield index, found

    def overlay_video(
        self, video: str | os.PathLike, out: str | os.PathLike, batch_size: int = 1
    ) -> int:
        """Write a video with the classes' colours over its frames.

        Args:
            video: path or URL.
            out: file to write, ``.mp4``.
            batch_size: frames at once.

        Returns:
            How many frames were written.

        Raises:
            DataError: if the video can't be read.
        """
        predictor, count = self.predictor(), 0
        if not predictor.has_mask:
            raise UserError('this model has no decoder and no labeler: no masks')
        given, colours = GivenVideo(os.fspath(video)), full_palette(self.palette)
        frames = enumerate(given.frames())
        bar = with_progress(frames, len(given), self.show_progress)
        with OverlayVideo(out, given.fps) as writer:
            for _, pixels, found in PredictionStream(predictor)(bar, batch_size):
                assert found.mask is not None  # of every frame
                writer.add(label_overlay(pixels, found.mask, colours))
                count += 1
        return count

    def predictor(self, outputs: Collection[str] = ()) -> PhotoPredictor:
        """What predicts pictures with this model, see :class:`.PhotoPredictor`."""
        return PhotoPredictor(self.model, self.overrides, outputs, self.autocast)

    def files(
        self,
        out_dir: str | os.PathLike,
        outputs: Collection[str],
        given: Sequence[Given],
        inputs: Collection[str] = (),
        option: str = 'out_dir',
    ) -> PredictionFiles:
        """A folder that is claimed for the outputs, see :class:`.PredictionFiles`."""
        for output in outputs:
            check_choice('outputs', output, WRITTEN)
        return PredictionFiles(out_dir, outputs, given, inputs, self.palette, option)

    # ---------------------------------------------------------------- mmengine's parts
    def forward(self, inputs: Sequence[np.ndarray], **kwargs: Any) -> Any:
        """The model's samples of pictures (H, W, N) uint8 of one size."""
        return self.predictor()(inputs)

    def _init_model(
        self, cfg: Config, weights: str | None, device: str = 'cpu'
    ) -> nn.Module:
        if self.built is not None:
            return self.built.eval()
        return init_model(cfg, weights, device, self.post_processor)

    def _init_pipeline(self, cfg: Config) -> Any:
        return lambda path: GivenPicture(Path(path).stem, str(path)).pixels(
            self.model.picture
        )

    def _init_collate(self, cfg: Config) -> Any:
        return lambda photos: packed(self.model, *photos)

    def _init_visualizer(self, cfg: Config) -> None:
        """None: panels are drawn by :func:`.prediction_panel`."""

    def visualize(
        self, inputs: list, preds: Sequence[PhotoPrediction], **kwargs: Any
    ) -> list[np.ndarray | None]:
        """The panels of predictions."""
        return [found.panel for found in preds]

    def postprocess(
        self,
        preds: Sequence[PhotoPrediction],
        visualization: Sequence[np.ndarray | None],
        return_datasample: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Predictions, or the samples that they were made of, and panels."""
        return dict(
            predictions=[
                found.sample if return_datasample else found for found in preds
            ],
            visualization=list(visualization),
        )
