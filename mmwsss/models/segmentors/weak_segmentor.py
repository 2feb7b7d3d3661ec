# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import keep_known, label_shares, multi_scale, resize
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.registry import LABELERS, MODELS
from mmwsss.structures import (
    PARTIAL,
    ClassMaps,
    Features,
    FusedCAMs,
    ImageLabels,
    encode,
    id_maps,
    known_pixels,
    label_lists,
    valid_boxes,
)

from ..build_head import build_head
from ..data_preprocessor import shown_bands
from ..decoder_terms import OF_PSEUDO_LABELS, decoder_terms, with_partial_loss
from ..loss_terms import LossTerms, refuse_unknown, training_iteration
from ..prediction import old_settings as old
from ..prediction.inference_cfg import InferenceCfg, MapFusion
from ..prediction.predictor import Images, Predictor, check_test_cfg
from ..prediction.turned_back import turned_back
from ..teachers.averaged_parts import AveragedParts


@MODELS.register_module()
class WeakSegmentor(BaseSegmentor):
    """Base of all networks that learn from image labels; by itself the CAM baseline.

    It owns what every method shares: encode once, class maps, fusion of scales and
    mirrors, pseudo labels, weighted losses, prediction. A method overrides :meth:`loss`
    and says there which losses apply to which labels. What else it may declare or
    override stands first below, under "the method's part".

    Args:
        backbone: config of an encoder that returns maps (B, D, h, w); heads take D.
        cam_head: config of the classifier whose weights give the CAM, or ``None`` in a
            stage without CAM.
        num_classes: C + 1, background included; heads take theirs from here.
        decode_head: config of the segmentation decoder, or ``None``.
        aux_cam_head: config of the classifier on an earlier map, or ``None``.
        labeler: config of the labeler that makes the decoder's pseudo labels (see
            ``mmwsss/labelers``), or ``None``.
        losses: term → config of its loss module.
        train_cfg: ``weights`` (term → weight or steps ``[(begin, weight), …]``);
            ``inactive``, see :class:`.LossTerms`; ``cam``, the views of the CAM and
            their fusion, see :class:`.MapFusion`; ``detach_decoder``: the decoder
            learns from the encoder without teaching it (a plain CAM stays plain); and
            what a method adds.
        test_cfg: see :class:`.InferenceCfg`.
        data_preprocessor: config of the ``WeakDataPreProcessor``.
        init_cfg: mmengine initialisation.
        refine: as configs were written before; see :func:`.labeler_of`.

    Raises:
        ValueError: if terms, losses and heads don't belong together.
    """

    # ================================================================ the method's part
    #: module or parameter → the loss terms that train it
    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        'cam_head': ('cls',),
        'aux_cam_head': ('cls_aux',),
        'decode_head': ('seg', 'reg', PARTIAL),
    }
    #: loss term → parts of the model that it cannot do without
    TERM_NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        'cls_aux': ('aux_cam_head',),
        'seg': ('decode_head', 'labeler'),
        'reg': ('decode_head', 'labeler'),
        PARTIAL: ('decode_head',),
    }
    #: what ``train_cfg`` may hold
    TRAIN_KEYS: ClassVar[frozenset[str]] = frozenset(
        ('weights', 'inactive', 'cam', 'detach_decoder')
    )
    #: values of ``test_cfg.pseudo.source``; as a dict with the parts that each needs
    PSEUDO_SOURCES: ClassVar[Collection[str]] = ('cam',)
    #: class maps that prediction gives beside CAMs → whether signed (without a ReLU)
    FURTHER_MAPS: ClassVar[Mapping[str, bool]] = {}
    #: whether class maps are made of gradients: they are on where maps are made
    MAPS_NEED_GRAD: ClassVar[bool] = False

    def loss(
        self, inputs: Tensor | Mapping[str, Tensor], data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """One training step; here the CAM baseline: L_cls, and L_seg with a decoder.

        Args:
            inputs: (B, 3, H, W) normalised images or a dict with ``'view1'``.
            data_samples: with ``gt_labels`` and, if known, ``valid_box``.

        Returns:
            ``loss_<term>``, and 0-dim statistics for the log.
        """
        images = inputs['view1'] if isinstance(inputs, Mapping) else inputs
        labels = self.image_labels(data_samples, images.device)
        box = valid_boxes(data_samples)
        features = self.encode(images)
        side = self.side_inputs_of(data_samples)
        terms = self.classification(features, labels, side)
        if not self.active & {'seg', 'reg'}:
            return self.weigh(terms)
        cams = self.fused_cams(images, labels, features)
        label = self.pseudo_label(images, cams.cam, labels, box, side)
        terms |= self.segmentation(features, images, label, box, side)
        return self.weigh(terms) | label_shares(label, box)

    def encode(self, images: Tensor) -> Features:
        """What the heads read, from normalised images (B, 3, H, W)."""
        return encode(self.backbone, images)

    def image_scores(self, features: Features) -> Tensor:
        """Logits (B, C) of the classes that an image holds."""
        return self.cam_head(features.maps)

    def view_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """The class maps of a view, for each tap: final and, if any, auxiliary.

        Here the raw logits of the CAM heads, whose ReLU is taken once they are resized
        and merged. A method whose map isn't the ReLU of its logits (a softmax with
        background, a product with attention, a gradient) returns maps that are
        non-negative already.

        Args:
            features: of N views.
            labels: of the N views, the classes whose maps are wanted.
        """
        return tuple(ClassMaps(logits) for logits in self.cam_logits(features))

    def further_maps(
        self, features: Features, labels: ImageLabels
    ) -> tuple[ClassMaps, ...]:
        """The maps of ``FURTHER_MAPS`` in their order, see :meth:`view_maps`."""
        return ()

    def dense_logits(self, features: Features) -> Tensor:
        """CAM logits with gradient (B, C, h, w), or C + 1 with background last."""
        return self.cam_head.dense(features.maps)

    def seg_logits(self, features: Features) -> Tensor:
        """The decoder's logits (B, C + 1, h, w), those of training and prediction."""
        return self.decode_head(features.maps)

    def predicted_label(
        self,
        images: Tensor,
        features: Features | None,
        cam: Tensor,
        labels: ImageLabels,
        cfg: InferenceCfg,
        side: Mapping[str, Tensor],
    ) -> Tensor:
        """The output ``pseudo`` (B, H, W): the pseudo label of the final CAM.

        Args:
            images: (B, 3, H, W), normalised.
            features: of these images at scale 1; ``None`` where they went through in
                windows, which only the source ``'cam'`` allows.
            cam: (B, K, H, W) compact fused CAM.
            labels: its classes.
            cfg: the settings of this prediction.
            side: the side inputs that the labeler reads.
        """
        return self.pseudo_label(images, cam, labels, None, side, cfg.pseudo.thresholds)

    def use_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Take what the data set says of its classes (names, prompts, palette).

        Called once before training or prediction; here it is kept as ``dataset_meta``.
        """
        self.dataset_meta = dict(metainfo)

    # ================================================================ the house's part
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        old.refuse_old_methods(cls)

    def __init__(
        self,
        backbone: dict,
        cam_head: dict | None,
        num_classes: int,
        decode_head: dict | None = None,
        aux_cam_head: dict | None = None,
        labeler: dict | None = None,
        losses: Mapping[str, dict] | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        refine: dict | None = None,
    ) -> None:
        # Built here: mmengine would look it up in its own registry only.
        super().__init__(
            data_preprocessor and MODELS.build(data_preprocessor), init_cfg
        )
        foreground = dict(num_classes=num_classes - 1)
        self.num_classes = num_classes
        self.dataset_meta = {}
        self.train_cfg = old.grouped(train_cfg, old.TRAIN_KEYS, 'model.train_cfg')
        self.test_cfg = old.grouped(test_cfg, old.TEST_KEYS, 'model.test_cfg')
        labeler = old.labeler_of(refine, labeler, self.train_cfg)
        self.backbone = MODELS.build(old.backbone_cfg(backbone))
        # A part that is None is asked for nowhere: see TERM_NEEDS and Predictor.
        self.cam_head: nn.Module = self.head(cam_head, 'cam_head', **foreground)
        self.aux_cam_head: nn.Module = self.head(
            aux_cam_head, 'aux_cam_head', **foreground
        )
        self.decode_head: nn.Module = self.head(
            decode_head, 'decode_head', num_classes=num_classes
        )
        self.labeler: nn.Module = labeler and LABELERS.build(labeler)
        losses = with_partial_loss(losses, self.train_cfg.get('weights', {}))
        self.losses = nn.ModuleDict(
            {term: MODELS.build(cfg) for term, cfg in losses.items()}
        )
        refuse_unknown(type(self).__name__, self.train_cfg, self.TRAIN_KEYS)
        self.terms = LossTerms(self.train_cfg, self.TERM_MODULES)
        self.terms.check(self, self.TERM_NEEDS)
        self.train_maps = MapFusion.of_training(self.train_cfg.get('cam'))
        self.averaged = AveragedParts(self, ())  # a method names its own
        check_test_cfg(self)  # refused now, not at the first validation

    def head(self, cfg: Mapping | None, name: str, **settings: Any) -> Any:
        """A head on the backbone, whose width it takes, see :func:`.build_head`."""
        return build_head(cfg, self.backbone, name, **settings)

    def init_weights(self) -> None:
        """Initialise; a teacher of moving averages starts as the student's copy."""
        if self.is_init:
            return
        super().init_weights()
        self.averaged.start()

    @property
    def num_foreground(self) -> int:
        """C: classes without background."""
        return self.num_classes - 1

    # ---------------------------------------------------------------- class maps
    def cam_logits(self, features: Features) -> tuple[Tensor, ...]:
        """Raw CAM logits (B, C, h, w) of the final and, if any, the auxiliary head."""
        heads = (self.cam_head, self.aux_cam_head)
        return tuple(head.cam(features.maps) for head in heads if head is not None)

    def gradients_of_maps(self) -> torch.set_grad_enabled:
        """The context in which class maps are made: with gradients where they are."""
        return torch.set_grad_enabled(self.MAPS_NEED_GRAD)

    def compact_maps(
        self, features: Features, labels: ImageLabels, further: bool = False
    ) -> tuple[Tensor, ...]:
        """Class maps (N, K, h, w) of the present classes, for each tap; no gradient.

        Args:
            features: of B views, or of B and their B mirrors.
            labels, further: of the B images; whether with those of ``FURTHER_MAPS``.
        """
        labels = labels.tile(len(features.maps[0]) // len(labels))
        with self.gradients_of_maps():
            taps = self.view_maps(features, labels)
            taps += self.further_maps(features, labels) if further else ()
        return tuple(tap.compact(labels).detach() for tap in taps)

    @torch.no_grad()
    def fused_cams(
        self, images: Tensor, labels: ImageLabels, features: Features | None = None
    ) -> FusedCAMs:
        """CAMs over the scales and mirrors of ``train_cfg.cam``, compact.

        Args:
            images: (B, 3, H, W), normalised.
            labels: which classes to keep.
            features: of these images at scale 1, where they are known already.
        """

        def run(batch: Tensor) -> tuple[Tensor, ...]:
            with self.gradients_of_maps():
                encoded = self.encode(batch)
            return self.compact_maps(encoded, labels)

        plain = None if features is None else self.compact_maps(features, labels)
        how, size = self.train_maps, tuple(images.shape[-2:])
        taps = multi_scale(run, images, how.scales, plain, how.add_one, how.mirror)
        fused = [how.fuse(tap, labels, size) for tap in taps]
        return FusedCAMs(fused[0], fused[1] if len(fused) > 1 else None)

    # ---------------------------------------------------------------- labels
    def image_labels(
        self, data_samples: Sequence[SegDataSample], device: torch.device
    ) -> ImageLabels:
        """Image-level labels of a batch (``gt_labels`` stay on the CPU until here)."""
        lists = label_lists(data_samples)
        return ImageLabels.from_lists(lists, self.num_foreground, device)

    def side_inputs_of(
        self, samples: Sequence[SegDataSample], size: tuple[int, int] | None = None
    ) -> dict[str, Tensor]:
        """The side inputs (B, H, W) that the labeler reads, by name.

        In training also ``partial``, what is known of the pixels, where there is any.

        Args:
            samples: of the batch.
            size: (H, W) of the images where the model has resized them.
        """
        names = () if self.labeler is None else self.labeler.side_inputs
        side = {name: id_maps(samples, name, size) for name in names}
        known = known_pixels(samples, PARTIAL in self.active) if self.training else None
        return side if known is None else side | {PARTIAL: known}

    def grey_levels(self, images: Tensor) -> Tensor:
        """Normalised images (B, N, H, W) → grey levels 0..255 (B, 3, H, W), float32."""
        levels = self.data_preprocessor.denormalise(images)
        return shown_bands(levels, PictureRule.of(self.dataset_meta.get('picture')))

    @torch.no_grad()
    def pseudo_label(
        self,
        images: Tensor,
        cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None = None,
        side: Mapping[str, Tensor] | None = None,
        thresholds: Mapping[str, float] | None = None,
    ) -> Tensor:
        """The labeler's pseudo label (B, H, W), 255 = ignore; what is known stays.

        Args:
            images: (B, 3, H, W), normalised.
            cam: (B, K, H, W) compact CAM.
            labels: its classes.
            box: (B, 4) real pixels, or ``None``.
            side: see :meth:`side_inputs_of`.
            thresholds: those of the labeler to replace.
        """
        labeler, side = self.labeler.with_thresholds(**(thresholds or {})), side or {}
        read = {name: side[name] for name in labeler.side_inputs if name in side}
        ids = labeler(self.grey_levels(images), cam, labels, box, **read).ids
        return keep_known(ids, side.get(PARTIAL))

    # ---------------------------------------------------------------- losses
    @property
    def iteration(self) -> int:
        """Zero-based training iteration, as the runner publishes it."""
        return training_iteration()

    @property
    def active(self) -> set[str]:
        """The loss terms with a weight other than 0 at this iteration."""
        return self.terms.active

    def weigh(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The active terms, weighted, as ``loss_<term>``; see :class:`.LossTerms`."""
        return self.terms.weigh(self, terms)

    def classification(
        self,
        features: Features,
        labels: ImageLabels,
        side: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_cls, with an auxiliary head L_cls^aux; while no pseudo label, L_partial."""
        terms = {}
        if not self.active & OF_PSEUDO_LABELS:  # else `segmentation` has the logits
            terms = decoder_terms(self, features, None, None, None, side)
        if 'cls' in self.active:
            terms['cls'] = self.losses['cls'](self.image_scores(features), labels.score)
        if 'cls_aux' in self.active:
            logits = self.aux_cam_head(features.maps)
            terms['cls_aux'] = self.losses['cls_aux'](logits, labels.score)
        return terms

    def segmentation(
        self,
        features: Features,
        images: Tensor,
        label: Tensor,
        box: Tensor | None,
        side: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """L_seg, L_reg on a pseudo label, L_partial on the pixels that are known."""
        return decoder_terms(self, features, images, label, box, side)

    # ---------------------------------------------------------------- prediction
    def predict(
        self,
        inputs: Images | Mapping[str, Images],
        data_samples: Sequence[SegDataSample] | None = None,
        **overrides: Any,
    ) -> list[SegDataSample]:
        """Predict segmentation, CAMs and pseudo labels.

        Args:
            inputs: (B, 3, H, W) normalised images; a list of (3, H, W) where sizes
                differ; or ready views of either kind by name, ``scale_<s>``.
            data_samples: with ``ori_shape`` (the size of all outputs) and, only for
                ``cam_filter='gt'``, ``gt_labels``.
            **overrides: entries of ``test_cfg`` to replace, see :class:`.InferenceCfg`.

        Returns:
            The samples with ``pred_score`` (C,) class probabilities and, as asked for,
            ``pred_sem_seg`` (1, H, W), of a decoder with ``seg_logits`` (C + 1, H, W),
            ``pred_prob`` (C + 1, H, W), ``pred_cam`` and other maps (score in [0, 1]
            and label in 1..C, no threshold applied, (1, H, W) each), ``pred_pseudo``
            (1, H, W), 255 = ignore, ``class_maps`` (stride → :class:`.StoredMaps`).

        Raises:
            UserError: if the model lacks the part that an output comes from.
        """
        overrides = old.grouped(overrides, old.TEST_KEYS, 'test_cfg')
        cfg = InferenceCfg.of(self.test_cfg, **overrides)
        model = self.teacher_network() if cfg.use_teacher else self
        return turned_back(Predictor(model, cfg)(inputs, data_samples))

    def teacher_network(self) -> WeakSegmentor:
        """This model with averaged networks in place of those that they follow.

        Raises:
            UserError: if the method keeps no average of its backbone.
        """
        return self.averaged.network()

    # ---------------------------------------------------------------- mmseg's contract
    @property
    def out_channels(self) -> int:
        """Channels of ``seg_logits``, C + 1: mmseg's ``SegTTAModel`` asks for them."""
        return self.num_classes

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The backbone's maps."""
        return self.encode(inputs).maps

    def encode_decode(self, inputs: Tensor, batch_data_samples: Any = None) -> Tensor:
        """Segmentation logits (B, C + 1, H, W) at input size."""
        return resize(self.seg_logits(self.encode(inputs)), tuple(inputs.shape[-2:]))

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> tuple[Tensor, ...]:
        features = self.encode(inputs)
        heads = (self.cam_head, self.decode_head)
        return tuple(head(features.maps) for head in heads if head is not None)
