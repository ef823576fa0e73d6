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
from multiprocessing import get_context

import torch
import torch.nn.functional as F
from steps import PLAIN, Noise, Step, engine, made, medians, show, where
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganvas import rng
from ganvas.game import DataSpec, Game
from ganvas.losses import adversarial
from ganvas.losses.penalties import orthogonality
from ganvas.networks.attention import SelfAttention
from ganvas.networks.spectral import Conv, Linear
from ganvas.networks.updown import DownConv, UpConv

CLASSES = 10


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


def spec_of(options: argparse.Namespace) -> DataSpec:
    return DataSpec((3, options.size, options.size), CLASSES)


def fresh(options: argparse.Namespace) -> Game:
    return made(options.game, spec_of(options), options.batch, {"width": options.width} if options.width else {})


def plain_loop(options: argparse.Namespace, device: torch.device) -> Step:
    game, batch = fresh(options).to(device), options.batch
    c, noise = game.config, Noise(spec_of(options), options.batch, device).parts
    g, d = plain(game.G), plain(game.D)  # type: ignore[arg-type]
    opts = [
        torch.optim.Adam(n.parameters(), lr=o.lr, betas=(o.beta1, o.beta2)) for n, o in ((g, c.opt_g), (d, c.opt_d))
    ]
    x, given = noise["x"].contiguous(), [F.one_hot(noise["y"], CLASSES).float()] if game.conditions else []  # type: ignore[attr-defined]

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


def rounds(options: argparse.Namespace, device: torch.device) -> None:
    torch.manual_seed(rng.seed_of("benchmark") % 2**31)
    spec = spec_of(options)
    variants: dict[str, Step] = {
        PLAIN: plain_loop(options, device),
        "engine, fp32": engine(fresh(options), spec, device, "fp32"),
        "engine, bf16, NCHW": engine(fresh(options), spec, device, "bf16", "nchw"),
        "engine, bf16": engine(fresh(options), spec, device, "bf16"),
    }
    seconds = medians(variants, options.rounds, device, ("engine, bf16",))
    print(f"{options.game}, {options.size}×{options.size}, batch {options.batch}; {where(device)}\n")
    show(seconds, options.batch * fresh(options).config.d_steps)


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
