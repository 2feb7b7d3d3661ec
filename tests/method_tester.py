# Licensed under Apache-2.0.
"""One tester for all methods with a decoder.

A method's test is a class of a few lines::

    class TestMyMethod(MethodTester):
        config = 'configs/my/my_vit-t_shapes.py'

Everything is read from the config, as ``tests/cam_method_tester.py`` says.
"""

from __future__ import annotations

import torch
from mmengine.config import Config

from tests.cam_method_tester import CAMMethodTester
from tests.helpers.methods import (
    LABELS,
    ROOT,
    assert_outputs,
    assert_same_predictions,
    begins,
    mirrored,
    predict_batch,
    step,
)


class MethodTester(CAMMethodTester):
    """What holds besides for every method with a decoder."""

    def test_label_statistics(self, model) -> None:
        losses = step(model, begins(model)[-1])
        shares = [losses[f'label_{k}'] for k in ('fg', 'bg', 'ignore')]
        assert not any(s.requires_grad for s in shares)
        torch.testing.assert_close(sum(shares), torch.tensor(1.0))
        none = step(model, begins(model)[-1], images=(3, 3))  # images without a label
        assert none['label_fg'] == 0

    def test_tta_of_the_config(self, model) -> None:
        tta = Config.fromfile(ROOT / self.config).get('tta_cfg')
        assert tta, f'{self.config} has no tta_cfg'
        samples = model.eval().predict(**predict_batch(model), **tta)
        assert_outputs(model, samples, tta['outputs'], LABELS)
        plain = model.predict(**predict_batch(model), outputs=('seg',))
        assert any(
            not torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)
            for a, b in zip(samples, plain)
        )

    def test_mirrors(self, model) -> None:
        """With mirrors, the mirrored image has the mirrored prediction."""
        results = mirrored(model, ('seg', 'cam'))
        assert_same_predictions(*results[:2], exact=False)
        assert any(
            not torch.equal(a['pred_sem_seg.data'], b['pred_sem_seg.data'])
            for a, b in zip(*results[2:])
        )
