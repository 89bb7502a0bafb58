"""Which images are mixed with which, and how: everything between a source of plain images and the mixed pixels."""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ImageError, ParameterError
from blindsight.images import fit_image
from blindsight.owner._cache import BoundedCache
from blindsight.owner._inputs import read_item
from blindsight.owner.ids import mixed_id
from blindsight.owner.keys import SecretKey
from blindsight.owner.keystream import KeyStream
from blindsight.owner.mixing import methods
from blindsight.owner.mixing.draws import UNIT, beta_weight, block_choice, candidates, first_usable, simplex_weights
from blindsight.owner.mixing.options import MixOptions, check_mix, settings
from blindsight.owner.sources import Item, Source

__all__ = ["CACHE_BYTES", "Mixer", "Mixture", "Target"]

#: Plain images kept in memory, whatever the size of the data set: 2,400 of 192x192.
CACHE_BYTES = 256 << 20
#: The largest weight of an image in InstaHide's experiments (arXiv 2010.02772).
INSTAHIDE_LARGEST = 0.65


@dataclass(frozen=True, slots=True)
class Target:
    """One mixed image to be published.

    Attributes:
        item: the image whose label and, in part, content it has.
        view: 0, and 1.. where an image is a target more than once.
        id: image id.
    """

    item: Item
    view: int
    id: str


@dataclass(frozen=True)
class Mixture:
    """A mixed image, before coding.

    Attributes:
        pixels: uint8 (H, W, C).
        donors: the other images, in the order drawn.
        weights: share of the target, then of each donor, summing to 1: of the area for ``pbm`` and ``cutmix``, of the
            values for ``mixup`` and ``instahide``.
        choice: (rows, columns) int64 for ``pbm``: 0 is the target's own block, k that of ``donors[k - 1]``. Else None.
        unreadable: (path, reason) of images that were drawn as donors and passed over.
    """

    pixels: NDArray[np.uint8]
    donors: list[Item]
    weights: list[float]
    choice: NDArray[np.int64] | None
    unreadable: list[tuple[str, str]]


