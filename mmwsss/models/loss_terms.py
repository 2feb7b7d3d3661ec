# Licensed under Apache-2.0.
"""Which loss terms act when, with which weight, and what rests meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmengine.logging import MessageHub
from torch import Tensor, nn

from .loss_schedule import LossSchedule

INACTIVE = ('zero_grad', 'off')


def training_iteration() -> int:
    """Zero-based training iteration, which mmengine's loop keeps in its message hub."""
    return int(MessageHub.get_current_instance().get_info('iter', 0))


def refuse_unknown(
    name: str, train_cfg: Mapping[str, Any], known: Collection[str]
) -> None:
    """Refuse entries of ``train_cfg`` that a model doesn't read, or reads wrongly.

    Args:
        name: of the model's class.
        train_cfg: the entries.
        known: names of those that it reads.

    Raises:
        ValueError: naming the unknown ones and those that are known; or a word like
            ``'False'``, which would count as true.
    """
    unknown = set(train_cfg) - set(known)
    if unknown:
        raise ValueError(
            f'{name} reads no train_cfg entries {sorted(unknown)}; it reads '
            f'{sorted(known)}'
        )
    for key, value in train_cfg.items():
        if isinstance(value, str) and value.lower() in ('true', 'false', 'yes', 'no'):
            raise ValueError(
                f'train_cfg.{key} must be True or False, got the word {value!r}'
            )


def part_of(model: nn.Module, path: str) -> Any:
    """What a dotted path like ``labeler.thresholds`` or ``train_cfg.cam`` leads to.

    Args:
        model: where the path begins.
        path: names of attributes, or of entries of a dict.

    Returns:
        The part, or ``None`` where there is none.
    """
    part: Any = model
    for name in path.split('.'):
        known = isinstance(part, Mapping)
        part = part.get(name) if known else getattr(part, name, None)
    return part


def terms_given(model: nn.Module) -> set[str]:
    """The terms that a model's ``losses`` can give.

    A loss gives the term that it is named by in the config; one that gives several has
    their names in an attribute ``TERMS``.
    """
    return {
        term
        for name, loss in model.losses.items()
        for term in getattr(loss, 'TERMS', (name,))
    }


class LossTerms:
    """The loss terms of a network.

    Args:
        train_cfg: ``weights``: term → weight or steps ``[(begin, weight), …]``;
            ``inactive``: ``'zero_grad'`` (published: a module without an active term
            gets zero gradients, so its weights still decay) or ``'off'`` (with several
            processes also set ``find_unused_parameters=True``).
        modules: module or parameter, by its dotted name → the terms that train it.

    Raises:
        ValueError: if ``inactive`` is neither.
    """

    def __init__(
        self, train_cfg: Mapping[str, Any], modules: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.inactive = train_cfg.get('inactive', 'zero_grad')
        if self.inactive not in INACTIVE:
            raise ValueError(
                "train_cfg.inactive must be 'zero_grad' or 'off', got "
                f'{self.inactive!r}'
            )
        self.schedule = LossSchedule(train_cfg.get('weights', {}))
        self.modules = dict(modules)

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
        given = terms_given(model)
        missing = self.names - given
        if missing:
            raise ValueError(
                f'train_cfg.weights names {sorted(missing)}, but losses has only '
                f'{sorted(given)}'
            )
        for term in sorted(self.names):
            for path in needs.get(term, ()):
                if part_of(model, path) is None:
                    raise ValueError(f'the loss term {term} needs a {path}, got None')

    def weigh(self, model: nn.Module, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Multiply the terms by their weights and name them ``loss_<term>``.

        A module without an active term gets zero gradients, as in the releases, which
        multiply by 0: AdamW then still decays its weights and counts its steps.

        Args:
            model: whose modules these are.
            terms: the active ones, 0-dim each.

        Raises:
            ValueError: if there is none, an active one is lacking, or one has no
                weight.
        """
        if not terms:
            raise ValueError(
                f'no loss term is active at iteration {training_iteration()}; check '
                f'train_cfg.weights, which names {sorted(self.names)}'
            )
        weights = self.schedule(training_iteration())
        self._refuse_others(type(model).__name__, set(terms), set(weights))
        losses = {f'loss_{term}': weights[term] * loss for term, loss in terms.items()}
        if self.inactive == 'zero_grad':
            idle = self.idle_parameters(model, set(terms))
            zero = 0.0 * sum(p.flatten()[0] for p in idle.values())
            first = next(iter(losses))
            losses[first] = losses[first] + zero
        return losses

    def _refuse_others(self, name: str, given: set[str], active: set[str]) -> None:
        """A weight without its term would change nothing, and nobody would know."""
        now = f'at iteration {training_iteration()}'
        if active - given:
            raise ValueError(
                f'{name}.loss computes no {sorted(active - given)}, which '
                f'train_cfg.weights makes active {now}; it gave {sorted(given)}. '
                'Leave out the weight, or set it to 0'
            )
        if given - active:
            raise ValueError(
                f'{name}.loss gave {sorted(given - active)}, which train_cfg.weights '
                f'gives no weight {now}: compute a term only where it is in self.active'
            )

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
