"""Mixing: training images that hide their members among others of the data set, for tests on plain images.

Label-based pixel block mixing (PBM; Xiang et al., arXiv 2105.08876) and what a user would try instead: Mixup, CutMix
and InstaHide. No key undoes a mixed image; the key draws it, so that a run can be repeated and resumed.
"""

from blindsight.owner.mixing.mixer import Mixer, Mixture, Target
from blindsight.owner.mixing.options import METHODS, MixOptions
from blindsight.owner.mixing.run import MixReport, mix, open_mixer

__all__ = ["METHODS", "MixOptions", "MixReport", "Mixer", "Mixture", "Target", "mix", "open_mixer"]
