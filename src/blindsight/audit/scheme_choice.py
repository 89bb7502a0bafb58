"""What images are protected with, as one text: a cipher or a way of mixing, with its parameters.

``etc``, ``bps:scramble=true``, ``rrp:blocks=0.5,samples=0.2``, ``pbm:sources=5``: written like the owner's reductions
(:mod:`blindsight.owner.reductions`).
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.ciphers import create_cipher, list_ciphers
from blindsight.owner.mixing import METHODS, MixOptions
from blindsight.owner.mixing.options import check_mix
from blindsight.profile import Codec, Scalar

__all__ = ["SchemeChoice", "parse_schemes"]

#: Of all ways of mixing; those of one alone besides.
MIXING = ("sources", "partners", "include_target", "replacement", "views")
#: Types of values; of other parameters a whole number or a text.
TYPES: dict[str, tuple[type, ...]] = {
    "sources": (int,),
    "views": (int,),
    "partners": (str,),
    "include_target": (bool,),
    "replacement": (bool,),
    "probability": (int, float),
    "alpha": (int, float),
}
#: Mixed images of each original, where nobody says how many: the attack on blends needs several.
VIEWS = {"instahide": 16}


@dataclass(frozen=True)
class SchemeChoice:
    """A cipher or a way of mixing.

    Attributes:
        text: as it is written, and how it is called.
        name: of a registered cipher or of :data:`blindsight.owner.mixing.METHODS`.
        given: parameters that differ from the defaults, in order.
    """

    text: str
    name: str
    given: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "SchemeChoice":
        """Reads ``NAME`` or ``NAME:PARAMETER=VALUE,...``; values are JSON, other text is a string.

        Raises:
            UnknownNameError: no such cipher or way of mixing.
            ParameterError: a parameter without a value, or one that the way of mixing does not have or cannot take.
        """
        name, _, rest = text.strip().partition(":")
        known = [*list_ciphers(), *METHODS]
        if name not in known:
            raise UnknownNameError.of("scheme", name, known)
        given: dict[str, Scalar] = {}
        for setting in filter(None, (part.strip() for part in rest.split(","))):
            parameter, equals, value = setting.partition("=")
            if not equals or not parameter:
                raise ParameterError(f"{name} takes PARAMETER=VALUE, such as bps:scramble=true; got {setting!r}")
            given[parameter] = _value(value)
        if name in METHODS:
            allowed = (*MIXING, *METHODS[name].own_parameters)
            for parameter, of in given.items():
                if parameter not in allowed:
                    raise ParameterError(f"{name} has no parameter '{parameter}'; its parameters: {', '.join(allowed)}")
                types = TYPES.get(parameter, (int, str))
                if type(of) not in types:
                    wanted = " or ".join(kind.__name__ for kind in types)
                    raise ParameterError(f"parameter '{parameter}' of {name} must be of type {wanted}; got {of!r}")
            views = given.get("views", 1)
            if isinstance(views, int) and views < 1:
                raise ParameterError(f"views are mixed images of each original, 1 or more; got {views}")
        return cls(text.strip(), name, tuple(given.items()))

    @property
    def mixes(self) -> bool:
        """Whether it mixes images, and has no key."""
        return self.name in METHODS

    @property
    def parameters(self) -> dict[str, Scalar]:
        """As the cipher takes them."""
        return dict(self.given)

    @property
    def views(self) -> int:
        """Mixed images of each original."""
        return int(self.parameters.get("views", VIEWS.get(self.name, 1)))

    def mixing(self, block: int) -> dict[str, Any]:
        """Arguments of :func:`~blindsight.audit.mixed_scenario.make_mixed_scenario`.

        Args:
            block: side of the blocks in pixels, where no parameter says otherwise.
        """
        options: dict[str, Any] = {"method": self.name, "views": self.views, **self.parameters}
        if self.name == "pbm":
            height, _, width = str(options.get("block", block)).partition("x")
            if not (height.isdigit() and (width or height).isdigit()):
                raise ParameterError(f"{self.name} takes block=SIDE or block=HEIGHTxWIDTH, got {options['block']!r}")
            options["block"] = (int(height), int(width or height))
        return options

    @property
    def needs_classes(self) -> bool:
        """Whether it mixes images of one class."""
        return self.mixes and self._options().labels == "same"

    def per_class(self) -> int:
        """Images of a class that it needs; 0 where classes are nothing to it."""
        options = self._options()
        if options.labels != "same":
            return int(self.views > 1)  # that classes are equally large is all that several views need
        least = min(options.donors, 1) if options.replacement else options.donors
        return max(1, least + (not options.include_target))

    def _options(self, block: int = 1) -> MixOptions:
        return MixOptions(**{k: v for k, v in self.mixing(block).items() if k != "views"})

    def check_mixing(self, block: int, size: tuple[int, int], codec: Codec) -> None:
        """Refuses mixing that cannot work on images of a size.

        Args:
            block: as of :meth:`mixing`.
            size: (height, width) in pixels.
            codec: how the mixed images are published.

        Raises:
            ParameterError: an option that cannot work, blocks that do not tile the image, or a codec that destroys it.
        """
        check_mix(replace(self._options(block), size=size, codec=codec), size)

    def check(self, block: int, channels: int) -> None:
        """Refuses a cipher that cannot work, before anything is read.

        Raises:
            ParameterError: a parameter that it does not have or cannot take.
        """
        if self.mixes:
            self._options()
        else:
            create_cipher(self.name, block, channels, **self.parameters)


def parse_schemes(text: str) -> tuple[SchemeChoice, ...]:
    """Reads several, separated by commas: ``etc,rrp:blocks=0.5,samples=0.2,pbm``. ``samples=0.2`` names no scheme and
    so belongs to the one before.

    Raises:
        UnknownNameError: no such cipher or way of mixing.
        ParameterError: none at all, or a parameter that cannot be.
    """
    found: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if found and "=" in part and ":" not in part:
            found[-1] += "," + part
        else:
            found.append(part)
    if not found:
        raise ParameterError("no scheme is named; give some, such as etc,shf,pbm")
    return tuple(SchemeChoice.parse(part) for part in dict.fromkeys(found))


def _value(text: str) -> Scalar:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
