"""What a metric and an extractor of features are. A new one is a class in a file here, and a line in a registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_type_hints

import numpy as np

from ganvas.config import coerce
from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError, demand_settings

if TYPE_CHECKING:
    from torch import Tensor

    from ganvas.game import Samples
    from ganvas.metrics.moments import Moments

T = TypeVar("T")

Part = Literal["reference", "floor", "rest", "generated"]
"""The samples of an evaluation: disjoint parts of the real ones, and the ones that are judged.

A distance's value is that of `generated` to `reference`; its floor is that of `floor`, as many real samples, to the
same `reference`. So a perfect generator scores the floor, whatever the bias of so many samples is. `rest` is what is
left of the real ones, for who must see them all.
"""

Need = Literal["moments", "vectors", "logits", "samples"]
"""What a metric asks of a part: mean and covariance of its features, the features themselves, the class logits of the
extractor, or the samples as they are stored, which come block by block to `Metric.see`."""


def is_labelled(data: Dataset) -> bool:
    """Whether the set tells two classes or more apart."""
    return data.labels is not None and len(np.unique(data.labels[known(data.labels)])) >= 2


@dataclass(frozen=True)
class Extracted:
    """What an extractor finds in a block of samples."""

    vectors: np.ndarray
    """float32 [n, dimensions]."""
    logits: np.ndarray | None = None
    """float32 [n, classes], whose softmax is the probability of each class; None where it knows no classes."""


class Features(ABC):
    """Turns samples as they are stored into vectors whose statistics are compared."""

    name: str
    """What a record says they are: numbers on different features are not comparable."""
    dimensions: int
    classes: int = 0
    """How many logits it gives; 0 where it knows no classes."""
    resizing: str = ""
    """What happens to images first; "" where they stay as they are."""
    weights: str = ""
    """The hash of the weights, as in "sha256:6726825d…"; "" where there are none."""
    is_inception: bool = False
    """Whether these are Inception's features with the published weights, on which alone a Fréchet distance is a FID."""
    photographs: bool = False
    """Whether they were learnt from photographs, and so judge drawings, digits and scans badly."""
    key: str = ""
    """All that the vectors depend on besides the samples, for the cache; "" where they must not be kept."""

    @abstractmethod
    def __call__(self, samples: np.ndarray) -> Extracted:
        """Features of images, uint8 [n, height, width, channels], or of points, float32 [n, 2]."""

    def of_floats(self, x: Tensor) -> Tensor:
        """The same [n, dimensions] of images [n, C, H, W] in [-1, 1], not rounded to bytes, or of points [n, 2].

        Raises:
            UserError: these features cannot tell samples apart that differ by less than a byte.
        """
        raise UserError(
            f"{self.name} takes images as bytes, so it sees no steps as small as ppl takes; give --perceptual, or "
            "--features classifier or pixels."
        )


@dataclass(frozen=True)
class Block:
    """Some samples of a part, as a file would hold them."""

    samples: np.ndarray
    """uint8 [n, height, width, channels] of images, float32 [n, 2] of points."""
    labels: np.ndarray | None = None
    """int64 [n], indices into the real set's label names: of real samples their own, of generated ones those that were
    asked for, -1 where a class is not known; None where there are none."""

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class Terms:
    """What an evaluation depends on besides the samples and the metrics: `ganvas evaluate` has a flag for each."""

    features: str = "auto"
    """On what distances are measured: inception, classifier (trained on the labelled set), pixels, points, dinov2,
    clip, the path of Inception's weights (.pth) or of a network of yours (.onnx), module:function, or auto."""
    resizing: Literal["legacy", "clean"] = "legacy"
    """How images reach Inception: as in the network of 2015 (legacy), or antialiased (clean, Parmar et al. 2022)."""
    n: int | None = None
    """How many samples are judged; the default is as many as half the real ones, and at most 10 thousand."""
    seed: int = 0
    """Of the samples that a run draws."""
    truncation: float = 1.0
    """Of the samples that a run draws: from 0 (the mean) to 1 (full variety)."""
    reference: Literal["half", "all"] = "half"
    """Real samples that are compared with: half, so that the floor is measured alike; or all, as published FIDs do."""
    extrapolate: bool = False
    """Also extrapolate fd to infinitely many samples (Chong and Forsyth 2020)."""
    bootstrap: int = 0
    """Draw so many bootstrap samples for a 95 % interval of fd; 100 are enough."""
    perceptual: str = ""
    """For ppl and lpips: LPIPS with the published weights, as VGG16.pth,LINEAR.pth; else the distance of features."""
    figures: Path | None = None
    """A folder for the figures that metrics draw (neighbours)."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Terms).items():
            if name != "figures":
                object.__setattr__(self, name, coerce(getattr(self, name), hint, name, "evaluate"))
        if self.figures is not None:
            object.__setattr__(self, "figures", Path(self.figures))
        if self.n is not None and self.n < 2:
            raise UserError(f"n = {self.n} is out of range; give at least 2 samples to judge.")
        if self.seed < 0:
            raise UserError(f"seed = {self.seed} is out of range; give a number of at least 0.")
        if not 0 <= self.truncation <= 1:
            raise UserError(
                f"truncation = {self.truncation:g} is out of range; give a number from 0 (the mean) to 1 (all)."
            )
        if self.bootstrap < 0 or self.bootstrap == 1:
            raise UserError(
                f"bootstrap = {self.bootstrap} is out of range; give 0 for no interval, or 100 samples of it."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Terms:
        """The terms of these names.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        demand_settings("evaluate", values, ("metrics", *cls.__dataclass_fields__))
        return cls(**values)


