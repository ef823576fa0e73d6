"""How good samples and translations are: each metric beside what real ones score, on features that are named.

The table below is all that the command line and the report need, so that they answer without importing PyTorch.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ganvas.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ganvas.metrics.base import Metric
    from ganvas.metrics.evaluation import default_metrics, evaluate, find_metrics

__all__ = ["CARDS", "SAMPLING", "TRANSLATING", "Card", "default_metrics", "evaluate", "find_metrics", "metric"]


@dataclass(frozen=True)
class Card:
    """What a metric is, in a line, and where it lives (`module:Class`; "" of those in `translation.py`)."""

    name: str
    title: str
    line: str
    where: str
    higher_is_better: bool = False
    of: Literal["samples", "translations", "both"] = "samples"
    on_features: bool = True
    """Whether its figure depends on the features of an evaluation."""


_TABLE = (
    Card("fid", "FID", "Fréchet distance on Inception's features, as published", "frechet:Frechet", of="both"),
    Card("fd", "Fréchet distance", "the same on any features, which are named", "frechet:Frechet", of="both"),
    Card("intra-fid", "intra-FID", "FID within each class, and their mean", "intra:IntraFrechet"),
    Card("intra-fd", "Fréchet distance within classes", "the same on any features, which are named",
         "intra:IntraFrechet"),
    Card("kid", "KID", "kernel distance of features, unbiased by the number of samples", "kernel:Kernel",
         of="both"),
    Card("is", "Inception score", "classes told apart surely, and all of them made", "inception_score:InceptionScore",
         True),
    Card("precision", "precision", "share of samples that lie among the real ones", "manifold:Precision", True),
    Card("recall", "recall", "share of real samples that lie among the generated ones", "manifold:Recall", True),
    Card("density", "density", "precision that outliers do not inflate", "manifold:Density", True),
    Card("coverage", "coverage", "share of real samples with a generated one near by", "manifold:Coverage", True),
    Card("swd", "sliced Wasserstein distance", "texture at every scale, of pixels", "sliced:SlicedWasserstein",
         of="both"),
    Card("emd", "earth mover's distance", "exact optimal transport of at most 2,000 samples", "transport:EarthMover"),
    Card("classes", "classes found", "classes of a labelled set that are made", "classes:Classes", True),
    Card("modes", "modes covered", "modes of a 2-D world that are made", "modes:Modes", True),
    Card("ms-ssim", "MS-SSIM of pairs", "how alike two samples are: diversity where it is low", "msssim:MSSSIM"),
    Card("neighbours", "copies of training images", "samples suspiciously near to a training image",
         "neighbours:Neighbours"),
    Card("cas", "classification accuracy score", "what a classifier learns from generated samples", "cas:CAS", True),
    Card("label-accuracy", "accuracy of labels", "samples that are of the class that was asked for",
         "label_accuracy:LabelAccuracy", True),
    Card("accuracy", "accuracy on real images", "real images that the game itself classifies right",
         "accuracy:Accuracy", True),
    Card("ppl", "perceptual path length", "how smoothly samples change with the latent", "ppl:PPL"),
    Card("ppl-z-full", "PPL in z, whole paths", "the same between any two points of a path in z", "ppl:PPLZFull"),
    Card("ppl-z-end", "PPL in z, ends", "the same at the ends of paths in z", "ppl:PPLZEnd"),
    Card("ppl-w-full", "PPL in w, whole paths", "the same in the style space", "ppl:PPLWFull"),
    Card("ppl-w-end", "PPL in w, ends", "the same at the ends of paths in the style space", "ppl:PPLWEnd"),
    Card("l1", "L1 to the target", "mean distance of pixels, of images in [-1, 1]", "", False, "translations", False),
    Card("psnr", "PSNR", "peak signal-to-noise ratio to the target, in dB", "", True, "translations", False),
    Card("ssim", "SSIM", "structural similarity to the target", "", True, "translations", False),
    Card("lpips", "LPIPS", "perceptual distance to the target (--perceptual), else feature-distance", "", False,
         "translations", False),
    Card("feature-distance", "distance of features", "squared, to the features of the target", "", of="translations"),
    Card("cycle", "cycle error", "mean distance of pixels after the way there and back", "", False, "translations",
         False),
)  # fmt: skip

WAY_BACK = "-ba"
"""What the names of metrics end with that judge translations from B to A."""

TRANSLATING: dict[str, Card] = {card.name: card for card in _TABLE if card.of != "samples"}
"""The metrics of games that translate, of the way from A to B."""

SAMPLING: dict[str, Card] = {card.name: card for card in _TABLE if card.of != "translations"}
"""The metrics of games that sample, and of sets, in the order in which they are shown."""

BESIDE = {"floor": "real against real", "copy": "copying the input"}
"""What a value stands beside, where a result has it."""

CARDS: dict[str, Card] = {card.name: card for card in _TABLE} | {
    name + WAY_BACK: replace(card, name=name + WAY_BACK, title=f"{card.title}, B to A", of="translations")
    for name, card in TRANSLATING.items()
}
"""Every metric, in the order in which they are shown."""


def metric(name: str) -> type[Metric]:
    """The metric of that name.

    Raises:
        UserError: there is none, and it names the nearest; or it judges translations, not samples.
    """
    if name not in CARDS:
        known = [*SAMPLING, "all"]
        raise UserError(f"there is no metric {name!r}; there are {', '.join(known)}.{did_you_mean(name, known)}")
    if name not in SAMPLING:
        raise UserError(
            f"the metric {name} judges translations, which only games such as pix2pix and cyclegan make; leave it out, "
            "or give a run of one."
        )
    module, _, cls = CARDS[name].where.partition(":")
    return getattr(importlib.import_module(f"ganvas.metrics.{module}"), cls)


def __getattr__(name: str) -> Any:
    if name in ("default_metrics", "evaluate", "find_metrics"):
        from ganvas.metrics import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
