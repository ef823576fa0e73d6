"""SNGAN and BigGAN: images per second against a plain loop of the same networks, and the memory of attention.

    python benchmarks/resnet_step.py [--game sngan] [--size 32] [--batch 64] [--width 64] [--rounds 3] [--device cpu]
    python benchmarks/resnet_step.py --attention [--side 64] [--channels 192] [--batch 16]

The plain loop is what people write: fp32, NCHW, images doubled and halved as such, D on reals and then on fakes, D's
gradients in the generator's turn too, attention by an explicit softmax, and PyTorch's own spectral norm, which iterates
in every forward pass. Every variant is timed in turn, several times over, in one process: the ratios are what counts.
Prints Markdown tables for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganvas import config, games, memory, rng
from ganvas.engine import Session, Settings, play
from ganvas.game import DataSpec, Game
from ganvas.losses import adversarial
from ganvas.losses.penalties import orthogonality
from ganvas.networks.attention import SelfAttention
from ganvas.networks.spectral import Conv, Linear
from ganvas.networks.updown import DownConv, UpConv
from ganvas.precision import native_bf16

CLASSES = 10


class Noise:
    """Reals that cost nothing, so that the step alone is timed."""

    def __init__(self, batch: int, size: int, device: torch.device):
        x = torch.rand(batch, 3, size, size, device=device).mul(2).sub(1)
        self.x, self.y = x.to(memory_format=torch.channels_last), torch.arange(batch, device=device) % CLASSES

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, Tensor]:
        return {"x": self.x[start:stop], "y": self.y[start:stop]}


class ExplicitAttention(nn.Module):
    """SAGAN's attention as it is written down, all scores at once."""

    def __init__(self, a: SelfAttention):
        super().__init__()
        self.theta, self.phi, self.g, self.o, self.gamma = a.theta, a.phi, a.g, a.o, a.gamma

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x).flatten(2)
        phi, g = (F.max_pool2d(m(x), 2).flatten(2) for m in (self.phi, self.g))
        seen = g @ torch.softmax(theta.transpose(1, 2) @ phi, -1).transpose(1, 2)
        return x + self.gamma * self.o(seen.view(len(x), -1, *x.shape[2:]))


def plain(net: nn.Module) -> nn.Module:
    """The same network of PyTorch's own layers."""
    for name, m in net.named_children():
        if isinstance(m, SelfAttention):
            m = ExplicitAttention(m)
        if not isinstance(m, Conv | Linear):
            setattr(net, name, plain(m))
            continue
        layer: nn.Module
        if isinstance(m, Linear):
            layer = nn.Linear(m.in_features, m.out_features, bias=m.bias is not None)
        else:
            layer = nn.Conv2d(m.in_channels, m.out_channels, m.kernel_size, padding=m.padding, bias=m.bias is not None)
        layer.load_state_dict({k: v for k, v in m.state_dict().items() if k in ("weight", "bias")})
        layer = layer if m.u is None else spectral_norm(layer)
        if isinstance(m, UpConv):
            layer = nn.Sequential(nn.Upsample(scale_factor=2), layer)
        elif isinstance(m, DownConv):
            layer = nn.Sequential(layer, nn.AvgPool2d(2))
        setattr(net, name, layer)
    return net


def made(options: argparse.Namespace) -> Game:
    cls, spec = games.find(options.game), DataSpec((3, options.size, options.size), CLASSES)
    chosen = {"batch": options.batch} | ({"width": options.width} if options.width else {})
    return cls(config.replace(cls.defaults(spec), chosen, options.game), spec)


