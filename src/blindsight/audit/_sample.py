"""Which published images are looked at, and what each is compared with. Seeded: the same seed, the same report."""

from collections.abc import Callable, Sequence

import numpy as np

from blindsight.audit.similarity import Case, Pixels
from blindsight.errors import ImageError
from blindsight.owner.mixing import Mixer, Target
from blindsight.owner.sources import Item

__all__ = ["candidate_originals", "make_cases"]

#: At most so many originals, and bytes of them, are held for the attacks.
MOST_CANDIDATES = 2000
CANDIDATE_BYTES = 384 << 20


def make_cases(
    mixer: Mixer,
    targets: Sequence[Target],
    publish: Callable[[Target, Pixels], Pixels],
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> list[Case]:
    """The sample as one setting of the mixer mixes it.

    Args:
        mixer: the setting.
        targets: the sample.
        publish: (target, mixed pixels) -> what whoever gets the set sees.
        seed: of the images for comparison.
        progress: called after each case.

    Raises:
        ImageError: an image of the sample can no longer be read.
    """
    cases = []
    for number, target in enumerate(targets):
        mixture = mixer.make(target)
        used = {target.item, *mixture.donors}
        members = mixer.members[target.item.label]
        pool = members if mixer.options.labels == "same" else mixer.items
        rng = np.random.default_rng([seed, number])
        others = _drawn(mixer, pool, len(mixture.donors), rng, used)
        classmate = _drawn(mixer, members, 1, rng, used)
        stranger = _drawn(mixer, mixer.items, 1, rng, used, other_than=target.item)
        cases.append(
            Case(
                published=publish(target, mixture.pixels),
                mixed=mixture.pixels,
                target=target.item,
                donors=tuple(mixture.donors),
                weights=tuple(mixture.weights),
                choice=mixture.choice,
                others=tuple(others),
                classmate=classmate[0] if classmate else None,
                stranger=stranger[0] if stranger else None,
            )
        )
        progress()
    return cases


def candidate_originals(
    mixer: Mixer, targets: Sequence[Target], seed: int, progress: Callable[[], None] = lambda: None
) -> tuple[list[Item], list[Pixels]]:
    """The originals that the attacks choose among: all that were mixed, or a random part with the sample's targets.

    Args:
        mixer: gives the originals at the mixed size.
        targets: the sample, whose originals are always among them.
        seed: of the choice.
        progress: called after each.
    """
    wanted = list(dict.fromkeys(target.item for target in targets))
    room = max(CANDIDATE_BYTES // mixer.pixels(wanted[0]).nbytes, 2)
    rest = [item for item in mixer.items if item not in set(wanted)]
    more = max(min(MOST_CANDIDATES, room) - len(wanted), 0)
    order = np.random.default_rng([seed, 1 << 20]).permutation(len(rest))
    items, pixels = list(wanted), [mixer.pixels(item) for item in wanted]
    for item in (rest[i] for i in order[:more]):
        try:
            pixels.append(mixer.pixels(item))
        except ImageError:  # it is among the rejects of the mixing run, and no image of the set shows it
            continue
        items.append(item)
        progress()
    return items, pixels


def _drawn(
    mixer: Mixer,
    pool: list[Item],
    count: int,
    rng: np.random.Generator,
    used: set[Item],
    other_than: Item | None = None,
) -> list[Item]:
    """So many readable and unused images of a pool, at random, or fewer; of other classes where an image is given."""
    found: list[Item] = []
    for place in rng.permutation(len(pool)) if count else ():
        item = pool[place]
        if item in used or (other_than is not None and item.label == other_than.label):
            continue
        try:
            mixer.pixels(item)
        except ImageError:
            continue
        found.append(item)
        if len(found) == count:
            break
    return found
