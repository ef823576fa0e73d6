"""The world of flowers: reproducible, of known factors that all show, with sides whose truth is known."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from ganvas.data.blossoms import FACTORS, SCENES, SPECIES, WHOLE, Flower, paint
from ganvas.data.sources.blossoms import Blossoms
from ganvas.errors import UserError

SET = Blossoms(10_000)
LOOKS = ("day", "night", "outline")
NAMES = list(SPECIES)
PLAIN = Flower(0, 1, 6, hue=-40, saturation=0.8, centre_hue=40, size=0.32, rotation=0.3, x=0.5, y=0.42, grain=5)
OTHER = Flower(4, 4, 5, hue=20, saturation=0.3, centre_hue=20, size=0.25, rotation=0.8, x=0.45, y=0.46, grain=6)
DRAWN = [n for n in FACTORS if n not in ("background", "hue", "saturation", "centre_hue")]  # what an outline can tell


def halved(image: np.ndarray) -> np.ndarray:
    size = len(image) // 2
    return image.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))


def hue(pixel: np.ndarray) -> float:
    """In degrees, -180 to 180."""
    return (colorsys.rgb_to_hsv(*(pixel / 255))[0] * 360 + 180) % 360 - 180


class TestDrawings:
    @pytest.mark.parametrize("look", LOOKS)
    def test_a_picture_is_a_function_of_seed_and_index(self, look) -> None:
        few, many = Blossoms(3, seed=4, look=look), Blossoms(50, seed=4, look=look)
        backwards = [np.asarray(many.render(i, 32)) for i in (2, 1, 0)][::-1]
        for i in range(3):
            np.testing.assert_array_equal(few.render(i, 32), backwards[i])
            assert not np.array_equal(Blossoms(3, seed=5, look=look).render(i, 32), backwards[i])

    @pytest.mark.parametrize("look", LOOKS)
    @pytest.mark.parametrize("size", [64, 128])
    def test_another_resolution_shows_the_same_flower(self, look, size) -> None:
        for i in range(8):
            here, there = paint(SET.flower(i), size, look), halved(paint(SET.flower(i), 2 * size, look))
            other = halved(paint(SET.flower(i + 1), 2 * size, look))
            limit = 0.2 if look == "outline" else 0.07  # lines are all edge, and no thinner than a pixel
            assert np.abs(here - there).mean() < limit * np.abs(here - other).mean()

    @given(i=st.integers(0, len(SET) - 1), size=st.integers(1, 40), look=st.sampled_from(LOOKS))
    @settings(max_examples=60, deadline=None)
    def test_every_flower_of_every_size_is_drawn(self, i, size, look) -> None:
        with np.errstate(all="raise", under="ignore"):
            image = paint(SET.flower(i), size, look)
        assert image.shape == (size, size, 3) and image.dtype == np.uint8
        assert size < 8 or np.ptp(image) > 40

    @pytest.mark.parametrize("species", ["daisy", "lily", "starflower"])  # whose petals stand apart
    @pytest.mark.parametrize("petals", range(3, 10))
    def test_petals_can_be_counted_around_the_centre(self, species, petals) -> None:
        flower = PLAIN._replace(species=NAMES.index(species), petals=petals)
        turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
        radius = 256 * 0.8 * flower.size
        rows = np.rint(256 * flower.y + radius * np.sin(turn)).astype(int)
        red, green, _ = paint(flower, 256)[rows, np.rint(256 * flower.x + radius * np.cos(turn)).astype(int)].T / 1.0
        petal = ndimage.median_filter(red > green + 40, 7, mode="wrap")
        assert (petal & ~np.roll(petal, 1)).sum() == petals

    @pytest.mark.parametrize("species", range(len(SPECIES)))
    @pytest.mark.parametrize("size", [0.25, 0.3, 0.35])
    def test_petals_are_as_long_as_the_factor_says(self, species, size) -> None:
        red, green, _ = paint(PLAIN._replace(species=species, size=size), 128).transpose(2, 0, 1) / 1.0
        rows, columns = np.nonzero(red > green + 40)
        reach = np.hypot((rows + 0.5) / 128 - PLAIN.y, (columns + 0.5) / 128 - PLAIN.x).max()
        assert 0.94 * size < reach < 1.1 * size  # single petals are 5 % longer, and some corners stand out

    @pytest.mark.parametrize("species", range(len(SPECIES)))
    def test_the_next_rotation_brings_each_petal_to_its_neighbours_place(self, species) -> None:
        start, half, whole = (
            paint(PLAIN._replace(species=species, rotation=r), 64).astype(int) for r in (0.0, 0.5, 1.0)
        )
        assert np.abs(whole - start).mean() < 0.6 * np.abs(half - start).mean()  # petals are not quite the same

    def test_hues_and_places_are_those_of_the_factors(self) -> None:
        for i in range(40):
            flower = SET.flower(i)._replace(saturation=0.8)
            image = paint(flower, 128)
            row, column = round(128 * flower.y), round(128 * flower.x)
            centre = image[row - 4 : row + 4, column - 4 : column + 4].reshape(-1, 3).mean(axis=0)
            assert hue(centre) == pytest.approx(flower.centre_hue, abs=4)
            angle = 2 * np.pi * (1 + flower.rotation) / flower.petals
            along = 128 * 0.6 * flower.size * np.array([np.sin(angle), np.cos(angle)])
            petal = image[tuple(np.rint(128 * np.array([flower.y, flower.x]) + along).astype(int))]
            assert abs((hue(petal) - flower.hue + 180) % 360 - 180) < 12

    @pytest.mark.parametrize("name", FACTORS)
    def test_every_factor_shows_and_outlines_hide_the_colours(self, name) -> None:
        other = PLAIN._replace(**{name: getattr(OTHER, name)})
        day, night, outline = (np.abs(paint(PLAIN, 64, k).astype(int) - paint(other, 64, k)).max() for k in LOOKS)
        assert day > 15 and night > 15
        assert outline > 128 if name in DRAWN else outline == 0


class TestFactors:
    def test_all_are_even_over_their_ranges_and_independent(self) -> None:
        values = SET.attributes.values.astype(np.float64)
        for (name, (low, high)), column in zip(FACTORS.items(), values.T, strict=True):
            if name in WHOLE:
                seen, counts = np.unique(column, return_counts=True)
                assert seen.tolist() == list(range(low, high))
                assert stats.chisquare(counts).pvalue > 1e-4, name
            else:
                assert stats.kstest(column, stats.uniform(low, high - low).cdf).pvalue > 1e-4, name
        between = np.corrcoef(values.T) - np.eye(len(FACTORS))
        assert np.abs(between).max() < 0.05  # five standard errors

    def test_the_table_says_what_the_picture_shows(self) -> None:
        flower, row = SET.flower(17), SET.attributes.values[17]
        assert row.dtype == np.float32 and SET.attributes.values.shape == (10_000, 10)
        assert row == pytest.approx([getattr(flower, name) for name in SET.attributes.names])
        assert SET.attributes.words["species"][flower.species] == SET.label_names[SET.labels[17]]
        assert len(SET.attributes.words["background"]) == len(SCENES)
        assert SET.labels.dtype == np.int64 and len(SET.labels) == len(SET)
        np.testing.assert_array_equal(SET.read(17), paint(flower, 64))


class TestParts:
    def test_no_two_parts_or_sides_share_a_flower(self) -> None:
        whole, test = Blossoms(), Blossoms(split="test")
        assert (len(whole), len(test)) == (10_000, 2_000)
        sources = [whole, test, whole.sides("domains")[1], test.sides("domains")[1]]
        grains = [s.flower(i).grain for s in sources for i in range(len(s))]
        assert len(set(grains)) > 0.9999 * len(grains)  # of 2^31; a few meet by chance

    def test_fingerprints_tell_sets_apart(self) -> None:
        sets = [
            *(Blossoms(9), Blossoms(8), Blossoms(9, seed=1), Blossoms(9, split="test"), Blossoms(9, other=True)),
            *(Blossoms(9, look="night"), Blossoms(9, look="outline")),
        ]
        assert len({s.fingerprint for s in sets}) == len(sets)
        assert Blossoms(9).fingerprint == sets[0].fingerprint
        assert {s.name for s in sets} == {"blossoms", "blossoms-test", "blossoms-night", "blossoms-outline"}

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_pairs_are_outlines_of_the_same_flowers(self, split) -> None:
        a, b = Blossoms(6, split=split).sides("pairs")
        assert len(a) == len(b) == 6 and np.array_equal(a.labels, b.labels)
        for i in range(6):
            line, flower = np.asarray(a.render(i, 64)).astype(int), np.asarray(b.render(i, 64)).astype(int)
            assert np.ptp(line, axis=2).max() == 0, "grey"
            assert line.max() == 255 and line.min() < 20 and 0.05 < (line < 128).mean() < 0.35
            edges = np.hypot(*np.gradient(flower.mean(axis=2)))
            assert edges[line[..., 0] < 128].mean() > 2 * edges[line[..., 0] > 250].mean()

    def test_domains_are_day_and_night_and_the_truth_of_both_is_known(self) -> None:
        day, night = Blossoms(6, seed=2).sides("domains")
        assert (len(day), len(night)) == (6, 6)
        for i in range(6):
            assert day.flower(i) != night.flower(i)
            np.testing.assert_array_equal(day.read(i), day.truth(i, "day"))
            np.testing.assert_array_equal(night.read(i), night.truth(i, "night"))
            for side in (day, night):
                light, dark = (np.asarray(side.truth(i, look, 64), float) for look in ("day", "night"))
                assert dark.mean() < 0.75 * light.mean()
                assert dark[..., 2].mean() > dark[..., 0].mean(), "moonlight is blue"
                lines, edges = (
                    np.asarray(side.truth(i, "outline", 64))[..., 0],
                    np.hypot(*np.gradient(dark.mean(axis=2))),
                )
                assert edges[lines < 128].mean() > 2 * edges[lines > 250].mean(), "the same flower"

    def test_the_night_adds_nothing_that_the_day_does_not_determine(self) -> None:
        one, two = (paint(PLAIN._replace(grain=g, size=0.24, x=0.58), 256, "night").min(axis=2) / 1.0 for g in (1, 2))
        for image in (one, two):
            assert image[36:41, 212:217].min() > 120, "the moon"
        beside = np.s_[:128, :80]  # the flower, and above the hills
        stars = [np.flatnonzero(sky - ndimage.median_filter(sky, 9) > 40) for sky in (one[beside], two[beside])]
        assert len(stars[0]) > 10 and np.isin(*stars).mean() > 0.8

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: Blossoms(0), "0 blossoms"),
            (lambda: Blossoms(split="val"), "train and test"),
            (lambda: Blossoms(2).sides("images"), "blossoms"),
        ],
    )
    def test_mistakes_are_told(self, make, words) -> None:
        with pytest.raises(UserError, match=words):
            make()
