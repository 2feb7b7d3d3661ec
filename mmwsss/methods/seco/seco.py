# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import label_shares, token_pairs
from mmwsss.io.errors import UserError, check_choice
from mmwsss.models.loss_schedule import StepSchedule
from mmwsss.models.loss_terms import part_of
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import MODELS
from mmwsss.structures import Features, FusedCAMs, ImageLabels, encode, valid_boxes

from .crop_tags import single_label
from .tagged_crops import TaggedCrops, TaggedViews

CONTRAST = frozenset(('lil', 'lig'))
VIEWS = frozenset(('view1', 'view2', 'local'))


@MODELS.register_module()
class SeCo(WeakSegmentor):
    """Separate and Conquer (CVPR 2024).

    Images are separated into crops, each with a class tag that the CAM gives. A teacher
    of moving averages turns crops of another augmentation into keys, which a queue
    keeps with their tags; class tokens of images with one class move its prototype. The
    student's crops learn from keys of their tag (``lil``, local to local) and from the
    prototype of their class (``lig``, local to global).

    Args:
        proj_head: config of the projection head of class tokens; it ends with unit
            vectors of the class token's width. Needed for ``lil`` and ``lig``.
        memory: config of the :class:`.MemoryBank`, ``size`` and ``momentum``.
        train_cfg: adds ``local_crops`` (see :class:`.TaggedCrops`); ``ema_momentum`` of
            the teacher; ``roi_source`` and ``pseudo_source``, the CAM of the tags and
            of the pseudo label, ``'cam'`` or ``'aux_cam'``; ``update_queue`` and
            ``update_prototypes``, whether they move although no loss reads them yet;
            ``scale_token_box`` (as ``ToCo``); and the released quirks ``queue_init``
            (``'columns'``, ``'rows'``, ``'empty'``), ``global_keys`` (``'student'``,
            ``'teacher'``: who encodes the global views of the keys), ``current_keys``
            (``'twice'``, ``'once'``: this step's keys beside the queue, which holds
            them already, or not) and ``prototype_tokens`` (``'raw'``, ``'unit'``).
            ``roi_source``, ``pseudo_source`` and both ``update_`` may be steps.
        **kwargs: see :class:`WeakSegmentor`.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_MODULES,
        'proj_head': ('lil', 'lig'),
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        'ptc': ('aux_cam_head', 'labeler.thresholds'),
        **dict.fromkeys(
            CONTRAST,
            ('labeler.thresholds', 'train_cfg.local_crops', 'train_cfg.ema_momentum'),
        ),
    }
    #: settings of the release's quirks → what they may be, the released value first
    QUIRKS: ClassVar[dict[str, tuple[str, ...]]] = dict(
        queue_init=('columns', 'rows', 'empty'),
        global_keys=('student', 'teacher'),
        current_keys=('twice', 'once'),
        prototype_tokens=('raw', 'unit'),
    )
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS.union(
        ('local_crops', 'ema_momentum', 'roi_source', 'pseudo_source', 'update_queue'),
        ('update_prototypes', 'scale_token_box', *QUIRKS),
    )

    def __init__(
        self,
        *,
        proj_head: dict | None = None,
        memory: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.proj_head: nn.Module = proj_head and self.unit_head(proj_head)
        parts = ('backbone', 'proj_head') if proj_head else ()
        self.averaged = AveragedParts(self, parts)  # makes backbone_ema, proj_head_ema
        self.memory: nn.Module = memory and self.build_memory(memory)
        crops = self.train_cfg.get('local_crops')
        self.crops: nn.Module = crops and TaggedCrops(**crops)
        self.terms.check(self, dict.fromkeys(CONTRAST, ('proj_head', 'memory')))
        self.quirks = {
            name: self.train_cfg.get(name, known[0])
            for name, known in self.QUIRKS.items()
        }
        for name, value in self.quirks.items():
            check_choice(f'train_cfg.{name}', value, self.QUIRKS[name])
        self.roi_source = self.source('roi_source')
        self.pseudo_source = self.source('pseudo_source')
        self.update_queue = StepSchedule(self.train_cfg.get('update_queue', True))
        self.update_prototypes = StepSchedule(
            self.train_cfg.get('update_prototypes', True)
        )

    # ---------------------------------------------------------------- parts
    def source(self, name: str) -> StepSchedule:
        """Which CAM a setting names, by the iteration."""
        cams = ('cam', 'aux_cam') if self.aux_cam_head else ('cam',)
        return StepSchedule(self.train_cfg.get(name, 'cam'), cams, f'train_cfg.{name}')

    def unit_head(self, cfg: dict) -> nn.Module:
        """The projection head: prototypes are class tokens, so widths are equal."""
        widths = getattr(self.backbone, 'map_widths', ())
        width = widths[-1] if widths else cfg.get('in_channels')
        own = dict(bottleneck_channels=width, out_channels=None)
        for name, value in own.items():
            if cfg.get(name, value) != value:
                raise UserError(
                    f'proj_head.{name}={cfg[name]}, but the head of SeCo ends with '
                    f'unit vectors as wide as the class token, {width}: leave it out'
                )
        return self.head(cfg, 'proj_head', **own)

    def build_memory(self, cfg: dict) -> nn.Module:
        """Queue and prototypes of this model's widths and classes."""
        settings = ('labeler.thresholds', 'train_cfg.local_crops')
        for path in ('proj_head', *settings, 'train_cfg.ema_momentum'):
            if part_of(self, path) is None:
                raise UserError(f'the memory needs a {path} for its keys, got None')
        if not cfg.get('size'):
            raise UserError('the memory of SeCo has a queue: set model.memory.size')
        dim = self.proj_head.mlp[-1].out_features
        # each process has as many pictures in each step
        own = dict(dim=dim, num_foreground=self.num_foreground, equal_rows=True)
        return MODELS.build({**cfg, **own})

    def init_weights(self) -> None:
        """Initialise; the memory starts with noise, tagged background, as released."""
        if self.is_init:
            return
        super().init_weights()
        if self.memory is None:
            return
        self.memory.prototypes.normal_()
        if self.quirks['queue_init'] != 'empty':
            dim = 0 if self.quirks['queue_init'] == 'columns' else 1
            rows = F.normalize(torch.randn_like(self.memory.features), dim=dim)
            self.memory.fill(rows, torch.zeros_like(self.memory.tags))

    # ---------------------------------------------------------------- training step
    @property
    def contrasts(self) -> bool:
        """Whether this iteration makes keys: for a loss, or for the queue alone."""
        moves = self.memory is not None and self.update_queue(self.iteration)
        return bool(moves or self.active & CONTRAST)

    def loss(
        self, inputs: Mapping[str, Tensor], data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """One training step, each distinct image encoded once.

        Args:
            inputs: normalised (B, 3, H, W): ``view1``, the picture in its own colours;
                ``view2``, another part of it; ``local``, ``view1`` in other colours,
                of which the teacher's crops are cut.
            data_samples: with ``gt_labels`` and ``valid_box`` of view 1.
        """
        check_views(inputs)
        view1 = inputs['view1']
        labels = self.image_labels(data_samples, view1.device)
        box = valid_boxes(data_samples)
        side = self.side_inputs_of(data_samples)
        if self.averaged.parts:  # take up what the last optimiser step left
            self.averaged.follow(self.train_cfg['ema_momentum'])

        features, cls_tokens = self.encode_views(inputs)
        self.move_prototypes(cls_tokens[: len(labels)], labels)
        terms = self.classification(features, labels, side)
        if not self.contrasts and not self.active & {'ptc', 'seg', 'reg'}:
            return self.weigh(terms)

        cams = self.fused_cams(view1, labels, features)
        if 'ptc' in self.active:
            targets = self.token_targets(cams.aux, labels, box, features)
            terms['ptc'] = self.losses['ptc'](features.maps[-1], targets)
        if self.contrasts:
            cam = self.chosen(cams, self.roi_source)
            tagged = self.crops(cam, labels, self.labeler.thresholds, box)
            terms |= self.contrast(inputs, cls_tokens, tagged)
        if not self.active & {'seg', 'reg'}:
            return self.weigh(terms)

        cam = self.chosen(cams, self.pseudo_source)
        label = self.pseudo_label(view1, cam, labels, box, side)
        terms |= self.segmentation(features, view1, label, box, side)
        return self.weigh(terms) | label_shares(label, box)

    def token_targets(
        self,
        aux_cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None,
        features: Features,
    ) -> Tensor:
        """Which tokens belong together (as ToCo), from the auxiliary CAM."""
        grid = tuple(features.maps[-1].shape[-2:])
        scaled_box = self.train_cfg.get('scale_token_box', False)
        return token_pairs(
            aux_cam, labels.ids, grid, self.labeler.thresholds, box, scaled_box
        )

    def chosen(self, cams: FusedCAMs, source: StepSchedule) -> Tensor:
        """The final or the auxiliary CAM."""
        cam = cams.aux if source(self.iteration) == 'aux_cam' else cams.cam
        assert cam is not None  # refused when the model was built
        return cam

    def encode_views(self, inputs: Mapping[str, Tensor]) -> tuple[Features, Tensor]:
        """Features of view 1; class tokens (2B, D) of both global views, or of view 1.

        View 2 is encoded where keys are made.
        """
        views = ('view1', 'view2') if self.contrasts else ('view1',)
        both = self.encode(torch.cat([inputs[name] for name in views]))
        if both.cls_token is None:
            raise ValueError(
                'SeCo needs a backbone with a class token, '
                f'{type(self.backbone).__name__} gives none'
            )
        return both.select(slice(len(inputs['view1']))), both.cls_token

    # ---------------------------------------------------------------- memory
    def move_prototypes(self, tokens: Tensor, labels: ImageLabels) -> None:
        """Class tokens of images with one label move the prototype of its class."""
        if self.memory is None or not self.update_prototypes(self.iteration):
            return
        if self.quirks['prototype_tokens'] == 'unit':
            tokens = F.normalize(tokens, dim=1)
        self.memory.update_prototypes(tokens, single_label(labels))

    @torch.no_grad()
    def make_keys(
        self, inputs: Mapping[str, Tensor], cls_tokens: Tensor, corners: Tensor
    ) -> Tensor:
        """The teacher's keys (N, D): the global views, and crops in other colours."""
        teacher = self.backbone_ema.module
        if self.quirks['global_keys'] == 'teacher':
            views = torch.cat([inputs['view1'], inputs['view2']])
            cls_tokens = encode(teacher, views).cls_token
        crops = encode(teacher, self.crops.cut(inputs['local'], corners)).cls_token
        return self.proj_head_ema(image_major(cls_tokens, crops, len(corners)))

    def all_keys(self, keys: Tensor, tags: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (M, D) and their tags: this step's, if they count twice, and the queue.

        Copies: the queue moves again before the next step.
        """
        queue = self.memory
        if self.quirks['current_keys'] == 'once':
            return queue.features.clone(), queue.tags.clone()
        return torch.cat([keys.float(), queue.features]), torch.cat([tags, queue.tags])

    # ---------------------------------------------------------------- contrast
    def contrast(
        self, inputs: Mapping[str, Tensor], cls_tokens: Tensor, tagged: TaggedViews
    ) -> dict[str, Tensor]:
        """L_lil and L_lig; the queue takes up this step's keys before they are read."""
        tags = tagged.tags.flatten()
        keys = self.make_keys(inputs, cls_tokens, tagged.corners)
        self.memory.enqueue(keys, tags)  # with the tags as they are before L_lil
        if not self.active & CONTRAST:
            return {}
        crops = self.encode(self.crops.cut(inputs['view1'], tagged.corners)).cls_token
        rows = self.proj_head(image_major(cls_tokens, crops, len(tagged.tags)))
        terms, _ = self.losses['contrast'](
            rows, tags, *self.all_keys(keys, tags), self.memory.prototypes.clone()
        )
        return {term: terms[term] for term in terms.keys() & self.active}


def check_views(inputs: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the pipeline gives all :data:`VIEWS`."""
    names = set(inputs) if isinstance(inputs, Mapping) else set()
    if VIEWS - names:
        raise ValueError(
            f'SeCo trains on the views {sorted(VIEWS)}, the pipeline gives '
            f'{sorted(names) or "a single image"}: use ToCoViews'
        )


def image_major(views: Tensor, crops: Tensor, batch: int) -> Tensor:
    """Tokens (2B, D) of views and (L · B, D) of crops → (B · (2 + L), D).

    They come view after view, and go image after image.
    """
    rows = torch.cat([views, crops.to(views.dtype)])
    return rows.unflatten(0, (-1, batch)).transpose(0, 1).flatten(0, 1)
