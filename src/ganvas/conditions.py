"""What a conditional game is asked for: a class, attributes, or both, as one vector.

A condition is a vector c: the class one-hot, then every column of attributes, a number scaled to [-1, 1] or a word
one-hot. So an embedding of conditions is a linear map without bias, and a mix of two classes is a point between them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import UserError, did_you_mean
from ganvas.losses import precise

if TYPE_CHECKING:
    from ganvas.game import Column, DataSpec

Kind = Literal["auto", "none", "labels", "attributes", "both"]
"""What a game is conditioned on; `auto` is all that the data have."""
MOST_LISTED = 12


@dataclass(frozen=True)
class Condition:
    """How conditions are written as vectors of `dim` numbers; none at all where `dim` is 0."""

    names: tuple[str, ...] = ()
    """Of the classes."""
    columns: tuple[Column, ...] = ()

    @classmethod
    def of(cls, data: DataSpec, kind: Kind, game: str) -> Condition:
        """What `game` is conditioned on.

        Raises:
            UserError: the data have no such thing, or not for every sample.
        """
        if kind == "none":
            return cls()
        names = data.class_names if data.classes >= 2 and kind != "attributes" else ()
        columns = data.attributes if kind != "labels" else ()
        if (kind in ("labels", "both") and not names) or (kind in ("attributes", "both") and not columns):
            what = "labels of two classes or more" if not names and kind != "attributes" else "attributes"
            raise UserError(
                f"{game} with --condition {kind} needs data with {what}; see what there is with `ganvas data info`, "
                "or give --condition auto."
            )
        if names and data.unlabelled:
            raise UserError(
                f"{game} is asked for classes, and {data.unlabelled} of the samples have no label; label them, leave "
                "--labelled out, or choose a game that learns from few labels, such as ssgan."
            )
        if not names and not columns:
            raise UserError(
                f"{game} is asked for classes or attributes, and the data have neither; put every class into a folder "
                "of its own, give --label or --attributes, or choose an unconditional game."
            )
        for column in columns:
            if column.missing:
                raise UserError(
                    f"{game}: {column.missing} of the samples have no value of the attribute {column.name!r}; fill "
                    "it in, or leave attributes out with --condition labels."
                )
        return cls(names, columns)

    @property
    def dim(self) -> int:
        return len(self.names) + sum(column.width for column in self.columns)

    def __bool__(self) -> bool:
        return self.dim > 0

    def vector(self, labels: Tensor | None, attributes: Tensor | None) -> Tensor:
        """c [n, dim], float32, of labels int64 [n] and attributes [n, columns], each where it is part of c."""
        parts = []
        if self.names:
            assert labels is not None
            parts.append(F.one_hot(labels, len(self.names)).float())
        for k, column in enumerate(self.columns):
            assert attributes is not None
            parts.append(column.encoded(attributes[:, k]))
        return torch.cat(parts, 1)

    def errors(self, logits: Tensor, c: Tensor) -> Tensor:
        """[n], how badly `logits` [n, dim] tell c: cross-entropy of the class and of words, half squares of numbers.

        Half the square is minus the log-likelihood of a number under a normal distribution of deviation 1, less a
        constant.
        """
        logits, c, at = precise(logits), precise(c), 0
        total = logits.new_zeros(len(c))
        for width in ([len(self.names)] if self.names else []) + [column.width for column in self.columns]:
            mine, wanted = logits[:, at : at + width], c[:, at : at + width]
            at += width
            if width > 1:
                total = total - (wanted * mine.log_softmax(1)).sum(1)
            else:
                total = total + 0.5 * (mine - wanted).square().squeeze(1)
        return total

    def asked(self, what: Any, n: int, typical: Tensor, game: str) -> Tensor:
        """c [n, dim] of what a person asks for, on the device of `typical`.

        Args:
            what: None, for the conditions in `typical` in turn; a class by name or number; attributes as in `age=30`;
                both, as in `rose+age=30`; several of these in turn, as a sequence or with commas between; int64 [n],
                a class for each sample; or the vectors c themselves, floats [n, dim].
            typical: c [m, dim] of samples of the data, which fill in what is not asked for.

        Raises:
            UserError: a class or an attribute that there is not; another number of classes than `n`.
        """
        device = typical.device
        if isinstance(what, Tensor) and what.is_floating_point():
            if what.shape != (n, self.dim):
                raise UserError(f"{game}: conditions of shape {tuple(what.shape)}, and [{n}, {self.dim}] are needed.")
            return what.to(device, torch.float32)
        if what is None:
            return typical[torch.arange(n, device=device) % len(typical)]
        if isinstance(what, str):
            what = [what] if what in self.names else what.split(",")
        if hasattr(what, "tolist"):  # arrays and tensors
            what = what.tolist()
        many = list(what) if isinstance(what, Sequence) and not isinstance(what, str) else [what]
        if not many or (len(many) != n and len(many) > 1 and not isinstance(many[0], str)):
            raise UserError(f"{game}: {len(many)} labels were given for {n} samples; give one, or one for each.")
        return self._filled([self._parsed(w, game) for w in many], n, typical)

    def _filled(self, wanted: list[Mapping[int, Tensor]], n: int, typical: Tensor) -> Tensor:
        """The rows of `typical` in turn, of the class that is wanted where it has such, with what is wanted in them."""
        turn: dict[int, int] = {}
        found = []
        for i in range(n):
            parts = wanted[i % len(wanted)]
            k = int(parts[0].argmax()) if 0 in parts and self.names else -1
            like = typical if k < 0 else typical[typical[:, : len(self.names)].argmax(1) == k]
            like = like if len(like) else typical
            turn[k] = turn.get(k, -1) + 1
            row = like[turn[k] % len(like)].clone()
            for start, values in parts.items():
                row[start : start + len(values)] = values.to(row)
            found.append(row)
        return torch.stack(found) if found else typical[:0]

    def _parsed(self, what: Any, game: str) -> dict[int, Tensor]:
        """What is asked for one sample: values by where they begin in c."""
        pieces = [what] if not isinstance(what, str) or what in self.names else what.split("+")
        found: dict[int, Tensor] = {}
        for piece in pieces:
            name, is_attribute, value = (piece, "", "") if not isinstance(piece, str) else piece.partition("=")
            if is_attribute and piece not in self.names:
                start, column = self._column(name.strip(), game)
                found[start] = column.parsed(value.strip(), game)
            else:
                k = self.label(piece, game)
                found[0] = F.one_hot(torch.tensor(k), len(self.names)).float()
        return found

    def label(self, what: Any, game: str) -> int:
        """The index of a class that is asked for by name or number."""
        if isinstance(what, str):
            what = what.strip()
            if what in self.names:
                return self.names.index(what)
        if not self.names:
            raise UserError(f"{game} was trained on attributes alone and knows no classes; ask for {self._listed()}.")
        try:
            k = int(what) if isinstance(what, str) else operator.index(what)
        except (TypeError, ValueError):
            near = did_you_mean(str(what), self.names)
            raise UserError(f"{game} knows no class {what!r}.{near} It knows {_list(self.names)}.") from None
        if not 0 <= k < len(self.names):
            raise UserError(f"{game} knows no class {k}: its {len(self.names)} classes are numbered from 0.")
        return k

    def _column(self, name: str, game: str) -> tuple[int, Column]:
        start = len(self.names)
        for column in self.columns:
            if column.name == name:
                return start, column
            start += column.width
        near = did_you_mean(name, [column.name for column in self.columns])
        raise UserError(f"{game} was trained without an attribute {name!r}.{near} It knows {self._listed()}.")

    def _listed(self) -> str:
        return _list([f"{column.name}=" for column in self.columns]) if self.columns else "no attributes"

    def initial(self) -> Tensor:
        """c [m, dim] before any sample is known: the classes in turn, every attribute in the middle of its range."""
        labels = torch.arange(max(len(self.names), 1))
        middle = [math.nan if column.words else (column.low + column.high) / 2 for column in self.columns]
        return self.vector(labels if self.names else None, torch.tensor([middle] * len(labels)))


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_LISTED]) + (f", ... ({len(names)} in all)" if len(names) > MOST_LISTED else "")
