# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS

INPUT = 'input'
Pipeline = Sequence[dict | BaseTransform]


@TRANSFORMS.register_module()
class MultiView(BaseTransform):
    """Several views of one image, each by its own pipeline.

    A view is a list of transforms that starts from the input; or, to start from
    a result shared with others, ``dict(start=name, transforms=[...])``. Shared
    results are made in the order given and may start from earlier ones.

    The views come out as ``results['views'][name]``; everything else (box,
    fields, ``img_shape``) is taken over from the main view. The key ``img`` is
    removed.

    Example, the geometry of ToCo::

        dict(type='MultiView',
             shared=dict(crop=[dict(type='PILRandomScale'), ...]),
             views=dict(view1=dict(start='crop', transforms=[...]),
                        view2=[dict(type='PILRandomResizedCrop', size=448), ...],
                        local=dict(start='crop', transforms=[...])))

    Args:
        views: the views by name.
        shared: named intermediate results.
        main: the view whose other results are kept; the first by default.

    Raises:
        ValueError: if there is no view, or one starts from an unknown result.
    """

    def __init__(
        self,
        views: Mapping[str, Pipeline | Mapping],
        shared: Mapping[str, Pipeline | Mapping] | None = None,
        main: str | None = None,
    ) -> None:
        if not views:
            raise ValueError('views is empty; name at least one view')
        self.main = main or next(iter(views))
        if self.main not in views:
            raise ValueError(f'main={main!r} is none of the views {list(views)}')
        self.shared = self._build(shared or {}, [INPUT], chained=True)
        self.views = self._build(views, [INPUT, *self.shared], chained=False)

    @staticmethod
    def _build(specs: Mapping, known: list[str], chained: bool) -> dict:
        """Name -> (start, transforms), checked."""
        built = {}
        for name, spec in specs.items():
            if not isinstance(spec, Mapping):
                spec = dict(transforms=spec)
            start = spec.get('start', INPUT)
            if start not in known:
                raise ValueError(
                    f'{name!r} starts from {start!r}, which is none of '
                    f'{known}; define it earlier in shared'
                )
            built[name] = (
                start,
                [
                    TRANSFORMS.build(item) if isinstance(item, Mapping) else item
                    for item in spec.get('transforms', ())
                ],
            )
            if chained:
                known = [*known, name]
        return built

    def transform(self, results: dict) -> dict:
        """Make all views.

        Raises:
            ValueError: if a transform dropped the image.
        """
        stages = {INPUT: results}
        for name, (start, transforms) in self.shared.items():
            stages[name] = _run(stages[start], transforms, name)
        outs = {
            name: _run(stages[start], transforms, name)
            for name, (start, transforms) in self.views.items()
        }
        merged = dict(outs[self.main])
        merged.pop('img')
        merged['views'] = {name: out['img'] for name, out in outs.items()}
        return merged

    def __repr__(self) -> str:
        return f'{type(self).__name__}(views={list(self.views)}, main={self.main!r})'


def _run(results: dict, transforms: Sequence, name: str) -> dict:
    """Run on a copy; transforms replace values and never write into arrays."""
    results = dict(results)
    for transform in transforms:
        results = transform(results)
        if results is None:
            raise ValueError(f'{transform} gave nothing for the view {name!r}')
    return results
