"""A game's network of one direction, applied to pictures of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganvas import precision
from ganvas.errors import UserError
from ganvas.report.grid import levels
from ganvas.translating import tiles
from ganvas.translating.asked import WHOLE, Asked


@dataclass(frozen=True)
class Network:
    """What translates: a game, one of its directions, and how it is used.

    Attributes:
        game: it `Translates`.
        precision: "fp32" or "bf16".
    """

    game: Any
    direction: str
    asked: Asked
    precision: str

    def __call__(
        self, pictures: Sequence[Tensor], tell: Callable[[int, int], object] = lambda done, of: None
    ) -> list[Tensor]:
        """Translations, uint8 [C', H, W] each, of pictures [C, H, W] of one size, uint8, or float32 in [-1, 1].

        Pictures above `WHOLE` pixels, or `asked.tile` a side, are cut into tiles, and then no pass takes more than
        `WHOLE` pixels, or one tile. So memory is bounded, whatever a picture's size, by what the network takes for so
        many (1 kB a pixel, 4 GB in all, for CycleGAN's at full width), two strips across the shorter side
        (`tiles.translated`), and the picture and its translation while they are decoded and encoded: 15 bytes a pixel,
        1.3 GB for the largest that are let in (`pictures.MOST_PIXELS`).

        Args:
            tell: is called with the number of tiles that are done, and of all of a picture.

        Raises:
            UserError: pictures that are too small, or larger than the memory.
        """
        height, width = pictures[0].shape[1:]
        try:
            if not self.asked.tiles(height, width):
                return list(levels(self._pass(torch.stack([*pictures]))).cpu())
            side = self.asked.side
            together = max(1, min(self.asked.batch, WHOLE // side**2))
            return [tiles.translated(x, self._pass, side, self.asked.shared, together, tell) for x in pictures]
        except (torch.OutOfMemoryError, RuntimeError) as e:
            if isinstance(e, torch.OutOfMemoryError) or "allocate memory" in str(e):
                raise UserError(
                    f"there is not enough memory to translate {height}×{width} pixels (height × width) in one piece; "
                    f"give a smaller --tile, such as 512, or --batch 1."
                ) from None
            raise

    def _pass(self, x: Tensor) -> Tensor:
        """Images [n, C', H, W] in [-1, 1] of images [n, C, H, W], uint8, or float32 in [-1, 1]."""
        x = x.to(self.game.device)
        if x.dtype == torch.uint8:
            x = x.float().div_(127.5).sub_(1)
        dropout = None if self.asked.dropout is None else self.asked.dropout == "yes"
        with precision.autocast(self.precision, self.game.device):
            return self.game.translate(
                x, self.direction, self.asked.seed, dropout=dropout, statistics=self.asked.statistics
            )

    def count(self, height: int, width: int) -> int:
        """Into how many tiles a picture of this size is cut; 1 for none."""
        if not self.asked.tiles(height, width):
            return 1
        down, across = (tiles.Cut.of(side, self.asked.side, self.asked.shared) for side in (height, width))
        return len(down.starts) * len(across.starts)
