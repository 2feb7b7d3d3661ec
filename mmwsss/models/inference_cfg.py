# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmwsss.cam import scale_order
from mmwsss.cam.fusion import NORMALISE

OUTPUTS = ('seg', 'prob', 'cam', 'aux_cam', 'pseudo', 'class_maps')
FILTERS = ('gt', 'pred', 'none')
PAIRS = ('sum', 'max', 'mean')
FUSIONS = ('max', 'sum')
FUSE_AT = ('label', 'logits')
CAM_FUSE_AT = ('input', 'label')


@dataclass(frozen=True)
class InferenceCfg:
    """What a model predicts and how: the entries of ``test_cfg``.

    Attributes:
        outputs: subset of ``('seg', 'prob', 'cam', 'aux_cam', 'pseudo',
            'class_maps')``.
        cam_filter: whose image labels mask the CAMs: ``'gt'`` reads ground truth (the
            published CAM and pseudo-label numbers), ``'pred'`` the model's own
            classification, ``'none'`` keeps all classes.
        squash: (H, W) to which the image is resized first, aspect ratio not kept
            (published protocol: (448, 448)), or ``None``: native size.
        resize_long: the image is resized so that its long side has this many pixels
            (published for AFA's test: 512), or ``None``. Not together with ``squash``.
        seg_scales, seg_flip, seg_pair, seg_fuse: test-time fusion of segmentation
            logits, see :func:`mmwsss.cam.fuse_seg_logits`.
        seg_fuse_at: scales meet at the size of the ``'label'`` (ToCo) or of the first
            scale's ``'logits'`` (AFA).
        cam_scales: scales of the CAM fusion; each with its mirror.
        cam_scale_one: scale 1 takes part in it whether listed or not (ToCo's release);
            ``False``: only the listed scales do (a single scale of 0.5).
        cam_pair, cam_normalise: see :func:`mmwsss.cam.fuse_cams`.
        cam_fuse_at: scales of the CAM meet at the size of the network's ``'input'``
            (ToCo), or on the grid that is asked for (``'label'``; SemFormer, EPS).
        cam_multiple: maps at the size of the label are resized to the next multiple of
            this, then cut, see :func:`mmwsss.cam.fuse_cams`; above 1 only with
            ``cam_fuse_at='label'``.
        map_strides: grids of the output ``class_maps``, in pixels of the label.
        pseudo_source: what the output ``pseudo`` is made of: ``'cam'``, or another
            source that the method knows.
        low_thr, high_thr: thresholds of the refined pseudo label, in [0, 1].
        use_teacher: predict with the averaged copies of the networks (EMA).
        post_processor: config of a module that turns (image, probabilities) into
            probabilities (dense CRF), or ``None``.
    """

    outputs: Sequence[str] = ('seg',)
    cam_filter: str = 'pred'
    squash: Sequence[int] | None = None
    resize_long: int | None = None
    seg_scales: Sequence[float] = (1.0,)
    seg_flip: bool = False
    seg_pair: str = 'sum'
    seg_fuse: str = 'max'
    seg_fuse_at: str = 'label'
    cam_scales: Sequence[float] = (1.0, 0.5, 1.5)
    cam_scale_one: bool = True
    cam_pair: str = 'max'
    cam_normalise: str = 'minmax'
    cam_fuse_at: str = 'input'
    cam_multiple: int = 1
    map_strides: Sequence[int] = (1,)
    pseudo_source: str = 'cam'
    low_thr: float = 0.25
    high_thr: float = 0.7
    use_teacher: bool = False
    post_processor: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], **overrides: Any) -> InferenceCfg:
        """From ``test_cfg``, some entries replaced.

        Raises:
            ValueError: if a name is unknown, or a value.
        """
        given = {**settings, **overrides}
        unknown = sorted(set(given) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(
                f'test_cfg has no {unknown}; it knows '
                f'{sorted(cls.__dataclass_fields__)}'
            )
        return cls(**given)

    def __post_init__(self) -> None:
        unknown = set(self.outputs) - set(OUTPUTS)
        if unknown:
            raise ValueError(
                f'test_cfg.outputs has {sorted(unknown)}; known: {OUTPUTS}'
            )
        if self.cam_filter not in FILTERS:
            raise ValueError(
                f'test_cfg.cam_filter must be one of {FILTERS}, got {self.cam_filter!r}'
            )
        if self.seg_pair not in PAIRS or self.seg_fuse not in FUSIONS:
            raise ValueError(
                f'test_cfg.seg_pair must be one of {PAIRS} and seg_fuse one of '
                f'{FUSIONS}, got {self.seg_pair!r} and {self.seg_fuse!r}'
            )
        for key, known in (
            ('seg_fuse_at', FUSE_AT),
            ('cam_fuse_at', CAM_FUSE_AT),
            ('cam_pair', PAIRS),
            ('cam_normalise', tuple(NORMALISE)),
        ):
            if getattr(self, key) not in known:
                raise ValueError(
                    f'test_cfg.{key} must be one of {known}, got {getattr(self, key)!r}'
                )
        if not self.cam_scales or min(self.cam_scales) <= 0:
            raise ValueError(
                f'test_cfg.cam_scales must hold positive numbers, got {self.cam_scales}'
            )
        if not self.map_strides or min(self.map_strides) < 1:
            raise ValueError(
                'test_cfg.map_strides must hold positive whole numbers, '
                f'got {self.map_strides}'
            )
        if self.cam_multiple < 1 or (
            self.cam_multiple > 1 and self.cam_fuse_at != 'label'
        ):
            raise ValueError(
                'test_cfg.cam_multiple must be positive, and above 1 only with '
                f"cam_fuse_at='label', got {self.cam_multiple} with "
                f'{self.cam_fuse_at!r}'
            )
        if self.squash is not None and self.resize_long is not None:
            raise ValueError(
                f'test_cfg has squash={self.squash} and resize_long='
                f'{self.resize_long}: set one of them to None'
            )

    @property
    def wants_cams(self) -> bool:
        """Whether any output needs CAMs."""
        return bool(set(self.outputs) - {'seg', 'prob'})

    @property
    def wants_seg(self) -> bool:
        """Whether any output needs the decoder."""
        return bool({'seg', 'prob'} & set(self.outputs))

    @property
    def cam_scale_order(self) -> tuple[float, ...]:
        """The scales that the CAM fusion takes, see :func:`mmwsss.cam.scale_order`."""
        return scale_order(self.cam_scales, self.cam_scale_one)

    def passes(self) -> dict[float, bool]:
        """Scales at which the network runs → whether on mirrors too, scale 1 first.

        Scale 1 is always among them: classification is read there.
        """
        mirrors = {1.0: False}
        if self.wants_seg:
            mirrors |= {float(s): self.seg_flip for s in self.seg_scales}
        if self.wants_cams:
            mirrors |= dict.fromkeys(self.cam_scale_order, True)
        return {s: mirrors[s] for s in scale_order(tuple(mirrors))}
