# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from collections.abc import Sequence

from mmengine.logging import MessageHub
from torch import nn

from mmwsss.io.errors import UserError
from mmwsss.io.published import ABSENT

from ..loss_terms import training_iteration
from .ema_copy import EMACopy


def follows_a_step() -> bool:
    """Whether an optimiser step came right before this training iteration.

    mmengine's wrapper steps where the number of finished iterations is divisible by its
    ``accumulative_counts``, which ``SetupCheckHook`` leaves in the message hub. (The
    step that it takes early, at the very end of a run, has no iteration after it.)
    """
    hub = MessageHub.get_current_instance()
    return training_iteration() % int(hub.get_info('accumulative_counts', 1)) == 0


class AveragedParts:
    """The teacher of a model: moving averages of some of its networks, and their life.

    Each part ``<part>`` gets an :class:`EMACopy` that is registered *on the model* as
    its child ``<part>_ema``, so that checkpoints hold ``<part>_ema.module.*``, a
    resumed run goes on exactly, and the copies move with the model between devices.
    This object is no module itself: it only holds the model and the names, and a deep
    copy or a pickled copy of the model has one that belongs to the copy.

    Call :meth:`start` once the student has its first weights (the base segmentor's
    ``init_weights`` does), :meth:`follow` where a training step begins, :meth:`network`
    to predict. The averages follow once an optimiser step: where gradients of several
    iterations are accumulated, :meth:`follow` does nothing in the iterations between.

    Args:
        owner: the model; it keeps this object as its attribute ``averaged``.
        parts: names of the model's child networks; one that is ``None`` is left out.

    Raises:
        AttributeError: if the model has no child of that name.
    """

    def __init__(self, owner: nn.Module, parts: Sequence[str]) -> None:
        # A plain reference, not a weak one: `copy.deepcopy` and `pickle` then bind the
        # copy to the copied model.
        self.owner = owner
        self.parts = tuple(p for p in parts if getattr(owner, p) is not None)
        for part in self.parts:
            owner.add_module(f'{part}_ema', EMACopy(getattr(owner, part)))

    def copy_of(self, part: str) -> EMACopy:
        """The average that follows a part."""
        return getattr(self.owner, f'{part}_ema')

    def start(self) -> None:
        """Take the student's weights as they are now.

        Raises:
            UserError: if the model is to predict with a teacher that it lacks.
        """
        if (getattr(self.owner, 'test_cfg', None) or {}).get('use_teacher'):
            self.network()  # refused before training, not at the first validation
        for part in self.parts:
            self.copy_of(part).start_from(getattr(self.owner, part))

    def follow(self, momentum: float) -> None:
        """``teacher ← momentum * teacher + (1 − momentum) * student``, for each part.

        Nothing happens if no optimiser step came before this iteration (gradient
        accumulation, ``optim_wrapper.accumulative_counts`` above 1).

        Args:
            momentum: in [0, 1].
        """
        if not follows_a_step():
            return
        for part in self.parts:
            self.copy_of(part).follow(getattr(self.owner, part), momentum)

    def network(self) -> nn.Module:
        """The model with the averages in place of the networks that they follow.

        It is a shallow copy: everything else is shared with the model, and no weight
        is copied.

        Raises:
            UserError: if the backbone has no average: there is no teacher of the whole;
                or if that average was left out of the file that was loaded.
        """
        if 'backbone' not in self.parts:
            raise UserError(
                f'test_cfg.use_teacher=True, but {type(self.owner).__name__} keeps no '
                'teacher of its backbone: leave it out'
            )
        if 'backbone_ema' in getattr(self.owner, ABSENT, ()):
            raise UserError(
                'test_cfg.use_teacher=True, but the checkpoint is a published file '
                'without the teacher: predict with use_teacher=False, or with the '
                "run's own checkpoint"
            )
        network = copy.copy(self.owner)
        averages = {part: self.copy_of(part).module for part in self.parts}
        network._modules = {**self.owner._modules, **averages}
        return network
