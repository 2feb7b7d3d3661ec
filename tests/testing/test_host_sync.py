# Licensed under Apache-2.0.
"""The check for operators that wait for the device."""

from __future__ import annotations

import pytest
import torch

from mmwsss.testing import HostSyncError, NoHostSync


@pytest.mark.parametrize(
    'stall',
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: x.clone().__setitem__(x > 0, torch.ones(4)),
    ],
)
def test_the_host_sync_check_finds_them(stall, monkeypatch) -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    stall(x)
    with pytest.raises(HostSyncError), NoHostSync.patched(monkeypatch):
        stall(x)
