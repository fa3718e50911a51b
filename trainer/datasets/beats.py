"""Beats cut out of an ECG signal: pure functions of arrays."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.signal import resample_poly

AAMI = ("N", "S", "V", "F", "Q")
"""Classes of ANSI/AAMI EC57: normal and bundle branch block, supraventricular ectopic, ventricular ectopic, fusion,
paced or unclassifiable."""

SYMBOLS = {
    **dict.fromkeys("NLRej", 0),
    **dict.fromkeys("AaJS", 1),
    **dict.fromkeys("VE", 2),
    "F": 3,
    **dict.fromkeys("/fQ", 4),
}
"""MIT-BIH annotation symbol -> number of its class; every other symbol is no beat."""

WINDOW_S = 10.0
PERIODS = 1.2
"""Heartbeat period of the window that a cut beat spans."""


def beats_of(at: NDArray[np.int64], symbols: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(sample numbers, class numbers) of the annotations that are beats, [beats] each."""
    classes = np.array([SYMBOLS.get(str(symbol), -1) for symbol in symbols], np.int64)
    return at[classes >= 0], classes[classes >= 0]


def resampled(signal: NDArray[np.float64], rate: float, to: float) -> NDArray[np.float64]:
    """The signal at ``to`` samples a second, by polyphase filtering (SciPy's default Kaiser window); sample k of the
    result lies at time k/to. The ends are extended along the line through the first and last sample."""
    ratio = Fraction(to).limit_denominator(10_000) / Fraction(rate).limit_denominator(10_000)
    if ratio == 1:
        return signal
    return np.asarray(resample_poly(signal, ratio.numerator, ratio.denominator, padtype="line"), np.float64)


def moved(at: NDArray[np.int64], rate: float, to: float, length: int) -> NDArray[np.int64]:
    """Sample numbers at another rate, rounded to the nearest, within a signal of ``length``."""
    there: NDArray[np.int64] = np.clip(np.rint(at * (to / rate)).astype(np.int64), 0, length - 1)
    return there


def windows(signal: NDArray[np.float64], at: NDArray[np.int64], before: int, after: int) -> NDArray[np.float32]:
    """[beats, before + after]: the signal from ``before`` samples before each beat; where a window reaches over an end
    of the record, that end's sample is repeated."""
    places = at[:, None] + np.arange(-before, after)[None, :]
    cut: NDArray[np.float32] = signal[np.clip(places, 0, len(signal) - 1)].astype(np.float32)
    return cut


def heartbeats(signal: NDArray[np.float64], at: NDArray[np.int64], rate: float, length: int) -> NDArray[np.float32]:
    """[beats, length] in [0, 1]: from each R peak on, 1.2 heartbeat periods, zeros after.

    After the description in Kachuee, Fazeli and Sarrafzadeh, arXiv 1805.00794, III.A: the amplitude is scaled to
    [0, 1] over a window of 10 s, the period is the median of the R-R intervals in that window, the cut is 1.2 periods
    from the R peak, zeros fill up to ``length`` (longer cuts are cropped). Chosen here, for the description leaves it
    open: the window is centred on the beat, moved inside the record at its ends; R peaks are the reference annotations,
    all of ``at``, not the peaks above 0.9 (which would lose annotated beats); a window with fewer than two beats has
    the period 1 s; a cut that reaches over the record's end is filled with zeros."""
    span = min(int(WINDOW_S * rate), len(signal))
    starts = np.clip(at - span // 2, 0, len(signal) - span)
    # The filters are centred: their value at start + span // 2 covers [start, start + span).
    low = minimum_filter1d(signal, span)[starts + span // 2]
    high = maximum_filter1d(signal, span)[starts + span // 2]
    first = np.searchsorted(at, starts, side="left")
    last = np.searchsorted(at, starts + span, side="left")
    cuts = np.array([_cut(at[i:j], rate) for i, j in zip(first, last, strict=True)], np.int64)
    places = at[:, None] + np.arange(length)[None, :]
    values = signal[np.minimum(places, len(signal) - 1)]
    scale = np.where(high > low, high - low, 1.0)
    scaled = (values - low[:, None]) / scale[:, None]
    kept = (np.arange(length)[None, :] < cuts[:, None]) & (places < len(signal))
    return np.clip(np.where(kept, scaled, 0.0), 0.0, 1.0).astype(np.float32)


def _cut(peaks: NDArray[np.int64], rate: float) -> int:
    period = float(np.median(np.diff(peaks))) if len(peaks) > 1 else rate
    return round(PERIODS * period)