@dataclass
class Evidence:
    """What the metrics may look at when every sample has been seen once."""

    data: Dataset
    """The real samples, all of them."""
    subject: Samples | Dataset
    """What is judged: a game that samples, in evaluation mode, or a set."""
    extractor: Features | None
    terms: Terms
    n: int
    """How many samples are judged."""
    moments: dict[Part, Moments] = field(default_factory=dict)
    """Of the features of a part, where some metric asks for moments."""
    vectors: dict[Part, np.ndarray] = field(default_factory=dict)
    """float32 [n, d]: the features of a part in the order of `rows`, where some metric asks for vectors."""
    logits: dict[Part, np.ndarray] = field(default_factory=dict)
    """float32 [n, classes], in the same order, where some metric asks for logits."""
    labels: dict[Part, np.ndarray] = field(default_factory=dict)
    """int64 [n], in the same order, as in `Block`, of the parts that have labels."""
    rows: Mapping[Part, np.ndarray] = field(default_factory=dict)
    """int64 [n], ascending: which samples of `data` a part consists of ("generated": of a subject that is a set)."""
    generate: Callable[[np.ndarray], np.ndarray] = lambda rows: np.empty(0)
    """The generated samples of these rows (ascending indices below `n`) once more, as stored, for figures."""
    _memo: dict[object, Any] = field(default_factory=dict)

    def judged(self) -> list[tuple[str, Part]]:
        """What a figure is taken of, and what it is called in a result: the value, and the floor where there is one."""
        found: list[tuple[str, Part]] = [("value", "generated")]
        return [*found, ("floor", "floor")] if "floor" in self.rows else found

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """What `compute` gives, computed once for all the metrics that share it."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]


class Metric(ABC):
    """One figure about generated samples, beside what real samples score."""

    name: ClassVar[str]
    needs: frozenset[Need] = frozenset()
    looks_at: ClassVar[frozenset[Part]] = frozenset({"generated"})
    has_floor: ClassVar[bool] = True
    """Whether its figure can be taken of real samples, too."""

    @property
    def uses_features(self) -> bool:
        """Whether it needs an extractor."""
        return bool(self.needs - {"samples"})

    @classmethod  # noqa: B027 - most data allow most metrics
    def check(cls, data: Dataset) -> None:
        """Raises a `UserError` where real samples such as these do not allow this metric."""

    @classmethod  # noqa: B027
    def check_subject(cls, subject: Samples | Dataset, extractor: Features | None) -> None:
        """Raises a `UserError` where what is judged, or what features are judged on, does not allow this metric."""

    @classmethod  # noqa: B027
    def check_against(cls, subject: Samples | Dataset, data: Dataset) -> None:
        """Raises a `UserError` where what is judged does not fit these real samples."""

    def __init__(self, data: Dataset, terms: Terms):  # noqa: B027
        """For data that `check` has passed."""

    def see(self, part: Part, block: Block) -> None:  # noqa: B027
        """The next block of a part that it looks at; called only of a metric that needs "samples"."""

    @abstractmethod
    def result(self, evidence: Evidence) -> dict[str, Any]:
        """{"value": figure, ...} in plain numbers, fit for JSON.

        "floor" is the same figure of the part floor, where the evidence has that part; "of" the most that the value can
        be, "std" a spread, "note" a sentence.
        """
