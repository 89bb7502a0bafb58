"""Image files in and out, and fitting to a size. NumPy, Pillow and simplejpeg only: no key, no torch.

Images are uint8 arrays of shape (H, W, C), C-contiguous, with C = 3 (RGB) or 1 (grayscale).
"""

from blindsight.images._decoding import DEFAULT_MAX_PIXELS, MAX_FILE_BYTES, MAX_SIDE
from blindsight.images._fitting import Fit, check_size, fit_image, unfit_image
from blindsight.images._reading import read_image, read_protected
from blindsight.images._writing import check_codec, codec_versions, encode_image

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "MAX_FILE_BYTES",
    "MAX_SIDE",
    "Fit",
    "check_codec",
    "check_size",
    "codec_versions",
    "encode_image",
    "fit_image",
    "read_image",
    "read_protected",
    "unfit_image",
]
