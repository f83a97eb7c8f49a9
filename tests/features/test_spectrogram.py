"""Against an independent computation in float64: the Fourier sum written out, mel bands from their definition."""

import numpy as np
import pytest

from tests.features.sounds import tone
from tinyprop.errors import InvalidSettings, RequestError
from tinyprop.features.logmel import LogMel, log_mel, stacked_windows
from tinyprop.features.spectrogram import spectrogram
from tinyprop.features.stft import Stft

CLIP = (tone(10.0) / np.float64(32768)).astype(np.float32)


def magnitudes(audio, frame, hop):
    """|Σ_t w(t) x(t) exp(−2πi·k·t/frame)| of each whole frame, w the periodic Hann window."""
    time = np.arange(frame)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / frame)
    frames = np.stack([audio[start : start + frame] for start in range(0, len(audio) - frame + 1, hop)])
    fourier = np.exp(-2j * np.pi * np.outer(time, np.arange(frame // 2 + 1)) / frame)
    return np.abs((frames * window) @ fourier)


def slaney_mel_bands(rate, n_fft, mels):
    """Triangles of area 1 between points equally spaced in mel: linear below 1 kHz, logarithmic above (M. Slaney)."""

    def hertz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))

    top = 15 + 27 * np.log(rate / 2 / 1000) / np.log(6.4)
    points = hertz(np.linspace(0, top, mels + 2))
    bins = np.arange(n_fft // 2 + 1) * rate / n_fft
    bands = []
    for low, middle, high in zip(points, points[1:], points[2:], strict=False):
        triangle = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
        bands.append(np.maximum(0, triangle) * 2 / (high - low))
    return np.stack(bands)


def test_the_authors_features_are_79_frames_of_33_magnitudes():
    features = spectrogram(CLIP, 16000, Stft())
    assert features.shape == (79, 33)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    np.testing.assert_allclose(features, magnitudes(CLIP.astype(np.float64), 64, 2048), atol=1e-6, rtol=0)


def test_stft_takes_no_frame_that_is_not_whole():
    assert spectrogram(CLIP[:64], 16000, Stft()).shape == (1, 33)
    assert spectrogram(CLIP[: 64 + 2047], 16000, Stft()).shape == (1, 33)
    assert spectrogram(CLIP[: 64 + 2048], 16000, Stft()).shape == (2, 33)


def test_log_mel_is_that_of_the_baseline():
    audio = CLIP[:16000]
    features = log_mel(audio, 16000, LogMel())
    mirrored = np.pad(audio.astype(np.float64), 512, mode="reflect")
    mel = magnitudes(mirrored, 1024, 512) ** 2 @ slaney_mel_bands(16000, 1024, 128).T
    assert features.shape == (32, 128)
    np.testing.assert_allclose(features, 10 * np.log10(mel + 2.220446049250313e-16), atol=2e-3, rtol=0)


def test_the_ends_are_reflected_unless_zeros_are_asked_for():
    audio = CLIP[:16000]
    mirrored = log_mel(audio, 16000, LogMel())
    padded = log_mel(audio, 16000, LogMel(pad_mode="constant"))
    np.testing.assert_array_equal(mirrored[1:-1], padded[1:-1])
    assert np.abs(mirrored[0] - padded[0]).mean() > 1


def test_ten_seconds_give_309_windows_of_640():
    features = log_mel(CLIP, 16000, LogMel())
    windows = stacked_windows(features, 5)
    assert features.shape == (313, 128)
    assert windows.shape == (309, 640)
    assert np.shares_memory(windows, features)
    np.testing.assert_array_equal(windows[100], np.concatenate([features[100 + i] for i in range(5)]))


def test_silence_is_156_decibels_down_unless_there_is_a_floor():
    silence = np.zeros(2048, np.float32)
    np.testing.assert_allclose(log_mel(silence, 16000, LogMel()), -156.5, atol=0.1)
    np.testing.assert_array_equal(log_mel(silence, 16000, LogMel(floor=-80.0)), -80)


def test_more_bands_than_the_spectrum_resolves_are_refused():
    with pytest.raises(RequestError, match=r"mels=128.*take fewer mels or a larger n_fft"):
        log_mel(CLIP, 16000, LogMel(n_fft=128))


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (lambda: Stft(frame=1, hop=0), ["frame", "hop"]),
        (lambda: LogMel(n_fft=0, hop=0, mels=0, power=0.0, pad_mode="edge", floor=float("nan")),
         ["n_fft", "hop", "mels", "power", "pad_mode", "floor"]),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused_all_at_once(settings, fields):
    with pytest.raises(InvalidSettings) as caught:
        settings()
    assert [field for field, _ in caught.value.problems] == fields
