"""pix2pix and CycleGAN: images per second against a plain loop of the same networks, and how far bf16's gradients are.

    python benchmarks/translation_step.py [--game pix2pix] [--size 256] [--batch 1] [--rounds 3] [--device cpu]
    python benchmarks/translation_step.py --gradients [--game cyclegan] [--size 128]

The plain loop is what people write: fp32, NCHW, `F.instance_norm`, D on reals and on fakes one after the other,
identity and translation as passes of their own, Adam as PyTorch has it. Fakes are shared between the players, as in the
authors' code. Prints Markdown tables for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import itertools

import torch
import torch.nn.functional as F
from steps import PLAIN, Noise, Step, engine, made, medians, show, where
from torch import Tensor, nn

from ganvas import rng
from ganvas.engine import Session, Settings
from ganvas.game import Batch, DataSpec, Game
from ganvas.games.translation import Translation
from ganvas.networks.layers import BatchNorm, Dropout, InstanceNorm
from ganvas.optim import Optimizer


class PlainInstanceNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.instance_norm(x)


def plain(net: nn.Module) -> nn.Module:
    """The same network of PyTorch's own layers."""
    for name, m in net.named_children():
        if isinstance(m, InstanceNorm):
            setattr(net, name, PlainInstanceNorm())
        elif isinstance(m, BatchNorm):
            setattr(net, name, nn.BatchNorm2d(m.num_features))
        elif isinstance(m, Dropout):
            setattr(net, name, nn.Dropout(m.p) if m.p else nn.Identity())
        else:
            plain(m)
    return net


def adam(o: Optimizer, *nets: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(itertools.chain(*(n.parameters() for n in nets)), lr=o.lr, betas=(o.beta1, o.beta2))


def frozen(net: nn.Module, is_frozen: bool) -> None:
    net.requires_grad_(not is_frozen)


def pix2pix(game: Game, spec: DataSpec, device: torch.device) -> Step:
    g, d = plain(game.G), plain(game.D)  # type: ignore[arg-type]
    g_opt, d_opt = adam(game.config.opt_g, g), adam(game.config.opt_d, d)
    x = {k: v.contiguous() for k, v in Noise(spec, game.config.batch, device).parts.items()}
    a, b = x["a"], x["b"]
    bce = F.binary_cross_entropy_with_logits

    def step() -> None:
        fake = g(a)
        frozen(d, False)
        d_opt.zero_grad()
        on_fake, on_real = d(torch.cat([a, fake.detach()], 1)), d(torch.cat([a, b], 1))
        (0.5 * (bce(on_fake, torch.zeros_like(on_fake)) + bce(on_real, torch.ones_like(on_real)))).backward()
        d_opt.step()
        frozen(d, True)
        g_opt.zero_grad()
        on_fake = d(torch.cat([a, fake], 1))
        (bce(on_fake, torch.ones_like(on_fake)) + 100 * F.l1_loss(fake, b)).backward()
        g_opt.step()

    return step


def cyclegan(game: Game, spec: DataSpec, device: torch.device) -> Step:
    ab, ba = plain(game.G["ab"]), plain(game.G["ba"])  # type: ignore[index]
    d_a, d_b = plain(game.D["a"]), plain(game.D["b"])  # type: ignore[index]
    g_opt, d_opt = adam(game.config.opt_g, ab, ba), adam(game.config.opt_d, d_a, d_b)
    x = {k: v.contiguous() for k, v in Noise(spec, game.config.batch, device).parts.items()}
    a, b = x["a"], x["b"]

    def step() -> None:
        for d in (d_a, d_b):
            frozen(d, True)
        g_opt.zero_grad()
        fake_b, fake_a = ab(a), ba(b)
        identity = F.l1_loss(ba(a), a) + F.l1_loss(ab(b), b)
        cycle = F.l1_loss(ba(fake_b), a) + F.l1_loss(ab(fake_a), b)
        on_a, on_b = d_a(fake_a), d_b(fake_b)
        (((on_a - 1) ** 2).mean() + ((on_b - 1) ** 2).mean() + 10 * cycle + 5 * identity).backward()
        g_opt.step()
        d_opt.zero_grad()
        for d, real, fake in ((d_a, a, fake_a.detach()), (d_b, b, fake_b.detach())):
            frozen(d, False)
            (0.5 * (((d(real) - 1) ** 2).mean() + (d(fake) ** 2).mean())).backward()
        d_opt.step()

    return step


LOOPS = {"pix2pix": pix2pix, "cyclegan": cyclegan}


def gradients(options: argparse.Namespace, spec: DataSpec) -> None:
    """How far the engine's gradients of G in the first turn are from those of the same weights in fp32 NCHW."""
    found: dict[str, Tensor] = {}
    for precision, layout in (("fp32", "nchw"), ("fp32", "nhwc"), ("bf16", "nchw"), ("bf16", "nhwc")):
        torch.manual_seed(0)
        game = made(options.game, spec, options.batch, {})
        table = Session(
            Settings(batch=options.batch, precision=precision, memory_format=layout),  # type: ignore[arg-type]
            torch.device(options.device),
        )
        table.seat(game)
        batch = Batch(Noise(spec, options.batch, table.device).batch(0, 0, options.batch))
        (micro,) = table.split(batch, game.turns[0], 0)
        loss, _ = table.loss(game.turns[0], micro)
        assert isinstance(loss, Tensor)
        loss.backward()
        found[f"{precision}, {layout}"] = torch.cat([q.grad.flatten() for q in game.G.parameters()])  # type: ignore[union-attr]
    base = found["fp32, nchw"].double()
    print(f"{options.game}, {options.size}×{options.size}, batch {options.batch}: gradients of G against fp32, NCHW\n")
    print("| variant | relative error | cosine |\n|---|---:|---:|")
    for name, g in list(found.items())[1:]:
        far = float((g.double() - base).norm() / base.norm())
        print(f"| {name} | {far:.1e} | {float(F.cosine_similarity(g.double(), base, 0)):.5f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--game", choices=LOOPS, default="pix2pix")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--gradients", action="store_true", help="how far bf16's gradients are from fp32's instead")
    options = parser.parse_args()
    shape = (3, options.size, options.size)
    spec = DataSpec(shape, task="pairs" if options.game == "pix2pix" else "domains", given=shape)
    if options.gradients:
        gradients(options, spec)
        return
    device = torch.device(options.device)
    torch.manual_seed(rng.seed_of("benchmark") % 2**31)

    def fresh() -> Translation:
        return made(options.game, spec, options.batch, {}).to(device)  # type: ignore[return-value]

    variants: dict[str, Step] = {
        PLAIN: LOOPS[options.game](fresh(), spec, device),
        "engine, fp32, NCHW": engine(fresh(), spec, device, "fp32", "nchw"),
        "engine, bf16, NCHW": engine(fresh(), spec, device, "bf16", "nchw"),
        "engine, bf16, NHWC": engine(fresh(), spec, device, "bf16", "nhwc"),
    }
    kept = tuple(variants)[2:]
    print(f"{options.game}, {options.size}×{options.size}, batch {options.batch}; {where(device)}\n")
    show(medians(variants, options.rounds, device, kept), options.batch)


if __name__ == "__main__":
    main()
