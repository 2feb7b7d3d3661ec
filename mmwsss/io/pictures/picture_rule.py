# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from PIL import ImageColor

from mmwsss.io.errors import UserError, check_choice

#: what is done with the orientation that a photo carries in its EXIF
EXIF = ('turn', 'ignore')
_FORMS = dict(
    value_range='(low, high), or one such pair a band, low below high',
    percentiles='(low, high) in 0..100, low below high',
    bands='band numbers of the file, counted from 0, as (0, 1, 2)',
    show_bands='three places among the bands taken, counted from 0, as (0, 1, 2)',
    background="a colour, 'white', '#ff8800' or three numbers 0..255",
)


@dataclass(frozen=True)
class PictureRule:
    """How the pictures of a data set are read: by training, test and every tool.

    It is the entry ``picture=dict(...)`` of the data set's config. Pictures that are
    8-bit RGB, grey, palette or CMYK need none.

    Attributes:
        value_range: values that become 0 and 255, ``(low, high)``, or such a pair for
            each band taken; values outside are cut off.
        percentiles: the same by percentiles of each picture and band, as ``(2, 98)``.
            It evens out exposure, and loses what brightness alone says.
        bands: numbers of the bands that the network gets, in that order, counted from
            0; default: R, G and B of an ordinary picture.
        show_bands: places among the bands taken of what panels, PAR and CRF see as R,
            G and B; default: the first three, or the first alone where there are fewer.
        exif: ``'turn'``: photos are turned upright, as viewers and labelling tools show
            them; ``'ignore'``: pixels as stored; ``None``: turned, and a data set with
            true masks has to say which of both its masks fit.
        background: colour that is laid under transparent 8-bit pictures: a name or
            ``'#rrggbb'`` as Pillow has them, or three numbers 0..255.

    Raises:
        UserError: naming the entry that is wrong, and what it may be.
    """

    value_range: tuple | None = None
    percentiles: tuple[float, float] | None = None
    bands: tuple[int, ...] | None = None
    show_bands: tuple[int, ...] | None = None
    exif: str | None = None
    background: str | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.value_range is not None and self.percentiles is not None:
            raise UserError(
                'picture: value_range and percentiles both say what becomes 0 and 255: '
                'leave one out'
            )
        for name in ('bands', 'show_bands'):
            self._check(name, lambda value: all(map(_is_index, value)) and len(value))
        self._check('show_bands', lambda value: len(value) == 3)
        self._check('value_range', lambda value: all(map(_is_range, self.ranges())))
        self._check(
            'percentiles',
            lambda value: _is_range(value) and value[0] >= 0 and value[1] <= 100,
        )
        self._check('background', lambda value: len(self.colour) == 3)
        if self.background is not None and self.bands is not None:
            raise UserError(
                'picture: background lays a colour under the transparency, bands takes '
                'the colours as stored: leave one out'
            )
        if self.exif is not None:
            check_choice('picture.exif', self.exif, EXIF)
        self._check_counts()

    def _check(self, name: str, fits: Any) -> None:
        """Refuse an entry that has another form; lists become tuples."""
        value = getattr(self, name)
        if value is None:
            return
        try:
            object.__setattr__(self, name, _tuples(value))
            good = bool(fits(getattr(self, name)))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise UserError(f'picture.{name} must be {_FORMS[name]}; got {value!r}')

    def _check_counts(self) -> None:
        count, pairs = len(self.bands or ()), len(self.ranges())
        if pairs > 1 and pairs != (count or 3):
            raise UserError(
                f'picture.value_range has {pairs} pairs for {count or 3} bands: give '
                'one for each entry of picture.bands, or one for all'
            )
        if self.show_bands and max(self.show_bands) >= (count or 3):
            raise UserError(
                f'picture.show_bands={self.show_bands} are places among the '
                f'{count or 3} bands taken, counted from 0'
            )

    @classmethod
    def of(cls, entries: Mapping[str, Any] | PictureRule | None) -> PictureRule:
        """From the config's entry.

        Raises:
            UserError: if an entry is unknown or wrong.
        """
        if isinstance(entries, PictureRule):
            return entries
        known = tuple(cls.__dataclass_fields__)
        if not isinstance(entries or {}, Mapping):
            raise UserError(f'picture must be dict({", ".join(known)}), got {entries}')
        for name in entries or {}:
            check_choice('an entry of picture=dict(...)', name, known)
        return cls(**(entries or {}))

    def entries(self) -> dict[str, Any]:
        """What was given, as plain data: :meth:`of` makes the same rule of it."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def ranges(self) -> tuple:
        """``value_range`` as pairs, one or one a band; empty without one."""
        value = self.value_range
        if value is None:
            return ()
        return (value,) if isinstance(value[0], Real) else tuple(value)

    @property
    def colour(self) -> tuple[int, ...]:
        """``background`` as R, G, B in 0..255.

        Raises:
            ValueError: if it is none.
        """
        if isinstance(self.background, str):
            return ImageColor.getrgb(self.background)
        colour = tuple(self.background or ())
        if any(not _is_index(value) or value > 255 for value in colour):
            raise ValueError(f'{colour} is no colour')
        return colour

    @property
    def turns(self) -> bool:
        """Whether photos are turned upright."""
        return self.exif != 'ignore'


def _tuples(value: Any) -> Any:
    """Lists of a config as tuples, so that a rule can be a key."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(_tuples, value))
    return value


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_range(value: Any) -> bool:
    numbers = len(value) == 2 and all(isinstance(one, Real) for one in value)
    return numbers and value[0] < value[1]
