"""What a Fréchet distance says of samples that nobody learned: the mean image, noise, and normal pixels.

    python benchmarks/baselines.py --data ../shared/data/faces128.zip --size 32

"normal pixels" is a Gaussian with the mean and the covariance of the images, the best that can be had without a
network. Prints a table in Markdown, with the features that were used.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

import ganvas
from ganvas.data import Dataset, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--size", default="32")
    parser.add_argument("--n", type=int, default=2_000)
    args = parser.parse_args()
    data = load(args.data, size=args.size)
    found = {what: judged(what, images, data) for what, images in baselines(data, args.n).items()}
    first = next(iter(found.values()))
    print(f"{data.name} at {args.size}; features {first['features']}; {args.n:,} judged\n")
    print("| samples | fd |\n|---|---:|")
    print(f"| real images | {first['metrics']['fd']['floor']:.3g} |")
    for what, record in found.items():
        print(f"| {what} | {record['metrics']['fd']['value']:.3g} |")


def judged(what: str, images: np.ndarray, data: Dataset) -> dict:
    own = {"name": what, "fingerprint": f"{what} of {data.fingerprint}"}  # features are kept by it
    samples = replace(data, **own, samples=images, labels=None, label_names=(), attributes=None)
    return ganvas.evaluate(samples, data, metrics=["fd"], n=len(images))


def baselines(data: Dataset, n: int) -> dict[str, np.ndarray]:
    """uint8 [n, H, W, C] of each kind."""
    rng = np.random.default_rng(0)
    shape = data.samples.shape[1:]
    flat = np.asarray(data.samples[:]).reshape(len(data), -1).astype(np.float32)
    mean = flat.mean(0)
    u, s, vt = np.linalg.svd(flat[:4000] - mean, full_matrices=False)
    normal = mean + (rng.standard_normal((n, len(s))).astype(np.float32) * s / np.sqrt(len(u))) @ vt
    made = {
        "the mean image": np.tile(mean, (n, 1)),
        "noise": rng.uniform(0, 255, (n, flat.shape[1])),
        "normal pixels": normal,
    }
    return {what: x.round().clip(0, 255).astype(np.uint8).reshape(n, *shape) for what, x in made.items()}


if __name__ == "__main__":
    main()
