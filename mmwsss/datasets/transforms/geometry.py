# Licensed under Apache-2.0.
"""Whether side inputs go where a pipeline moves their picture: known before training.

What comes out of a pipeline can't tell: a map that was not turned with its picture has
the right size. So each transform beside the loader is looked at when the data set is
built, and one that nobody vouches for is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmcv.transforms import Compose, RandomApply, RandomChoice

from mmwsss.datasets.side_inputs.declaration import MASK
from mmwsss.datasets.side_inputs.side_input_kind import SideInputKind

from .load_mask import LoadMask
from .load_side_inputs import LoadSideInputs
from .multi_view import INPUT, MultiView

Step = Callable[[dict], Any]
#: a transform of another package says so that it moves no picture, or side inputs too
VOUCHED = 'keeps_side_inputs'
#: transforms of ours that move pictures, and all that is loaded with them
OURS_MOVE = frozenset(
    (
        *('PILRandomScale', 'PILResizeLongSide', 'PILRandomFlip', 'PILPadCrop'),
        *('PILRandomResizedCrop', 'ToCoViews'),
    )
)
#: transforms of mmcv and mmseg that move nothing
STILL = frozenset(
    (
        *('LoadImageFromFile', 'LoadAnnotations', 'Normalize', 'RandomGrayscale'),
        *('ToTensor', 'ImageToTensor', 'PackSegInputs', 'PhotoMetricDistortion'),
        *('CLAHE', 'Rerange', 'RGB2Gray', 'AdjustGamma', 'RandomCutOut'),
    )
)
#: those of mmseg that move all that ``seg_fields`` names, and nothing else
MOVE_IDS = frozenset(
    ('RandomFlip', 'Resize', 'RandomCrop', 'ResizeToMultiple', 'RandomRotate')
)
#: those of mmcv that move the mask, and nothing else
MOVE_MASK = frozenset(('RandomFlip', 'Resize', 'Pad', 'CenterCrop'))


def check_geometry(
    steps: Sequence[Step], kinds: Mapping[str, SideInputKind]
) -> frozenset[str]:
    """Refuse a pipeline that moves a picture without its side inputs.

    Args:
        steps: the transforms, built.
        kinds: of the side inputs that the data set declares, by name.

    Returns:
        Names of the side inputs that the pipeline reads.

    Raises:
        ValueError: naming the transform, the side input, and what to use instead.
    """
    flat = list(_flat(steps))
    loaded: set[str] = set()
    later = {name for step in flat for name in _loads(step, kinds)}
    for step in flat:
        loaded |= _loads(step, kinds)
        if _is_still(step):
            continue
        for name in sorted(later):
            if name not in loaded or not _follows(step, name, kinds[name]):
                raise ValueError(_message(step, name, name in loaded))
    return frozenset(later)


def _flat(steps: Sequence[Step]) -> Iterator[Step]:
    """The transforms in their order, those inside others too."""
    for step in steps:
        if isinstance(step, MultiView):
            yield from _flat(_main_view(step))
        elif isinstance(step, (Compose, RandomApply, RandomChoice)):
            inner = step.transforms
            yield from _flat([inner] if callable(inner) else inner)
        elif isinstance(step, (list, tuple)):
            yield from _flat(step)
        else:
            yield step


def _main_view(step: MultiView) -> list[Step]:
    """What makes the view whose side inputs are kept."""
    name, found = step.main, []
    start, transforms = step.views[name]
    found.append(transforms)
    while start != INPUT:
        start, transforms = step.shared[start]
        found.append(transforms)
    return [one for transforms in reversed(found) for one in transforms]


def _loads(step: Step, kinds: Mapping[str, SideInputKind]) -> set[str]:
    if isinstance(step, LoadSideInputs):
        return set(kinds if step.names is None else step.names) & set(kinds)
    return {MASK} & set(kinds) if isinstance(step, LoadMask) else set()


def _room(step: Step) -> str:
    """The package that a transform is of, or is made from."""
    for base in type(step).__mro__:
        if base.__module__.partition('.')[0] == 'mmwsss':
            return 'mmwsss'
    return type(step).__module__.partition('.')[0]


def _is_still(step: Step) -> bool:
    """Whether a transform leaves the picture where it is."""
    if getattr(step, VOUCHED, False):
        return True
    if _room(step) == 'mmwsss':
        return not any(base.__name__ in OURS_MOVE for base in type(step).__mro__)
    return _room(step) in ('mmcv', 'mmseg') and type(step).__name__ in STILL


def _follows(step: Step, name: str, kind: SideInputKind) -> bool:
    """Whether a transform that moves the picture moves a side input too."""
    if _room(step) == 'mmwsss':
        return True
    step = getattr(step, 'resize', step)  # RandomResize and the like have another one
    room, kind_of = _room(step), type(step).__name__
    if room == 'mmcv':
        return name == MASK and kind_of in MOVE_MASK
    if room != 'mmseg' or not kind.label_map or kind_of not in MOVE_IDS:
        return False
    wanted = 255 if kind.outside is None else kind.outside
    return getattr(step, 'seg_pad_val', wanted) == wanted


def _message(step: Step, name: str, loaded: bool) -> str:
    kind = getattr(step, '__name__', type(step).__name__)
    where = '' if loaded else ', and stands before its loader'
    return (
        f'{kind} of the pipeline moves the picture, or may, and not with it its side '
        f'input {name!r}{where}: use the PIL... transforms of mmwsss for the geometry, '
        'after LoadSideInputs; a transform of your own that moves nothing, or side '
        f'inputs too, says so by its attribute {VOUCHED} = True'
    )
