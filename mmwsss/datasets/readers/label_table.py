# Licensed under Apache-2.0.
from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmengine.logging import print_log

from mmwsss.datasets.image_names import clean_name, label_name, refuse_shared_stems
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem
from mmwsss.io.wording import of_data_set

from .label_reader import Entry
from .label_source import LabelSource

#: class names of each image, by its path below the image folder
Labels = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class LabelTable:
    """What a label file says.

    Attributes:
        path: of the file or folder.
        labels: class names by image, in the order of the file.
        bare: images that stand there without a word about their classes: labelled by
            nobody, or without an object, which the file doesn't say.
        absent: images of a split list that the file doesn't know.
        merged: how many names stood on several lines, and have the classes of all.
        notes: what was converted or passed over, one sentence each.
        fillers: labels that say nothing of a class, as ``nan``, counted.
        left_out: files that aren't taken, counted by (suffix, reason).
        aliases: another name that a picture may have on the disk.
        declared: classes that the file names, though perhaps of no picture.
    """

    path: str = ''
    labels: Labels = field(default_factory=dict)
    bare: frozenset[str] = frozenset()
    absent: tuple[str, ...] = ()
    merged: int = 0
    notes: tuple[str, ...] = ()
    fillers: Counter[str] = field(default_factory=Counter)
    left_out: Counter = field(default_factory=Counter)
    aliases: dict[str, str] = field(default_factory=dict)
    declared: tuple[str, ...] = ()

    @classmethod
    def gather(
        cls, source: LabelSource, entries: Iterable[Entry], folder: str | None = None
    ) -> LabelTable:
        """Collect the entries of a file.

        Args:
            source: the file.
            entries: of its reader.
            folder: the image folder; absolute names below it are made relative.

        Raises:
            LabelError: for names outside the folder, one photo under two names with
                different labels, and two pictures with one output name.
        """
        found: dict[str, tuple[str, ...]] = {}
        bare: set[str] = set()
        again, aliases, moved = set(), {}, 0
        for raw, given in entries:
            name = clean_name(raw, source.path, folder)
            if name is not raw and raw.startswith('/'):
                moved += 1
            if source.aliases and raw in source.aliases:
                aliases[name] = clean_name(source.aliases[raw], source.path, folder)
            classes = tuple(map(label_name, given or ()))
            if name in found:
                again.add(name)
                bare -= {name} if given is not None else set()
                classes = found[name] + classes
            elif given is None:
                bare.add(name)
            found[name] = classes
        labels = {name: tuple(dict.fromkeys(items)) for name, items in found.items()}
        dropped = refuse_shared_stems(labels, source.path)
        for name in dropped:
            del labels[name]
        notes = list(dict.fromkeys(source.notes))
        if moved:
            notes.append(f'{moved} absolute names were made relative to {folder}')
        return cls(
            source.path,
            labels,
            frozenset(bare - dropped),
            merged=len(again) + len(dropped),
            notes=tuple(notes),
            fillers=source.fillers,
            left_out=source.left_out,
            aliases=aliases,
            declared=tuple(map(label_name, source.declared)),
        )

    def select(self, names: Sequence[str]) -> LabelTable:
        """The images of a split list, in its order and by its names."""
        by_stem = {image_stem(name): name for name in self.labels}
        own = {name: by_stem.get(image_stem(name), '') for name in names}
        return replace(
            self,
            labels={name: self.labels.get(there, ()) for name, there in own.items()},
            bare=frozenset(
                name for name, there in own.items() if not there or there in self.bare
            ),
            absent=tuple(name for name, there in own.items() if not there),
            aliases={
                name: self.aliases[there]
                for name, there in own.items()
                if there in self.aliases
            },
        )

    def spoken_for(self, labels: Labels) -> LabelTable:
        """With the labels that a data set goes by: a subclass may give its own."""
        if labels is self.labels:
            return self
        bare = frozenset(name for name, classes in labels.items() if not classes)
        return replace(self, labels=labels, bare=bare, absent=())

    def unknown(self, allowed: bool, bare_is_empty: bool) -> Collection[str]:
        """Images of which nothing says what they hold.

        Args:
            allowed: whether there may be any.
            bare_is_empty: lines of a name alone say "no object", but where no line of
                the file names a class.

        Raises:
            LabelError: if there are any, and there mustn't.
        """
        if self.absent and not allowed:
            raise LabelError(
                self.path,
                f'has no labels for {len(self.absent)} of {len(self.labels)} images of '
                f'the list (first: {self.absent[0]})',
                'label them, or take them out of the list',
            )
        # a list of names, whatever its form
        listed = not any(self.labels.values())
        bare = self.labels.keys() if listed else self.bare
        if bare and not allowed:
            first = next(name for name in self.labels if name in bare)
            raise LabelError(
                self.path,
                f'gives no class for {len(bare)} of {len(self.labels)} images '
                f'(first: {"; ".join((first, *self._said_nothing()))})',
                'label them, take them out, or say that they hold no object: by the '
                "label 'background', or all of them by "
                + of_data_set('allow_unlabelled=True'),
            )
        return self.absent if bare_is_empty and not listed else bare

    def _said_nothing(self) -> list[str]:
        """A sentence of the fillers, if there are any."""
        what = ', '.join(f'{label!r} ({n})' for label, n in self.fillers.items())
        return [f'labels that say nothing of a class: {what}'] if what else []

    def tell(self) -> None:
        """Say in the log what was converted, merged and left out."""
        for sentence in self.remarks():
            print_log(f'{self.path}: {sentence}', 'current', logging.WARNING)

    def remarks(self) -> list[str]:
        """What was converted, merged and left out, a sentence each."""
        found = [*self.notes, *self._said_nothing()]
        if self.merged:
            found.append(f'{self.merged} names stand more than once: merged')
        left = [f'{n} {what} ({why})' for (what, why), n in self.left_out.most_common()]
        if left:
            total = sum(self.left_out.values())
            found.append(f'{total} files are left out: {", ".join(left)}')
        return found


def renamed(table: LabelTable, names: Mapping[str, str]) -> LabelTable:
    """A table with other names for some labels; two of one name are one.

    Args:
        table: of a file.
        names: by the label in the file.
    """
    if not names:
        return table
    labels = {
        image: tuple(dict.fromkeys(names.get(label, label) for label in given))
        for image, given in table.labels.items()
    }
    declared = tuple(names.get(name, name) for name in table.declared)
    return replace(table, labels=labels, declared=declared)
