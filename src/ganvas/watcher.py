"""Brings the monitor to a run: measures what it needs, writes down what it finds, and remembers after a resume."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganvas import config, rng
from ganvas.data import Dataset
from ganvas.engine import Session, averaged
from ganvas.game import Game, Judges, Lipschitz, Samples
from ganvas.losses.penalties import input_gradient
from ganvas.monitor import Alarm, Monitor, kinds
from ganvas.report import logs
from ganvas.run import Run

IMAGES, POINTS = 64, 512  # samples that are compared


class Watcher:
    """Watches the run of one training process and tells people what it sees; it changes nothing of the game.

    `stop` is why the run is to end: a sentence once an alarm began that `--stop-on` names, "" before.
    """

    def __init__(self, run: Run, game: Game, dataset: Dataset, session: Session, note: Callable[[str], None]):
        self.run, self.game, self.dataset, self.session, self.note = run, game, dataset, session, note
        own = (*config.fields(game.config), *config.fields(session.settings))
        self.monitor = Monitor(
            judges=game.judges if isinstance(game, Judges) else "",
            lipschitz=game.lipschitz if isinstance(game, Lipschitz) else None,
            knobs={s.name for s in own},
        )
        self.asked = kinds(session.settings.stop_on)
        self.stop = ""
        self._real: Tensor | None = None

    def remember(self) -> None:
        """Takes in what the log holds of the run so far: alarms that lasted when it stopped are not told again."""
        ticks, events = logs.read(self.run.dir)
        for record in ticks:
            self.monitor.tick(record)
        for event in events:
            if event["event"] == "snapshot":
                self.monitor.snapshot(event)

    def tick(self, record: logs.Record) -> None:
        """Takes a line of the log."""
        self._tell(self.monitor.tick(record))

    def snapshot(self) -> dict[str, float]:
        """Measures the game as it is now; the figures, for the snapshot's line in the log."""
        figures = {**self._diversity(), **self._lipschitz()}
        self._tell(self.monitor.snapshot({"kimg": self.session.progress.kimg, **figures}))
        return figures

    def _tell(self, found: list[Alarm]) -> None:
        for alarm in found:
            self.run.log(alarm.to_json())
            self.note(str(alarm))
            if alarm.begins and alarm.kind in self.asked and not self.stop:
                self.stop = f"Stopped by --stop-on {alarm.kind}, at {alarm.kimg:.3f} kimg: {alarm.saw}. {alarm.advice}"

    def _diversity(self) -> dict[str, float]:
        """The mean distance between two samples of the averaged game from fixed latents, over that between reals."""
        if not isinstance(self.game, Samples):
            return {}
        with averaged(self.game):
            fake = self.game.sample(len(self._reals()))
        return {"diversity": mean_distance(fake.cpu()) / max(mean_distance(self._reals()), 1e-12)}

    def _lipschitz(self) -> dict[str, float]:
        """‖∇D(x̂)‖ at random points between reals and what the generator makes now, where a critic is to be Lipschitz.

        In evaluation mode, so that the samples of a batch do not mix and no statistics move.
        """
        game = self.game
        if not (isinstance(game, Lipschitz) and isinstance(game, Samples)):
            return {}
        real, training = self._reals(), game.training
        mix = torch.rand(len(real), generator=rng.generator("watch")).view(-1, *[1] * (real.dim() - 1))
        try:
            game.eval()
            between = mix * real + (1 - mix) * game.sample(len(real)).cpu()
            norms = input_gradient(game.D, between.to(self.session.device)).detach().flatten(1).norm(dim=1)
        finally:
            game.train(training)
        return {"lipschitz/mean": float(norms.mean()), "lipschitz/max": float(norms.max())}

    def _reals(self) -> Tensor:
        """Some reals [n, *shape], always the same: images in [-1, 1], or points."""
        if self._real is None:
            n = IMAGES if self.dataset.world is None else POINTS
            chosen = np.sort(np.random.default_rng(0).permutation(len(self.dataset))[:n])
            x = torch.from_numpy(np.asarray(self.dataset.samples[chosen])).float()
            self._real = x if self.dataset.world is not None else (x / 127.5 - 1).permute(0, 3, 1, 2).contiguous()
        return self._real


def mean_distance(x: Tensor) -> float:
    """The mean Euclidean distance between two different samples of [n, ...]; n is at least 2."""
    return float(torch.pdist(x.flatten(1).float()).mean())
