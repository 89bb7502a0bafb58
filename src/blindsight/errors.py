"""The errors a user can meet. Every message says what came, what was expected and what to do about it.

All derive from :class:`BlindsightError`; the command line prints the message on one line and exits with status 1.
Anything else that escapes is a defect of ours.
"""

__all__ = [
    "BlindsightError",
    "CorruptDataError",
    "ImageError",
    "IncompatibleModelError",
    "KeyFileError",
    "MissingDependencyError",
    "OutputError",
    "ParameterError",
    "PassphraseError",
    "ProfileError",
    "ProfileMismatchError",
    "UnknownNameError",
    "WrongKeyError",
]


class BlindsightError(Exception):
    """Base of every error that a user can cause and mend."""


class ParameterError(BlindsightError, ValueError):
    """A parameter has a value that cannot work."""


class UnknownNameError(ParameterError):
    """A scheme, model, recipe or data set of that name does not exist."""

    @classmethod
    def of(cls, what: str, name: str, known: list[str]) -> "UnknownNameError":
        """Names the nearest known names, or all of them where they are few."""
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            hint = "did you mean " + " or ".join(near) + "?"
        elif len(known) <= 20:
            hint = "known: " + ", ".join(known)
        else:
            hint = f"none of the {len(known)} known ones is like it; look the name up"
        return cls(f"unknown {what} '{name}'; {hint}")


class ImageError(BlindsightError):
    """A file is not an image that can be read: missing, empty, corrupt, too large or of an unsupported format."""


class KeyFileError(BlindsightError):
    """A key file is missing, malformed, readable by others or would be overwritten."""


class PassphraseError(KeyFileError):
    """A passphrase is needed and cannot be asked for, or it is wrong."""


class WrongKeyError(BlindsightError):
    """The key at hand is not the key that a profile names."""


class ProfileError(BlindsightError):
    """A profile is missing, malformed or of a version that this software does not know."""


class ProfileMismatchError(BlindsightError):
    """Data, model and query were not protected in the same way."""


class IncompatibleModelError(BlindsightError):
    """A model's geometry cannot work on the images that a profile describes."""


class OutputError(BlindsightError):
    """An output folder is not ours to write to, is incomplete, is in use or has no space left."""


class CorruptDataError(BlindsightError):
    """A protected data set, index or run folder is damaged."""


class MissingDependencyError(BlindsightError):
    """An optional package is needed; the message names the extra that installs it."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> "MissingDependencyError":
        return cls(f"{purpose} needs {package}, which is not installed; run: pip install 'blindsight[{extra}]'")
