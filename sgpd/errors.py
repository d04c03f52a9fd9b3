"""Errors a user can provoke; each message is one line: what, where, what to do.

SceneSiftError
├── EmbeddingError      vectors that cannot be used (NaN, zero rows, wrong dimension)
├── FitError            a codebook cannot be fitted from what was given
├── BundleError         a bundle is damaged, of another version, or does not match
└── EncoderError        a model cannot be loaded or cannot encode what it was given
"""


class SceneSiftError(Exception):
    """Root of everything SceneSift raises on purpose; `exit_code` is what a command exits with."""

    exit_code = 1


class EmbeddingError(SceneSiftError):
    """Vectors that cannot be used."""


class FitError(SceneSiftError):
    """A codebook cannot be fitted from what was given."""


class BundleError(SceneSiftError):
    """A bundle is damaged, of another version, or does not match."""


class EncoderError(SceneSiftError):
    """A model cannot be loaded or cannot encode what it was given."""
