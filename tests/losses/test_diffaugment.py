"""DiffAugment against the paper's formulas, image by image; its derivatives; and that both players see through it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from worlds_apart import IMAGES, POINTS, Patterns, session, tiny

from ganvas import config, games
from ganvas.engine import take
from ganvas.errors import UserError
from ganvas.losses import diffaugment
from ganvas.losses.diffaugment import AUGMENTATIONS, augment

ALL = tuple(AUGMENTATIONS)


def images(n: int = 4, channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, height, width, generator=g, dtype=torch.float64) * 2 - 1


def given(**numbers: float | list[float]) -> Callable[[str], Tensor]:
    """The random numbers of each purpose, where a test wants to know them."""
    return lambda purpose: torch.tensor(numbers[purpose.replace(" ", "_")], dtype=torch.float64).reshape(-1)


def drawn(n: int, seed: int = 0) -> Callable[[str], Tensor]:
    g = torch.Generator().manual_seed(seed)
    known: dict[str, Tensor] = {}
    return lambda purpose: known.setdefault(purpose, torch.rand(n, generator=g, dtype=torch.float64))


def test_color_is_the_papers() -> None:
    x = images(2)
    u = {"brightness": [0.1, 0.9], "saturation": [0.7, 0.2], "contrast": [0.4, 0.6]}
    found = augment(x, ["color"], given(**u)).numpy()
    for k, image in enumerate(x.numpy()):
        image = image + (u["brightness"][k] - 0.5)
        grey = image.mean(axis=0)
        image = (image - grey) * (2 * u["saturation"][k]) + grey
        image = (image - image.mean()) * (u["contrast"][k] + 0.5) + image.mean()
        assert np.allclose(found[k], image, atol=1e-12)


def shifted(x: np.ndarray, down: int, right: int) -> np.ndarray:
    y = np.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            if 0 <= i - down < x.shape[1] and 0 <= j - right < x.shape[2]:
                y[:, i, j] = x[:, i - down, j - right]
    return y


ALMOST_1 = 1 - 2.0**-24


@pytest.mark.parametrize(
    "u,v,down,right", [(0, 0, -2, -3), (ALMOST_1, 0, 2, -3), (0.5, ALMOST_1, 0, 3), (0.7, 0.3, 1, -1)]
)
def test_translation_is_by_up_to_an_eighth_and_brings_in_zeros(u: float, v: float, down: int, right: int) -> None:
    x = images(1)
    found = augment(x, ["translation"], given(move_down=u, move_right=v))
    assert np.array_equal(found[0].numpy(), shifted(x[0].numpy(), down, right))


def test_every_shift_is_as_likely() -> None:
    x = torch.zeros(5000, 1, 16, 24)
    x[:, :, 8, 12] = 1
    y = augment(x, ["translation"], drawn(5000))
    down, right = y.sum((1, 3)).argmax(1) - 8, y.sum((1, 2)).argmax(1) - 12
    for moved, most in ((down, 2), (right, 3)):
        assert stats.chisquare(np.bincount(moved.numpy() + most, minlength=2 * most + 1)).pvalue > 0.01
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.05


@pytest.mark.parametrize("u,v,rows,columns", [
    (0, 0, (0, 4), (0, 6)),  # centred on the corner
    (0.5, 0.5, (4, 12), (6, 18)),
    (ALMOST_1, ALMOST_1, (12, 16), (18, 24)),
])  # fmt: skip
def test_cutout_is_half_of_each_side(u: float, v: float, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    x = images(1)
    found = augment(x, ["cutout"], given(cut_down=u, cut_right=v))
    expected = x.clone()
    expected[:, :, slice(*rows), slice(*columns)] = 0
    assert torch.equal(found, expected)


@pytest.mark.parametrize("side", [15, 16, 18])
def test_every_cutout_is_as_likely(side: int) -> None:
    """An odd cut is centred on a pixel, an even one between two: `side` or `side + 1` places."""
    hole = augment(torch.ones(6000, 1, side, side), ["cutout"], drawn(6000))[:, 0] == 0
    places = hole.any(2).int()
    last = side - 1 - places.flip(1).argmax(1)  # the lowest row that is cut tells the centre, until it is the last
    size = side // 2
    inside = [int((last == k).sum()) for k in range(size - 1, side - 1)]
    assert stats.chisquare(inside).pvalue > 0.01
    centres = side + 1 - size % 2
    assert np.mean(inside) / 6000 == pytest.approx(1 / centres, rel=0.1)


def test_it_is_differentiable_twice() -> None:
    x = images(2, 3, 8, 8).requires_grad_()
    weights = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def judged(t: Tensor) -> Tensor:
        return (augment(t, ALL, drawn(2)).tanh() * weights).sum((1, 2, 3))

    assert torch.autograd.gradcheck(judged, x)
    assert torch.autograd.gradgradcheck(judged, x)
    (gradient,) = torch.autograd.grad(judged(x).sum(), x)
    assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_memory_and_input_are_kept(layout: torch.memory_format) -> None:
    x = images(5).float().contiguous(memory_format=layout)
    before = x.clone()
    for names in (*((name,) for name in ALL), ALL):
        y = augment(x, names, lambda purpose: drawn(5)(purpose).float())
        assert y.is_contiguous(memory_format=layout)
        assert (y.dtype, y.shape) == (x.dtype, x.shape)
        assert torch.equal(x, before) and not torch.equal(x, y)


def test_colors_in_half_precision_are_changed_in_float32() -> None:
    half = images(3).bfloat16()
    y = augment(half, ["color"], lambda purpose: drawn(3)(purpose).float())
    assert torch.equal(y, augment(half.float(), ["color"], lambda purpose: drawn(3)(purpose).float()))


def test_an_image_is_augmented_by_its_own_numbers() -> None:
    x, u = images(6), drawn(6)
    whole = augment(x, ALL, u)
    assert torch.equal(augment(x[2:5], ALL, lambda purpose: u(purpose)[2:5]), whole[2:5])


def test_grey_images_have_no_saturation() -> None:
    x = images(2, channels=1)
    numbers = {"brightness": [0.5, 0.5], "contrast": [0.5, 0.5]}
    assert torch.allclose(augment(x, ["color"], given(saturation=[0.0, 0.9], **numbers)), x, atol=1e-12)


def test_words() -> None:
    assert diffaugment.policy("color, translation,cutout") == ALL
    assert diffaugment.policy("") == diffaugment.policy("none") == ()
    with pytest.raises(UserError, match="Did you mean color"):
        diffaugment.policy("translation,colour")


AUGMENTED = [n for n in games.names() if "diffaugment" in games.find(n).Config.__dataclass_fields__]


@pytest.mark.parametrize("name", AUGMENTED)
def test_games_refuse_what_they_cannot_augment(name: str) -> None:
    with pytest.raises(UserError, match="Did you mean cutout"):
        tiny(name, diffaugment="cutuot")
    with pytest.raises(UserError, match="points"):
        tiny(name, POINTS, diffaugment="color")


def test_a_configuration_from_before_it_was_there_has_none() -> None:
    cls = games.find("dcgan")
    old = config.to_json(cls.Config())
    del old["diffaugment"]
    assert config.from_json(cls.Config, old, "config.json") == cls.Config()


@pytest.mark.parametrize("name", ["dcgan", "wgan-gp"])
@pytest.mark.parametrize("instance_noise", [0.0, 1e-4])
def test_both_players_see_real_and_fake_through_it(name: str, instance_noise: float) -> None:
    """A mid grey hole of its own in every image that D is shown, where none was before; noise is added to it too."""
    game = tiny(name, diffaugment="cutout", instance_noise=instance_noise)
    shown: list[Tensor] = []
    game.D.register_forward_pre_hook(lambda net, inputs: shown.append(inputs[0].detach()))
    table = session(game)
    table.seat(game)
    table.begin(game)
    for turn in game.turns:
        batch = table.draw(Patterns(IMAGES))
        assert float((batch["x"].abs() < 1e-6).float().mean()) < 0.01
        shown.clear()
        take(game, turn, batch, table)
        n = game.config.batch
        holes = shown[0].abs().lt(1e-6 + 10 * instance_noise).float()
        assert len(shown[0]) == (2 * n if turn.players == ("D",) else n), "real and fake, or fake alone"
        assert bool((holes.mean((1, 2, 3)) > 0.05).all())
        assert bool((holes.mean(0) < 0.9).all()), "each of its own"
        assert len(holes) == n or float((holes[:n] - holes[n:]).abs().mean()) > 0.05, "real and fake are not paired"
        assert bool((shown[0] == 0).any()) == (instance_noise == 0)


def test_the_generator_learns_through_it() -> None:
    """What a hole hides from D has no gradient, everything else has."""
    game = tiny("dcgan", diffaugment="cutout")
    table = session(game)
    table.seat(game)
    batch = table.split(table.draw(Patterns(IMAGES)), game.turns[1], 0)[0]
    fakes: list[Tensor] = []

    def keep(net: torch.nn.Module, inputs: tuple[Tensor, ...], fake: Tensor) -> None:
        fake.retain_grad()
        fakes.append(fake)

    game.G.register_forward_hook(keep)
    game.generator(batch)[0].backward()
    assert fakes[0].grad is not None
    blind = (fakes[0].grad == 0).float().mean((1, 2, 3))
    assert bool(((blind > 0.05) & (blind < 0.3)).all()), "from a sixteenth to a quarter of an image is cut out"
