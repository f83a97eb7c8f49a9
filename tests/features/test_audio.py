import struct

import numpy as np
import pytest
import soundfile

from tests.features.sounds import tone, write
from tinyprop.errors import DataError, InvalidSettings
from tinyprop.features.audio import ClipFormat, read_clip


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_16_bit_samples_become_exact_fractions_of_32768(tmp_path, suffix):
    samples = np.array([-32768, -1, 0, 1, 32767], np.int16)
    audio = read_clip(write(tmp_path / f"clip{suffix}", samples))
    assert audio.dtype == np.float32
    np.testing.assert_array_equal(audio * 32768, samples)


def test_ogg_is_read(tmp_path):
    audio = read_clip(write(tmp_path / "clip.ogg"))
    assert np.corrcoef(audio, tone() / 32768)[0, 1] > 0.99


def rejected(path):
    with pytest.raises(DataError) as caught:
        read_clip(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_another_rate_is_refused_with_both_rates(tmp_path):
    assert rejected(write(tmp_path / "clip.wav", rate=44100)) == "44100 Hz, expected 16000 Hz"


def test_stereo_is_refused_with_a_way_to_convert_it(tmp_path):
    message = rejected(write(tmp_path / "clip.wav", np.zeros((100, 2), np.int16)))
    assert message.startswith("2 channels, expected 1")
    assert "ffmpeg" in message


def test_no_samples_are_refused(tmp_path):
    assert "no samples" in rejected(write(tmp_path / "clip.wav", np.zeros(0, np.int16)))


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "clip.wav").touch()
    assert "empty" in rejected(tmp_path / "clip.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused_with_their_position(tmp_path, value):
    samples = np.zeros(100, np.float32)
    samples[42] = value
    assert "sample 42 is" in rejected(write(tmp_path / "clip.wav", samples, subtype="FLOAT"))


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_cut_wav_is_refused_with_both_sizes(tmp_path, kept):
    path = write(tmp_path / "clip.wav")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert len(soundfile.read(path)[0]) > 0  # the library alone would not complain
    message = rejected(path)
    assert f"announces {len(whole)} bytes" in message
    assert f"has {path.stat().st_size}" in message


def test_a_wav_cut_within_its_header_is_refused(tmp_path):
    path = write(tmp_path / "clip.wav")
    path.write_bytes(path.read_bytes()[:30])
    assert "cut" in rejected(path)


def test_a_wav_with_further_chunks_after_the_samples_is_read(tmp_path):
    path = write(tmp_path / "clip.wav")
    content = path.read_bytes() + b"LIST" + struct.pack("<I", 3) + b"abc"  # odd size, its padding byte left out
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    np.testing.assert_array_equal(read_clip(path) * 32768, tone())


def test_a_cut_flac_is_refused(tmp_path):
    path = write(tmp_path / "clip.flac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    rejected(path)


def test_what_is_not_audio_is_refused(tmp_path):
    (tmp_path / "clip.wav").write_text("a text that someone renamed")
    assert "not a readable audio file" in rejected(tmp_path / "clip.wav")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "missing" in rejected(tmp_path / "clip.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "cannot be read" in rejected(tmp_path / "folder.wav")


def test_resampling_keeps_the_pitch_and_the_duration(tmp_path):
    path = write(tmp_path / "clip.wav", tone(rate=44100, hertz=1000), rate=44100)
    audio = read_clip(path, ClipFormat(resample=True))
    assert len(audio) == 8000
    assert np.abs(np.fft.rfft(audio)).argmax() == 500  # bins of 2 Hz


def test_clips_are_cut_and_zero_padded_at_their_end(tmp_path):
    path = write(tmp_path / "clip.wav")
    np.testing.assert_array_equal(read_clip(path, ClipFormat(samples=100)) * 32768, tone()[:100])
    padded = read_clip(path, ClipFormat(samples=10000)) * 32768
    np.testing.assert_array_equal(padded, np.concatenate([tone(), np.zeros(2000)]))


def test_impossible_formats_are_refused_all_at_once():
    with pytest.raises(InvalidSettings) as caught:
        ClipFormat(rate=0, samples=0)
    assert [field for field, _ in caught.value.problems] == ["rate", "samples"]
