# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import check_thresholds, label_shares, token_label, token_pairs
from mmwsss.io.errors import UserError, check_choice
from mmwsss.models.loss_schedule import StepSchedule
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.structures import (
    ClassMaps,
    Features,
    FusedCAMs,
    ImageLabels,
    valid_boxes,
)

from .category_graph import at_least_float32

#: terms that read the class tokens, and those that read CAMs
OF_TOKENS = frozenset(('mct', 'cle', 'une'))
OF_CAMS = frozenset(('ptc', 'cle', 'une', 'seg', 'reg'))
#: what makes the localisation attention map: products of the final tokens (released),
#: or the last block's attention (the paper's words)
LAMS = ('tokens', 'attention')


@MODELS.register_module()
class MoRe(WeakSegmentor):
    """MoRe: Class Patch Attention Needs Regularization (AAAI 2025).

    ToCo's skeleton with one token for each class. A graph layer rewrites these tokens
    by their neighbours among tokens and patches (GCR). Two losses regularise how they
    relate to the patches: a class token is drawn to the patches that the CAM is sure of
    (``cle``), uncertain patches to the image's classes (``une``); ``mct`` keeps class
    tokens apart. Patches times rewritten class tokens are the localisation attention
    map, the output ``lam``.

    Args:
        backbone: config of a :class:`.TokenPerClassViT`; its ``num_tokens`` comes from
            ``num_classes``.
        graph: config of the :class:`.CategoryGraph`; ``None``: class tokens as they
            are.
        lam: what makes the map, see :data:`LAMS`.
        train_cfg: adds ``certain`` and ``uncertain``, the token labels of ``cle`` and
            ``une``: ``dict(source=..., low_thr=..., high_thr=...)`` or steps of such,
            the source ``'cam'`` or ``'aux_cam'``; and ``scale_token_box`` (as
            ``ToCo``).
        **kwargs: see :class:`WeakSegmentor`.

    Raises:
        UserError: if the backbone has another number of class tokens.
        ValueError: if a setting is unknown.
    """

    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_MODULES,
        'graph': ('mct', 'cle'),
    }
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        **WeakSegmentor.TERM_NEEDS,
        'ptc': ('aux_cam_head', 'labeler.thresholds'),
        'cle': ('train_cfg.certain',),
        'une': ('train_cfg.uncertain',),
    }
    TRAIN_KEYS: ClassVar[frozenset[str]] = WeakSegmentor.TRAIN_KEYS.union(
        ('certain', 'uncertain', 'scale_token_box')
    )
    FURTHER_MAPS: ClassVar[dict[str, bool]] = {'lam': True}

    def __init__(
        self,
        *,
        backbone: dict,
        num_classes: int,
        graph: dict | None = None,
        lam: str = 'tokens',
        **kwargs: Any,
    ) -> None:
        check_choice('model.lam', lam, LAMS)
        own = dict(num_tokens=num_classes - 1)
        if lam == 'attention':
            own['class_attention'] = True
        super().__init__(
            backbone={**own, **backbone}, num_classes=num_classes, **kwargs
        )
        tokens = getattr(self.backbone, 'num_tokens', None)
        if tokens != self.num_foreground:
            raise UserError(
                f'backbone.num_tokens={tokens} of {type(self.backbone).__name__} must '
                f'be {self.num_foreground}, one for each foreground class: leave it out'
            )
        self.lam = lam
        self.graph: nn.Module = self.head(graph, 'graph')
        self.certain = self.token_rule('certain')
        self.uncertain = self.token_rule('uncertain')

    def token_rule(self, name: str) -> StepSchedule:
        """Which CAM and thresholds label the tokens of a loss, by the iteration."""
        schedule = StepSchedule(self.train_cfg.get(name))
        cams = ('cam', 'aux_cam') if self.aux_cam_head else ('cam',)
        for rule in schedule.values:
            if rule is None:  # the loss that needs it says so
                continue
            if set(rule) != {'source', 'low_thr', 'high_thr'}:
                raise UserError(
                    f'train_cfg.{name} must be dict(source=..., low_thr=..., '
                    f'high_thr=...) or steps of such, got {rule}'
                )
            check_choice(f'train_cfg.{name}.source', rule['source'], cams)
            check_thresholds(rule['low_thr'], rule['high_thr'])
        return schedule

    # ---------------------------------------------------------------- training step
    def loss(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        data_samples: Sequence[SegDataSample],
    ) -> dict[str, Tensor]:
        """One training step, each distinct image encoded once.

        Args:
            inputs: (B, 3, H, W) normalised images, or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and, if known, ``valid_box``.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        labels = self.image_labels(data_samples, images.device)
        box, side = valid_boxes(data_samples), self.side_inputs_of(data_samples)
        features = self.encode(images)
        terms = self.classification(features, labels, side)
        tokens = None
        if self.active & OF_TOKENS:
            tokens = self.category_tokens(features)
        if 'mct' in self.active:
            terms['mct'] = self.losses['mct'](tokens, labels.score)
        if not self.active & OF_CAMS:
            return self.weigh(terms)

        cams = self.fused_cams(images, labels, features)
        terms |= self.token_terms(features, tokens, cams, labels, box)
        if not self.active & {'seg', 'reg'}:
            return self.weigh(terms)

        label = self.pseudo_label(images, cams.cam, labels, box, side)
        terms |= self.segmentation(features, images, label, box, side)
        return self.weigh(terms) | label_shares(label, box)

    def category_tokens(self, features: Features) -> Tensor:
        """(B, C, D) class tokens, rewritten by the graph."""
        tokens = features.cls_token
        assert tokens is not None  # of the backbone's kind
        if self.graph is None:
            return at_least_float32(tokens)
        found: Tensor = self.graph(tokens, features.maps[-1])
        return found

    def token_terms(
        self,
        features: Features,
        tokens: Tensor | None,
        cams: FusedCAMs,
        labels: ImageLabels,
        box: Tensor | None,
    ) -> dict[str, Tensor]:
        """The active ones of L_ptc, L_cle and L_une, on labels of the token grid."""
        patches, terms = features.maps[-1], {}
        grid = tuple(patches.shape[-2:])
        place = (box, self.train_cfg.get('scale_token_box', False))
        if 'ptc' in self.active:
            thresholds = self.labeler.thresholds
            pairs = token_pairs(cams.aux, labels.ids, grid, thresholds, *place)
            terms['ptc'] = self.losses['ptc'](patches, pairs)
        if 'cle' in self.active:
            target = self.token_target(self.certain, cams, labels, grid, *place)
            terms['cle'] = self.losses['cle'](tokens, patches, target, labels)
        if 'une' in self.active:
            target = self.token_target(self.uncertain, cams, labels, grid, *place)
            terms['une'] = self.losses['une'](patches, tokens, target, labels.score)
        return terms

    def token_target(
        self,
        schedule: StepSchedule,
        cams: FusedCAMs,
        labels: ImageLabels,
        grid: tuple[int, int],
        box: Tensor | None,
        scaled_box: bool,
    ) -> Tensor:
        """(B, h, w) token labels by the rule of this iteration, 255 = uncertain."""
        rule = schedule(self.iteration)
        cam = cams.aux if rule['source'] == 'aux_cam' else cams.cam
        thresholds = (rule['low_thr'], rule['high_thr'])
        return token_label(cam, labels.ids, grid, thresholds, box, scaled_box)

    # ---------------------------------------------------------------- maps
    def further_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """The localisation attention map, signed: products of patches and tokens."""
        if self.lam == 'attention':
            assert features.attention is not None  # the backbone is told so
            return (ClassMaps(features.attention),)
        patches = features.maps[-1].float()
        tokens = self.category_tokens(features).to(patches.dtype)
        lam = (tokens @ patches.flatten(2)).unflatten(2, patches.shape[-2:])
        return (ClassMaps(lam),)
