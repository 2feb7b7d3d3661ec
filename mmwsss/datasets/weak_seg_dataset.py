# Licensed under Apache-2.0.
from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from mmwsss.io.data_errors import UnreadableImageError
from mmwsss.io.image_files import image_stem
from mmwsss.io.palette import class_palette
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.registry import DATASETS, TRANSFORMS

from .data_summary import DataSummary, summarise
from .label_channels import LabelChannels, check_classes
from .partial.partial_labels import PartialLabels, look_at_partial
from .picture_finder import PictureFinder
from .readers.columns import Columns
from .readers.label_table import Labels, LabelTable
from .readers.reading import read_names, read_table
from .seeding import seed_everything
from .side_inputs.declaration import MASK, read_declarations
from .side_inputs.old_arguments import translate
from .transforms.band_checks import check_bands
from .transforms.geometry import check_geometry
from .transforms.load_picture import one_reader
from .unreadable_count import UnreadableCount
from .verify import taken, verify_start


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
        ann_file: image labels: a text, CSV or JSON file (``name class ...``), an
            export of a labelling tool, a folder of VOC XML files or one with one
            folder a class; relative to ``data_root``.
        label_format: see :func:`.readers.reading.read_table`.
        columns: of a table, or keys of JSON objects, that are called otherwise than
            :mod:`.readers.field_words` knows: ``dict(image='Kachel', label='Klasse')``;
            ``label`` may be several names.
        negatives: labels and folders that mean "no object". By default those of
            :data:`.label_channels.NEGATIVES` that are no class of the data set;
            ``'background'`` is always one. Such a picture is a training example with
            ``gt_labels=()``, as is one with an empty cell or list.
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
            were true: they come as ``gt_sem_seg``. ``partial`` is that of pixels that
            are known (ids, 255 elsewhere); pictures without a file know none.
        with_masks: give ``seg_map_path``. By default in test mode only, and where
            ``side_inputs.mask`` is given: weakly supervised training must not see
            true masks.
        allow_unlabelled: accept images of which nothing says what they hold: a text
            line of a name alone, an image of ``split_file`` that ``ann_file`` doesn't
            know. By default in test mode only; then ``labels_known`` of the item is
            ``False``, and ``cam_filter='gt'`` refuses it. ``True`` says that lines of
            a name alone, among others with classes, mean "no object".
        check_files: list the folders at start and refuse missing files.
        check_samples: how many images and masks are read as an item reads them; 0: no
            picture or mask is looked at.
        check_masks: refuse masks that contradict labels or classes, by up to 200 of
            them; ``False``: warn only.
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
        columns: Mapping[str, Any] | None = None,
        negatives: Sequence[str] | None = None,
        split_file: str = '',
        img_suffix: str | Sequence[str] = '.jpg',
        seg_map_suffix: str = '.png',
        picture: Mapping[str, Any] | None = None,
        side_inputs: Mapping[str, Mapping | None] | None = None,
        with_masks: bool | None = None,
        allow_unlabelled: bool | None = None,
        check_files: bool = True,
        check_samples: int = 4,
        check_masks: bool = True,
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
        self.label_format, self.columns = label_format, Columns.of(columns)
        self.negatives = negatives
        self.table = LabelTable()
        self.split_file = split_file
        self.side_inputs = read_declarations(
            translate(side_inputs, kwargs, seg_map_suffix), kwargs.get('data_root')
        )
        pseudo = any(side.name == MASK for side in self.side_inputs)
        if pseudo and with_masks is False:
            raise ValueError('side_inputs.mask contradicts with_masks=False: drop one')
        self.with_masks = test_mode or pseudo if with_masks is None else with_masks
        self.has_true_masks = self.with_masks and not pseudo
        self.allow_unlabelled = (
            test_mode if allow_unlabelled is None else allow_unlabelled
        )
        self.bare_is_empty = bool(allow_unlabelled)
        self.check_files, self.check_masks = check_files, check_masks
        self.check_samples = check_samples
        self.unreadable = UnreadableCount(max_unreadable)
        steps = [_build(item) for item in pipeline]
        kinds = {side.name: side.kind for side in self.side_inputs}
        self.loaded = check_geometry(steps, kinds)  # names of those that are read
        self.partial: PartialLabels | None = None
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
        """mmseg's, with a check of the classes, and a palette where there is none."""
        info = super()._load_metainfo(metainfo)
        classes = check_classes(cls.__name__, info.get('classes'))
        return info | dict(palette=info.get('palette') or class_palette(len(classes)))

    @property
    def channels(self) -> LabelChannels:
        """What class names stand for."""
        known = self.METAINFO.get('classes', ())
        return LabelChannels(self._metainfo['classes'], known, self.negatives)

    # ------------------------------------------------------------------- list

    def _join_prefix(self) -> None:
        """Join ``data_root`` to the split list too."""
        super()._join_prefix()
        if self.split_file and not os.path.isabs(self.split_file):
            self.split_file = os.path.join(self.data_root, self.split_file)

    def load_labels(self) -> Labels:
        """Class names of every image, in the order of the data set.

        A subclass may give its own; ``()`` then says nothing of an image.
        """
        folder = self.data_prefix.get('img_path') or ''
        known, masks = self.channels.vocabulary, self.data_prefix.get('seg_map_path')
        beside = [masks] if masks else []
        table = read_table(
            self.ann_file, self.label_format, known, folder, beside, None, self.columns
        )
        if self.split_file:
            stems = set(map(image_stem, table.labels))
            table = table.select(read_names(self.split_file, stems, folder))
        self.table = table
        return table.labels

    def load_data_list(self) -> list[dict]:
        """One dict per image, as ``docs`` and the class describe.

        Raises:
            LabelError: for unknown classes and images without labels.
            DataError: for missing images and masks.
        """
        labels = self.load_labels()
        table, channels, infos = self.table.spoken_for(labels), self.channels, []
        unknown = table.unknown(self.allow_unlabelled, self.bare_is_empty)
        folder = self.data_prefix.get('img_path') or ''
        files = PictureFinder(folder, self._is_listed(), table.aliases)
        for name, classes in labels.items():
            gt_labels = channels.find(name, classes, table)
            if gt_labels is not None:  # None: all its classes were left out by the user
                path = files.find(name, self.img_suffix)
                infos.append(self._info(path, name, gt_labels, name not in unknown))
        files.refuse(len(labels))
        self._find_dense(taken(infos, self._indices))
        table.tell()
        return infos

    def _is_listed(self) -> bool:
        return self.check_files and self.backend_args is None

    def _info(
        self, img_path: str, name: str, gt_labels: tuple[int, ...], labels_known: bool
    ) -> dict:
        info = dict(
            img_path=img_path,
            picture=self.picture,
            img_id=image_stem(name),
            gt_labels=gt_labels,
            labels_known=labels_known,
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
        """Find and check side inputs and masks."""
        for side in self.side_inputs:
            side.find(infos, self._is_listed())
            if side.name == MASK:
                for info in infos:
                    info['seg_map_path'] = info['side_inputs'][MASK].path
        if self._is_listed():
            verify_start(infos, self)
        self.partial = look_at_partial(infos, self)

    def summary(self, look: bool = True) -> DataSummary:
        """What the data set holds; with ``look`` the headers of a few pictures."""
        infos = [self.get_data_info(i) for i in range(len(self))]
        classes = self._metainfo['classes'][1:]
        look = look and self._is_listed()
        found = summarise(infos, classes, self.table.remarks(), look)
        return replace(found, partial=self.partial)

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
                self.unreadable.add(err)
                error, index = err, random.randrange(len(self))
        raise error


def _build(item: dict | Callable) -> Callable:
    """Build by our registry, so that no default scope is needed."""
    item = one_reader(item)
    return TRANSFORMS.build(item) if isinstance(item, Mapping) else item
