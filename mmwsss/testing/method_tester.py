# Licensed under Apache-2.0.
from __future__ import annotations

import torch

from .cam_method_tester import CAMMethodTester
from .config_files import load_config
from .predictions import assert_outputs, assert_same_predictions, mirrored
from .tiny_batches import labels_of, predict_batch
from .training_steps import begins, step


class MethodTester(CAMMethodTester):
    """What a method with CAMs and a decoder promises besides.

    ::

        class TestMyMethod(MethodTester):
            config = 'configs/my_method/my_method_vit-t_shapes.py'

    The config needs a ``tta_cfg``: the settings of ``tools/test.py --tta``.
    """

    def test_label_statistics(self, model) -> None:
        losses = step(model, begins(model)[-1])
        shares = [losses[f'label_{k}'] for k in ('fg', 'bg', 'ignore')]
        assert not any(s.requires_grad for s in shares)
        torch.testing.assert_close(sum(shares), torch.tensor(1.0))
        none = step(model, begins(model)[-1], images=(3, 3))  # images without a label
        assert none['label_fg'] == 0

    def test_tta_of_the_config(self, model) -> None:
        tta = load_config(self.config).get('tta_cfg')
        assert tta, f'{self.config} has no tta_cfg'
        samples = model.eval().predict(**predict_batch(model), **tta)
        known = labels_of(model.num_foreground)
        assert_outputs(model, samples, tta['outputs'], known)
        plain = model.predict(**predict_batch(model), outputs=('seg',))
        assert any(
            not torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)
            for a, b in zip(samples, plain)
        )

    def test_mirrors(self, model) -> None:
        """With mirrors, the mirrored image has the mirrored prediction."""
        results = mirrored(model, ('seg', 'cam'))
        assert_same_predictions(results[0], results[1], exact=False)
        assert any(
            not torch.equal(a['pred_sem_seg.data'], b['pred_sem_seg.data'])
            for a, b in zip(*results[2:])
        )
