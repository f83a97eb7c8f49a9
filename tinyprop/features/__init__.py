"""Audio features: reading clips strictly, spectrograms by librosa, and a cache keyed by content.

`cache.extract` is what dataset loaders call; `stft.Stft` and `logmel.LogMel` are the settings it takes. Importing those
loads no numerical library: they are part of a configuration, which is checked before anything is computed.
"""
