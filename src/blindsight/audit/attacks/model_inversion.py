"""Model inversion: what a class looks like to the model. Of a model for protected images, that is a protected image."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.audit._art import art_classifier, require_art
from blindsight.audit.attack import Attack, Budget, Reconstruction, get_attack, register_attack
from blindsight.audit.threat import Observation, SharedModel
from blindsight.errors import MissingDependencyError
from blindsight.profile import Scalar

__all__ = ["ModelInversion"]

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

#: Attacks that find a key that all images share from what this attacker sees; the first that applies is taken.
KEY_FINDERS = ("dataset-jigsaw",)
STEPS = 100
_ROUND = 10  # steps of one class before the next has its turn, so that all get something where time is short
_STRIDE = 0.02  # root mean square of the first step, of pixels in -1 to 1
_BATCH = 256


@register_attack
class ModelInversion(Attack):
    """Climbs, from a grey image, to what the model is surest of for each class: one image for a class, and no more.

    Each image of the observation is answered with the inversion of the class that the model says it is of. Nothing of
    the single image is in it, and the image itself, which this attacker has too, shows more. What the figures are for:
    whether the *model alone*, handed on without images, shows its classes. An inversion of a model for enciphered
    images is enciphered: it is decrypted where another attack finds the key in the images, and left so elsewhere.

    Contrast and brightness, which the climb leaves open, are those of the observed images.

    Facts: ``classes``, how many were inverted; ``confidence``, the mean probability that the model gives them;
    ``steps`` of each; ``domain``, plain or cipher; ``key_from``, the attack that found the key, or none.
    """

    name: ClassVar[str] = "model-inversion"
    title: ClassVar[str] = "images of classes from the model"
    reference: ClassVar[str] = (
        "Fredrikson, Jha & Ristenpart, CCS 2015 (MIFace), by the Adversarial Robustness Toolbox; here on "
        "log-probabilities, whose gradient does not vanish where the model is sure of another class, with a step "
        "length for each class and a fixed number of steps"
    )
    observes: ClassVar[type[Observation]] = SharedModel
    learns: ClassVar[bool] = True

    def why_not(self, observation: Observation) -> str | None:
        if (lacking := super().why_not(observation)) is not None:
            return lacking
        try:
            require_art(self.name)
        except MissingDependencyError as error:
            return str(error)
        assert isinstance(observation, SharedModel)
        outputs = _shape_of_outputs(observation)
        if isinstance(outputs, str):
            return outputs
        if len(outputs) != 2 or outputs[1] < 2:
            return f"needs a model with a score for each of two classes or more, this one gives {outputs}"
        return None

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        """Of the time there is, half at most is spent on the key.

        Raises:
            MissingDependencyError: ART is not installed.
        """
        assert isinstance(observation, SharedModel)
        require_art(self.name)
        key, key_from, symmetric = _key(observation, budget)
        shape = observation.images.shape[1:]
        classifier = _classifier(observation)
        answers = _predicted(classifier, observation.images)
        classes, of = np.unique(answers, return_inverse=True)
        inverted, steps = _climb(classifier, classes, (shape[2], *shape[:2]), budget)
        sure = np.exp(classifier.predict(inverted, batch_size=_BATCH))[np.arange(len(classes)), classes]
        pixels = _as_seen(inverted.transpose(0, 2, 3, 1), observation.images)
        if key is not None:
            decrypted = key.inverse().apply(pixels)
            assert isinstance(decrypted, np.ndarray)  # an array in, an array out
            pixels = decrypted
        facts: dict[str, Scalar] = {
            "classes": len(classes),
            "confidence": float(sure.mean()),
            "steps": steps,
            "domain": "plain" if key is not None or observation.profile.kind != "cipher" else "cipher",
            "key_from": key_from or "none",
        }
        return Reconstruction(pixels[of], key, symmetric=symmetric, facts=facts)


def _shape_of_outputs(seen: SharedModel) -> tuple[int, ...] | str:
    """Of the model on the first image; why there is none where it does not take it."""
    import torch

    try:
        with torch.no_grad():
            outputs = seen.model(torch.from_numpy(_floats(seen.images[:1])))
    except (RuntimeError, ValueError, AssertionError) as error:
        return f"the model does not take these images: {str(error).splitlines()[0] if str(error) else error!r}"
    return tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else f"the model gives a {type(outputs).__name__}"


def _key(seen: SharedModel, budget: Budget) -> tuple[SignedPermutation | None, str | None, bool]:
    """A shared key, the attack that found it, and whether it is up to a state of the whole image."""
    for name in KEY_FINDERS:
        finder = get_attack(name)
        if seen.profile.kind == "cipher" and finder.why_not(seen) is None:
            budget.tell(0.0, f"looking for the key: {finder.title}")
            left = None if budget.seconds is None else max((budget.seconds - budget.spent()) / 2, 1e-3)
            found = finder.run(seen, Budget(left, budget.seed))
            if found.key is not None:
                return found.key, name, found.symmetric
    return None, None, False


def _classifier(seen: SharedModel) -> Any:
    from copy import deepcopy

    outputs = _shape_of_outputs(seen)
    assert not isinstance(outputs, str)  # why_not said so
    height, width, channels = seen.images.shape[1:]
    # A copy, for ART clears gradients that the caller may still want.
    return art_classifier(deepcopy(seen.model), (channels, height, width), outputs[1], clip_values=(-1.0, 1.0))


def _predicted(classifier: Any, images: Pixels) -> NDArray[np.int64]:
    """int64 (N,): the class that the model says each image is of."""
    parts = [
        classifier.predict(_floats(images[start : start + _BATCH]), batch_size=_BATCH).argmax(axis=1)
        for start in range(0, len(images), _BATCH)
    ]
    found: NDArray[np.int64] = np.concatenate(parts)
    return found


def _climb(classifier: Any, classes: NDArray[np.int64], shape: tuple[int, ...], budget: Budget) -> tuple[Values, int]:
    """float32 (K, C, H, W) in -1 to 1, an image for each class, and the steps that each has taken."""
    from art.attacks.inference.model_inversion import MIFace

    images = np.zeros((len(classes), *shape), np.float32)
    attacks = []
    for label in classes:
        slope = classifier.class_gradient(images[:1], int(label))
        size = float(np.sqrt(np.mean(slope**2)))
        attacks.append(
            # No threshold: ART's own rule ends the climb where confidence is below it and rising, at its beginning.
            MIFace(
                classifier,
                max_iter=_ROUND,
                threshold=float("inf"),
                learning_rate=_STRIDE / size if size > 0 else 0.0,
                verbose=False,
            )
        )
    steps = 0
    while steps < STEPS and not (steps and budget.over()):
        for number, attack in enumerate(attacks):
            images[number] = attack.infer(images[number : number + 1], classes[number : number + 1])[0]
        steps += _ROUND
        budget.tell(steps / STEPS, "inverting the model")
    return images, steps


def _as_seen(inverted: Values, images: Pixels) -> Pixels:
    """Brought to the mean and the contrast of the observed images; uint8 (K, H, W, C)."""
    flat = inverted.reshape(len(inverted), -1).astype(np.float64)
    spread = flat.std(axis=1, keepdims=True)
    flat = (flat - flat.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    contrast = images.reshape(len(images), -1).std(axis=1).mean()
    pixels: Pixels = np.rint(flat * contrast + images.mean()).clip(0, 255).astype(np.uint8)
    return pixels.reshape(inverted.shape)


def _floats(images: Pixels) -> Values:
    """float32 (N, C, H, W) in -1 to 1, as shared models take them."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(127.5) - np.float32(1)
