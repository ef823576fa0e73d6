"""StyleGAN2: seconds of its turns and of a round through the engine, against the way the reference writes them.

    python benchmarks/stylegan2_step.py [--size 64] [--preset narrow] [--batch 8] [--rounds 3] [--device cpu]
    python benchmarks/stylegan2_step.py --gradients

The reference's way is that of its authors' code without kernels of its own, in fp32 and NCHW: a modulated kernel for
each sample [B, O, I, k, k] in a grouped convolution, filters by depthwise convolution before every second pixel is
taken, D on reals and on fakes, the same weights, widths and turns, and who rests is frozen. Every turn of every variant
is timed in turn, several times over, in one process: the ratios are what counts. A round is what it costs on average:
G's and D's turns and the moving of the average, a quarter of a path length turn, a sixteenth of R1's. The last columns
are of the convolutions and matrix products of a round: the share of it that they would take at the speed of a large
matrix product, and how quick they are, each timed by itself.
Prints Markdown tables for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import copy
import resource
import statistics
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import torch
import torch.nn.functional as F
from steps import Noise, made, timed, where
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganvas import ema, memory, rng
from ganvas.engine import Session, Settings, only, take
from ganvas.game import DataSpec
from ganvas.games.stylegan2 import StyleGAN2
from ganvas.losses import adversarial
from ganvas.losses.penalties import path_lengths, zero_centred
from ganvas.networks.equalized import GAIN
from ganvas.networks.modulated import EPS, Modulated, ModulatedConv
from ganvas.networks.stylegan2 import LEAK, Block, StyledConv, ToImage

THEIRS = "the reference's way, fp32, NCHW"
TURNS = ("generator", "path_length", "discriminator", "r1", "average")
Turns = dict[str, Callable[[], object]]


# The reference's way


def upfirdn(x: Tensor, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0), gain: float = 1.0) -> Tensor:
    b, c, h, w = x.shape
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device) / 8
    x = F.pad(x.reshape(b, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(b, c, h * up, w * up)
    x = F.conv2d(F.pad(x, (*pad, *pad)), (gain * taps.outer(taps)).expand(c, 1, -1, -1), groups=c)
    return x[:, :, ::down, ::down]


def modulated(conv: Modulated, x: Tensor, w: Tensor) -> Tensor:
    """A kernel for each sample, and a group of a convolution for each."""
    b, c, h, v = x.shape
    w_noikl = (conv.weight * conv.scale)[None] * conv.affine(w)[:, None, :, None, None]
    if isinstance(conv, ModulatedConv):
        w_noikl = w_noikl * (w_noikl.square().sum((2, 3, 4), keepdim=True) + EPS).rsqrt()
    x, k = x.reshape(1, b * c, h, v), conv.weight.shape[-1]
    if isinstance(conv, ModulatedConv) and conv.up:
        y = F.conv_transpose2d(x, w_noikl.transpose(1, 2).reshape(b * c, -1, k, k), stride=2, groups=b)
        return upfirdn(y.view(b, -1, *y.shape[2:]), pad=(1, 1), gain=4.0)
    return F.conv2d(x, w_noikl.reshape(-1, c, k, k), padding=k // 2, groups=b).view(b, -1, h, v)


class TheirStyledConv(nn.Module):
    def __init__(self, ours: StyledConv):
        super().__init__()
        self.conv, self.strength, self.bias = ours.conv, ours.strength, ours.bias

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        y = modulated(self.conv, x, w)
        y = y if noise is None else y + noise * self.strength
        return F.leaky_relu(y + self.bias.view(1, -1, 1, 1), LEAK) * GAIN


class TheirToImage(nn.Module):
    def __init__(self, ours: ToImage):
        super().__init__()
        self.conv, self.bias = ours.conv, ours.bias

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return modulated(self.conv, x, w) + self.bias.view(1, -1, 1, 1)


class TheirBlock(nn.Module):
    def __init__(self, ours: Block):
        super().__init__()
        self.conv0, self.conv1, self.skip = ours.conv0, ours.conv1, ours.skip

    def forward(self, x: Tensor) -> Tensor:
        assert self.skip is not None
        first = self.conv0.kernel() / GAIN
        y = F.leaky_relu(F.conv2d(x, first, self.conv0.bias, padding=1), LEAK) * GAIN
        y = F.conv2d(upfirdn(y, pad=(2, 2)), self.conv1.kernel(), self.conv1.bias, stride=2)
        return F.leaky_relu(y, LEAK) + self.skip(upfirdn(x, down=2, pad=(1, 1)))


def theirs(net: nn.Module) -> nn.Module:
    """The same network, with the same weights, the reference's way."""
    swap = {StyledConv: TheirStyledConv, ToImage: TheirToImage, Block: TheirBlock}
    for name, m in net.named_children():
        setattr(net, name, swap[type(m)](m) if type(m) in swap else theirs(m))  # type: ignore[index]
    return net


