# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from mmengine.dist import all_gather, get_world_size
from torch import Tensor


@torch.no_grad()
def all_gather_varied(rows: Tensor, equal: bool = False) -> Tensor:
    """The rows of all processes, those of rank 0 first, without gradient.

    mmengine's ``all_gather`` needs the same shape on each process; here the numbers
    of rows may differ. With one process, or without distribution, nothing is copied.

    Args:
        rows: (N, …), any dtype that the backend sends; N may be 0 and may differ
            between the processes, the other sides may not.
        equal: the caller promises that N is the same on each process. The numbers of
            rows are then not exchanged first, for which the host waits for the device.

    Returns:
        (sum of all N, …), the same on each process.
    """
    rows = rows.detach()
    if get_world_size() == 1:
        return rows
    if equal:
        return torch.cat(all_gather(rows.contiguous()))
    number = torch.tensor([len(rows)], device=rows.device)
    numbers = torch.cat(all_gather(number)).tolist()
    padded = rows.new_zeros((max(numbers), *rows.shape[1:]))
    padded[: len(rows)] = rows
    gathered = all_gather(padded)
    return torch.cat([r[:n] for r, n in zip(gathered, numbers, strict=True)])
