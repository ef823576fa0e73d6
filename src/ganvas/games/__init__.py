"""The systems, one file each. Read in the order of their years they are a course on generative adversarial networks.

The table below is all that `ganvas games` needs, so that it answers without importing PyTorch. A system of your own
joins it with `register`; see `docs/extending.md`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganvas.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ganvas.game import Game


@dataclass(frozen=True)
class Card:
    """What a system is, in a line, and where it lives (`module:Class`)."""

    name: str
    year: int
    line: str
    task: str
    paper: str
    where: str


_TABLE = (
    Card("gan", 2014, "the original: two networks, one minimax game", "images",
         "Goodfellow et al., Generative Adversarial Nets (arXiv:1406.2661)", "ganvas.games.gan:GAN"),
    Card("cgan", 2014, "both players are told a condition: a class, attributes, or both", "images",
         "Mirza, Osindero, Conditional Generative Adversarial Nets (arXiv:1411.1784)", "ganvas.games.cgan:CGAN"),
    Card("dcgan", 2015, "all-convolutional networks with BatchNorm: the first that trained stably", "images",
         "Radford, Metz, Chintala, Unsupervised Representation Learning with DCGANs (arXiv:1511.06434)",
         "ganvas.games.dcgan:DCGAN"),
    Card("lsgan", 2016, "least squares instead of cross-entropy: gradients that do not vanish", "images",
         "Mao et al., Least Squares Generative Adversarial Networks (arXiv:1611.04076)", "ganvas.games.lsgan:LSGAN"),
    Card("ebgan", 2016, "the discriminator is an autoencoder, and its energy the error it makes", "images",
         "Zhao, Mathieu, LeCun, Energy-based Generative Adversarial Network (arXiv:1609.03126)",
         "ganvas.games.ebgan:EBGAN"),
    Card("f-gan", 2016, "the game for any f-divergence: KL either way, Pearson, Hellinger, Jensen-Shannon", "images",
         "Nowozin, Cseke, Tomioka, f-GAN: Training Generative Neural Samplers (arXiv:1606.00709)",
         "ganvas.games.f_gan:FGAN"),
    Card("infogan", 2016, "codes that the samples must tell: classes and factors found without labels", "images",
         "Chen et al., InfoGAN: Interpretable Representation Learning (arXiv:1606.03657)",
         "ganvas.games.infogan:InfoGAN"),
    Card("acgan", 2016, "the discriminator also names the class, which the generator is asked for", "images",
         "Odena, Olah, Shlens, Conditional Image Synthesis with Auxiliary Classifier GANs (arXiv:1610.09585)",
         "ganvas.games.acgan:ACGAN"),
    Card("ssgan", 2016, "learns to classify from few labels and many pictures without", "images",
         "Salimans et al., Improved Techniques for Training GANs (arXiv:1606.03498)", "ganvas.games.ssgan:SSGAN"),
    Card("wgan", 2017, "a critic, clipped to be Lipschitz, estimates the earth mover's distance", "images",
         "Arjovsky, Chintala, Bottou, Wasserstein GAN (arXiv:1701.07875)", "ganvas.games.wgan:WGAN"),
    Card("wgan-gp", 2017, "the Wasserstein critic with a gradient penalty instead of clipping", "images",
         "Gulrajani et al., Improved Training of Wasserstein GANs (arXiv:1704.00028)", "ganvas.games.wgan_gp:WGANGP"),
    Card("pix2pix", 2017, "a U-Net translates images, a PatchGAN judges input and output together", "pairs",
         "Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (arXiv:1611.07004)",
         "ganvas.games.pix2pix:Pix2Pix"),
    Card("cyclegan", 2017, "two translators, there and back: domains without pairs", "domains",
         "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks"
         " (arXiv:1703.10593)", "ganvas.games.cyclegan:CycleGAN"),
    Card("began", 2017, "an autoencoder against a decoder, balanced by a controller; latents are descriptors", "images",
         "Berthelot, Schumm, Metz, BEGAN: Boundary Equilibrium GAN (arXiv:1703.10717)", "ganvas.games.began:BEGAN"),
    Card("progan", 2018, "both networks grow from 4×4 up, layers faded in; equalised learning rate", "images",
         "Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and Variation"
         " (arXiv:1710.10196)", "ganvas.games.progan:ProGAN"),
    Card("sngan", 2018, "weights divided by their largest singular value bound the critic; projection, attention",
         "images", "Miyato et al., Spectral Normalization for GANs (arXiv:1802.05957)", "ganvas.games.sngan:SNGAN"),
    Card("biggan", 2018, "large, class-conditional, latents at every block; truncation trades variety for fidelity",
         "images",
         "Brock et al., Large Scale GAN Training for High Fidelity Natural Image Synthesis (arXiv:1809.11096)",
         "ganvas.games.biggan:BigGAN"),
    Card("stylegan", 2019, "a mapping network's styles steer every layer; noise, mixing; grows as progan", "images",
         "Karras, Laine, Aila, A Style-Based Generator Architecture for GANs (arXiv:1812.04948)",
         "ganvas.games.stylegan:StyleGAN"),
    Card("cut", 2020, "one translator, no way back: each patch must resemble the one it was made of", "domains",
         "Park et al., Contrastive Learning for Unpaired Image-to-Image Translation (arXiv:2007.15651)",
         "ganvas.games.cut:CUT"),
    Card("stylegan2", 2020, "styles modulate the generator's convolutions; R1 and path lengths as lazy turns", "images",
         "Karras et al., Analyzing and Improving the Image Quality of StyleGAN (arXiv:1912.04958)",
         "ganvas.games.stylegan2:StyleGAN2"),
    Card("r3gan", 2024, "real and fake judged in pairs, R1 and R2, residual networks without normalisation", "images",
         "Huang et al., The GAN is dead; long live the GAN! A Modern GAN Baseline (arXiv:2501.05441)",
         "ganvas.games.r3gan:R3GAN"),
)  # fmt: skip

_cards: dict[str, Card] = {card.name: card for card in _TABLE}
_registered: dict[str, type[Game]] = {}


def cards() -> list[Card]:
    """Every known system, in the order of the years."""
    return sorted(_cards.values(), key=lambda c: c.year)


def names() -> list[str]:
    return [c.name for c in cards()]


def card(name: str) -> Card:
    """The card of a system; an unknown name is answered with the nearest ones."""
    if name not in _cards:
        raise UserError(
            f"There is no game {name!r}.{did_you_mean(name, _cards)} `ganvas games` lists all {len(_cards)}."
        )
    return _cards[name]


def find(name: str) -> type[Game]:
    """The class of a system, imported when it is first asked for."""
    found = card(name)
    if name not in _registered:
        module, _, attribute = found.where.partition(":")
        cls = getattr(importlib.import_module(module), attribute)
        cls.name = name
        _registered[name] = cls
    return _registered[name]


def able(method: str) -> list[str]:
    """The names of all systems whose classes have such a method, as `synthesize` those that have styles."""
    return [name for name in names() if hasattr(find(name), method)]


def register(name: str, *, year: int, line: str, task: str = "images", paper: str = ""):
    """A class decorator that adds a system of your own to the table, so that every command and every law knows it."""

    def add(cls: type[Game]) -> type[Game]:
        where = f"{cls.__module__}:{cls.__qualname__}"
        if name in _cards and _cards[name].where != where:
            raise UserError(
                f"register({name!r}): there is already a game of that name ({_cards[name].where}); choose another."
            )
        _cards[name] = Card(name, year, line, task, paper, where)
        cls.name = name
        _registered[name] = cls
        return cls

    return add
