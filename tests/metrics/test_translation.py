"""Figures of translations: a perfect translator has none of the error and the floor, the identity what copying has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from metrics.translators import Translator, domains, images, known, negated, negatives, same, two_sided
from PIL import Image

from ganvas.data import Problem, load
from ganvas.errors import UserError
from ganvas.game import DataSpec, Translates
from ganvas.metrics import CARDS, classifier, metric, ppl, translation
from ganvas.metrics.likeness import MOST_DB
from ganvas.metrics.translated import Made, in_channels, ways
from ganvas.metrics.translation import evaluate
from ganvas.report.series import HIGHER_IS_BETTER, best

EVERY = ["l1", "psnr", "ssim", "feature-distance", "fd", "kid", "swd"]


def test_a_perfect_translator_of_pairs_scores_the_floor_to_the_bit():
    data = negatives(41)
    found = evaluate(Translator(data, ab=negated), data, metrics=EVERY)["metrics"]
    assert found["l1"]["value"] == found["feature-distance"]["value"] == 0
    assert found["psnr"]["value"] == pytest.approx(MOST_DB)
    assert found["ssim"]["value"] == pytest.approx(1, rel=1e-12)
    for name in ("fd", "kid", "swd"):
        assert found[name]["value"] == found[name]["floor"] < 0.7 * found[name]["copy"]
    assert found["kid"]["std"] == found["kid"]["floor_std"]


def test_the_identity_scores_what_copying_does():
    for data, way in ((negatives(), "ab"), (domains(), "ab"), (domains(), "ba")):
        found = evaluate(Translator(data, **dict.fromkeys(("ab", "ba"), same)), data, metrics=[*EVERY, "cycle"])
        assert len(found["metrics"]) == 2 * 8
        for result in found["metrics"].values():
            assert result["value"] == result["copy"], way
        assert found["metrics"]["cycle"]["copy"] == 0
        assert found["metrics"]["kid"]["std"] == found["metrics"]["kid"]["copy_std"]


def test_a_shift_of_all_pixels_is_told_in_closed_form():
    a = images(20)
    data = two_sided("pairs", a, a + np.uint8(51))
    shifted = Translator(data, ab=lambda x: x + 41 / 127.5)
    found = evaluate(shifted, data, metrics=["l1", "psnr"])["metrics"]
    assert found["l1"]["value"] == pytest.approx(20 / 255) and found["l1"]["copy"] == pytest.approx(102 / 255)
    assert found["psnr"]["value"] == pytest.approx(20 * np.log10(25.5))
    assert found["psnr"]["copy"] == pytest.approx(20 * np.log10(5))


def test_both_ways_between_domains_whose_truth_is_known():
    data = domains()
    perfect = Translator(data, ab=negated, ba=negated)
    record = evaluate(perfect, data, metrics=["l1", "cycle", "fd"])
    found = record["metrics"]
    assert list(found) == ["l1", "l1-ba", "cycle", "cycle-ba", "fd", "fd-ba"]
    for name in ("l1", "l1-ba", "cycle", "cycle-ba"):
        assert found[name]["value"] == 0
    for name in ("fd", "fd-ba"):
        assert found[name]["value"] < 3 * found[name]["floor"] < found[name]["copy"] / 3, "other images of the domain"
    assert record["directions"] == ["ab", "ba"] and record["features"] == "pixels-8x8"
    lame = Translator(data, ab=negated, ba=lambda x: 0.5 * x)
    found = evaluate(lame, data, metrics=["l1", "fd"])["metrics"]
    assert found["l1"]["value"] == 0 < found["l1-ba"]["value"] and found["fd-ba"]["value"] > 3 * found["fd"]["value"]


def test_the_cycle_is_the_way_there_and_back():
    data = domains(truth=False)
    darker = Translator(data, ab=lambda x: x - 10 / 127.5, ba=lambda x: x - 20 / 127.5)
    found = evaluate(darker, data, metrics=["cycle"])["metrics"]
    assert found["cycle"]["value"] == found["cycle-ba"]["value"] == pytest.approx(30 / 127.5)
    assert list(evaluate(darker, data, metrics=["cycle-ba"])["metrics"]) == ["cycle-ba"]


def test_the_truth_of_blossoms_is_what_they_are_by_night():
    data = load("blossoms:8", task="domains", size=16)
    a, b = np.asarray(data.inputs), np.asarray(data.samples)
    to_night = known({x.tobytes(): y for x, y in zip(a, data.truths[0][:], strict=True)})
    to_day = known({x.tobytes(): y for x, y in zip(b, data.truths[1][:], strict=True)})
    found = evaluate(Translator(data, ab=to_night, ba=to_day), data, metrics=["l1", "ssim"])["metrics"]
    assert [found[name]["value"] for name in ("l1", "l1-ba")] == [0, 0]
    assert min(found[name]["copy"] for name in ("l1", "l1-ba")) > 0.1
    assert found["ssim-ba"]["value"] == pytest.approx(1)


@pytest.mark.parametrize(("of_a", "of_b"), [(1, 3), (3, 1)])
def test_copies_are_in_the_channels_of_the_target(of_a, of_b):
    a, b = images(20, channels=of_a), images(20, channels=of_b, seed=3)
    data = two_sided("pairs", a, b)
    (way,) = ways(Translator(data, ab=lambda x: x.mean(1, keepdim=True).expand(-1, of_b, -1, -1)), data, None, 0)
    assert way.copies.shape == b.shape == way.made[:].shape
    if of_a == 1:
        assert (way.copies == a).all()
    else:
        luma = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in a])[..., None]
        assert np.abs(way.copies.astype(int) - luma).max() <= 1
    record = evaluate(Translator(data, ab=lambda x: x[:, :1].expand(-1, of_b, -1, -1)), data, metrics=EVERY)
    assert all("copy" in result for result in record["metrics"].values())


def test_data_of_other_channels_are_fitted_to_the_game():
    game = Translator(DataSpec((3, 16, 16), task="pairs", given=(1, 16, 16)), ab=lambda x: x.expand(-1, 3, -1, -1))
    a = images(10, channels=1)
    grey = two_sided("pairs", np.repeat(a, 3, axis=-1), a)
    assert evaluate(game, grey, metrics=["l1"])["metrics"]["l1"] == {"value": 0, "copy": 0}
    assert in_channels(a, 1) is a


def test_inputs_by_recipe():
    images_alone = replace(load("blossoms:10", size=16), task="pairs", recipe="colorize")
    (way,) = ways(Translator(images_alone, ab=lambda x: x.expand(-1, 3, -1, -1)), images_alone, None, 0)
    assert way.inputs.shape == (10, 16, 16, 1)
    assert np.abs(way.inputs.astype(int) - in_channels(way.truth, 1)).max() <= 1
    assert (way.copies == way.inputs).all(), "the luma in three channels"
    holes = replace(images_alone, recipe="inpaint:0.25")
    first, again, other = (ways(Translator(holes, ab=same), holes, None, seed)[0].inputs for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_each_translation_is_made_once_with_the_seed_that_is_given():
    data = negatives(30)
    game = Translator(data, ab=negated)
    evaluate(game, data, metrics=EVERY, seed=7)
    assert (game.made["ab"], game.seeds) == (30, {7})
    alone = Translator(data, ab=negated)
    evaluate(alone, data, metrics=["fd"])
    assert alone.made["ab"] == 15, "half of the pairs alone"
    both = Translator(domains(), ab=negated, ba=negated)
    evaluate(both, domains(), metrics=["cycle", "l1", "l1-ba"])
    assert both.made == {"ab": 40 + 30, "ba": 30 + 40}


def test_made_is_indexed_like_an_array():
    asked = []
    made = Made(
        10, (4, 4, 1), lambda rows: asked.append(rows.tolist()) or np.stack([np.full((4, 4, 1), r) for r in rows])
    )
    assert made[[7, 2, 7]][:, 0, 0, 0].tolist() == [7, 2, 7]
    assert made[1:4][:, 0, 0, 0].tolist() == [1, 2, 3] and made[2].shape == (4, 4, 1)
    assert asked == [[2, 7], [1, 3]]


def test_features_of_one_game_are_never_taken_for_those_of_another(monkeypatch, tmp_path):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    data = negatives(30)
    first = evaluate(Translator(data, ab=negated), data, metrics=["fd", "kid"])["metrics"]
    second = evaluate(Translator(data, ab=lambda x: 0.8 * x), data, metrics=["fd", "kid"])["metrics"]
    for name in first:
        assert second[name]["value"] > 2 * first[name]["value"]
        assert second[name]["copy"] == first[name]["copy"] and second[name]["floor"] == first[name]["floor"]
    kept = len(list((tmp_path / "features").iterdir()))
    evaluate(Translator(data, ab=same), data, metrics=["fd", "kid"])
    assert len(list((tmp_path / "features").iterdir())) == kept, "translations leave nothing behind"


def test_n_judges_so_many_always_the_same():
    data = negatives(40)
    record, again = (evaluate(Translator(data, ab=same), data, metrics=["l1", "fd"], n=20) for _ in range(2))
    assert record == again and (record["n_generated"], record["n_real"], record["n_floor"]) == (20, 10, 10)
    assert evaluate(Translator(data, ab=same), data, metrics=["l1"], n=99)["n_generated"] == 40
    everything = evaluate(Translator(data, ab=negated), data, metrics=["fd"], reference="all")
    assert everything["n_real"] == 40 and everything["metrics"]["fd"]["value"] == pytest.approx(0, abs=1e-9)
    assert everything["metrics"]["fd"]["copy"] > 1
    some = ways(Translator(data, ab=same), data, 20, 0)[0].inputs
    assert (some != data.inputs[:20]).any(), "spread over the set, which may be sorted"


def test_labelled_targets_are_told_apart_by_their_classifier(monkeypatch):
    monkeypatch.setattr(classifier, "_SHOWN", 500)
    data = load("blossoms:60", task="pairs", size=16)
    game = Translator(data, ab=lambda x: x.expand(-1, 3, -1, -1))
    assert evaluate(game, data, metrics=["fd"])["features"].startswith("classifier:blossoms")
    assert evaluate(game, data, metrics=["fd"], n=40)["features"] == "pixels-8x8", "too few to learn from"
    two = load("blossoms:60", task="domains", size=16)
    record = evaluate(Translator(two, ab=same, ba=same), two, metrics=["fd"])
    assert record["features"] == "pixels-8x8", "of A no labels are known, and both ways are measured alike"


def test_lpips_needs_its_weights_and_else_is_called_what_it_is(monkeypatch):
    data = negatives(10)
    substitute = evaluate(Translator(data, ab=same), data, metrics=["lpips"])
    assert list(substitute["metrics"]) == ["feature-distance"]
    assert "not comparable with LPIPS" in substitute["notes"][0] and substitute["features"] == "pixels-8x8"

    def weighed(files):
        return lambda x, y: (x - y).square().mean((1, 2, 3)), {"distance": f"by {files}", "weights": "sha256:12"}

    monkeypatch.setattr(ppl, "of_perception", weighed)
    real = evaluate(Translator(data, ab=same), data, metrics=["lpips", "l1"], perceptual="a,b")
    square = np.square(2 * data.samples.astype(float) / 127.5 - 2).mean()
    assert real["metrics"]["lpips"]["value"] == pytest.approx(square, rel=1e-5)
    assert real["metrics"]["lpips"]["distance"] == "by a,b" and "notes" not in real
    assert "lpips" in evaluate(Translator(data, ab=same), data, perceptual="a,b")["metrics"]


def test_what_is_taken_where_nobody_asks():
    of_pairs = evaluate(Translator(negatives(), ab=same), negatives())
    assert list(of_pairs["metrics"]) == ["fd", "kid", "l1", "psnr", "ssim"] and "left_out" not in of_pairs
    unknown = domains(truth=False)
    of_domains = evaluate(Translator(unknown, ab=same, ba=same), unknown)
    assert list(of_domains["metrics"]) == ["fd", "fd-ba", "kid", "kid-ba", "cycle", "cycle-ba"]
    few = negatives(3)
    assert list(evaluate(Translator(few, ab=same), few)["metrics"]) == ["l1", "psnr", "ssim"]
    everything = evaluate(Translator(negatives(), ab=same), negatives(), metrics=["all"])
    assert list(everything["metrics"]) == ["fd", "kid", "swd", "l1", "psnr", "ssim", "feature-distance"]
    assert "there and back" in everything["left_out"]["cycle"]


@pytest.mark.parametrize(
    ("metrics", "data", "says"),
    [
        (["is"], negatives(), "translates images and draws no samples that 'is' could judge; its metrics are fid, fd"),
        (["ppl"], negatives(), "draws no samples that 'ppl'"),
        (["recall"], negatives(), "draws no samples"),
        (["pnsr"], negatives(), r"has no metric 'pnsr'; .* Did you mean psnr\?"),
        (["fd-ba"], negatives(), "translates from A to B alone, so there is no fd-ba; give fd"),
        (["cycle"], negatives(), "cycle takes the way there and back"),
        ([], negatives(), "no metric is named; give one of fid, fd"),
        (["l1"], domains(truth=False), "which of the domains of made up nobody knows; take fd"),
        (["all"], load("digits"), "is a set of single images, and a game that translates is judged on pairs"),
        (["fd"], negatives(3), r"fd holds sets against each other, and 3 images .* give 4 at least"),
        (["ssim"], negatives(9, side=10), "ssim compares windows of 11x11 pixels, and the images of made up are 10x10"),
        (["swd"], negatives(9, side=10), "swd compares patches"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence(metrics, data, says):
    change = {"ab": same, "ba": same} if data.task == "domains" else {"ab": same}
    with pytest.raises(UserError, match=says) as told:
        evaluate(Translator(negatives() if data.task == "images" else data, **change), data, metrics=metrics)
    assert len(str(told.value)) < 400


def test_files_that_were_left_out_are_told():
    data = replace(negatives(10), problems=(Problem("A/1.png", "it has no partner"), Problem("B/2.png", "it is torn")))
    told = evaluate(Translator(data, ab=same), data, metrics=["l1"])["warnings"]
    assert told == ["2 files of made up were left out; the first, A/1.png: it has no partner."]


def test_other_mistakes():
    data = negatives()
    with pytest.raises(UserError, match="truncation is of latents"):
        evaluate(Translator(data, ab=same), data, truncation=0.5)
    with pytest.raises(UserError, match="values that are not finite"):
        evaluate(Translator(data, ab=lambda x: x * torch.nan), data, metrics=["l1"])
    with pytest.raises(UserError, match="no setting 'featurs'"):
        evaluate(Translator(data, ab=same), data, featurs="pixels")
    with pytest.raises(UserError, match="classifier features need"):
        evaluate(Translator(data, ab=same), data, metrics=["fd"], features="classifier")
    for name in ("psnr", "l1-ba", "cycle"):
        with pytest.raises(UserError, match=f"the metric {name} judges translations, which only games such as pix2pix"):
            metric(name)


def test_higher_is_better_of_psnr_and_ssim_alone():
    new = {name for name, card in CARDS.items() if card.of == "translations"}
    assert new & HIGHER_IS_BETTER == {"psnr", "psnr-ba", "ssim", "ssim-ba"}
    told = [{"kimg": k, "metrics": {name: {"value": v} for name in new}} for k, v in enumerate((2.0, 3.0, 1.0))]
    for name in new:
        assert best(told, name)["kimg"] == (1 if name in HIGHER_IS_BETTER else 2)


def test_the_fakes_are_translators():
    assert isinstance(Translator(negatives(), ab=same), Translates)


def test_means_do_not_depend_on_the_blocks(monkeypatch):
    data = negatives(40)
    way = ways(Translator(data, ab=lambda x: 0.3 * x), data, None, 0)[0]
    whole = translation.means(way.made, way.truth, {"l1": translation.likeness.l1})
    monkeypatch.setattr(translation, "_AT_ONCE", 3 * 16 * 16 * 3)
    parts = translation.means(way.made, way.truth, {"l1": translation.likeness.l1})
    assert parts["l1"] == pytest.approx(whole["l1"], rel=1e-12)
