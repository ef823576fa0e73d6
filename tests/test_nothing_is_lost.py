"""Whatever happens to a run (a kill, a full disk, a flipped bit, a loss that explodes), its last good state stays."""

from __future__ import annotations

import errno
import json
import random
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import TINY, Started, contents, die_at_sync, ganvas, limit_files, lines, refused
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

import ganvas as face
from ganvas import checkpoint
from ganvas.errors import UserError
from ganvas.report import logs
from ganvas.run import Run, locked

TRAIN = ("train", "gan", "digits", *TINY, "--kimg", "2", "--every", "0.5", "--quiet")
FILES = ("weights.safetensors", "averages.safetensors", "optimizers.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that nothing interrupted: four checkpoints of which three are kept."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert ganvas(*TRAIN, "--out", out).code == 0
    return out


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def final(run: Path) -> dict[str, object]:
    """The last checkpoint of a run: every tensor's bytes, and the clock without the seconds."""
    last = Run(run).latest()
    checkpoint.verify(last)
    state = json.loads((last / "state.json").read_text())
    del state["clock"]["seconds"]
    return {"name": last.name, "state": state} | {f: (last / f).read_bytes() for f in FILES}


def names(run: Path) -> list[str]:
    return [d.name for d in Run(run).checkpoints]


def resumed_to_the_end(run: Path) -> None:
    answer = ganvas("train", "--resume", run, "--quiet")
    assert answer.code == 0, answer.err
    assert not [*(run / "checkpoints").glob(checkpoint.ASIDE + "*")], "what was half written is gone"


# Kill -9. A checkpoint syncs its five files, itself and its parent; config.json was synced before the first.


@pytest.mark.parametrize("nth", [2, 4, 7, 8, 9, 13, 15, 24, 29])
def test_killed_while_a_checkpoint_is_written_it_resumes_to_the_same_bits(nth, whole, tmp_path):
    run = tmp_path / "run"
    child = Started(*TRAIN, "--out", run, log=tmp_path / "log", before=die_at_sync, args=(nth,))
    assert child.end() == -signal.SIGKILL
    for d in Run(run).checkpoints:
        checkpoint.verify(d)
    renamed = [1 if nth > 1 + 7 * i + 6 else 0 for i in range(4)]
    assert len(Run(run).checkpoints) == min(sum(renamed), 4)
    if nth == 29:  # all was written, and the last directory entry was about to be synced
        assert "has reached its 2 kimg" in refused("train", "--resume", run)
    else:
        resumed_to_the_end(run)
    assert final(run) == final(whole)


def test_killed_at_random_moments_again_and_again_it_ends_with_the_same_bits(whole, tmp_path):
    run, chance = tmp_path / "run", random.Random(0)
    start, kills = (*TRAIN, "--out", run), 0
    for _ in range(12):
        child = Started(*start, log=tmp_path / "log")
        child.process.join(chance.uniform(0.1, 0.5))
        child.process.kill()
        kills += child.end() == -signal.SIGKILL
        if (run / "config.json").exists():
            start = ("train", "--resume", run, "--quiet")
        else:
            shutil.rmtree(run, ignore_errors=True)
    assert kills
    last = ganvas(*start)
    assert last.code == 0 or "has reached its 2 kimg" in last.err
    assert final(run) == final(whole)


def test_a_log_torn_by_a_kill_and_continued_reads_well(copy):
    (d,) = [d for d in Run(copy).checkpoints if d.name == "000001"]
    with (copy / "log.jsonl").open("a") as log:
        log.write('{"kimg": 1.9, "loss/gen')
    assert ganvas("train", "--resume", d, "--kimg", "2.5", "--quiet").code == 0
    ticks, events = logs.read(copy)
    kimg = [t["kimg"] for t in ticks]
    assert kimg == sorted(set(kimg))
    assert kimg[-1] == 2.512
    assert [e["event"] for e in events].count("resumed") == 1
    assert events[-1]["event"] == "finished"
    assert sorted(e["checkpoint"] for e in events if e["event"] == "snapshot")[-1] == "000002.512"


# Ctrl-C and SIGTERM.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_writes_a_checkpoint_and_says_how_to_go_on(number, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    child = Started(*TRAIN, "--kimg", "200", "--out", run, log=log)
    child.until(lambda: checkpoint.listed(run / "checkpoints"))
    child.send(number)
    assert child.end() == 130
    said = log.read_text()
    assert "Traceback" not in said
    assert f"`ganvas train --resume {run}`" in said
    last = Run(run).latest()
    ticks, events = logs.read(run)
    nimg = json.loads((last / "state.json").read_text())["clock"]["nimg"]
    assert nimg == ticks[-1]["nimg"] < 200_000
    assert events[-1]["event"] == "interrupted"


@pytest.mark.parametrize("when", ["tick", "snapshot"])
def test_a_wish_to_stop_is_never_met_without_a_checkpoint(when, whole, tmp_path, monkeypatch):
    """Also where it comes while a round is logged or saved, when the state has already been looked at."""
    from ganvas.recorder import Recorder

    run, did = tmp_path / "run", getattr(Recorder, when)

    def interrupted(self, *args, **kwargs):
        if self.session.clock.nimg == 512:
            signal.raise_signal(signal.SIGINT)
        return did(self, *args, **kwargs)

    monkeypatch.setattr(Recorder, when, interrupted)
    assert ganvas(*TRAIN, "--out", run).code == 130
    monkeypatch.undo()
    assert names(run) == ["000000", "000000.528"], "the wish was met after the next round"
    resumed_to_the_end(run)
    assert final(run) == final(whole)


def test_a_wish_in_the_last_round_finishes_the_run(tmp_path, monkeypatch):
    from ganvas.recorder import Recorder

    run, tick = tmp_path / "run", Recorder.tick

    def interrupted(self, force=False):
        if self.session.clock.nimg >= 1984:
            signal.raise_signal(signal.SIGTERM)
        return tick(self, force)

    monkeypatch.setattr(Recorder, "tick", interrupted)
    assert ganvas(*TRAIN, "--out", run).code == 0
    assert logs.read(run)[1][-1]["event"] == "finished"


# A full disk.


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_as_safetensors_says_it(*args, **kwargs):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("where", ["os.fsync", "os.write", "pathlib.Path.write_text", "pathlib.Path.write_bytes",
                                   "PIL.Image.Image.save", "ganvas.checkpoint.save_file"])  # fmt: skip
def test_a_full_disk_leaves_the_last_good_checkpoint_and_says_so(where, copy, monkeypatch):
    before = final(copy)
    monkeypatch.setattr(where, full_as_safetensors_says_it if "save_file" in where else full)
    answer = ganvas("train", "--resume", copy, "--kimg", "3", "--quiet")
    monkeypatch.undo()
    assert answer.code == 2, answer
    assert answer.err.count("\n") == 1
    assert "full" in answer.err or "No space left" in answer.err
    for d in Run(copy).checkpoints:
        checkpoint.verify(d)
    if names(copy)[-1] == "000002":
        assert final(copy) == before
    if where == "os.fsync":  # config.json could not take the new budget
        assert Run(copy).config["settings"]["kimg"] == 2
        resume = ["train", "--resume", str(copy), "--kimg", "3"]
    else:
        (resume,) = [c for c in answer.commands if c[0] == "train"]
    assert ganvas(*resume, "--quiet").code == 0
    assert names(copy)[-1] == "000003"


def test_a_disk_that_is_full_for_one_file_of_a_checkpoint(tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    begun = ganvas(*TRAIN, "--width", "256", "--kimg", "0.5", "--out", run)
    assert begun.code == 0, begun.err
    before = final(run)
    child = Started("train", "--resume", run, "--kimg", "1", "--quiet", log=log, before=limit_files, args=(300_000,))
    assert child.end() == 2
    said = log.read_text()
    assert "Traceback" not in said
    assert "The disk is full" in said
    assert f"`ganvas train --resume {run}`" in said
    assert names(run) == ["000000"]
    assert final(run) == before
    assert not [*(run / "checkpoints").glob(".*")], "what was half written makes room again"
    assert logs.read(run)[1][-1]["event"] == "failed"


def test_a_disk_that_is_full_at_the_start_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", full)
    assert "The disk is full" in refused(*TRAIN, "--out", tmp_path / "deep" / "run")
    assert not (tmp_path / "deep" / "run").exists()


# Damage.


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def remove(file: Path) -> None:
    file.unlink()


def garbage(file: Path) -> None:
    file.write_bytes(b"\x00\xff garbage")


@pytest.mark.parametrize("harm", [truncate, flip, remove, garbage])
@pytest.mark.parametrize("file", [*FILES, "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_detected_and_the_one_before_it_offered(file, harm, copy):
    newest, before = Run(copy).checkpoints[-1], Run(copy).checkpoints[-2]
    harm(newest / file)
    said = refused("sample", copy, "--out", copy / "x.png")
    assert "is damaged" in said
    assert file in said or (file, harm) == ("manifest.json", flip), "there the bit may be that of another file's hash"
    assert f"`ganvas sample {before}`" in said
    assert f"`ganvas train --resume {before}`" in said
    assert not (copy / "x.png").exists()
    with pytest.raises(UserError, match="damaged"):
        face.load(copy)


def test_the_commands_that_are_offered_work(copy, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where `ganvas sample` writes grid.png
    flip(Run(copy).latest() / "weights.safetensors")
    for command in (("sample", copy), ("evaluate", copy), ("train", "--resume", copy)):
        answer = ganvas(*command)
        assert answer.code == 2, answer
        resume, sample = answer.commands
    assert ganvas(*sample).code == 0
    assert Path("grid.png").exists()
    assert ganvas(*resume, "--quiet").code == 0
    assert final(copy) == final(whole)
    superseded = [*(copy / "checkpoints").glob("superseded-*")]
    assert [d.name for d in superseded] == ["superseded-0-000002"], "the damaged one is set aside, not thrown away"


def test_only_a_good_checkpoint_is_offered(copy):
    first, second, third = Run(copy).checkpoints
    flip(third / "weights.safetensors")
    remove(second / "state.json")
    assert f"`ganvas train --resume {first}`" in refused("train", "--resume", copy)
    truncate(first / "averages.safetensors")
    assert "train anew" in refused("train", "--resume", copy)


def test_a_manifest_that_was_forged_opens_no_other_file(copy):
    newest = Run(copy).latest()
    (newest / "manifest.json").write_text(json.dumps({"../../config.json": "0", "/etc/passwd": "0"}))
    assert "damaged" in refused("sample", copy)


def test_tensors_of_another_shape_are_told(copy):
    newest = Run(copy).latest()
    shutil.copy(newest / "optimizers.safetensors", newest / "weights.safetensors")
    manifest = json.loads((newest / "manifest.json").read_text())
    manifest["weights.safetensors"] = manifest["optimizers.safetensors"]
    (newest / "manifest.json").write_text(json.dumps(manifest))
    assert "does not fit the run's configuration" in refused("sample", copy)


# A loss that is not finite.


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(whole, tmp_path, monkeypatch):
    from ganvas.losses import adversarial

    run, loss, calls = tmp_path / "run", adversarial.discriminator, iter(range(1, 10**9))
    monkeypatch.setattr(adversarial, "discriminator", lambda *a: loss(*a) * (float("nan") if next(calls) == 70 else 1))
    answer = ganvas(*TRAIN, "--out", run)
    monkeypatch.undo()
    assert answer.code == 2
    assert "turn 'discriminator' is not finite in round 70, at 1.120 kimg. Try" in answer.err
    assert names(run) == ["000000", "000001"]
    for d in Run(run).checkpoints:
        checkpoint.verify(d)
        for file in FILES:
            assert all(bool(torch.isfinite(v).all()) for v in load_file(d / file).values())
    events = logs.read(run)[1]
    assert events[-1]["event"] == "failed"
    assert "discriminator" in events[-1]["why"]
    (resume,) = answer.commands
    assert ganvas(*resume, "--quiet").code == 0
    assert final(run) == final(whole), "with the cause gone, it goes on as if nothing had happened"


def test_weights_that_are_not_finite_are_not_saved(tmp_path, monkeypatch):
    from ganvas import engine

    run, take = tmp_path / "run", engine.take

    def poisoned(game, turn, batch, session, repeat=0):
        added = take(game, turn, batch, session, repeat)
        if session.clock.nimg >= 512 and turn.name == "generator":
            next(game.G.parameters()).data.fill_(torch.inf)
        return added

    monkeypatch.setattr(engine, "take", poisoned)
    monkeypatch.setattr(engine.Meter, "not_finite", lambda self: "")
    answer = ganvas(*TRAIN, "--out", run)
    assert answer.code == 2
    assert "weights 'G." in answer.err
    assert names(run) == []
    assert f"`ganvas train --resume {run}`" in answer.err


# Which checkpoints stay.


def test_the_last_ones_and_the_best_are_kept(tmp_path, monkeypatch):
    """With a metric of which more is better, as with one of which less is."""
    for metric, best in (("classes", 1), ("fd", 3)):
        values = iter([4.0, 9.0, 7.0, 1.0, 5.0, 5.0, 5.0, 5.0])

        def scripted(*args, metric=metric, values=values, **options):
            return {"metrics": {metric: {"value": next(values)}}, "features": "x", "n_generated": 1, "n_real": 1}

        monkeypatch.setattr("ganvas.metrics.evaluation.evaluate", scripted)
        run = tmp_path / metric
        budget = ("--kimg", "1", "--every", "0.125", "--keep", "2", "--metrics", metric, "--quiet")
        answer = ganvas("train", "gan", "digits", *TINY, *budget, "--out", run)
        assert answer.code == 0, answer.err
        evaluated = [e["checkpoint"] for e in lines(run / "metrics.jsonl")]
        assert len(evaluated) == 8
        assert names(run) == [evaluated[best], *evaluated[-2:]]


def test_nothing_that_exists_is_overwritten(whole, tmp_path):
    before = contents(whole)
    assert f"`ganvas train --resume {whole}`" in refused(*TRAIN, "--out", whole)
    assert contents(whole) == before
    (tmp_path / "empty").mkdir()
    said = refused(*TRAIN, "--out", tmp_path / "empty")
    assert "exists already" in said
    assert "--resume" not in said, "it is no run"


# One process at a time.


def test_a_second_process_on_a_run_is_refused(whole, tmp_path):
    run = tmp_path / "run"
    child = Started(*TRAIN, "--out", run, log=tmp_path / "log")
    child.until(lambda: (run / "log.jsonl").exists())
    assert "another process" in refused("train", "--resume", run)
    assert child.end() == 0
    assert final(run) == final(whole)


def test_a_run_in_use_is_not_even_read(copy, monkeypatch):
    """Reading first would be a race with the process that writes and rotates its checkpoints."""
    monkeypatch.setattr(checkpoint, "load", lambda *a: pytest.fail("it was read"))
    with locked(Run(copy)):
        assert "another process" in refused("train", "--resume", copy, "--kimg", "3")


# Going on.


def test_more_kimg_equals_a_longer_run_on_the_same_schedule(whole, copy, tmp_path):
    longer = tmp_path / "longer"
    assert ganvas(*TRAIN, "--kimg", "3", "--schedule-kimg", "2", "--out", longer).code == 0
    assert ganvas("train", "--resume", copy, "--kimg", "3", "--quiet").code == 0
    assert final(copy) == final(longer)
    assert Run(copy).config["settings"]["kimg"] == 3


def test_a_finished_run_says_how_it_goes_on_and_changes_nothing(copy):
    before = contents(copy)
    assert "larger --kimg" in refused("train", "--resume", copy)
    assert "larger --kimg" in refused("train", "--resume", copy, "--kimg", "1")
    assert contents(copy) == before


def test_from_an_earlier_checkpoint_the_later_ones_are_set_aside(copy, whole):
    earlier = Run(copy).checkpoints[0]
    assert ganvas("train", "--resume", earlier, "--quiet").code == 0
    assert final(copy) == final(whole)
    assert names(copy)[-1] == "000002"
    aside = {d.name for d in (copy / "checkpoints").glob("superseded-*")}
    assert aside == {f"superseded-0-{d}" for d in names(whole)[1:]}


def test_changed_data_are_refused(tmp_path):
    photos, run = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    for i in range(20):
        Image.fromarray(np.full((8, 8), 10 * i, np.uint8)).save(photos / f"{i}.png")
    start = ("train", "gan", str(photos), *TINY, "--kimg", "0.2", "--quiet")
    assert ganvas(*start, "--out", run).code == 0
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(photos / "new.png")
    assert "20 samples then, 21 now" in refused("train", "--resume", run, "--kimg", "0.4")
    (photos / "new.png").unlink()
    assert ganvas("train", "--resume", run, "--kimg", "0.4", "--quiet").code == 0
    shutil.rmtree(photos)
    assert "no folder or file" in refused("train", "--resume", run, "--kimg", "0.6")


def test_a_run_without_a_checkpoint_begins_again(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints")
    (run / "log.jsonl").unlink()
    assert ganvas("train", "--resume", run, "--quiet").code == 0
    assert final(run) == final(whole)
