# Licensed under Apache-2.0.
"""What a model predicts, from which views, fused how: the entries of ``test_cfg``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from mmwsss.cam import fuse_cams, scale_order
from mmwsss.cam.fusion import NORMALISE
from mmwsss.io.errors import check_choice
from mmwsss.io.setting_types import check_positive, check_types
from mmwsss.structures import ImageLabels

#: class maps that are outputs of their own; ``cam_lam`` is the product of two
MAPS = ('cam', 'aux_cam', 'lam', 'cam_lam')
OUTPUTS = ('seg', 'prob', *MAPS, 'pseudo', 'class_maps')
FILTERS = ('gt', 'pred', 'none', 'pred_else_seg', 'seg_else_pred')
PAIRS = ('sum', 'max', 'mean')


@dataclass(frozen=True)
class InputCfg:
    """How a picture is resized before anything else: ``test_cfg.input``.

    Attributes:
        squash: (H, W) of the result, aspect ratio not kept (published protocol:
            (448, 448)), or ``None``.
        long_side: pixels of the result's long side (published for AFA's test: 512), or
            ``None``. With neither, the picture has its native size.
        scaling: what says where a scaled picture reads, the ratio of the ``'sizes'`` or
            the ``'factor'`` itself (WeCLIP), which differ where sides are truncated.
    """

    squash: Sequence[int] | None = None
    long_side: int | None = None
    scaling: str = 'sizes'

    def __post_init__(self) -> None:
        check_types(self, 'test_cfg.input')
        check_choice('test_cfg.input.scaling', self.scaling, ('sizes', 'factor'))
        if self.squash is not None and (len(self.squash) != 2 or min(self.squash) < 1):
            raise ValueError(
                f'test_cfg.input.squash must be (height, width), got {self.squash}'
            )
        if self.long_side is not None and self.long_side < 1:
            raise ValueError(
                'test_cfg.input.long_side must be 1 pixel or more, got '
                f'{self.long_side}'
            )
        if self.squash is not None and self.long_side is not None:
            raise ValueError(
                f'test_cfg.input has squash={self.squash} and long_side='
                f'{self.long_side}: set one of them to None'
            )


@dataclass(frozen=True)
class SegFusion:
    """Views of the decoder's logits and how they meet: ``test_cfg.seg``.

    Attributes:
        scales: at which the network runs.
        mirror: whether on mirrored images too.
        pair: ``'sum'``, ``'max'`` or ``'mean'`` of an image and its mirror.
        fuse: ``'max'``, ``'sum'`` or ``'mean'`` over scales.
        fuse_at: scales meet at the size of the ``'label'`` (ToCo) or of the first
            scale's ``'logits'`` (AFA).
        source: ``'decoder'``, or ``'maps'``: the segmentation is what ``labeler`` makes
            of the class maps that ``test_cfg.main_map`` names, of the classes that
            ``test_cfg.cam_filter`` keeps; the entries above are then not read.
        labeler: config of that labeler (see ``mmwsss/labelers``), else ``None``.
    """

    scales: Sequence[float] = (1.0,)
    mirror: bool = False
    pair: str = 'sum'
    fuse: str = 'max'
    fuse_at: str = 'label'
    source: str = 'decoder'
    labeler: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_types(self, 'test_cfg.seg')
        check_choice('test_cfg.seg.source', self.source, ('decoder', 'maps'))
        if (self.source == 'maps') != (self.labeler is not None):
            raise ValueError(
                "test_cfg.seg has source='maps' and a labeler, or neither, got "
                f'source={self.source!r} and labeler={self.labeler!r}'
            )
        check_positive('test_cfg.seg.scales', self.scales)
        check_choice('test_cfg.seg.pair', self.pair, PAIRS)
        check_choice('test_cfg.seg.fuse', self.fuse, ('max', 'sum', 'mean'))
        check_choice('test_cfg.seg.fuse_at', self.fuse_at, ('label', 'logits'))


@dataclass(frozen=True)
class MapFusion:
    """Views of the class maps and how they meet: ``test_cfg.cam``, ``train_cfg.cam``.

    Attributes:
        scales: at which the network runs.
        add_one: scale 1 takes part whether listed or not (ToCo's release); ``False``:
            only the listed scales do (a single scale of 0.5).
        mirror: whether mirrored images take part.
        pair: ``'max'`` (ToCo, FSR, AFA), ``'sum'`` (SemFormer, EPS) or ``'mean'`` of an
            image and its mirror.
        normalise: ``'minmax'`` (ToCo, FSR, AFA) or ``'max'`` (SemFormer, EPS);
            ``'none'``, for the output ``class_maps`` alone: activations that can be
            compared between images; ``'ready'``: the network's maps are in [0, 1]
            already and stay as they are (CLIP-ES), of several scales the mean.
        fuse_at: scales meet at the size of the network's ``'input'`` (ToCo), or on the
            grid that is asked for (``'label'``; SemFormer, EPS).
        multiple: maps at the size of the label are resized to the next multiple of
            this, then cut; above 1 only with ``fuse_at='label'``.
        strides: grids of the output ``class_maps``, in pixels of the label.

    The last three are of prediction alone: training needs its maps at the input's size.
    """

    scales: Sequence[float] = (1.0, 0.5, 1.5)
    add_one: bool = True
    mirror: bool = True
    pair: str = 'max'
    normalise: str = 'minmax'
    fuse_at: str = 'input'
    multiple: int = 1
    strides: Sequence[int] = (1,)

    def __post_init__(self) -> None:
        check_types(self, 'cam')
        check_positive('cam.scales', self.scales)
        check_positive('cam.strides', self.strides)
        check_choice('cam.pair', self.pair, PAIRS)
        check_choice('cam.normalise', self.normalise, NORMALISE)
        check_choice('cam.fuse_at', self.fuse_at, ('input', 'label'))
        if self.normalise == 'ready' and self.mirror and self.pair == 'sum':
            raise ValueError(
                "cam.normalise='ready' keeps maps in [0, 1], and pair='sum' leaves "
                "that range: set pair='mean' or 'max'"
            )
        if self.multiple < 1 or (self.multiple > 1 and self.fuse_at != 'label'):
            raise ValueError(
                'cam.multiple must be positive, and above 1 only with '
                f"fuse_at='label', got {self.multiple} with {self.fuse_at!r}"
            )

    @classmethod
    def of_training(cls, entries: Mapping[str, Any] | None) -> MapFusion:
        """From ``train_cfg.cam``; what training doesn't read is refused.

        Raises:
            ValueError: if an entry or a value is unknown.
        """
        entries = check_group('train_cfg.cam', entries)
        unread = [
            name for name in ('fuse_at', 'multiple', 'strides') if name in entries
        ]
        if unread:
            raise ValueError(
                f'training reads no train_cfg.cam.{unread[0]}, it fuses maps at the '
                f'size of its input, got {entries[unread[0]]!r}: leave it out, or set '
                f'test_cfg.cam.{unread[0]}'
            )
        found = make_group(cls, 'train_cfg.cam', entries)
        found.refuse_raw('labels in training')
        return found

    def refuse_raw(self, reader: str) -> None:
        """Refuse ``normalise='none'`` for what takes maps in [0, 1].

        Raises:
            ValueError: naming the reader.
        """
        if self.normalise == 'none':
            raise ValueError(
                f"cam.normalise='none' gives maps without an upper bound, and {reader} "
                "need maps in [0, 1]: set 'minmax' or 'max'"
            )

    def fuse(
        self,
        views: Sequence[tuple[Tensor, Tensor | None]],
        labels: ImageLabels,
        size: tuple[int, int],
        multiple: int = 1,
        signed: bool = False,
    ) -> Tensor:
        """Fuse compact maps of several views into CAMs (B, K, H, W) in [0, 1].

        Args:
            views: (image, mirror) for each scale, (B, K, h, w) each.
            labels: their classes.
            size: (H, W).
            multiple, signed: see :func:`mmwsss.cam.fusion.fuse_cams`.
        """
        fused = fuse_cams(
            views,
            size,
            pair=self.pair,
            normalise=self.normalise,
            multiple=multiple,
            signed=signed,
        )
        return labels.valid(fused)

    @property
    def scale_order(self) -> tuple[float, ...]:
        """The scales that take part, see :func:`mmwsss.cam.fusion.scale_order`."""
        return scale_order(self.scales, self.add_one)


@dataclass(frozen=True)
class PseudoCfg:
    """What the output ``pseudo`` is made of: ``test_cfg.pseudo``.

    Attributes:
        source: ``'cam'``, or another source that the method knows.
        low_thr, high_thr, bkg_thr: thresholds of the model's labeler to replace;
            ``None``: its own.
    """

    source: str = 'cam'
    low_thr: float | None = None
    high_thr: float | None = None
    bkg_thr: float | None = None

    def __post_init__(self) -> None:
        check_types(self, 'test_cfg.pseudo')

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds that are given, by name."""
        names = ('low_thr', 'high_thr', 'bkg_thr')
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class WindowCfg:
    """Large pictures in overlapping windows: ``test_cfg.windows``.

    The windows' maps are blended with a smooth weight, see :mod:`.windows`; each scale
    is cut into windows of the same size.

    Attributes:
        size: (H, W) of a window in pixels, multiples of the network's reduction;
            ``None``: every picture goes through whole.
        overlap: share of a window that neighbours share at least, in [0, 1).
        from_pixels: pictures (after ``test_cfg.input``) of fewer pixels go through
            whole.
    """

    size: Sequence[int] | None = None
    overlap: float = 0.25
    from_pixels: int = 0

    def __post_init__(self) -> None:
        check_types(self, 'test_cfg.windows')
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(
                f'test_cfg.windows.size must be (height, width), got {self.size}'
            )
        if not 0 <= self.overlap < 1 or self.from_pixels < 0:
            raise ValueError(
                'test_cfg.windows needs 0 <= overlap < 1 and from_pixels >= 0, got '
                f'{self.overlap} and {self.from_pixels}'
            )

    def wanted(self, size: tuple[int, int]) -> bool:
        """Whether pictures of (H, W) are cut into windows."""
        return self.size is not None and size[0] * size[1] >= self.from_pixels


GROUPS = dict(
    input=InputCfg,
    seg=SegFusion,
    cam=MapFusion,
    lam=MapFusion,
    pseudo=PseudoCfg,
    windows=WindowCfg,
)


@dataclass(frozen=True)
class InferenceCfg:
    """What a model predicts and how: the entries of ``test_cfg``.

    Attributes:
        outputs: subset of :data:`OUTPUTS`.
        cam_filter: whose image labels mask the CAMs: ``'gt'`` reads ground truth (the
            published CAM and pseudo-label numbers), ``'pred'`` the model's own
            classification, ``'none'`` keeps all classes; ``'pred_else_seg'`` the
            classification and, where that finds no class, the decoder;
            ``'seg_else_pred'`` the reverse (MoRe; see
            :mod:`mmwsss.models.prediction.kept_classes`).
        main_map: the map that ``class_maps``, ``pseudo`` and a segmentation from maps
            are made of, one of those that the network gives.
        use_teacher: predict with the averaged copies of the networks (EMA).
        post_processor: config of a refiner (dense CRF) of the decoder's probabilities,
            or ``None``.
        input, seg, cam, lam, pseudo, windows: see :class:`InputCfg`,
            :class:`SegFusion`, :class:`MapFusion`, :class:`PseudoCfg`,
            :class:`WindowCfg`. ``lam`` is of a localisation attention map alone; its
            grids (``strides``) are those of ``cam``.
    """

    outputs: Sequence[str] = ('seg',)
    cam_filter: str = 'pred'
    main_map: str = 'cam'
    use_teacher: bool = False
    post_processor: Mapping[str, Any] | None = None
    input: InputCfg = field(default_factory=InputCfg)
    seg: SegFusion = field(default_factory=SegFusion)
    cam: MapFusion = field(default_factory=MapFusion)
    lam: MapFusion = field(default_factory=MapFusion)
    pseudo: PseudoCfg = field(default_factory=PseudoCfg)
    windows: WindowCfg = field(default_factory=WindowCfg)

    @classmethod
    def of(cls, settings: Mapping[str, Any], **overrides: Any) -> InferenceCfg:
        """From ``test_cfg``, some entries replaced (of groups, entry by entry).

        Raises:
            ValueError: if a name is unknown, or a value.
        """
        known = cls.__dataclass_fields__
        unknown = sorted({*settings, *overrides} - set(known))
        if unknown:
            raise ValueError(f'test_cfg has no {unknown}; it knows {sorted(known)}')
        given = {**settings, **overrides}
        for name, kind in GROUPS.items():
            parts = [
                check_group(f'test_cfg.{name}', given_in.get(name))
                for given_in in (settings, overrides)
            ]
            entries = {**parts[0], **parts[1]}
            given[name] = make_group(kind, f'test_cfg.{name}', entries)
        return cls(**given)

    def __post_init__(self) -> None:
        check_types(self, 'test_cfg')
        unknown = set(self.outputs) - set(OUTPUTS)
        if unknown:
            raise ValueError(
                f'test_cfg.outputs has {sorted(unknown)}; known: {OUTPUTS}'
            )
        check_choice('test_cfg.cam_filter', self.cam_filter, FILTERS)
        check_choice('test_cfg.main_map', self.main_map, MAPS[:-1])
        for name in sorted(self.maps):
            readers = [o for o in self.outputs if name in self._maps_of(o)]
            bounded = sorted(set(readers) - {'class_maps'})
            if bounded:
                self.fusion_of(name).refuse_raw(f'the outputs {bounded}')

    @property
    def maps(self) -> frozenset[str]:
        """Names of the network's maps that the outputs are made of."""
        return frozenset(n for output in self.outputs for n in self._maps_of(output))

    def _maps_of(self, output: str) -> tuple[str, ...]:
        """Names of the network's maps that an output is made of."""
        if output == 'cam_lam':
            return ('cam', 'lam')
        if output in MAPS:
            return (output,)
        of_main = output in ('class_maps', 'pseudo') or self.seg.source == 'maps'
        return (self.main_map,) if of_main else ()

    def fusion_of(self, name: str) -> MapFusion:
        """How the views of a map of the network meet."""
        return self.lam if name == 'lam' else self.cam

    def with_scales(self, scales: Sequence[float]) -> InferenceCfg:
        """The same with other scales of the main map."""
        fusion = replace(self.fusion_of(self.main_map), scales=scales)
        if self.main_map == 'lam':
            return replace(self, lam=fusion)
        return replace(self, cam=fusion)

    @property
    def wants_cams(self) -> bool:
        """Whether any output needs class maps."""
        return bool(self.maps)

    @property
    def seg_of_maps(self) -> bool:
        """Whether a segmentation from class maps is wanted."""
        return self.seg.source == 'maps' and bool({'seg', 'prob'} & set(self.outputs))

    @property
    def wants_seg(self) -> bool:
        """Whether any output is made of the decoder's logits."""
        return self.seg.source == 'decoder' and bool(
            {'seg', 'prob'} & set(self.outputs)
        )

    @property
    def filter_decodes(self) -> bool:
        """Whether the decoder has a say in which classes are kept."""
        return self.wants_cams and 'seg' in self.cam_filter

    def decodes_at(self, scale: float) -> bool:
        """Whether the decoder's logits are read at a scale."""
        of_filter = scale == 1.0 and self.filter_decodes
        return of_filter or (self.wants_seg and scale in map(float, self.seg.scales))

    def passes(self) -> dict[float, bool]:
        """Scales at which the network runs → whether on mirrors too, scale 1 first.

        Scale 1 is always among them: classification is read there.
        """
        mirrors = {1.0: False}
        if self.wants_seg:
            mirrors |= {float(s): self.seg.mirror for s in self.seg.scales}
        for fusion in map(self.fusion_of, sorted(self.maps)):
            for scale in fusion.scale_order:
                mirrors[scale] = fusion.mirror or mirrors.get(scale, False)
        return {s: mirrors[s] for s in scale_order(tuple(mirrors))}


def check_group(name: str, entries: Any) -> Mapping[str, Any]:
    """The entries of a group; ``None``: none.

    Raises:
        ValueError: if it isn't a dict.
    """
    if entries is not None and not isinstance(entries, Mapping):
        raise ValueError(f'{name} must be dict(...) or None, got {entries!r}')
    return entries or {}


def make_group(kind: type, name: str, entries: Mapping[str, Any]) -> Any:
    """One group of settings; unknown entries are refused by name.

    Raises:
        ValueError: if an entry or a value is unknown.
    """
    known = [entry.name for entry in fields(kind)]
    unknown = sorted(set(entries) - set(known))
    if unknown:
        raise ValueError(f'{name} has no {unknown}; it knows {known}')
    return kind(**entries)
