import json

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

from tinyprop.datasets import synthetic_dcase
from tinyprop.datasets.dcase import DcaseSettings, load
from tinyprop.datasets.dcase_clips import MACHINES
from tinyprop.datasets.synthetic_sounds import KINDS, make_unit, record
from tinyprop.features.logmel import LogMel, log_mel


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(synthetic_dcase, "IDS", ("id_00", "id_02"))
    monkeypatch.setattr(
        synthetic_dcase, "COUNTS", {("train", "normal"): 2, ("test", "normal"): 1, ("test", "anomaly"): 2}
    )


def loudness(clip):
    """Mean and deviation of each mel band over time."""
    spectrogram = log_mel((clip / np.float32(32768)).astype(np.float32), 16000, LogMel(mels=64))
    return np.concatenate([spectrogram.mean(axis=0), spectrogram.std(axis=0)])


@pytest.mark.parametrize("kind", KINDS)
def test_faults_are_heard(kind):
    """A distance from the unit's normal sounds, no learning, finds most of the faulty clips."""
    unit = make_unit(kind, np.random.default_rng(1))
    normal = np.stack([loudness(record(unit, False, np.random.default_rng([2, i]))) for i in range(10)])
    faulty = np.stack([loudness(record(unit, True, np.random.default_rng([3, i]))) for i in range(8)])
    reference = normal[:5]
    scores = [np.square((x - reference.mean(0)) / (reference.std(0) + 0.3)).mean() for x in (*normal[5:], *faulty)]
    assert roc_auc_score([0] * 5 + [1] * 8, scores) > 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_machines_sound_neither_like_noise_nor_clipped(kind):
    clip = record(make_unit(kind, np.random.default_rng(1)), False, np.random.default_rng(2)) / 32768
    assert clip.shape == (160000,)
    assert 0.01 < clip.std() < 0.1
    assert np.abs(clip).max() < 0.95
    power = np.abs(np.fft.rfft(clip.reshape(10, 16000) * np.hanning(16000), axis=1)) ** 2
    smooth = power.mean(axis=0)[50:4000]
    flatness = np.exp(np.log(smooth).mean()) / smooth.mean()
    bursts = np.square(clip.reshape(-1, 160)).mean(axis=1)
    assert flatness < 0.4 or bursts.max() > 20 * np.median(bursts)  # white noise: 1, and below 2


def test_files_have_the_official_names_and_format(few, tmp_path):
    directory = synthetic_dcase.generate(tmp_path, "pump")
    assert directory == tmp_path / "synthetic/dcase2020_task2/dev_data/pump"
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.wav"))
    assert len(names) == 10
    assert names[0] == "test/anomaly_id_00_00000000.wav"
    information = soundfile.info(directory / names[0])
    assert (information.samplerate, information.channels, information.subtype) == (16000, 1, "PCM_16")
    assert information.frames == 160000


def test_generation_is_repeatable_and_done_once(few, tmp_path):
    first, second = (synthetic_dcase.generate(tmp_path / name, "valve") for name in "ab")
    manifests = [json.loads((directory / "generated.json").read_text()) for directory in (first, second)]
    assert manifests[0] == manifests[1]
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*.wav")}
    synthetic_dcase.generate(tmp_path / "a", "valve")
    assert before == {path: path.stat().st_mtime_ns for path in first.rglob("*.wav")}


def test_generated_clips_load_like_recorded_ones_and_say_what_they_are(few, tmp_path):
    dataset = load(DcaseSettings(root=str(tmp_path), source="synthetic"))
    assert dataset.synthetic
    assert dataset.input_shape == (2607,)
    assert sorted({*dataset.train.y, *dataset.test.y}) == [0, 1]


def test_a_machine_type_takes_less_than_100_megabytes():
    clips = len(synthetic_dcase.IDS) * sum(synthetic_dcase.COUNTS.values())
    assert clips * 320044 < 100e6
    assert set(KINDS) == set(MACHINES)
