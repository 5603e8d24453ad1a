"""Training on several processes, started by torchrun: who this one is, and what they agree on."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def world() -> tuple[int, int]:
    """This process's rank and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def join(device: str) -> torch.device:
    """Joins the other processes when torchrun started this one; the device to train on."""
    if "WORLD_SIZE" not in os.environ:
        return torch.device(device)
    if torch.device(device).type != "cuda":
        dist.init_process_group("gloo")
        return torch.device(device)
    local = int(os.environ["LOCAL_RANK"])
    torch.cuda.set_device(local)
    dist.init_process_group("nccl")
    return torch.device("cuda", local)


def leave() -> None:
    """Leaves the other processes, if any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether it holds on any process: all must take the same number of steps."""
    if world()[1] == 1:
        return flag
    value = torch.tensor(float(flag), device=device)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return bool(value.item())


def average(tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over the processes."""
    count = world()[1]
    if count > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor.div_(count)
