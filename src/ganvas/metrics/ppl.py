"""Perceptual path length: how far samples move when their latent moves a little (Karras et al. 2019).

    l = E[ d(G(p(t)), G(p(t + ε))) / ε² ]

for paths p between latents drawn from the prior (arXiv:1812.04948, Eqs. 2 and 3), where d is quadratic in small
changes: LPIPS, or the squared Euclidean distance of features. A generator in which things vanish and come back along
the way scores high. Paths lead through space z, along great circles, or through the styles w, along straight lines; t
is uniform on [0, 1) ("full") or 0 ("end").

ε is small, and samples are in single precision: of a convolutional generator and the features of a classifier, rounding
changes a distance by 2e-3 and their mean by 3e-4 (measured against double precision), far below the standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError
from ganvas.metrics.base import Evidence, Features, Metric, Terms, is_labelled
from ganvas.rng import generator, seed_of

if TYPE_CHECKING:
    from torch import Tensor

    from ganvas.game import Samples

PUBLISHED = 50_000
"""Pairs of samples in the papers."""
PAIRS = 2_000
"""Pairs where nobody asks for a number: their mean is known to a few per cent."""
EPSILON = 1e-4
_BLOCK = 32  # pairs that are generated at once
_WIDEST = 256  # larger images are box-averaged, for LPIPS was learnt on 224

Space = Literal["z", "w"]
Sampling = Literal["full", "end"]


def path_lengths(
    game: Samples,
    distance: Callable[[Tensor, Tensor], Tensor],
    pairs: int,
    *,
    space: Space = "z",
    sampling: Sampling = "full",
    labels: np.ndarray | None = None,
    epsilon: float = EPSILON,
    seed: int = 0,
) -> np.ndarray:
    """d / ε² of each pair, float64 [pairs]; a pair depends on the seed and its index alone.

    Latents of z follow `ganvas.latent.paths.slerp`, of normal and of uniform priors (White 2016). The published code
    normalises latents first, as its networks do; this keeps their lengths, so that the samples of networks which do not
    normalise are such as the prior gives, and those of networks which do are the same.

    Args:
        game: in evaluation mode; for space "w" and for noise that is the same in both of a pair it has `Styles`.
        distance: of two batches of samples, [n, *shape] in [-1, 1] as generated, to [n].
        labels: int64 [pairs], the classes asked for, one for both of a pair.

    Raises:
        UserError: the distances are not finite.
    """
    import torch

    from ganvas.game import Styles
    from ganvas.latent.paths import lerp, slerp

    device = getattr(game, "device", torch.device("cpu"))
    z = game.prior.seeded(2 * pairs, seed_of("ppl", seed), device)
    t = torch.zeros(pairs, dtype=torch.float64)
    if sampling == "full":
        t = torch.rand(pairs, generator=generator("ppl", "t", seed), dtype=torch.float64)
    found = []
    for start in range(0, pairs, _BLOCK):
        here = slice(start, min(start + _BLOCK, pairs))
        y = None if labels is None else torch.from_numpy(labels[here]).to(device)
        a, b = z[2 * here.start : 2 * here.stop : 2], z[2 * here.start + 1 : 2 * here.stop : 2]
        places = (t[here].to(device), t[here].to(device) + epsilon)
        with torch.no_grad():
            if space == "w":
                assert isinstance(game, Styles)
                a, b = game.w(a, y), game.w(b, y)
                one, other = (game.synthesize(_on_path(lerp, a, b, at)) for at in places)
            elif isinstance(game, Styles):
                one, other = (game.synthesize(game.w(_on_path(slerp, a, b, at), y)) for at in places)
            else:
                one, other = (game.generate(_on_path(slerp, a, b, at), *([] if y is None else [y])) for at in places)
            found.append(distance(one, other).double().cpu().numpy() / epsilon**2)
    lengths = np.concatenate(found)
    if not np.isfinite(lengths).all():
        raise UserError(
            "the run generates values that are not finite, so there is nothing to measure; give an earlier checkpoint."
        )
    return lengths


def _on_path(path: Callable[[Tensor, Tensor, Tensor], Tensor], a: Tensor, b: Tensor, at: Tensor) -> Tensor:
    """In double precision, for a step is small."""
    return path(a.double(), b.double(), at).to(a.dtype)


def within_percentiles(lengths: np.ndarray) -> np.ndarray:
    """Those from the 1st to the 99th percentile, as published: percentiles are themselves members."""
    low, high = np.percentile(lengths, 1, method="lower"), np.percentile(lengths, 99, method="higher")
    return lengths[(low <= lengths) & (lengths <= high)]


def of_features(extractor: Features) -> Callable[[Tensor, Tensor], Tensor]:
    """The squared Euclidean distance [n] of the features of two batches."""

    def distance(one: Tensor, other: Tensor) -> Tensor:
        return (extractor.of_floats(one).double() - extractor.of_floats(other).double()).square().sum(1)

    return distance


def of_perception(perceptual: str) -> tuple[Callable[[Tensor, Tensor], Tensor], dict[str, str]]:
    """LPIPS [n] of two batches of images with these weights, and what a record says of it."""
    from torch.nn.functional import avg_pool2d

    from ganvas.metrics.lpips import parse

    measure = parse(perceptual)

    def seen(x: Tensor) -> Tensor:
        factor = x.shape[-1] // _WIDEST
        x = avg_pool2d(x, factor) if factor > 1 else x
        return x if x.shape[1] == 3 else x.expand(-1, 3, -1, -1)

    return lambda one, other: measure(seen(one), seen(other)), {"distance": measure.name, "weights": measure.weights}


class PPL(Metric):
    """Perceptual path length; of games with `Styles` as StyleGAN2 reports it, at the ends of paths in w, and of others
    between any two points of paths in z.

    The record says which "space" and "sampling", the "path", the "distance", "epsilon", and of how many "pairs";
    "standard_error" is that of the mean. Real samples have no latents, so there is no floor.
    """

    name = "ppl"
    needs = frozenset({"vectors"})  # the extractor, that is: it looks at no part
    looks_at = frozenset()
    has_floor = False
    path: ClassVar[tuple[Space, Sampling] | None] = None

    @classmethod
    def check_subject(cls, subject: Samples | Dataset, extractor: Features | None) -> None:
        from ganvas.game import Styles

        if isinstance(subject, Dataset):
            raise UserError(
                f"{subject.name} is a set of samples, and the metric {cls.name} moves the latents that samples are "
                "made from; leave it out, or give a run."
            )
        if not hasattr(subject, "prior"):
            raise UserError(
                f"{getattr(subject, 'name', 'this game')} has no prior that latents are drawn from, so there are no "
                f"paths for the metric {cls.name}; leave it out."
            )
        if cls.path and cls.path[0] == "w" and not isinstance(subject, Styles):
            raise UserError(
                f"{getattr(subject, 'name', '') or type(subject).__name__} has no styles w, in which the metric "
                f"{cls.name} moves; give {cls.name.replace('-w-', '-z-')}."
            )
        if extractor is not None and type(extractor).of_floats is Features.of_floats:
            import torch

            extractor.of_floats(torch.empty(0))  # says why not

    def __init__(self, data: Dataset, terms: Terms):
        if terms.perceptual:
            if data.world is not None:
                raise UserError(f"LPIPS compares images, and {data.name} holds points; leave --perceptual out.")
            self.needs = frozenset()

    def result(self, evidence: Evidence) -> dict[str, Any]:
        from ganvas.game import Styles

        assert not isinstance(evidence.subject, Dataset)
        space, sampling = self.path or (("w", "end") if isinstance(evidence.subject, Styles) else ("z", "full"))
        return evidence.once(("ppl", space, sampling), lambda: _measured(evidence, space, sampling))


def _measured(evidence: Evidence, space: Space, sampling: Sampling) -> dict[str, Any]:
    terms, game = evidence.terms, evidence.subject
    assert not isinstance(game, Dataset)
    if terms.perceptual:
        distance, about = evidence.once("lpips", lambda: of_perception(terms.perceptual))
    else:
        assert evidence.extractor is not None
        distance, about = of_features(evidence.extractor), {"distance": f"squared Euclidean, {evidence.extractor.name}"}
    pairs = min(terms.n or PAIRS, PUBLISHED)
    labels = _labels(game, evidence.data, pairs, terms.seed)
    kept = within_percentiles(
        path_lengths(game, distance, pairs, space=space, sampling=sampling, labels=labels, seed=terms.seed)
    )
    found = {
        "value": float(kept.mean()),
        "standard_error": float(kept.std() / np.sqrt(len(kept))),
        "space": space,
        "sampling": sampling,
        "path": "lerp" if space == "w" else "slerp",
        "epsilon": EPSILON,
        "pairs": pairs,
        **about,
    }
    return found | ({"note": f"of {pairs:,} pairs; the papers have {PUBLISHED:,}."} if pairs < PUBLISHED else {})


def _labels(game: Samples, data: Dataset, pairs: int, seed: int) -> np.ndarray | None:
    """Classes as often as they are among the real samples; None of a game that knows none."""
    from ganvas.game import Conditional

    if not isinstance(game, Conditional) or not game.conditions:
        return None
    rng = np.random.default_rng(seed_of("ppl", "labels", seed))
    if data.labels is not None and is_labelled(data) and len(data.label_names) == game.conditions:
        return rng.choice(data.labels[known(data.labels)], pairs)
    return rng.integers(game.conditions, size=pairs)


class PPLZFull(PPL):
    """Between any two points of paths in z."""

    name = "ppl-z-full"
    path = ("z", "full")


class PPLZEnd(PPL):
    """At the ends of paths in z."""

    name = "ppl-z-end"
    path = ("z", "end")


class PPLWFull(PPL):
    """Between any two points of paths in the style space."""

    name = "ppl-w-full"
    path = ("w", "full")


class PPLWEnd(PPL):
    """At the ends of paths in the style space."""

    name = "ppl-w-end"
    path = ("w", "end")
