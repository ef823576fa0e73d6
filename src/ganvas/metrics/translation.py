"""How good translations are, beside what copying the input scores.

Where it is known what an image should become, as of pairs, its translation is held against that. Of any data the
translations are held, as a set, against real images of their domain, which are split as for samples: one half is the
reference, the other gives the floor. Of pairs it is the inputs of that other half that are translated, so that a
perfect translation scores the floor to the bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas import processes
from ganvas.data import Dataset
from ganvas.data.arrays import Pixels
from ganvas.errors import UserError
from ganvas.metrics import evaluation, likeness
from ganvas.metrics.base import Terms
from ganvas.metrics.features import as_network_input, find_features
from ganvas.metrics.samples import halves
from ganvas.metrics.translated import Chosen, Way, ways
from ganvas.metrics.translations_asked import AS_SETS, CYCLE, TO_TARGET, Asked, asked, named, with_features
from ganvas.precision import device_for

if TYPE_CHECKING:
    import torch

    from ganvas.game import Translates

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""float64 [n] of images uint8 [n, H, W, C] and as many others."""

Result = tuple[str, dict[str, Any]]
"""What a metric is called in the record, and what it found."""
Told = dict[str, dict[str, Any]]
"""What the parts of an evaluation say of features, counts, notes and warnings."""

_AT_ONCE = 2**21  # values of the images that are compared at a time
_OF_PIXELS: dict[str, Distance] = {"l1": likeness.l1, "psnr": likeness.psnr, "ssim": likeness.ssim}
_LPIPS = (
    "LPIPS means its published weights (--perceptual VGG16.pth,LINEAR.pth): feature-distance is the squared distance "
    "of the features named here, and is not comparable with LPIPS."
)


def evaluate(
    game: Translates,
    data: Dataset,
    *,
    metrics: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    **terms: Any,
) -> dict[str, Any]:
    """How good the translations of a game are; made with its own settings for dropout and statistics at test.

    Many processes (torchrun) share the work and give the same record, on each of them.

    Args:
        game: in evaluation mode.
        data: pairs, or two domains, of any size and channels.
        metrics: names of `ganvas.metrics.TRANSLATING`, or with -ba of the way from B to A; "all" is every one that
            applies; None takes what the data allow (`translations_asked.DEFAULT`).
        device: where features are computed.
        **terms: the fields of `ganvas.metrics.base.Terms`; `n` pairs, or images of each domain, are judged (1,000
            unless told, and all where there are fewer), with the dropout of `seed`.

    Returns:
        A record as that of `ganvas.metrics.evaluate`: "metrics" {name: {"value", "copy", "floor", ...}}, where "copy"
        is the value of the inputs themselves, grey or in colours as the translations are, and "floor" that of real
        images; "directions" of the game; "test_dropout" and "test_statistics" where it has the choice.

    Raises:
        UserError: an unknown name, or data that do not allow a metric.
    """
    agreed = Terms.of(terms)
    name = getattr(game, "name", "") or type(game).__name__
    if agreed.truncation != 1:
        raise UserError(f"{name} translates images, and truncation is of latents; leave --truncation out.")
    wanted, left_out = asked(metrics, data, game.directions, name, agreed)
    agreed = with_features(agreed, wanted, game.directions)
    where = device_for(str(device))
    found: dict[Asked, Result] = {}
    told: Told = {}
    judged = ways(game, data, agreed.n, agreed.seed)
    for way in judged:
        mine = [one for one in wanted if one.direction == way.direction]
        found |= _held_against_targets(way, mine, agreed, where, told)
        found |= _held_against_sets(way, mine, agreed, where, told, name)
    first, sets = judged[0], next((r for r in told.values() if "n_floor" in r), {})
    substitute = not agreed.perceptual and not {"lpips", "all"}.isdisjoint(metrics or ())
    record = {
        "metrics": dict(found[one] for one in wanted if one in found),
        "features": next((r["features"] for r in told.values()), "none"),
        "n_generated": len(first.inputs),
        "n_real": sets.get("n_real", len(first.reals)),
        "n_floor": sets.get("n_floor", 0),
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "directions": list(game.directions),
        "reference": agreed.reference if sets else "",
        "shape": list(data.spec.shape),
        "seed": agreed.seed,
        **_at_test(game),
        "resizing": next((r["resizing"] for r in told.values() if "resizing" in r), ""),
        "weights": next((r["weights"] for r in told.values() if "weights" in r), ""),
        "left_out": left_out or "",
        "notes": list(dict.fromkeys([*_all("notes", told), *([_LPIPS] if substitute else [])])),
        "warnings": list(dict.fromkeys([*_all("warnings", told), *_skipped(data)])),
    }
    return {key: value for key, value in record.items() if value not in ("", [])}


def _at_test(game: Translates) -> dict[str, Any]:
    """What a game that has the choice keeps of its training when it translates."""
    config: Any = getattr(game, "config", None)
    found = {"test_dropout": config.test_dropout} if hasattr(config, "test_dropout") else {}
    return found | ({"test_statistics": game.test_statistics} if hasattr(config, "test_statistics") else {})  # type: ignore[attr-defined]


