"""Optimizers: the fused step sees flat memory, whatever the weights' memory format."""

import pytest
import torch

from ganvas.optim import Adam


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (6, 5, 1, 1), (4, 1, 4, 4), (7, 3)])
@pytest.mark.parametrize("gradients", [torch.channels_last, torch.contiguous_format])
def test_fused_adam_takes_the_steps_of_the_plain_one(shape, gradients):
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ends = []
    for kind, fused in ((torch.optim.Adam, False), (Adam, True)):
        layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
        q = torch.nn.Parameter(start.clone(memory_format=layout))
        opt = kind([q], lr=0.01, betas=(0.5, 0.9), fused=fused)
        g = torch.Generator().manual_seed(1)
        for _ in range(3):
            values = torch.randn(shape, generator=g)
            q.grad = values.contiguous(memory_format=gradients) if len(shape) == 4 else values
            opt.step()
        ends.append(q.detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-6, atol=1e-7)
    assert not torch.equal(ends[1], start)


def test_nothing_is_copied_for_channels_last_weights():
    q = torch.nn.Parameter(torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last))
    opt = Adam([q], lr=0.01, fused=True)
    q.grad = torch.randn_like(q)
    opt.step()
    lists: list[list[torch.Tensor]] = [[] for _ in range(6)]
    opt._init_group(opt.param_groups[0], *lists)
    states = opt.state[q]
    for (found,), own in zip(lists[:4], (q, q.grad, states["exp_avg"], states["exp_avg_sq"]), strict=True):
        assert found.is_contiguous()
        assert found.data_ptr() == own.data_ptr(), "the very memory of the weights, their gradients and moments"
