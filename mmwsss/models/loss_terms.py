# Licensed under Apache-2.0.
"""Which loss terms act when, with which weight, and what rests meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import MessageHub
from torch import Tensor, nn

from .loss_schedule import LossSchedule

INACTIVE = ('zero_grad', 'off')


def training_iteration() -> int:
    """Zero-based training iteration, as the runner publishes it."""
    return int(MessageHub.get_current_instance().get_info('iter', 0))


class LossTerms:
    """The loss terms of a network by ``train_cfg.weights``.

    Args:
        weights: term → weight or steps ``[(begin, weight), …]``.
        modules: module or parameter, by its dotted name → the terms that train it.
        inactive: ``'zero_grad'`` (published: a module without an active term gets zero
            gradients, so its weights still decay) or ``'off'`` (with several processes
            also set ``find_unused_parameters=True``).

    Raises:
        ValueError: if ``inactive`` is neither.
    """

    def __init__(
        self,
        weights: Mapping[str, Any],
        modules: Mapping[str, tuple[str, ...]],
        inactive: str = 'zero_grad',
    ) -> None:
        if inactive not in INACTIVE:
            raise ValueError(
                f"train_cfg.inactive must be 'zero_grad' or 'off', got {inactive!r}"
            )
        self.schedule = LossSchedule(weights)
        self.modules, self.inactive = dict(modules), inactive

    @property
    def names(self) -> set[str]:
        """All terms, active or not."""
        return set(self.schedule.weights)

    @property
    def active(self) -> set[str]:
        """The terms with a weight other than 0 at this iteration."""
        return set(self.schedule(training_iteration()))

    def check(self, model: nn.Module, needs: Mapping[str, Sequence[str]]) -> None:
        """Refuse terms without a loss, or without a part that they need.

        Args:
            model: with ``losses`` and the parts.
            needs: term → parts of the model, by their dotted names.

        Raises:
            ValueError: naming the term and what it lacks.
        """
        missing = self.names - set(model.losses)
        if missing:
            raise ValueError(
                f'train_cfg.weights names {sorted(missing)}, but losses has only '
                f'{sorted(model.losses)}'
            )
        for term in sorted(self.names):
            for path in needs.get(term, ()):
                part: Any = model
                for name in path.split('.'):
                    part = getattr(part, name, None)
                if part is None:
                    raise ValueError(f'the loss term {term} needs a {path}, got None')

    def weigh(self, model: nn.Module, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Multiply the terms by their weights and name them ``loss_<term>``.

        A module without an active term gets zero gradients, as in the releases, which
        multiply by 0: AdamW then still decays its weights and counts its steps.

        Args:
            model: whose modules these are.
            terms: the active ones, 0-dim each.

        Raises:
            ValueError: if there is none.
        """
        if not terms:
            raise ValueError(
                f'no loss term is active at iteration {training_iteration()}; check '
                f'train_cfg.weights, which names {sorted(self.names)}'
            )
        weights = self.schedule(training_iteration())
        losses = {f'loss_{term}': weights[term] * loss for term, loss in terms.items()}
        if self.inactive == 'zero_grad':
            idle = self.idle_parameters(model, set(terms))
            zero = 0.0 * sum(p.flatten()[0] for p in idle.values())
            first = next(iter(losses))
            losses[first] = losses[first] + zero
        return losses

    def idle_parameters(
        self, model: nn.Module, active: set[str]
    ) -> dict[str, nn.Parameter]:
        """The trained parameters of the modules none of whose terms is active."""
        idle = [f'{m}.' for m, terms in self.modules.items() if not active & set(terms)]
        return {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and f'{name}.'.startswith(tuple(idle))
        }
