import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.features.sounds import tone, write
from tinyprop.errors import DataError
from tinyprop.features.audio import ClipFormat
from tinyprop.features.cache import extract
from tinyprop.features.logmel import LogMel
from tinyprop.features.stft import Stft


@pytest.fixture
def clips(tmp_path):
    return [write(tmp_path / f"clip{seed}.wav", tone(seed=seed)) for seed in range(4)]


def features(clips, cache, settings=None, expected=None):
    return extract(clips, settings or Stft(), expected or ClipFormat(), cache)


def assert_same(first, second):
    assert len(first.spectrograms) == len(second.spectrograms)
    for a, b in zip(first.spectrograms, second.spectrograms, strict=True):
        np.testing.assert_array_equal(a, b)


def test_features_are_computed_once(clips, tmp_path):
    first = features(clips, tmp_path / "cache")
    second = features(clips, tmp_path / "cache")
    assert (first.computed, second.computed) == (4, 0)
    assert first.notes == second.notes == ()
    assert_same(first, second)


def test_a_cached_set_needs_no_librosa(clips, tmp_path):
    features(clips, tmp_path / "cache")
    program = (
        "import sys; from pathlib import Path; from tinyprop.features import audio, cache, stft\n"
        "cache.extract([Path(p) for p in sys.argv[2:]], stft.Stft(), audio.ClipFormat(), Path(sys.argv[1]))\n"
        "print('librosa' in sys.modules)"
    )
    paths = [str(tmp_path / "cache"), *map(str, clips)]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_changed_clip_is_noticed_even_with_its_old_date(clips, tmp_path):
    features(clips, tmp_path / "cache")
    date = clips[1].stat().st_mtime
    write(clips[1], tone(seed=99))
    os.utime(clips[1], (date, date))
    again = features(clips, tmp_path / "cache")
    assert again.computed == 1
    assert_same(again, features(clips, tmp_path / "other"))


def test_a_moved_clip_is_known_for_what_it_is(clips, tmp_path):
    features(clips, tmp_path / "cache")
    moved = clips[0].rename(tmp_path / "moved.wav")
    assert features([moved], tmp_path / "cache").computed == 0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [(Stft(hop=1024), ClipFormat()), (LogMel(), ClipFormat()), (Stft(), ClipFormat(samples=4000))],
)
def test_other_settings_are_other_features(clips, tmp_path, settings, expected):
    features(clips, tmp_path / "cache")
    assert features(clips, tmp_path / "cache", settings, expected).computed == 4
    assert features(clips, tmp_path / "cache").computed == 0


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"x" * 500]
)
def test_a_damaged_cache_file_is_rebuilt_with_a_note(clips, tmp_path, damage):
    first = features(clips, tmp_path / "cache")
    entry = next((tmp_path / "cache").rglob("*.npz"))
    entry.write_bytes(damage(entry.read_bytes()))
    second = features(clips, tmp_path / "cache")
    assert second.computed == 1
    assert "1 damaged file(s)" in second.notes[0]
    assert_same(first, second)
    assert features(clips, tmp_path / "cache").notes == ()


def test_a_flipped_bit_in_a_cache_file_is_noticed(clips, tmp_path):
    first = features(clips, tmp_path / "cache")
    entry = next((tmp_path / "cache").rglob("*.npz"))
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 1
    entry.write_bytes(content)
    assert_same(first, features(clips, tmp_path / "cache"))


def test_a_pickle_in_the_cache_is_never_loaded(clips, tmp_path):
    features(clips, tmp_path / "cache")
    entry = next((tmp_path / "cache").rglob("*.npz"))
    np.savez(entry, values=np.array([[_Bomb()]], dtype=object))
    assert features(clips, tmp_path / "cache").computed == 1
    assert not Path("exploded").exists()


class _Bomb:
    def __reduce__(self):
        return open, ("exploded", "w")


def test_processes_that_extract_at_once_agree(clips, tmp_path):
    program = (
        "import sys; from pathlib import Path; from tinyprop.features import audio, cache, stft\n"
        "clips = [Path(path) for path in sys.argv[2:]]\n"
        "found = cache.extract(clips, stft.Stft(), audio.ClipFormat(), Path(sys.argv[1]))\n"
        "print([float(s.sum()) for s in found.spectrograms], found.notes)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache"), *map(str, clips)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1
    names = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert len(names) == 4  # nothing half-written stays
    assert all(name.endswith(".npz") for name in names)


def test_a_cache_that_cannot_be_written_is_noted_and_does_without(clips, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    extraction = features(clips, tmp_path / "cache")
    assert extraction.computed == 4
    assert "cannot be written" in extraction.notes[0]
    assert_same(extraction, features(clips, tmp_path / "other"))


def test_a_bad_clip_is_named_and_leaves_the_good_ones_cached(clips, tmp_path):
    bad = write(tmp_path / "bad.wav", rate=8000)
    with pytest.raises(DataError, match=r"bad\.wav: 8000 Hz"):
        features([*clips, bad], tmp_path / "cache")
    assert features(clips, tmp_path / "cache").computed == 0


def test_a_clip_shorter_than_a_frame_is_named(tmp_path):
    short = write(tmp_path / "short.wav", tone(0.01))
    with pytest.raises(DataError, match=r"short\.wav: 160 samples; logmel features with these settings need 513"):
        features([short], tmp_path / "cache", LogMel())


def test_settings_are_light_to_import():
    program = (
        "import sys, tinyprop.features.stft, tinyprop.features.logmel\n"
        "print(sorted({'numpy', 'librosa'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