def reference(game: StyleGAN2, spec: DataSpec, device: torch.device) -> Turns:
    game = copy.deepcopy(game).to(device)
    g, d = theirs(game.G), theirs(game.D)
    average, c, batch = copy.deepcopy(g), game.config, game.config.batch
    x = Noise(spec, batch, device).parts["x"].contiguous()
    opts = [
        torch.optim.Adam(n.parameters(), lr=o.lr, betas=(o.beta1, o.beta2))
        for n, o in zip((g, d), game.optimizers(c), strict=True)
    ]
    mean = torch.zeros([], device=device)

    def styles(n: int) -> Tensor:
        w, other = (g.mapping(torch.randn(n, c.z_dim, device=device)) for _ in range(2))  # type: ignore[operator]
        own = torch.arange(g.layers, device=device) < torch.randint(1, g.layers, [n, 1], device=device)  # type: ignore[call-overload]
        return torch.where(own[:, :, None], w[:, None], other[:, None])

    def noise(n: int) -> list[Tensor]:
        return [torch.randn(n, 1, *side, device=device) for side in g.noise_shapes]  # type: ignore[union-attr]

    def fakes(n: int = batch) -> Tensor:
        return g.synthesis(styles(n), noise(n))  # type: ignore[operator]

    @contextmanager
    def moving(k: int):  # who rests is frozen
        for i, n in enumerate((g, d)):
            n.requires_grad_(i == k)
        opts[k].zero_grad()
        yield
        opts[k].step()

    def generator() -> None:
        with moving(0):
            adversarial.non_saturating_generator(d(fakes())).backward()

    def path_length() -> None:
        with moving(0):
            fields = noise(batch // 2)
            y = torch.randn(batch // 2, *spec.shape, device=device) / spec.shape[1]
            lengths = path_lengths(lambda v: g.synthesis(v, fields), styles(batch // 2), y)  # type: ignore[operator]
            (c.path_weight * c.path_every * (lengths - mean).square().mean()).backward()

    def discriminator() -> None:
        with moving(1):
            F.softplus(d(fakes())).mean().backward()
            F.softplus(-d(x)).mean().backward()

    def r1() -> None:
        with moving(1):
            (c.r1_gamma / 2 * c.r1_every * zero_centred(d, x)).backward()

    def averaged() -> None:
        ema.update(average, g, 0.999)

    return dict(zip(TURNS, (generator, path_length, discriminator, r1, averaged), strict=True))


# Ours


def played(
    game: StyleGAN2, spec: DataSpec, device: torch.device, precision: str, layout: str = "auto", compiled: str = "off"
) -> Turns:
    table, batch = seated(game := copy.deepcopy(game), device, precision, layout, compiled), None
    batch = table.draw(Noise(spec, game.config.batch, device))
    turns: Turns = {t.name: lambda t=t: take(game, t, batch, table) for t in game.turns}  # type: ignore[misc]
    return turns | {"average": lambda: table.average(game)}


def seated(game: StyleGAN2, device: torch.device, precision: str, layout: str, compiled: str = "off") -> Session:
    chosen: dict[str, Any] = {"precision": precision, "memory_format": layout, "compile": compiled}
    table = Session(Settings(batch=game.config.batch, kimg=1e9, **chosen), device)
    table.seat(game)
    return table


def gradients(game: StyleGAN2, spec: DataSpec, device: torch.device, precision: str, layout: str) -> dict[str, Tensor]:
    """Of every turn, all in one row, of the same weights and the same random numbers."""
    table, found = seated(game := copy.deepcopy(game), device, precision, layout), {}
    batch = table.draw(Noise(spec, game.config.batch, device))
    for turn in game.turns:
        (mover,) = (game.players[name] for name in turn.players)
        mover.net.zero_grad()
        with only([mover], game):
            loss, _ = table.loss(turn, table.split(batch, turn, 0)[0])
            assert isinstance(loss, Tensor)
            loss.backward()
        found[turn.name] = torch.cat([q.grad.flatten() for q in mover.net.parameters() if q.grad is not None])
    return found


def spec_of(options: argparse.Namespace) -> DataSpec:
    return DataSpec((3, options.size, options.size))


def fresh(options: argparse.Namespace) -> StyleGAN2:
    torch.manual_seed(rng.seed_of("benchmark") % 2**31)
    game = made("stylegan2", spec_of(options), options.batch, {}, options.preset)
    assert isinstance(game, StyleGAN2)
    return game


def variants(options: argparse.Namespace, device: torch.device) -> dict[str, Callable[[], Turns]]:
    game, spec = fresh(options), spec_of(options)
    made_of: dict[str, Callable[[], Turns]] = {
        THEIRS: lambda: reference(game, spec, device),
        "engine, fp32, NCHW": lambda: played(game, spec, device, "fp32", "nchw"),
        "engine, fp32, NHWC": lambda: played(game, spec, device, "fp32", "nhwc"),
        "engine, bf16, NHWC": lambda: played(game, spec, device, "bf16", "nhwc"),
    }
    if options.compile:
        for p in ("fp32", "bf16"):
            made_of[f"engine, {p}, NHWC, compiled"] = lambda p=p: played(game, spec, device, p, "nhwc", "inductor")  # type: ignore[misc]
    return made_of


def rounds(options: argparse.Namespace, device: torch.device) -> None:
    """Times every turn of all variants in turn; then each in a process of its own with pages kept, as in training."""
    every = {"path_length": fresh(options).config.path_every, "r1": fresh(options).config.r1_every}
    ready = {name: make() for name, make in variants(options, device).items()}
    found = seconds_of(ready, options.rounds, device)
    shares = {name: convolving(turns, every, device) for name, turns in ready.items()}
    for name in ready if device.type == "cpu" else ():
        with get_context("spawn").Pool(1) as pool:
            found[f"{name}, alone, pages kept"] = pool.apply(alone, (name, options))
    for own in found.values():
        own["round"] = sum(s / every.get(t, 1) for t, s in own.items())
    print(f"stylegan2 {options.preset}, {options.size}×{options.size}, batch {options.batch}; {where(device)}")
    peaks = {p: matrix_peak(device, p) for p in ("fp32", "bf16")}
    print(", ".join(f"{p} matrix peak {peak / 1e9:.0f} GFLOP/s" for p, peak in peaks.items()) + "\n")
    heads = ["G's turn", "path length", "D's turn", "R1", "average", "a round"]
    heads += ["of the matrix peak", "convolutions and products"]
    print("| s, and against the reference's way | " + " | ".join(heads) + " |")
    print("|---" + "|---:" * len(heads) + "|")
    for name, own in found.items():
        first = THEIRS if name in ready else f"{THEIRS}, alone, pages kept"
        cells = [f"{s:.3f} ({found[first][t] / s:.2f}×)" for t, s in own.items()]
        operations, seconds = shares[name.removesuffix(", alone, pages kept")]
        known = THEIRS not in name  # PyTorch counts derivatives of a convolution in groups as if they had none
        share = f"{operations / own['round'] / peaks['bf16' if 'bf16' in name else 'fp32']:.0%}"
        cells += [
            share if known else "",
            f"{operations / seconds / 1e9:.0f} GFLOP/s" if known and name in ready else "",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def alone(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of the turns of a variant that has a process for itself, and keeps its pages."""
    memory.keep_pages()
    device = torch.device(options.device)
    return seconds_of({name: variants(options, device)[name]()}, options.rounds, device)[name]


def convolving(turns: Turns, every: dict[str, int], device: torch.device) -> tuple[float, float]:
    """Operations of a round's convolutions and matrix products, and seconds, each timed by itself."""
    operations = seconds = 0.0
    for t, step in turns.items():
        with Counter(device) as counter:
            step()
        operations += counter.operations / every.get(t, 1)
        seconds += counter.seconds / every.get(t, 1)
    return operations, seconds


def seconds_of(ready: dict[str, Turns], repeats: int, device: torch.device) -> dict[str, dict[str, float]]:
    """Median seconds of every turn of every variant, after one that does not count."""
    seconds: dict[str, dict[str, list[float]]] = {name: {t: [] for t in TURNS} for name in ready}
    for i in range(repeats + 1):
        for t in TURNS:
            for name, turns in ready.items():
                taken = timed(turns[t], device)
                if i:
                    seconds[name][t].append(taken)
    return {name: {t: statistics.median(s) for t, s in own.items()} for name, own in seconds.items()}


class Counter(TorchDispatchMode):
    """Operations and seconds of convolutions and matrix products, of second derivatives, too.

    PyTorch's own counter fails at those.
    """

    def __init__(self, device: torch.device):
        super().__init__()
        self.device, self.operations, self.seconds = device, 0.0, 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._overloadpacket not in flop_registry:
            return func(*args, **(kwargs or {}))
        out = []
        self.seconds += timed(lambda: out.append(func(*args, **(kwargs or {}))), self.device)
        self.operations += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out[0])
        return out[0]


def matrix_peak(device: torch.device, precision: str) -> float:
    """Operations a second of a large matrix product, the best of ten."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    n = 1024 if device.type == "cpu" else 8192
    a = torch.randn(n, n, device=device, dtype=dtype)
    return 2 * n**3 / min(timed(lambda: a @ a, device) for _ in range(10))


def peak(name: str, options: argparse.Namespace) -> float:
    """MiB at the peak of a process that takes every turn once."""
    for turn in variants(options, torch.device(options.device))[name]().values():
        turn()
    if options.device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def compare_memory(options: argparse.Namespace) -> None:
    print("| | MiB at the peak |\n|---|---:|")
    for name in (THEIRS, "engine, fp32, NHWC", "engine, bf16, NHWC"):
        with get_context("spawn").Pool(1) as pool:
            print(f"| {name} | {pool.apply(peak, (name, options)):.0f} |")


def compare_gradients(options: argparse.Namespace, device: torch.device) -> None:
    game, spec = fresh(options), spec_of(options)
    exact = gradients(game, spec, device, "fp32", "nchw")
    print("| gradients against fp32, NCHW: relative error | " + " | ".join(exact) + " |")
    print("|---" + "|---:" * len(exact) + "|")
    for precision in ("fp32", "bf16"):
        other = gradients(game, spec, device, precision, "nhwc")
        errors = (float((other[t] - g).norm() / g.norm()) for t, g in exact.items())
        print(f"| {precision}, NHWC | " + " | ".join(f"{e:.1e}" for e in errors) + " |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--preset", default="narrow", help='"" = all channels, as `auto` has')
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="turns compiled by inductor, too")
    parser.add_argument("--memory", action="store_true", help="the memory of all turns instead")
    parser.add_argument("--gradients", action="store_true", help="how far gradients of bf16 are from fp32's instead")
    options = parser.parse_args()
    if options.memory:
        compare_memory(options)
    elif options.gradients:
        compare_gradients(options, torch.device(options.device))
    else:
        rounds(options, torch.device(options.device))


if __name__ == "__main__":
    main()
