from __future__ import annotations

import math

from ganvas.report.series import Series, best, log_charts, metric_charts, thin


def test_figures_are_charted_by_family_what_says_most_first_and_speed_last():
    records = [
        {
            "kimg": k,
            "img_per_s": 9.0,
            "nimg": 1,
            "wasserstein": -1.0,
            "lr/G": 0.1,
            "loss/G": 2.0,
            "loss/D": 3.0,
            "warning": "x",
        }
        for k in (1, 2)
    ]
    charts = log_charts(records)
    assert [(c.title, [s.name for s in c.series]) for c in charts] == [
        ("Wasserstein", ["Wasserstein"]),
        ("Losses", ["G", "D"]),
        ("Learning rates", ["G"]),
        ("Speed (img/s)", ["Speed (img/s)"]),
    ]
    assert charts[1].series[1].points == ((1.0, 3.0), (2.0, 3.0))


def test_a_measure_of_convergence_comes_before_all():
    (record,) = [{"kimg": 1, "loss/D": 1, "D(x)": 0.8, "wasserstein": 2, "D(G(z))": 0.2, "convergence": 0.1}]
    charts = log_charts([record])
    assert [c.title for c in charts] == ["Convergence", "Wasserstein", "Losses", "Verdicts of D"]
    assert [s.name for s in charts[-1].series] == ["D(x)", "D(G(z))"]


def test_a_limit_is_the_reference_of_what_it_limits():
    (chart,) = log_charts([{"kimg": 1, "modes": 7, "modes_of": 8}])
    assert [(s.points[0][1], s.reference) for s in chart.series] == [(7, False), (8, True)]


def test_a_figure_may_be_missing_from_some_ticks():
    (chart,) = log_charts([{"kimg": 1}, {"kimg": 2, "loss/D": 1.0}, {"kimg": 3, "loss/D": None}])
    assert chart.series[0].points == ((2.0, 1.0),)


def evaluation(kimg: float, features: str = "f", **values: float) -> dict[str, object]:
    return {"kimg": kimg, "features": features, "metrics": {k: {"value": v, "floor": 1.0} for k, v in values.items()}}


def test_ways_of_measuring_are_never_joined_by_a_line():
    (chart,) = metric_charts([evaluation(1, fd=5), evaluation(1, "g", fd=50), evaluation(2, fd=4)])
    measured = [s for s in chart.series if not s.reference]
    assert [s.points for s in measured] == [((1.0, 5.0), (2.0, 4.0)), ((1.0, 50.0),)]


def test_the_best_knows_the_direction_and_leaves_out_nan_and_other_features():
    runs = [
        evaluation(1, "g", fd=0.1),
        evaluation(2, fd=9, recall=0.8),
        evaluation(3, fd=7, recall=0.7),
        evaluation(4, fd=math.nan),
    ]
    assert [best(runs, m) for m in ("fd", "recall", "kid")] == [runs[2], runs[1], None]
    assert best([], "fd") is None


def test_thinning_keeps_means_and_lets_a_finite_value_speak_for_its_stretch():
    points = tuple((float(i), math.nan if i % 10 == 0 or 100 <= i < 110 else float(i)) for i in range(1000))
    short = thin(Series("s", points), at_most=100).points
    assert len(short) == 100
    assert short[0] == (4.5, 5.0)
    assert [i for i, (_, y) in enumerate(short) if math.isnan(y)] == [10]
