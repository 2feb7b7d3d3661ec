# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmwsss.cam import check_thresholds


class LossTermsMixin:
    """Which loss terms act when, and with which weight: ``train_cfg.weights``.

    Needs ``train_cfg``, ``losses`` and ``schedule`` of the network that it is part of.
    """

    #: module or parameter → the terms that train it
    TERM_MODULES: ClassVar[dict[str, tuple[str, ...]]] = {
        'cam_head': ('cls',),
        'aux_cam_head': ('cls_aux',),
        'decode_head': ('seg', 'reg'),
    }
    #: what `train_cfg` may hold
    TRAIN_KEYS: ClassVar[frozenset[str]] = frozenset(
        ('weights', 'inactive', 'cam_scales', 'low_thr', 'high_thr', 'detach_decoder')
    )

    def _check_terms(self) -> None:
        unknown = set(self.train_cfg) - self.TRAIN_KEYS
        if unknown:
            raise ValueError(
                f'{type(self).__name__} reads no train_cfg entries {sorted(unknown)}; '
                f'it reads {sorted(self.TRAIN_KEYS)}'
            )
        if 'low_thr' in self.train_cfg:
            check_thresholds(self.train_cfg['low_thr'], self.train_cfg['high_thr'])
        missing = set(self.schedule.weights) - set(self.losses)
        if missing:
            raise ValueError(
                f'train_cfg.weights names {sorted(missing)}, but losses has only '
                f'{sorted(self.losses)}'
            )
        needs = {'cls_aux': 'aux_cam_head', 'seg': 'decode_head', 'reg': 'decode_head'}
        for term, head in needs.items():
            if term in self.schedule.weights and getattr(self, head) is None:
                raise ValueError(f'the loss term {term} needs a {head}, got None')
        if {'seg', 'reg'} & set(self.schedule.weights) and self.refine is None:
            raise ValueError(
                'the loss terms seg and reg need pseudo labels: set refine, got None'
            )
        inactive = self.train_cfg.get('inactive', 'zero_grad')
        if inactive not in ('zero_grad', 'off'):
            raise ValueError(
                f"train_cfg.inactive must be 'zero_grad' or 'off', got {inactive!r}"
            )

    @property
    def iteration(self) -> int:
        """Zero-based training iteration, as the runner publishes it."""
        return int(MessageHub.get_current_instance().get_info('iter', 0))

    @property
    def active(self) -> set[str]:
        """The loss terms with a weight other than 0 at this iteration."""
        return set(self.schedule(self.iteration))

    def weigh(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Multiply the terms by their weights and name them ``loss_<term>``.

        A module without an active term gets zero gradients, as in the releases, which
        multiply by 0: AdamW then still decays its weights and counts its steps.
        """
        if not terms:
            raise ValueError(
                f'no loss term is active at iteration {self.iteration}; check '
                f'train_cfg.weights: {self.train_cfg.get("weights")}'
            )
        weights = self.schedule(self.iteration)
        losses = {
            f'loss_{term}': weights[term] * value for term, value in terms.items()
        }
        if self.train_cfg.get('inactive', 'zero_grad') == 'zero_grad':
            first = next(iter(losses))
            losses[first] = losses[first] + self._zero_of_idle_modules(set(terms))
        return losses

    def idle_parameters(self, active: set[str]) -> dict[str, nn.Parameter]:
        """The trained parameters of the modules none of whose terms is active."""
        idle = [
            name for name, terms in self.TERM_MODULES.items() if not active & set(terms)
        ]
        return {
            name: p
            for name, p in self.named_parameters()
            if p.requires_grad
            and any(f'{name}.'.startswith(f'{module}.') for module in idle)
        }

    def _zero_of_idle_modules(self, active: set[str]) -> Tensor | float:
        return 0.0 * sum(p.flatten()[0] for p in self.idle_parameters(active).values())
