"""Many processes, started by `torchrun`: who we are, and the sums that keep all of us equal.

DistributedDataParallel is not used: a turn that is only a penalty leaves some parameters without a gradient, which it
reduces wrongly. One flat all-reduce of a player's gradients after the backward pass is exact in every case.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ganvas.errors import UserError
from ganvas.optim import beside

T = TypeVar("T")


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def start(device: torch.device) -> None:
    """Joins the group that torchrun set up, if it did: gloo between CPUs, NCCL between GPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def stop() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def barrier() -> None:
    if world_size() > 1:
        dist.barrier()


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether the flag is up on any process; all of them agree on the answer."""
    if world_size() == 1:
        return flag
    up = torch.tensor(float(flag), device=device)
    dist.all_reduce(up, op=dist.ReduceOp.MAX)
    return bool(up.item())


def mean_gradients(parameters: Sequence[Tensor]) -> None:
    """Replaces every gradient by its mean over the processes.

    One flat all-reduce carries the gradients and, behind them, how many processes have each: a gradient that is None
    everywhere stays None, one that is None somewhere counts as zero there.
    """
    n = world_size()
    if n == 1:
        return
    grads = [p.grad for p in parameters]
    have = torch.tensor([g is not None for g in grads], dtype=parameters[0].dtype, device=parameters[0].device)
    pieces = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True)]
    flat = torch.cat([*(g.flatten() for g in pieces), have])
    dist.all_reduce(flat)
    shares = flat[-len(grads) :].tolist()
    offset = 0
    for p, share in zip(parameters, shares, strict=True):
        if share:
            p.grad = beside(p, (flat[offset : offset + p.numel()] / n).view(p.shape))
        offset += p.numel()


def mean(values: Tensor) -> Tensor:
    """The mean of a tensor over the processes."""
    if (n := world_size()) > 1:
        dist.all_reduce(values)
        values /= n
    return values


def concatenate(x: Tensor) -> Tensor:
    """The tensors [rows, ...] of all processes, one after the other in rank order; every process has as many rows."""
    if (n := world_size()) == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(n)]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def in_turn(count: int, work: Callable[[int], T]) -> Iterator[T]:
    """`work(0)`, ..., `work(count - 1)`, in order, on the first process; all share the work, the others get nothing.

    Every process must run through it to the end.

    Raises:
        UserError: on every process, where the work of one of them raises it.
    """
    if world_size() == 1:
        yield from map(work, range(count))
        return
    for start in range(0, count, world_size()):
        done = all_say(lambda: work(mine) if (mine := start + rank()) < count else None)  # noqa: B023 - called at once
        if rank() == 0:
            yield from done[: count - start]


def together(prepare: Callable[[], T]) -> T:
    """What every process prepares for itself. A mistake that one of them finds ends all, and none waits for another."""
    ready: list[T] = []
    all_say(lambda: ready.append(prepare()))
    return ready[0]


def all_say(what: Callable[[], Any]) -> list[Any]:
    """What every process says, in rank order. A `UserError` of one of them is raised by all, so that none waits."""
    said: Any = None
    mistake = ""
    try:
        said = what()
    except UserError as e:
        mistake = str(e)
    if world_size() == 1:
        told = [(said, mistake)]
    else:
        told = [None] * world_size()  # type: ignore[list-item]
        dist.all_gather_object(told, (said, mistake))
    if mistake := next((m for _, m in told if m), ""):
        raise UserError(mistake)
    return [s for s, _ in told]


class _Sum(torch.autograd.Function):
    """All-reduce whose gradient is all-reduced too, so that statistics of the global batch are differentiated whole."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[override]
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore[override]
        return _Sum.apply(grad)  # type: ignore[return-value]


def differentiable_sum(x: Tensor) -> Tensor:
    """The sum over the processes, differentiable any number of times."""
    return _Sum.apply(x) if world_size() > 1 else x  # type: ignore[return-value]


def differentiable_concatenate(x: Tensor) -> Tensor:
    """`concatenate`, differentiable any number of times: rows in their place among zeros, summed over the processes."""
    if (n := world_size()) == 1:
        return x
    before, after = rank() * len(x), (n - 1 - rank()) * len(x)
    return differentiable_sum(torch.cat([x.new_zeros(before, *x.shape[1:]), x, x.new_zeros(after, *x.shape[1:])]))