def _skipped(data: Dataset) -> list[str]:
    """A sentence where files were left out: such as cannot be read, or have no partner."""
    if not data.problems:
        return []
    first, n = data.problems[0], len(data.problems)
    return [f"{n:,} files of {data.name} were left out; the first, {first.file}: {first.why}."]


def _all(key: str, told: Told) -> list[str]:
    return [text for record in told.values() for text in record.get(key, [])]


def _held_against_targets(
    way: Way, wanted: Sequence[Asked], terms: Terms, device: torch.device, told: Told
) -> dict[Asked, Result]:
    """The metrics of single images: their means over the translations, and over the copies."""
    found: dict[Asked, Result] = {}
    to_target = [one for one in wanted if one.base in TO_TARGET]
    if to_target:
        assert way.truth is not None, "as `asked` has seen"
        bases, about = {one.base for one in to_target}, {}
        distances = {base: distance for base, distance in _OF_PIXELS.items() if base in bases}
        if "lpips" in bases:
            distances["lpips"], about["lpips"] = _of_perception(terms, device)
        if "feature-distance" in bases:
            distances["feature-distance"] = _of_features(way, terms, device, told)
        made, copied = (means(x, way.truth, distances) for x in (way.made, way.copies))
        for one in to_target:
            found[one] = one.name, {"value": made[one.base], "copy": copied[one.base], **about.get(one.base, {})}
    if cycle := next((one for one in wanted if one.base == CYCLE), None):
        assert way.back is not None
        made, copied = (means(x, way.inputs, {CYCLE: likeness.l1}) for x in (way.back, way.copied_back))
        found[cycle] = cycle.name, {"value": made[CYCLE], "copy": copied[CYCLE]}
    return found


def means(x: Pixels, y: Pixels, distances: Mapping[str, Distance]) -> dict[str, float]:
    """The mean of each distance over the images of x and y, uint8 [n, H, W, C]; processes share the work."""
    n, at_once = len(x), max(1, _AT_ONCE // int(np.prod(x.shape[1:])))

    def compared(i: int) -> dict[str, np.ndarray]:
        rows = np.arange(i * at_once, min((i + 1) * at_once, n))
        these, those = x[rows], y[rows]
        return {name: distance(these, those) for name, distance in distances.items()}

    blocks = list(processes.in_turn(-(-n // at_once), compared))

    def mean() -> dict[str, float]:
        return {name: float(np.concatenate([b[name] for b in blocks]).mean()) for name in distances if blocks}

    return processes.all_say(mean)[0]


def _of_perception(terms: Terms, device: torch.device) -> tuple[Distance, dict[str, str]]:
    """LPIPS, and what a record says of it."""
    from ganvas.metrics.ppl import of_perception

    measure, about = processes.together(lambda: of_perception(terms.perceptual))

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return measure(*(as_network_input(z, device=device) for z in (x, y))).double().cpu().numpy()

    return distance, about


def _of_features(way: Way, terms: Terms, device: torch.device, told: Told) -> Distance:
    """The squared Euclidean distance of the features of two images."""
    extractor = processes.together(lambda: find_features(terms, way.reals, device))
    about = {"features": extractor.name, "resizing": extractor.resizing, "weights": extractor.weights}
    told["extractor"] = {key: value for key, value in about.items() if value}

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        one, other = (extractor(z).vectors.astype(np.float64) for z in (x, y))
        return np.square(one - other).sum(axis=1)

    return distance


def _held_against_sets(
    way: Way, wanted: Sequence[Asked], terms: Terms, device: torch.device, told: Told, game: str
) -> dict[Asked, Result]:
    """The metrics of sets: the translations against real images, and the copies against the same."""
    of_sets = [one for one in wanted if one.base in AS_SETS]
    if not of_sets:
        return {}
    n = len(way.inputs)
    rows = np.sort(halves(n)[0]) if way.paired and terms.reference == "half" else np.arange(n)
    copies = way.copies[rows]
    subjects = {
        "value": Dataset(f"{game} {way.direction}", Chosen(way.made, rows), None, (), "", ()),
        "copy": Dataset("copies", copies, None, (), hashlib.blake2b(copies.tobytes()).hexdigest(), ()),
    }
    plain = {"extrapolate": False, "bootstrap": 0}
    records = {
        called: evaluation.evaluate(
            subject,
            way.reals,
            metrics=[one.base for one in of_sets],
            device=device,
            **asdict(replace(terms, n=None)) | (plain if called == "copy" else {}),
        )
        for called, subject in subjects.items()
    }
    told[way.direction] = records["value"]
    found: dict[Asked, Result] = {}
    for one in of_sets:
        called = one.base if one.base in records["value"]["metrics"] else "fd"  # what the features let a FID be called
        if called in records["value"]["metrics"]:
            copied = records["copy"]["metrics"][called]
            more = {name: copied[key] for key, name in (("value", "copy"), ("std", "copy_std")) if key in copied}
            found[one] = named(called, one.direction), records["value"]["metrics"][called] | more
    return found
