"""The monitor finds each fault that is planted, soon and once, and is quiet on ordinary trainings."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import TINY, ganvas, lines, refused

from ganvas.game import Lipschitz
from ganvas.monitor import KINDS, Alarm, Monitor, kinds
from ganvas.report import alarms, logs
from ganvas.watcher import mean_distance
from ganvas.watches import CLEAR, FEWEST, STARVED_TICKS, deviation

Record = dict[str, Any]
KNOBS = {"clip", "opt_d.lr", "opt_g.lr", "instance_noise", "gp_weight", "critic_steps", "gamma", "k_lr"}


def monitor(judges: str = "probability", lipschitz: float | None = 1.0) -> Monitor:
    return Monitor(judges, lipschitz, KNOBS)


def minimax(n: int, seed: int = 0) -> Iterator[Record]:
    """Ticks like DCGAN's: gradient norms that differ by factors, heavy tails, a discriminator that is ahead early."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        early = math.exp(-i / 5)
        d = float(np.exp(0.25 * rng.standard_t(5) - 0.9 - early))
        yield {
            "kimg": float(i + 1),
            "loss/discriminator": d,
            "loss/generator": float(2.5 + 4 * early + 0.3 * rng.standard_t(5)),
            "D(x)": 1 - d / 6,
            "D(G(z))": d / 6,
            "grad_norm/D": float(np.exp(3 + 0.7 * rng.standard_t(8))),
            "grad_norm/G": float(np.exp(2.3 + 2 * early + 0.4 * rng.standard_t(8))),
            "lr/G": 2e-4,
        }


def wasserstein(n: int, seed: int = 0) -> Iterator[Record]:
    """Ticks like WGAN-GP's: losses that change sign while they fall, under a learning rate that falls to 0."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        w = 8 * math.exp(-i / 200)
        yield {
            "kimg": float(i + 1),
            "wasserstein": w,
            "loss/critic": float(-w + 0.5 * rng.standard_t(5)),
            "loss/generator": float(5 * math.sin(i / 60) + 0.5 * rng.standard_t(5)),
            "grad_norm/D": float(np.exp(1 + 0.5 * rng.standard_t(8))),
            "grad_norm/G": float(np.exp(-1 - i / n + 0.3 * rng.standard_t(8))),
            "lr/G": 1e-4 * (1 - i / n),
        }


def balanced(n: int, seed: int = 0) -> Iterator[Record]:
    """Ticks like BEGAN's: a smooth measure of convergence, and k_t that rises from 0 and wanders."""
    rng = np.random.default_rng(seed)
    k = 0.0
    for i in range(n):
        k = float(np.clip(k + 0.02 * rng.standard_normal() + 0.02 * (0.3 - k), 0, 1))
        yield {
            "kimg": float(i + 1),
            "convergence": float((0.06 + 0.2 * math.exp(-i / 100)) * np.exp(0.05 * rng.standard_t(5))),
            "loss/generator": float((0.03 + 0.1 * math.exp(-i / 100)) * np.exp(0.1 * rng.standard_t(5))),
            "k_t": k,
            "grad_norm/G": float(np.exp(-2 + 0.3 * rng.standard_t(8))),
        }


def told(m: Monitor, ticks: Any) -> list[Alarm]:
    return [alarm for record in ticks for alarm in m.tick(record)]


# Quiet where nothing is wrong.


@pytest.mark.parametrize("training", [minimax, wasserstein, balanced])
@pytest.mark.parametrize("seed", range(5))
def test_an_ordinary_training_of_a_thousand_ticks_raises_no_alarm(training, seed):
    assert told(monitor(), training(1000, seed)) == []


