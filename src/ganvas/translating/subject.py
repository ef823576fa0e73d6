"""The run whose game translates, and how it wants its pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganvas.data.recipes import Recipe
from ganvas.errors import UserError
from ganvas.game import Translates, require
from ganvas.translating.asked import Asked
from ganvas.translating.decoding import Decoder


@dataclass(frozen=True)
class Subject:
    """A game that translates.

    Attributes:
        run: the run directory, or the checkpoint, that it was loaded from; None of a game alone.
        data: the name of what it was trained on, or "".
        recipe: what made the inputs of its training from their targets, or None.
        background: what transparent pixels were laid on.
    """

    game: Any
    run: Path | None = None
    data: str = ""
    recipe: Recipe | None = None
    background: str = "white"

    @classmethod
    def of(cls, run: Any, device: str) -> Subject:
        """Of a run directory, a checkpoint in one, or a loaded game, which stays where it is.

        Raises:
            UserError: there is no such run, or its game does not translate.
        """
        if not isinstance(run, str | os.PathLike):
            require(run, Translates, "translate")
            return cls(run)
        from ganvas.precision import device_for
        from ganvas.run import open_run

        opened, at = open_run(Path(run))
        place = device_for(device)
        game = opened.game(at, place)
        require(game, Translates, "translate")
        reading = opened.reading
        recipe = Recipe.parse(reading.pairs) if reading.pairs else None
        return cls(game, Path(run), opened.config["data"]["name"], recipe, reading.background)

    @property
    def name(self) -> str:
        """For messages."""
        return self.game.name if self.run is None else str(self.run)

    def check(self, asked: Asked) -> None:
        """A `UserError` where it cannot do what is asked."""
        if asked.direction not in self.game.directions:
            has = " and ".join(self.game.directions)
            raise UserError(
                f"{self.game.name} has no direction {asked.direction}: it translates {has}; leave --direction out."
            )
        flag = "--make-input" if asked.make_input else "--enlarge"
        if (asked.make_input or asked.enlarge) and self.recipe is None:
            what = "tells no recipe" if self.run is None else "was not trained on pairs made by a recipe (--pairs)"
            raise UserError(f"{self.name} {what}, so there is nothing to do for {flag}; leave it out.")
        if asked.enlarge and self.recipe is not None and self.recipe.name != "superres":
            raise UserError(
                f"{self.name} was trained on {self.recipe}, which does not shrink pictures; leave --enlarge out, or "
                "give --make-input."
            )

    def decoder(self, asked: Asked, longest: int) -> Decoder:
        """What prepares pictures whose translations have sides of at most `longest` pixels."""
        inputs, outputs = self.game.channels(asked.direction)
        recipe = self.recipe if asked.make_input else None
        return Decoder(
            channels=inputs if recipe is None else outputs,
            background=asked.background or self.background,
            resized=asked.resized,
            factor=int(self.recipe.amount) if asked.enlarge and self.recipe is not None else 1,
            recipe=recipe,
            seed=asked.seed,
            longest=longest,
        )

    def notes(self, asked: Asked) -> list[str]:
        """What a person may have overlooked."""
        if self.recipe is None or asked.make_input or asked.enlarge:
            return []
        small = ", and --enlarge enlarges small ones first" if self.recipe.name == "superres" else ""
        return [
            f"{self.name} was trained on pairs made by {self.recipe}, and pictures are taken as its inputs; "
            f"--make-input makes inputs of ordinary pictures{small}."
        ]