def plain_loop(options: argparse.Namespace, device: torch.device) -> Callable[[], None]:
    game, batch = made(options).to(device), options.batch
    c, noise = game.config, Noise(options.batch, options.size, device)
    g, d = plain(game.G), plain(game.D)  # type: ignore[arg-type]
    opts = [
        torch.optim.Adam(n.parameters(), lr=o.lr, betas=(o.beta1, o.beta2)) for n, o in ((g, c.opt_g), (d, c.opt_d))
    ]
    x, given = noise.x.contiguous(), [F.one_hot(noise.y, CLASSES).float()] if game.conditions else []  # type: ignore[attr-defined]

    def fakes() -> Tensor:
        return g(torch.randn(batch, game.prior.dim, device=device), *given)  # type: ignore[attr-defined]

    def step() -> None:
        for _ in range(c.d_steps):
            with torch.no_grad():
                fake = fakes()
            opts[1].zero_grad()
            adversarial.hinge_discriminator(d(x, *given), d(fake, *given)).backward()
            opts[1].step()
        opts[0].zero_grad()
        loss = adversarial.wasserstein_generator(d(fakes(), *given))
        if getattr(c, "ortho", 0.0):
            weights = [q for n, q in g.named_parameters() if q.dim() > 1 and not n.startswith("embed")]
            loss = loss + c.ortho * orthogonality(weights)
        loss.backward()
        opts[0].step()

    return step


def engine(options: argparse.Namespace, device: torch.device, precision: str, layout: str = "auto"):
    """The same game played by the engine, one round a call."""
    game = made(options)
    settings = Settings(batch=options.batch, kimg=1e9, precision=precision, memory_format=layout)  # type: ignore[arg-type]
    table = Session(settings, device)
    table.seat(game)
    rounds = play(game, Noise(options.batch, options.size, device), table)
    return lambda: next(rounds)


def timed(step: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def rounds(options: argparse.Namespace, device: torch.device) -> None:
    torch.manual_seed(rng.seed_of("benchmark") % 2**31)
    variants: dict[str, Callable[[], object]] = {
        "plain loop, fp32, NCHW": plain_loop(options, device),
        "engine, fp32": engine(options, device, "fp32"),
        "engine, bf16, NCHW": engine(options, device, "bf16", "nchw"),
        "engine, bf16": engine(options, device, "bf16"),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    for step in variants.values():
        step()
    for _ in range(options.rounds):
        for name, step in variants.items():
            times[name].append(timed(step, device))
    if device.type == "cpu" and memory.keep_pages():  # cannot be undone, so last: as `ganvas train` runs
        variants["engine, bf16"]()
        times["engine, bf16, pages kept"] = [timed(variants["engine, bf16"], device) for _ in range(options.rounds)]
    base = statistics.median(times["plain loop, fp32, NCHW"])
    seen = options.batch * made(options).config.d_steps
    where = f"{native_bf16(device) or 'no bf16 unit'}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{options.game}, {options.size}×{options.size}, batch {options.batch}; {where}\n")
    print("| variant | s a round | img/s | against the plain loop |\n|---|---:|---:|---:|")
    for name, seconds in times.items():
        t = statistics.median(seconds)
        print(f"| {name} | {t:.3f} | {seen / t:.1f} | {base / t:.2f}× |")


def peak(explicit: bool, options: argparse.Namespace) -> float:
    """MiB that a forward and a backward pass of attention take at their peak; asked in a fresh process."""
    device = torch.device(options.device)
    layer: nn.Module = SelfAttention(options.channels, True).to(device)
    layer = ExplicitAttention(layer) if explicit else layer  # type: ignore[arg-type]
    shape = (options.batch, options.channels, options.side, options.side)

    def passes(x: Tensor) -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            y = layer(x.to(memory_format=torch.channels_last).requires_grad_())
        y.float().sum().backward()

    passes(torch.randn(1, *shape[1:], device=device))
    x = torch.randn(shape, device=device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        passes(x)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    passes(x)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def attention(options: argparse.Namespace) -> None:
    print(f"{options.channels} channels, {options.side}×{options.side}, batch {options.batch}, bf16\n")
    print("| attention | MiB at the peak |\n|---|---:|")
    for explicit in (True, False):
        with get_context("spawn").Pool(1) as pool:
            print(f"| {'explicit softmax' if explicit else 'fused'} | {pool.apply(peak, (explicit, options)):.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--game", choices=("sngan", "biggan"), default="sngan")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=int, default=0, help="0 = the game's")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--attention", action="store_true", help="the memory of attention instead")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--channels", type=int, default=192)
    options = parser.parse_args()
    if options.attention:
        attention(options)
    else:
        rounds(options, torch.device(options.device))


if __name__ == "__main__":
    main()