def test_false_alarms_are_rare_even_where_tails_are_very_heavy():
    """Student's t with 3 degrees of freedom, whose spikes of 20 deviations are a matter of course."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(10):
        m = monitor()
        ticks = ({"kimg": float(i), "loss/a": rng.standard_t(3), "loss/b": rng.standard_t(3)} for i in range(1000))
        found += sum(a.begins for a in told(m, ticks))
    assert found <= 10, f"{found} in 10,000 ticks"


def test_what_is_planned_is_no_spike():
    """A learning rate cut tenfold, and losses that follow it at once."""
    ticks = [*minimax(80)]
    for t in ticks[40:]:
        t["lr/G"] /= 10
        t |= {k: v * 30 for k, v in t.items() if k.startswith(("loss/", "grad_norm/"))}
    assert told(monitor(), ticks) == []
    for t in ticks:
        t["lr/G"] = 2e-4
    assert [a.kind for a in told(monitor(), ticks)][:1] == ["spike"], "unplanned, it is one"


def test_the_first_rounds_raise_no_alarm():
    ticks = [{"kimg": float(i), "loss/d": 1e3 * math.exp(-2 * i), "D(x)": 0.999, "D(G(z))": 0.001} for i in range(1, 5)]
    assert told(monitor(), ticks) == []
    m = monitor()
    assert [m.snapshot({"kimg": k, "diversity": v}) for k, v in enumerate([0.01, 0.1, 0.2, 0.9, 1.0])] == [[]] * 5


def test_a_sum_of_losses_does_not_count_besides_its_parts():
    base = [{"kimg": float(i), "loss/both/G": 1.0, "loss/both/D": 1.0, "loss/both": 2.0} for i in range(30)]
    spiked = {"kimg": 30.0, "loss/both/G": 1.8, "loss/both/D": 1.0, "loss/both": 2.8}
    assert told(monitor(), [*base, spiked]) == []
    assert deviation(1.8, [1.0] * 30) > CLEAR, "the part alone is clearly off, which once is not enough"


def test_figures_that_are_not_finite_are_passed_over():
    ticks = [*minimax(60)]
    for t in ticks[::3]:
        t |= {"loss/generator": math.nan, "grad_norm/G": None, "D(x)": math.inf, "k_t": math.nan}
    assert told(monitor(), ticks) == []
    assert monitor().snapshot({"kimg": 1.0, "diversity": math.nan, "lipschitz/mean": math.inf}) == []


# Each fault is found.


@pytest.mark.parametrize("training", [minimax, wasserstein, balanced])
@pytest.mark.parametrize("seed", range(5))
def test_a_spike_is_found_where_it_is_and_told_once(training, seed):
    ticks = [*training(150, seed)]
    for t in ticks[100:104]:
        t |= {k: 40 * abs(v) for k, v in t.items() if k.startswith(("loss/", "grad_norm/")) or k == "convergence"}
    found = told(monitor(), ticks)
    assert [(a.kind, a.begins) for a in found] == [("spike", True), ("spike", False)]
    assert found[0].kimg == found[0].since == 101
    assert "was usual" in found[0].saw
    assert "--clip 1" in found[0].advice
    assert 107 <= found[1].kimg <= 112


def test_one_curve_that_is_clearly_off_is_a_spike_when_it_comes_again():
    ticks = [*balanced(400)]
    for i in (360, 362):
        ticks[i]["convergence"] *= 2  # as in the blog's figure 5
    assert [(a.kind, a.kimg) for a in told(monitor(), ticks) if a.begins] == [("spike", 363)]


def test_a_new_level_becomes_the_usual_one():
    ticks = [*balanced(200)]
    for t in ticks[100:]:
        t["convergence"] *= 5
    first, last = told(monitor(), ticks)
    assert first.begins and not last.begins
    assert last.kimg < 100 + 50


def test_a_discriminator_that_is_always_right_starves_the_generator():
    ticks = [*minimax(60)]
    for t in ticks[30:50]:
        t |= {"D(x)": 0.9999, "D(G(z))": 0.0002}
    begun, ended = [a for a in told(monitor(), ticks) if a.kind == "starved"]
    assert (begun.begins, begun.since, begun.kimg) == (True, 31, 30 + STARVED_TICKS)
    assert "D(x) is 0.9999 and D(G(z)) 0.0002" in begun.saw
    assert "--opt-d.lr" in begun.advice and "--instance-noise" in begun.advice
    assert not ended.begins and 53 <= ended.kimg < 60
    assert [a for a in told(monitor("score"), ticks) if a.kind == "starved"] == [], "scores are no probabilities"


@pytest.mark.parametrize("training", [minimax, wasserstein, balanced])
def test_a_gradient_that_vanishes_starves_the_generator(training):
    ticks = [*training(60)]
    for t in ticks[30:]:
        t["grad_norm/G"] *= 1e-3
    (found,) = [a for a in told(monitor("score"), ticks) if a.kind == "starved"]
    assert found.since == 31 and found.kimg <= 31 + STARVED_TICKS
    assert "usual once" in found.saw


@pytest.mark.parametrize(("k", "case"), [(0.0, "larger --gamma"), (1.0, "smaller --gamma")])
def test_a_controller_at_its_bound_is_told(k, case):
    ticks = [*balanced(120)]
    for t in ticks[60:]:
        t["k_t"] = k
    (found,) = told(monitor("score"), ticks)
    assert (found.kind, found.since) == ("balance", 61)
    assert case in found.advice


def test_a_controller_that_swings_is_told():
    ticks = [*balanced(120)]
    for i, t in enumerate(ticks[60:]):
        t["k_t"] = float(np.clip(0.5 + 2 * math.sin(i / 2), 0, 1))
    (found,) = told(monitor("score"), ticks)
    assert found.kind == "balance" and found.kimg < 100
    assert "--k-lr" in found.advice


def snapshots(m: Monitor, key: str, values: list[float]) -> list[tuple[int, bool]]:
    found = [a for i, v in enumerate(values) for a in m.snapshot({"kimg": float(i), key: v})]
    return [(int(a.kimg), a.begins) for a in found]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.6, 0.9, 1.0, 0.05, 0.04, 0.35, 0.9], [(3, True), (6, False)]),
        ([0.9, 0.9, 0.42, 0.42, 0.42, 0.42, 0.42], [(2, True)]),  # half of what was, however long it lasts
        ([0.1, 0.02, 0.01, 0.01, 0.01], [(4, True)]),  # never anything else
        ([0.64, 0.84, 0.94, 0.98, 1.02, 0.9, 0.8, 0.7], []),
        ([0.2, 0.9, 0.5, 0.5, 0.5], []),  # one high figure is not what it once was
    ],
)
def test_collapse(values, expected):
    assert snapshots(monitor(), "diversity", values) == expected


@pytest.mark.parametrize(
    ("target", "values", "expected"),
    [
        (1.0, [1.9, 1.4, 0.6, 1.1], []),
        (1.0, [5.0, 1.1, 5.0, 6.0, 7.0, 1.0], [(3, True), (5, False)]),
        (1.0, [0.1, 0.05, 0.1], [(1, True)]),
        (10.0, [9.0, 9.0, 9.0], []),
        (None, [0.004, 30.0, 90.0], []),  # weights that are clipped: any constant will do
    ],
)
def test_a_critic_far_from_lipschitz(target, values, expected):
    assert snapshots(monitor("score", target), "lipschitz/mean", values) == expected


def test_advice_names_only_settings_that_are_there():
    m = Monitor("score", 1.0, {"clip"})
    ticks = [*wasserstein(40)]
    ticks[-1] |= {"loss/critic": 1e4, "loss/generator": 1e4}
    (found,) = told(m, ticks)
    assert "--clip" in found.advice and "--opt" not in found.advice


def test_two_deviations_are_two_for_gaussian_noise():
    past = list(np.random.default_rng(0).normal(3, 2, 4000))
    assert deviation(7.0, past) == pytest.approx(2.0, rel=0.05)
    assert deviation(7.0, [*past, *[1e9] * 40]) == pytest.approx(2.0, rel=0.05), "outliers hardly move it"
    assert abs(deviation(2.0, [1.0] * FEWEST)) < math.inf, "a constant past has a least spread"


def test_a_resumed_monitor_is_the_one_that_never_stopped():
    ticks = [*minimax(120)]
    for t in ticks[50:60]:
        t |= {"D(x)": 1.0, "D(G(z))": 0.0, "loss/generator": 100.0, "grad_norm/G": 1e4}
    for at in (40, 52, 57, 61, 100):
        m = monitor()
        before = told(m, ticks[:at])
        resumed = monitor()
        told(resumed, ticks[:at])
        assert resumed.active == m.active
        assert before + told(resumed, ticks[at:]) == told(monitor(), ticks)
    assert len(told(monitor(), ticks)) >= 3


def test_an_alarm_tells_json():
    alarm = Alarm("spike", 2.0, 1.0, "x", "do y")
    assert alarm.to_json() == {"event": "alarm", "kind": "spike", "kimg": 2, "since": 1, "saw": "x", "advice": "do y"}
    assert Alarm("spike", 2.0, 1.0, "x", begins=False).to_json()["event"] == "calm"


def test_mean_distance_of_a_triangle():
    assert mean_distance(torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])) == pytest.approx(4.0)


def test_kinds_are_checked():
    assert kinds("") == ()
    assert kinds(" spike, collapse,") == ("spike", "collapse")
    assert set(kinds(",".join(KINDS))) == set(KINDS)


# The real thing.

STARVING = ("train", "dcgan", "digits", *TINY, "--opt-d.lr", "0.05", "--opt-g.lr", "1e-7", "--every", "2")


@pytest.fixture(scope="module")
def starved(tmp_path_factory) -> tuple[Path, str]:
    """A run whose discriminator learns far too fast, and what it said."""
    out = tmp_path_factory.mktemp("starved") / "run"
    with every_tick():
        answer = ganvas(*STARVING, "--kimg", "8", "--out", out)
    assert answer.code == 0, answer.err
    return out, answer.err


class every_tick(pytest.MonkeyPatch):
    """Inside, a tick is written every eighth round, however quick this machine is."""

    def __enter__(self) -> None:
        from ganvas.recorder import Recorder

        tick = Recorder.tick
        self.setattr(Recorder, "tick", lambda r, force=False: tick(r, force or r.session.clock.round % 8 == 0))

    def __exit__(self, *error: object) -> None:
        self.undo()


def test_a_starved_run_is_told_in_the_log_the_terminal_and_the_report(starved):
    run, said = starved
    (alarm,) = [e for e in lines(run / "log.jsonl") if e.get("event") == "alarm" and e["kind"] == "starved"]
    assert set(alarm) == {"event", "kind", "kimg", "since", "saw", "advice"}
    assert alarm["since"] < alarm["kimg"]
    assert f"alarm: starved: {alarm['saw']}. {alarm['advice']}\n" in said
    assert said.count("alarm: starved") == 1
    html = (run / "report.html").read_text()
    assert "<h2>Alarms</h2>" in html
    assert '<span class="pill alarm">starved</span>' in html
    assert '<g class="alarm"><title>starved: D is always right' in html
    assert html.count("D is always right") == 2, "on the curve and in its section, not in the history"


def test_diversity_is_logged_and_drawn(starved):
    run, _ = starved
    figures = [e["diversity"] for e in logs.read(run)[1] if e["event"] == "snapshot"]
    assert len(figures) == 4
    assert all(0 <= f < 2 for f in figures)
    assert "<h3>Diversity" in (run / "report.html").read_text()


def test_after_a_resume_an_alarm_is_not_told_again(starved, tmp_path):
    run = Path(shutil.copytree(starved[0], tmp_path / "run"))
    with every_tick():
        answer = ganvas("train", "--resume", run, "--kimg", "10")
    assert answer.code == 0, answer.err
    assert "alarm: starved" not in answer.err
    (alarm,) = [a for a in alarms.told(logs.read(run)[1]) if a.kind == "starved"]
    assert alarm.until is None


def test_watching_changes_no_weight(tmp_path, monkeypatch):
    """Nor does it draw from a global generator."""
    from ganvas.run import Run
    from ganvas.watcher import Watcher

    train = ("train", "wgan-gp", "digits", *TINY, "--kimg", "1", "--every", "0.25", "--quiet", "--out")
    torch.manual_seed(0)
    np.random.seed(0)
    assert ganvas(*train, tmp_path / "watched").code == 0
    after = (torch.rand(3).tolist(), np.random.rand(3).tolist())
    monkeypatch.setattr(Watcher, "tick", lambda *a: None)
    monkeypatch.setattr(Watcher, "snapshot", lambda *a: {})
    torch.manual_seed(0)
    np.random.seed(0)
    assert ganvas(*train, tmp_path / "not").code == 0
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist()) == after
    a, b = (Run(tmp_path / name).latest() for name in ("watched", "not"))
    for file in ("weights.safetensors", "averages.safetensors", "optimizers.safetensors"):
        assert (a / file).read_bytes() == (b / file).read_bytes()
    figures = [e for e in logs.read(tmp_path / "watched")[1] if e["event"] == "snapshot"]
    assert all(0 < e["lipschitz/mean"] <= e["lipschitz/max"] for e in figures)


def test_the_gradient_of_a_linear_critic_is_its_weight(tmp_path):
    """‖∇ (w·x)‖ = ‖w‖ wherever it is measured; batch and mode do not matter."""
    from ganvas import data
    from ganvas.engine import Session, Settings
    from ganvas.games import find
    from ganvas.watcher import Watcher

    dataset = data.load("ring")
    game = find("wgan-gp")(find("wgan-gp").defaults(dataset.spec), dataset.spec)
    game.D = torch.nn.Linear(2, 1)
    game.D.weight.data = torch.tensor([[3.0, 4.0]])
    game.players["D"].net = game.D
    assert isinstance(game, Lipschitz) and game.lipschitz == 1
    session = Session(Settings(batch=16), torch.device("cpu"))
    watcher = Watcher(None, game, dataset, session, print)  # type: ignore[arg-type]
    assert watcher._lipschitz() == {"lipschitz/mean": pytest.approx(5), "lipschitz/max": pytest.approx(5)}
    assert game.training and game.D.weight.grad is None


# --stop-on.


def test_stop_on_ends_the_run_with_a_checkpoint_and_says_how_to_go_on(tmp_path):
    run = tmp_path / "run"
    with every_tick():
        answer = ganvas(*STARVING, "--kimg", "8", "--stop-on", "spike,starved", "--quiet", "--out", run)
    assert answer.code == 2
    assert answer.err.startswith("ganvas: Stopped by --stop-on starved, at ")
    assert "D is always right" in answer.err and "Traceback" not in answer.err
    ticks, events = logs.read(run)
    assert events[-1]["event"] == "stopped" and ticks[-1]["kimg"] < 8
    assert 'pill stopped">stopped' in (run / "report.html").read_text()
    (resume,) = answer.commands
    with every_tick():
        assert ganvas(*resume, "--quiet").code == 0, "it was told already: the run goes on until another begins"
    assert logs.read(run)[0][-1]["kimg"] == pytest.approx(8)


def test_by_default_nothing_stops_a_run(starved):
    assert logs.read(starved[0])[1][-1]["event"] == "finished"


def test_an_unknown_alarm_is_refused_before_anything_is_written(tmp_path):
    said = refused("train", "gan", "digits", *TINY, "--stop-on", "spkie", "--out", tmp_path / "run")
    assert "Did you mean spike?" in said
    assert not (tmp_path / "run").exists()
