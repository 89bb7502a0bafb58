"""Signed permutations of image samples, their block tables and their kernels.

Every perceptual cipher in use is one of these, so laws, speed, model encryption and attacks are all stated once, here.
"""

from blindsight.algebra.blocks import BlockPermutation, TilePermutation
from blindsight.algebra.geometry import BlockGrid
from blindsight.algebra.permutation import SignedPermutation

__all__ = ["BlockGrid", "BlockPermutation", "SignedPermutation", "TilePermutation"]
