"""Synthetic attributes of real chips: dates, cloud cover, footprints. No image here has real ones.

They are drawn from a seed and go with the class, as they do in archives: a class lies in a few
regions, was seen mostly in its season, under the clouds of its climate. All chips of an image share
date and clouds, and lie within its footprint. Any figure made with them says that they are
synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

By = Literal["random", "time", "place", "cloud", "collection"]

_REGIONS = 3
"""Where a class lies."""
_REGION_DEGREES = 6.0
_FIRST_DAY, _YEARS = 16_801, 8
"""From the first of January 2016."""
_SEASON_DAYS = 50.0
_METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True, eq=False)
class Attributes:
    """What a chip's scene would say of itself; synthetic."""

    day: NDArray[np.int32]
    """Shape [N]: days since 1970."""
    cloud: NDArray[np.float32]
    """Shape [N]: percent."""
    footprint: NDArray[np.float64]
    """Shape [N, 4]: west, south, east, north in degrees."""
    klass: NDArray[np.integer]
    """Shape [N]: the class, of which a collection holds some."""

    def band(self, by: By, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """A filter [N] that keeps `share` of the chips: days in a row, a square on the map around
        one chip, the clearest, whole classes and a part of the last, or chips at random."""
        count = len(self.day)
        kept = max(round(share * count), 1)
        if by == "cloud":
            return np.asarray(self.cloud <= np.partition(self.cloud, kept - 1)[kept - 1])
        if by == "random":
            return rng.random(count) < share
        if by == "collection":
            order = rng.permutation(int(self.klass.max()) + 1)
            held = np.zeros(count, bool)
            held[np.argsort(np.argsort(order)[self.klass], kind="stable")[:kept]] = True
            return held
        chip = int(rng.integers(count))
        if by == "time":
            far = np.abs(self.day - self.day[chip]).astype(np.float64)
        else:
            centre = (self.footprint[:, :2] + self.footprint[:, 2:]) / 2
            far = np.abs(centre - centre[chip]).max(axis=1)
        return np.asarray(far <= np.partition(far, kept - 1)[kept - 1])


def synthesise(
    classes: NDArray[np.integer],
    chips: NDArray[np.integer],
    windows: NDArray[np.float64],
    metres: NDArray[np.float64],
) -> Attributes:
    """Attributes of the chips of images.

    classes [S] of the images; chips [N]: the image of each chip; windows [N, 3]: left, top and side
    of each chip as shares of its image; metres [S]: side of each image on the ground.
    """
    rng = np.random.default_rng(20_160_101)
    kinds = int(classes.max()) + 1
    regions = np.stack(
        [rng.uniform(-150, 150, (kinds, _REGIONS)), rng.uniform(-50, 60, (kinds, _REGIONS))], axis=2
    )
    season, clear = rng.uniform(0, 365, kinds), rng.uniform(1.5, 6, kinds)
    images = len(classes)
    home = regions[classes, rng.integers(_REGIONS, size=images)]
    corner = home + _REGION_DEGREES * rng.standard_normal((images, 2))
    year = 365.25 * rng.integers(_YEARS, size=images)
    day = _FIRST_DAY + year + season[classes] + _SEASON_DAYS * rng.standard_normal(images)
    cloud = 100 * rng.beta(1, clear[classes])
    degrees = (metres / _METRES_A_DEGREE)[chips, None]
    low = corner[chips] + windows[:, :2] * degrees
    return Attributes(
        day[chips].astype(np.int32),
        cloud[chips].astype(np.float32),
        np.hstack([low, low + windows[:, 2:] * degrees]),
        classes[chips],
    )