class Mixer:
    """Mixes the images of a source. Every draw is from the key stream of the image, so the order of calls is no matter.

    Donors are always the source's own images, never mixed ones. Of a source with splits only ``train`` is mixed: tests
    are on plain images.

    Args:
        source: plain images.
        options: how to mix.
        key: what everything random is drawn from.
        cache_bytes: plain images kept in memory.

    Raises:
        ParameterError: an option that cannot work, no training images, or a class with too few images.
    """

    def __init__(self, source: Source, options: MixOptions, key: SecretKey, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.source, self.options = source, options
        self.size = _size(source, options)
        check_mix(options, self.size)
        self._key = key
        self._label = options.label if options.label is not None else source.label
        splits = {item.split for item in source.items}
        self.split = "train" if splits != {None} else None
        self.items = [item for item in source.items if item.split == self.split]
        if not self.items:
            raise ParameterError(f"{source.label} has no train split, only {', '.join(sorted(map(str, splits)))}")
        if all(item.label is None for item in self.items):
            raise ParameterError(f"{source.label} has no classes, and images are mixed by class; expected CLASS/IMAGE")
        #: Class -> its images, in the order of their paths: what donors are numbered by.
        self.members: dict[str | None, list[Item]] = defaultdict(list)
        for item in self.items:
            self.members[item.label].append(item)
        self._place = {item.number: place for members in self.members.values() for place, item in enumerate(members)}
        self._place_in_all = {item.number: place for place, item in enumerate(self.items)}
        self._cache: BoundedCache[Item, NDArray[np.uint8]] = BoundedCache(
            self._read, lambda pixels: pixels.nbytes, cache_bytes
        )
        self._check_classes()
        self._settings = settings(options, self.size, (item.path for item in self.items))
        self.targets = [target for label in sorted(self.members, key=str) for target in self._targets(label)]

    def with_options(self, *, cold: bool = False, **changes: Any) -> "Mixer":
        """The same images and key under other options of mixing.

        Args:
            cold: begin with an empty cache; else plain images are read once for both mixers.
            changes: fields of :class:`MixOptions`; how images are read and their size stay.

        Raises:
            ParameterError: an option that cannot work.
        """
        other = Mixer(self.source, replace(self.options, **changes), self._key)
        if not cold:
            other._cache = self._cache
        return other

    def classes(self) -> list[str]:
        """Names of the classes that are mixed, sorted."""
        return sorted(label for label in self.members if label is not None)

    def pixels(self, item: Item) -> NDArray[np.uint8]:
        """A plain image at the size of the mixed ones: uint8 (H, W, C), read-only, from the cache where it is there.

        Raises:
            ImageError: it cannot be read.
        """
        return self._cache.get(item)

    def donors(self, target: Target) -> tuple[list[Item], list[tuple[str, str]]]:
        """The donors of an image, and (path, reason) of drawn ones that cannot be read: the draw goes on past them.

        Raises:
            ImageError: too few can be read.
        """
        pool = self.members[target.item.label] if self.options.labels == "same" else self.items
        places = self._place if self.options.labels == "same" else self._place_in_all
        own = None if self.options.include_target else places[target.item.number]
        others = len(pool) - (own is not None)
        unreadable: dict[str, str] = {}

        def use(number: int) -> Item | None:
            item = pool[number if own is None or number < own else number + 1]
            try:
                self.pixels(item)
            except ImageError as error:
                unreadable[item.path] = str(error)
                return None
            return item

        wanted = self.options.donors
        if not wanted:
            return [], []
        numbers = candidates(self._stream("donors", target.id), others, replacement=self.options.replacement)
        found = first_usable(numbers, others, wanted, use)
        if len(found) < wanted:
            raise ImageError(f"{target.item.path}: only {len(found)} of the {wanted} donors that it needs can be read")
        return found, sorted(unreadable.items())

    def make(self, target: Target) -> Mixture:
        """Mixes one image.

        Raises:
            ImageError: it cannot be read, or too few donors can.
        """
        pixels = self.pixels(target.item)
        donors, unreadable = self.donors(target)
        others = [self.pixels(item) for item in donors]
        options, height, width = self.options, *self.size
        if options.method == "pbm":
            rows, columns = height // options.block[0], width // options.block[1]
            shape = (f"{options.block[0]}x{options.block[1]}", f"{height}x{width}")
            stream = self._stream("blocks", *shape, target.id)
            choice = block_choice(stream, rows, columns, len(donors), options.probability)
            counts = np.bincount(choice.ravel(), minlength=len(donors) + 1)
            mixed = methods.replace_blocks(pixels, others, choice)
            return Mixture(mixed, donors, (counts / choice.size).tolist(), choice, unreadable)
        if options.method == "cutmix":
            stream = self._stream("box", target.id)
            box = _box(stream, height, width, beta_weight(stream, options.alpha) / UNIT)
            share = (box[2] - box[0]) * (box[3] - box[1]) / (height * width)
            return Mixture(methods.replace_box(pixels, others[0], box), donors, [1 - share, share], None, unreadable)
        stream = self._stream("weights", target.id)
        if options.method == "mixup":
            weight = beta_weight(stream, options.alpha)
            units = [weight, UNIT - weight]
        else:
            units = simplex_weights(stream, len(donors) + 1, INSTAHIDE_LARGEST)
        mixed = methods.blend([pixels, *others], units)
        if options.method == "instahide":
            words = self._stream("signs", target.id).words(-(-mixed.size // 32)).astype("<u4")
            mixed = methods.flip_signs(mixed, np.unpackbits(words.view(np.uint8), bitorder="little")[: mixed.size])
        return Mixture(mixed, donors, [unit / UNIT for unit in units], None, unreadable)

    def _stream(self, purpose: str, *path: str) -> KeyStream:
        return self._key.stream("mix", self.options.method, purpose, *path)

    def _read(self, item: Item) -> NDArray[np.uint8]:
        o = self.options
        pixels = read_item(
            self.source, item, channels=o.channels, background=o.background.lower(), max_pixels=o.max_pixels
        )
        fitted = fit_image(pixels, block_size=1, size=self.size, fit=o.fit or "resize")  # type: ignore[arg-type]
        fitted.flags.writeable = False
        return fitted

    def _targets(self, label: str | None) -> list[Target]:
        """Each image of the class, or as many as were asked for: whole rounds of all, and a keyed draw for the rest."""
        members = self.members[label]
        count = len(members) if self.options.targets is None else self.options.targets
        rounds, rest = divmod(count, len(members))
        chosen = [(item, view) for view in range(rounds) for item in members]
        if rest:
            order = self._stream("targets", self._label, label or "", str(len(members))).permutation(len(members))
            chosen += [(members[i], rounds) for i in sorted(order[:rest].tolist())]
        what = (self.options.method, self._settings)
        made = [Target(item, view, mixed_id(self._key, self._label, item.path, view, *what)) for item, view in chosen]
        # In the order of ids: in that of paths, the times of the files would tell which came after which.
        return sorted(made, key=lambda target: target.id)

    def _check_classes(self) -> None:
        """A class must hold the donors, and the target itself unless that may be one of them."""
        o = self.options
        least = min(o.donors, 1) if o.replacement else o.donors
        least += not o.include_target and least > 0
        pools = self.members if o.labels == "same" else {None: self.items}
        for label, members in sorted(pools.items(), key=lambda entry: str(entry[0])):
            if len(members) < least:
                where = "the data set" if label is None else f"class '{label}'"
                more = "" if o.replacement else ", or let donors be drawn with replacement (--replacement)"
                raise ParameterError(
                    f"{where} has {len(members)} images, and {o.donors} sources an image need {least}: "
                    f"choose fewer sources{more}"
                )


def _size(source: Source, options: MixOptions) -> tuple[int, int]:
    if options.size is not None:
        return options.size
    if source.uniform_size is None:
        raise ParameterError("mixed images have one size, and the images of this source may not; give a size: 192")
    return source.uniform_size


def _box(stream: KeyStream, height: int, width: int, keep: float) -> tuple[int, int, int, int]:
    """CutMix's rectangle (arXiv 1905.04899): sides by the root of the part cut out, the centre uniform, clipped."""
    side = float(np.sqrt(1 - keep))
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    y, x = int(stream.below(height, 1)[0]), int(stream.below(width, 1)[0])
    return (
        max(y - half_height, 0),
        max(x - half_width, 0),
        min(y + half_height, height),
        min(x + half_width, width),
    )
