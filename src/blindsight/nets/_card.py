"""The model card of a run folder."""

from typing import Any, Literal

from blindsight.profile import Profile

__all__ = ["Origin", "model_card", "statement"]

#: What a run came from: training; a model of plain images that was encrypted; nothing, its weights are random.
Origin = Literal["trained", "encrypted", "untrained"]

_STATEMENT = """\
**Perceptual encryption is visual obfuscation, not cryptography.** It hides pictures from people and programs that
look at them in passing. It does not withstand somebody who sets out to recover them: with one key for a whole data
set, ten protected images or fewer can be enough to recover the key, and two known pairs of plain and protected
images give everything away."""

_MIXING = """\
**Mixing is visual obfuscation, not cryptography.** The published images hold true pixels of the originals, each at
its own place; whoever collects enough of them can put pictures together again."""

_ENCRYPTED = """

**This is a model of plain images, encrypted with a key** so that it answers to images protected with that key. Whoever
knows the plain model, such as public pretrained weights that its first layer still resembles, can read the key from the
weights and decrypt every query."""

_TABLE = """

**The first layer holds a table of how blocks are turned**, {states} states of them relative to each other. Whoever
has this run can bring all blocks of a protected image into one common state, without a key."""

_PLAIN = "The images this model was trained on were **not protected**."


def statement(profile: Profile, origin: Origin = "trained") -> str:
    """What the protection of a model's images is worth, in Markdown."""
    text = {"cipher": _STATEMENT, "mix": _MIXING, "plain": _PLAIN}[profile.kind]
    return text + _ENCRYPTED if origin == "encrypted" else text


def model_card(
    architecture: str,
    profile: Profile,
    size: tuple[int, int],
    results: dict[str, Any],
    normalisation: tuple[float, float] = (0.5, 0.5),
    origin: Origin = "trained",
    states: int = 1,
) -> str:
    """Markdown with YAML front matter; holds no path, host, user name or time.

    Args:
        architecture: timm name.
        profile: of the data the model was trained on.
        size: (height, width) of its images.
        results: names and numbers for the table; accuracies are fractions whose name ends in ``top1`` or ``top5``.
        normalisation: (mean, std) of every channel.
        origin: what the weights came from.
        states: of a keyed first layer; 1 is an ordinary one.
    """
    kind = "plain" if profile.kind == "plain" else "protected"
    title = {
        "trained": f"trained on {kind} images",
        "encrypted": "encrypted with a key",
        "untrained": f"not trained yet, for {kind} images",
    }[origin]
    rows = "\n".join(f"| {name.replace('_', ' ')} | {_number(name, value)} |" for name, value in results.items())
    table = f"| measured | value |\n|---|---|\n{rows}\n" if rows else "Nothing was measured.\n"
    taken = {
        "cipher": f"images protected in the same way with the key `{profile.key_id}`",
        "mix": "plain images, brought to the same size",
        "plain": "plain images, brought to the same size",
    }[profile.kind]
    mean, std = normalisation
    return f"""\
---
library_name: timm
pipeline_tag: image-classification
tags:
- image-classification
- timm
- blindsight
---
# {architecture}, {title}

- Protection: {profile.summary()}
- Takes: {taken}; {size[0]}x{size[1]}, {profile.channels} channels, normalised with mean {mean:g} and std {std:g}
- Classes: {len(profile.classes)}{" (opaque ids: only the owner can name them)" if profile.opaque_classes else ""}

## What the protection is worth

{statement(profile, origin)}{_TABLE.format(states=states) if states > 1 else ""}

## Results

{table}
## Use

```
blindsight evaluate RUN DATA
blindsight predict RUN IMAGE...
```
"""


def _number(name: str, value: Any) -> str:
    if name.endswith(("top1", "top5")) and isinstance(value, float):
        return f"{100 * value:.2f} %"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
