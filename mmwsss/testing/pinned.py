# Licensed under Apache-2.0.
"""Numbers of a seeded tiny network, and their comparison with pinned ones.

``python -m mmwsss.testing.pin`` writes them.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .config_files import ConfigLike
from .predictions import LABEL_SHARE, fields
from .tiny_batches import predict_batch
from .tiny_models import build
from .training_steps import begins, step

RTOL = 1e-4


def numbers(config: ConfigLike) -> dict[str, Any]:
    """Losses and sums of predictions of a seeded model.

    All terms at once and unweighted, so that tuning a schedule changes nothing here;
    other scheduled settings are those of the last phase.
    """
    terms = build(config).terms.schedule.weights
    model = build(config, weights=dict.fromkeys(terms, 1.0))
    losses = {k: float(v.detach()) for k, v in step(model, begins(model)[-1]).items()}
    predicted = fields(model.eval().predict(**predict_batch(model), cam_filter='gt'))
    sums: dict[str, list[float] | dict[str, float]] = {}
    for key in predicted[0]:
        value = torch.cat([p[key].flatten() for p in predicted])
        if value.is_floating_point():
            ramp = torch.linspace(0, 1, value.numel())  # so that places count
            sums[key] = [float(value.mean()), float((value * ramp).mean())]
        else:
            ids, counts = value.unique(return_counts=True)
            sums[key] = {
                str(int(i)): float(c) / value.numel() for i, c in zip(ids, counts)
            }
    return dict(losses=losses, predictions=sums)


def compare_numbers(ours: dict, pinned: dict) -> None:
    """Losses and means to RTOL, shares of labels to LABEL_SHARE."""
    assert ours['losses'].keys() == pinned['losses'].keys()
    for name, value in pinned['losses'].items():
        # label shares are counts of pixels
        tolerance = LABEL_SHARE if name.startswith('label_') else 1e-6
        assert ours['losses'][name] == pytest.approx(value, rel=RTOL, abs=tolerance), (
            name
        )
    assert ours['predictions'].keys() == pinned['predictions'].keys()
    for name, value in pinned['predictions'].items():
        got = ours['predictions'][name]
        if isinstance(value, list):
            assert got == pytest.approx(value, rel=RTOL, abs=1e-6), name
        else:
            for label in value.keys() | got.keys():
                assert got.get(label, 0.0) == pytest.approx(
                    value.get(label, 0.0), abs=LABEL_SHARE
                ), (name, label)
