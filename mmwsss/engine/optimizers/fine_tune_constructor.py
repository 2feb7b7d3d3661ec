# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmwsss.registry import OPTIM_WRAPPER_CONSTRUCTORS

from .merged_constructor import log_groups, merge_groups

MULTS = (1, 2, 10, 20)
KEYS = ('pretrained', 'new', 'lr_mults', 'other_decay_mult')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class FineTuneOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Four groups: pretrained or new, weight or other (PSA, IRN, SemFormer, EPS).

    A weight has ``weight`` in its name: gains of norms too, tokens, position embeddings
    and biases not. ``paramwise_cfg``:

    * ``pretrained``: prefixes of the names that come from a pretrained file
      (``('backbone',)``);
    * ``new``: prefixes below these that don't, e.g. class tokens (none);
    * ``lr_mults``: of pretrained weights, pretrained others, new weights, new others
      (``(1, 2, 10, 20)``);
    * ``other_decay_mult``: weight decay of what is no weight (0).

    Raises:
        ValueError: if ``paramwise_cfg`` has other keys, not four multipliers, or names
            a prefix that no parameter has.
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None
    ) -> None:
        # an empty one would make a single group of everything
        super().__init__(
            optim_wrapper_cfg, dict(lr_mults=MULTS) | dict(paramwise_cfg or {})
        )

    def _validate_cfg(self) -> None:
        unknown = set(self.paramwise_cfg) - set(KEYS)
        if unknown:
            raise ValueError(
                f'{type(self).__name__} reads {KEYS} of paramwise_cfg, '
                f'got {sorted(unknown)}'
            )
        mults = self.paramwise_cfg['lr_mults']
        if len(mults) != 4:
            raise ValueError(
                'paramwise_cfg.lr_mults are those of pretrained weights, '
                f'pretrained others, new weights, new others, got {mults}'
            )

    def add_params(self, params: list[dict], module: nn.Module, **_: Any) -> None:
        """Collect the groups of all trained parameters."""
        self._check_prefixes([name for name, _ in module.named_parameters()])
        params += merge_groups(list(self._groups(module)))
        log_groups(params, module)

    def _prefixes(self, key: str) -> tuple[str, ...]:
        default = ('backbone',) if key == 'pretrained' else ()
        return tuple(self.paramwise_cfg.get(key, default))

    def _check_prefixes(self, names: list[str]) -> None:
        for key in ('pretrained', 'new'):
            for prefix in self._prefixes(key):
                if not any(below(name, (prefix,)) for name in names):
                    raise ValueError(
                        f'paramwise_cfg.{key} names {prefix!r}, but no '
                        'parameter of the model is called so'
                    )

    def _groups(self, module: nn.Module) -> Iterator[dict]:
        mults = self.paramwise_cfg['lr_mults']
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            new = not below(name, self._prefixes('pretrained')) or below(
                name, self._prefixes('new')
            )
            other = 'weight' not in name
            decay = self.paramwise_cfg.get('other_decay_mult', 0.0) if other else 1.0
            group = dict(params=[parameter], lr=self.base_lr * mults[2 * new + other])
            if self.base_wd is not None:
                group['weight_decay'] = self.base_wd * decay
            yield group


def below(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a parameter's name starts with one of the dotted prefixes."""
    return any(f'{name}.'.startswith(f'{prefix}.') for prefix in prefixes)
