# Licensed under Apache-2.0.
from __future__ import annotations

import torch

from mmwsss.engine.hooks.log_transfer_hook import LogTransferHook


def test_tensors_become_numbers_with_one_copy(monkeypatch) -> None:
    outputs = dict(loss=torch.tensor(1.5), share=torch.tensor(0.25), lr=0.1)
    monkeypatch.setattr(torch.Tensor, 'item', lambda _: 1 / 0)  # one by one: refused
    LogTransferHook().after_train_iter(None, 0, outputs=outputs)
    assert outputs == dict(loss=1.5, share=0.25, lr=0.1)


def test_nothing_to_fetch() -> None:
    LogTransferHook().after_train_iter(None, 0, outputs=None)
    LogTransferHook().after_train_iter(None, 0, outputs={})
