# Licensed under Apache-2.0.
from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from mmwsss.io.data_errors import DataError, LabelError, UnreadableImageError
from mmwsss.io.image_files import FileFinder, image_stem
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.registry import DATASETS, TRANSFORMS

from .label_sources import Labels, read_labels, read_names
from .seeding import seed_everything
from .side_inputs.declaration import MASK, read_declarations, spread
from .side_inputs.old_arguments import translate
from .transforms.band_checks import check_bands
from .transforms.geometry import check_geometry
from .transforms.load_picture import one_reader
from .verify import verify_item, verify_kinds

BACKGROUND = 'background'
_MASK_FIX = (
    'check data_prefix.seg_map_path, or set with_masks=False and take '
    'LoadMask out of the pipeline'
)


@DATASETS.register_module()
class WeakSegDataset(BaseSegDataset):
    """Images with image-level labels; masks only where asked for.

    The classes, background first, stand in ``METAINFO['classes']`` of the class
    or in ``metainfo`` of the config; ``num_classes`` is their number. Foreground
    channel c of CAMs and ``gt_score`` belongs to class (and mask) id c + 1.

    An item is asked for by its index, or by ``(index, seed)`` as
    :class:`SeededInfiniteSampler` gives it: then ``random``, numpy and torch are
    seeded, so that its augmentation depends on nothing but the seed.

    Args:
        ann_file: image labels: a text, CSV or JSON file (``name class ...``), a
            COCO instances JSON, a folder of VOC XML files or a folder with one
            folder a class; relative to ``data_root``.
        label_format: see :func:`.label_sources.read_labels`.
        split_file: list of the images to take, in its order (first word of each
            line); all of ``ann_file`` by default.
        img_suffix: suffix or suffixes tried, in order, for names without one.
        seg_map_suffix: suffix of the masks.
        picture: how pictures are read, by every stage: ``value_range`` or
            ``percentiles`` of what isn't 8 bits, ``bands``, ``show_bands``, ``exif``;
            see :class:`.PictureRule`.
        side_inputs: dense inputs beside the pictures, by the name of their field in
            the sample, which ``LoadSideInputs`` in the pipeline reads. Each is
            ``None``, for none, or ``dict(dir, kind)``, with a file for each image,
            named as it is. ``kind``: ``'grey'`` (saliency), ``'maps'`` (fused CAMs),
            ``'ids'`` (segments, masks), or one that another package registers.
            ``dir`` is relative to ``data_root``, or to ``root`` where that is given:
            ``root='.'`` is the working directory, for what a pipeline wrote.
            ``suffix``: suffix or suffixes tried, in order, if not those of the kind.
            The name ``mask`` is that of pseudo masks, to be trained on as if they
            were true: they come as ``gt_sem_seg``.
        with_masks: give ``seg_map_path``. By default in test mode only, and where
            ``side_inputs.mask`` is given: weakly supervised training must not see
            true masks.
        allow_unlabelled: accept images without labels; by default in test mode
            only.
        check_files: list the folders at start and refuse missing files.
        check_samples: how many images and masks, spread over the list, are read at
            start to refuse masks of a wrong size or with foreign ids.
        max_unreadable: how many unreadable files a training process replaces by
            other images, each with one counted warning, before it stops.
        **kwargs: those of mmseg's ``BaseSegDataset`` (``data_root``,
            ``data_prefix``, ``metainfo``, ``pipeline``, ``indices``,
            ``test_mode``, ...), but for ``reduce_zero_label``. The old ``sal_dir``,
            ``sal_suffix``, ``fused_dir`` and ``mask_dir`` are translated into
            ``side_inputs``, with a warning.

    Raises:
        ValueError: for ``reduce_zero_label=True``, and a pipeline that moves pictures
            without their side inputs.
        LabelError, UnreadableImageError, DataError: at start, naming the file
            and the fix, if labels or files are missing or unknown.
    """

    #: how pictures of this kind of data set are read, where the config says nothing
    PICTURE: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        ann_file: str = '',
        label_format: str = 'auto',
        split_file: str = '',
        img_suffix: str | Sequence[str] = '.jpg',
        seg_map_suffix: str = '.png',
        picture: Mapping[str, Any] | None = None,
        side_inputs: Mapping[str, Mapping | None] | None = None,
        with_masks: bool | None = None,
        allow_unlabelled: bool | None = None,
        check_files: bool = True,
        check_samples: int = 4,
        max_unreadable: int = 20,
        test_mode: bool = False,
        pipeline: Sequence[dict | Callable] = (),
        **kwargs,
    ) -> None:
        if kwargs.get('reduce_zero_label'):
            raise ValueError(
                f'{type(self).__name__} takes no reduce_zero_label=True: id 0 is the '
                'background, image labels name the classes 1..C. If id 0 of your masks '
                "means that nothing is labelled, write it as 255; 'background' stays "
                'the first class, a mask needs not hold it'
            )
        self.picture = PictureRule.of({**self.PICTURE, **(picture or {})})
        self.label_format = label_format
        self.split_file = split_file
        self.side_inputs = read_declarations(
            translate(side_inputs, kwargs, seg_map_suffix), kwargs.get('data_root')
        )
        pseudo = any(side.name == MASK for side in self.side_inputs)
        if pseudo and with_masks is False:
            raise ValueError(
                'side_inputs.mask and with_masks=False contradict each other: leave '
                'one of them out'
            )
        self.with_masks = test_mode or pseudo if with_masks is None else with_masks
        self.has_true_masks = self.with_masks and not pseudo
        self.allow_unlabelled = (
            test_mode if allow_unlabelled is None else allow_unlabelled
        )
        self.check_files = check_files
        self.check_samples = check_samples
        self.max_unreadable = max_unreadable
        self.unreadable: set[str] = set()
        steps = [_build(item) for item in pipeline]
        check_geometry(steps, {side.name: side.kind for side in self.side_inputs})
        check_bands(steps, self.picture)
        super().__init__(
            ann_file=ann_file,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            test_mode=test_mode,
            pipeline=steps,
            **kwargs,
        )
        if picture:  # goes with the weights, for photos that they predict
            self._metainfo['picture'] = PictureRule.of(picture).entries()

    # ---------------------------------------------------------------- classes

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self._metainfo['classes'])

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        """mmseg's, plus a check that the background comes first."""
        info = super()._load_metainfo(metainfo)
        classes = info.get('classes')
        if not classes:
            raise ValueError(
                f'{cls.__name__} has no classes; give metainfo=dict(classes='
                f'({BACKGROUND!r}, ...)) in the config'
            )
        if classes[0] != BACKGROUND or len(set(classes)) != len(classes):
            raise ValueError(
                f'the classes of {cls.__name__} must begin with {BACKGROUND!r} and '
                f'be all different, but are {tuple(classes)}'
            )
        return info

    def _channels(self) -> dict[str, int | None]:
        """Foreground channel of each class name; None: known, but not chosen."""
        known = self.METAINFO.get('classes', ())
        table: dict[str, int | None] = dict.fromkeys(known[1:])
        table |= {name: i for i, name in enumerate(self._metainfo['classes'][1:])}
        # in text files a blank is written as an underscore
        return table | {name.replace(' ', '_'): i for name, i in table.items()}

    # ------------------------------------------------------------------- list

    def _join_prefix(self) -> None:
        """Join ``data_root`` to the split list too."""
        super()._join_prefix()
        if self.split_file and not os.path.isabs(self.split_file):
            self.split_file = os.path.join(self.data_root, self.split_file)

    def load_labels(self) -> Labels:
        """Class names of every image, in the order of the data set."""
        labels = read_labels(self.ann_file, self.label_format)
        if not self.split_file:
            return labels
        by_stem = {image_stem(name): classes for name, classes in labels.items()}
        names = read_names(self.split_file)
        absent = [name for name in names if image_stem(name) not in by_stem]
        if absent and not self.allow_unlabelled:
            raise LabelError(
                self.ann_file,
                f'has no labels for {len(absent)} of {len(names)} '
                f'images of {self.split_file} (first: {absent[0]})',
                'label them, or take them out of the list',
            )
        return {name: by_stem.get(image_stem(name), ()) for name in names}

    def load_data_list(self) -> list[dict]:
        """One dict per image, as ``docs`` and the class describe.

        Raises:
            LabelError: for unknown classes and images without labels.
            DataError: for missing images and masks.
        """
        labels = self.load_labels()
        channels = self._channels()
        infos, unlabelled = [], []
        files = FileFinder(self.data_prefix.get('img_path') or '', self._is_listed())
        for name, classes in labels.items():
            gt_labels = self._gt_labels(name, classes, channels)
            if not gt_labels and classes:
                continue  # all of its classes were left out by the user
            if not gt_labels:
                unlabelled.append(name)
            infos.append(self._info(files.find(name, self.img_suffix), name, gt_labels))
        if unlabelled and not self.allow_unlabelled:
            raise LabelError(
                self.ann_file,
                f'gives no class for {len(unlabelled)} of {len(labels)}'
                f' images (first: {unlabelled[0]})',
                'label them, or take them out',
            )
        if files.missing:
            raise UnreadableImageError(
                files.missing[0],
                f'missing, with {len(files.missing) - 1} other images of {len(labels)}',
                'check data_root and data_prefix.img_path',
            )
        self._find_dense(self._taken(infos))
        return infos

    def _is_listed(self) -> bool:
        return self.check_files and self.backend_args is None

    def _gt_labels(
        self, name: str, classes: Sequence[str], channels: dict[str, int | None]
    ) -> tuple[int, ...]:
        """Sorted foreground channels of one image."""
        unknown = [item for item in classes if item not in channels]
        if unknown:
            raise LabelError(
                self.ann_file or type(self).__name__,
                f'gives the image {name!r} the unknown class {unknown[0]!r}',
                f'correct it to one of {list(self._metainfo["classes"][1:])}, or add '
                'it to metainfo.classes',
            )
        found = {channels[item] for item in classes}
        return tuple(sorted(channel for channel in found if channel is not None))

    def _info(self, img_path: str, name: str, gt_labels: tuple[int, ...]) -> dict:
        info = dict(
            img_path=img_path,
            picture=self.picture,
            img_id=image_stem(name),
            gt_labels=gt_labels,
            num_foreground=self.num_classes - 1,
            label_map=self.label_map,
            reduce_zero_label=False,
            seg_fields=[],
        )
        if self.has_true_masks:
            folder = self.data_prefix.get('seg_map_path') or ''
            info['seg_map_path'] = os.path.join(
                folder, image_stem(name) + self.seg_map_suffix
            )
        return info

    def _find_dense(self, infos: list[dict]) -> None:
        """Find and check side inputs and masks; a few are read whole."""
        for side in self.side_inputs:
            side.find(infos, self._is_listed())
            if side.name == MASK:
                for info in infos:
                    info['seg_map_path'] = info['side_inputs'][MASK].path
        if not self._is_listed():
            return
        if self.has_true_masks:
            files = FileFinder('', True)
            for info in infos:
                files.find(info['seg_map_path'], '')
            files.refuse_missing(DataError, 'masks', len(infos), _MASK_FIX)
        verify_kinds(infos, self.picture, self.has_true_masks, self.check_samples)
        if self.side_inputs or self.with_masks:
            for info in spread(infos, self.check_samples):
                verify_item(info, self.ignore_index)

    def _taken(self, infos: list[dict]) -> list[dict]:
        """Those that ``indices`` keeps."""
        if self._indices is None:
            return infos
        if isinstance(self._indices, int):
            first = self._indices >= 0
            return infos[: self._indices] if first else infos[self._indices :]
        return [infos[i] for i in self._indices]

    # ------------------------------------------------------------------ items

    def __getitem__(self, index: int | tuple[int, int]) -> dict:
        """One item after the pipeline.

        Raises:
            UnreadableImageError: in testing; in training when more than
                ``max_unreadable`` files are unreadable, or ``max_refetch`` tries fail.
        """
        if isinstance(index, (tuple, list)):
            index, seed = index
            seed_everything(seed)
        for _ in range(self.max_refetch + 1):
            try:
                return super().__getitem__(index)
            except UnreadableImageError as err:
                if self.test_mode:
                    raise
                self._count_unreadable(err)
                error, index = err, random.randrange(len(self))
        raise error

    def _count_unreadable(self, err: UnreadableImageError) -> None:
        """Warn once per file; stop when there are too many of them."""
        if err.path in self.unreadable:
            return
        self.unreadable.add(err.path)
        if len(self.unreadable) > self.max_unreadable:
            raise err
        print_log(
            f'{err} Another image takes its place (unreadable image '
            f'{len(self.unreadable)} of at most {self.max_unreadable} in this '
            'process).',
            logger='current',
            level=logging.WARNING,
        )


def _build(item: dict | Callable) -> Callable:
    """Build by our registry, so that no default scope is needed."""
    item = one_reader(item)
    return TRANSFORMS.build(item) if isinstance(item, Mapping) else item
