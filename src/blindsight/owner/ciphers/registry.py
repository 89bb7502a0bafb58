"""Ciphers by name, ours and other people's.

A third party adds a scheme with :func:`register_cipher`, or ships it in a package that names its module under the entry
point group ``blindsight.ciphers``; :func:`blindsight.testing.check_cipher` certifies that it keeps the laws.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import get_args

from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.ciphers.cipher import Cipher
from blindsight.owner.ciphers.steps import Step
from blindsight.profile import Scalar

__all__ = ["CipherEntry", "cipher_entry", "create_cipher", "list_ciphers", "register_cipher"]

StepFactory = Callable[..., Sequence[Step]]
_BUILT_IN = ("bps", "ele", "etc", "le", "np", "pe", "rrp", "shf")
_entries: dict[str, "CipherEntry"] = {}


@dataclass(frozen=True)
class CipherEntry:
    """A registered scheme.

    Attributes:
        name: short name, used in commands, profiles and key paths.
        factory: keyword parameters (JSON scalars, all with defaults) -> list of steps.
        block_size: side of its blocks in pixels where nobody chooses another.
    """

    name: str
    factory: StepFactory
    block_size: int = 16

    @property
    def summary(self) -> str:
        """The first line of the factory's docstring."""
        return (inspect.getdoc(self.factory) or "").split("\n", 1)[0]


def register_cipher(name: str, *, block_size: int = 16) -> Callable[[StepFactory], StepFactory]:
    """Registers a scheme; use as a decorator on its step factory.

    Defining a factory anew under its old name, as a notebook does, replaces it.

    Args:
        name: 1 to 32 lower-case letters, digits and hyphens; it stands in key paths, so it can never change.
        block_size: side of its blocks in pixels where nobody chooses another.

    Raises:
        ParameterError: the name is taken by another factory or is malformed, or a parameter of the factory has no
            default or a name that :func:`create_cipher` uses.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
        raise ParameterError(f"a scheme name is lower-case letters, digits and hyphens, got {name!r}")

    def register(factory: StepFactory) -> StepFactory:
        taken = _entries.get(name)
        # Ours are loaded when first needed, which may be after somebody tries to take their names.
        ours = name in _BUILT_IN and factory.__module__ != f"{__package__}.{name}"
        if ours or (taken is not None and _origin(taken.factory) != _origin(factory)):
            raise ParameterError(f"scheme '{name}' is registered already; choose another name")
        for parameter in inspect.signature(factory).parameters.values():
            if type(parameter.default) not in get_args(Scalar) or parameter.name in ("name", "block_size", "channels"):
                raise ParameterError(
                    f"parameter '{parameter.name}' of scheme '{name}' needs a name other than name, block_size and "
                    f"channels, and a default that is a bool, int, float or str"
                )
        _entries[name] = CipherEntry(name, factory, block_size)
        return factory

    return register


def _origin(factory: StepFactory) -> tuple[str, str]:
    return factory.__module__, factory.__qualname__


@cache
def _load() -> None:
    """Imports the built-in schemes and those of installed packages, once."""
    for name in _BUILT_IN:
        import_module(f"blindsight.owner.ciphers.{name}")
    for point in entry_points(group="blindsight.ciphers"):
        try:
            point.load()
        except Exception as error:  # somebody else's package must not take our own schemes away
            warnings.warn(f"the schemes of {point.value} are missing: loading it failed ({error})", stacklevel=2)


def list_ciphers() -> list[str]:
    """The names of all registered schemes, sorted."""
    _load()
    return sorted(_entries)


def cipher_entry(name: str) -> CipherEntry:
    """The registered scheme of that name.

    Raises:
        UnknownNameError: no such scheme; the message names the nearest.
    """
    _load()
    try:
        return _entries[name]
    except KeyError:
        raise UnknownNameError.of("scheme", name, list_ciphers()) from None


def create_cipher(name: str, block_size: int | None = None, channels: int = 3, **parameters: Scalar) -> Cipher:
    """Creates a cipher by name.

    Args:
        name: a registered scheme, e.g. ``etc``; see :func:`list_ciphers`.
        block_size: side M of the blocks in pixels; None for the scheme's own, mostly 16.
        channels: 3 (RGB) or 1 (grayscale).
        parameters: the scheme's own parameters; the profile records them with their defaults.

    Raises:
        UnknownNameError: no such scheme.
        ParameterError: a parameter that the scheme does not have or cannot take.
    """
    entry = cipher_entry(name)
    signature = inspect.signature(entry.factory)
    unknown = sorted(set(parameters) - set(signature.parameters))
    if unknown:
        known = ", ".join(signature.parameters) or "none"
        raise ParameterError(f"scheme '{name}' has no parameter '{unknown[0]}'; its parameters: {known}")
    for parameter, value in parameters.items():
        default = signature.parameters[parameter].default
        # The text "false" would pass for true.
        if type(value) is not type(default) and not (isinstance(default, float) and type(value) is int):
            raise ParameterError(
                f"parameter '{parameter}' of scheme '{name}' must be of type {type(default).__name__}, "
                f"like its default {default!r}; got {value!r}"
            )
    bound = signature.bind(**parameters)
    bound.apply_defaults()
    side = entry.block_size if block_size is None else block_size
    return Cipher(name, entry.factory(**bound.arguments), side, channels, bound.arguments)
