"""What ProGAN and StyleGAN share: networks that grow with the images they have seen, trained at their stage's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Progress, Turn
from ganvas.games.adaptive import ShownConfig
from ganvas.games.growth import FIRST, SIDES, Growth, by_side
from ganvas.games.two_player import TwoPlayer, demand_images
from ganvas.networks.layers import batches_apart
from ganvas.networks.progressive import Growing
from ganvas.optim import Optimizer

PROGAN = "Karras et al. 2018"
TABLE_2 = "Table 2 of Karras et al. 2018"
APPENDIX_A1 = "appendix A.1 of Karras et al. 2018"
ADAM = Optimizer(lr=1e-3, beta1=0.0, beta2=0.99, eps=1e-8)


@dataclass(frozen=True)
class GrowingConfig(ShownConfig):
    """Settings of two networks that grow; defaults are ProGAN's."""

    batch: int = setting(16, "images a turn takes, over all processes", APPENDIX_A1, low=2)
    z_dim: int = setting(512, "dimensions of the latent", TABLE_2, low=1)
    prior: ClassVar[str] = "normal"
    width: int = setting(512, "most channels of a stage", TABLE_2, low=1)
    base: int = setting(8192, "a stage of side s has 2 · base / s channels, up to width", TABLE_2, low=1)
    start: int = setting(4, "side of the first images; 0 = the full side, no growing", PROGAN, low=0)
    phase_kimg: float = setting(
        0.0, "thousand images until a stage is doubled, and as many to fade it in; 0 = growing takes half the schedule",
        "appendix A.1 of Karras et al. 2018: 800", low=0,
    )  # fmt: skip
    batch_at: str = setting("", "batches of single stages by their side, as in 256:14,512:6; others have --batch")
    lr_at: str = setting("", "learning rates of both players at single stages, as in 512:0.0015; others have their own")
    opt_g: Optimizer = setting(ADAM, "the generator's optimizer", APPENDIX_A1)
    opt_d: Optimizer = setting(ADAM, "the discriminator's optimizer", APPENDIX_A1)


class GrowingGame(TwoPlayer):
    """Both networks are built whole, and played up to a stage that is a function of the images seen.

    In training they work at the stage's side: reals are averaged down to it, and cross-faded as the fakes are.
    """

    Config: ClassVar[type] = GrowingConfig
    G: Any
    D: Any

    def __init__(self, config: Any, data: DataSpec):
        self.growth = Growth(config.start, data.size, config.phase_kimg)
        super().__init__(config, data)
        self.lr_at = by_side(config.lr_at, "lr_at", self.growth.sides)

    @classmethod
    def batches(cls, config: Any, data: DataSpec) -> tuple[int, ...]:
        sides = Growth(config.start, data.size).sides
        known = by_side(config.batch_at, "batch_at", sides, low=1)
        return tuple(int(known.get(side, config.batch)) for side in sides)

    def batch_at(self, progress: Progress) -> int:
        level, _ = self.growth.at(progress)
        return self.batches(self.config, self.data)[level - self.growth.levels[0]]

    @torch.no_grad()
    def begin(self, progress: Progress) -> None:
        """Sets stage, α and learning rates. Optimizers begin anew where fading begins or ends, as the authors' do."""
        super().begin(progress)
        level, alpha = self.growth.at(progress)
        new = self.G.stage() != (level, alpha < 1)
        for name, p in self.players.items():
            assert isinstance(p.net, Growing)
            p.net.grow(level, alpha)
            if new:
                p.opt.state.clear()
            lr = self.lr_at.get(FIRST << level, getattr(self.config, f"opt_{name.lower()}").lr)
            for group in p.opt.param_groups:
                group["initial_lr"] = lr

    def after(self, turn: Turn, aux: Aux) -> Batch:
        aux |= {"side": FIRST * 2.0**self.D.level, "alpha": self.D.alpha.clone()}
        return super().after(turn, aux)

    def pair(self, b: Batch) -> tuple[Tensor, Tensor]:
        return super().pair(b | {"x": self.D.at_stage(b["x"])})

    @torch.no_grad()
    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        """Samples [n, *shape] in [−1, 1]; while training is at an earlier stage, its pixels are repeated."""
        return self.G.full_size(super().generate(z, labels))

    def judge(self, x: Tensor, labels: Any = None) -> Tensor:
        """[n] verdicts on images [n, *shape], each as if the minibatch were it alone."""
        with batches_apart(len(x)), torch.no_grad():
            return super().judge(self.D.at_stage(x.to(self.device)), labels)

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        demand_images(config, data, cls.name)
        if data.size not in SIDES or data.shape[1] != data.shape[2]:
            raise UserError(
                f"{cls.name} cannot make images of {data.shape[1]}×{data.shape[2]}: it doubles 4×4 up to a square of "
                f"side {', '.join(map(str, SIDES))}; use --size {cls.size_for(data.size, config)}."
            )
        if config.start not in (0, FIRST, *SIDES) or config.start > data.size:
            raise UserError(
                f"{cls.name}: start = {config.start} is no stage of images of {data.size}×{data.size}; give 4, 8 and "
                f"so on, up to {data.size}, or 0 for no growing."
            )
        by_side(config.lr_at, f"{cls.name}: lr_at", ())
        for side, batch in by_side(config.batch_at, f"{cls.name}: batch_at", SIDES, low=1).items():
            if batch % 1:
                raise UserError(f"{cls.name}: batch_at has {batch:g} for the side {side}; give a whole number.")

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        return cls.Config()

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        return next((s for s in SIDES if s >= native), SIDES[-1])

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        return {}
