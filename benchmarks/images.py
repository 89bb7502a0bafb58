"""What reading, fitting and writing images cost: time, bytes and decibels, Pillow beside simplejpeg in the same run.

    python benchmarks/images.py

One core, medians of process time over scikit-learn's china.jpg (427x640) and a 12 MP tiling of it. Encrypted images are
EtC under a fixed key.
"""

import io
import time
from collections.abc import Callable

import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from blindsight.images import encode_image, fit_image, read_image, read_protected
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.profile import Codec

KEY = SecretKey(bytes(range(32)))


def milliseconds(work: Callable[[], object], seconds: float = 0.5) -> float:
    work()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times)) * 1e3


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    error = np.square(a.astype(float) - b).mean()
    return float("inf") if not error else 10 * np.log10(255**2 / error)


def decode_with_pillow(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def main() -> None:
    photo = np.ascontiguousarray(load_sample_image("china.jpg"))
    tiled = np.ascontiguousarray(np.tile(photo, (7, 7, 1))[:2976, :4032])
    print(f"Pillow {PIL.__version__}, simplejpeg {simplejpeg.__version__}, NumPy {np.__version__}\n")

    jpeg = Codec(format="jpeg", quality=90, subsampling="4:2:0")
    print("| decode JPEG q90 4:2:0, ms | read_image | simplejpeg alone | Pillow |\n| --- | --- | --- | --- |")
    small = fit_image(photo, block_size=16, size=(224, 224), fit="crop")
    for name, pixels in (("224x224", small), ("427x640", photo), ("2976x4032", tiled)):
        data = encode_image(pixels, jpeg)
        readers = (read_image, simplejpeg.decode_jpeg, decode_with_pillow)
        print(f"| {name} |", " | ".join(f"{milliseconds(lambda r=read, d=data: r(d)):.2f}" for read in readers), "|")

    print("\n| fit, block 16 | 427x640 becomes | ms | to 224x224, ms | 2976x4032 to 224x224, ms |")
    print("| --- | --- | --- | --- | --- |")
    for fit in ("pad", "crop", "resize"):
        shape = fit_image(photo, block_size=16, size=None, fit=fit).shape
        cases = ((photo, None), (photo, (224, 224)), (tiled, (224, 224)))
        times = [milliseconds(lambda p=p, s=s, f=fit: fit_image(p, block_size=16, size=s, fit=f)) for p, s in cases]
        print(f"| {fit} | {shape[0]}x{shape[1]} |", " | ".join(f"{t:.2f}" for t in times), "|")

    codecs = [Codec(format="png"), Codec(format="webp")]
    codecs += [Codec(format="jpeg", quality=90, subsampling=s) for s in ("4:4:4", "4:2:0")]
    print("\n| codec, 416x640 | block | plain, kB | EtC, kB | encode, ms | read back, ms | revealed, dB | plain, dB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for codec in codecs:
        for block in (8, 16):
            fitted = fit_image(photo, block_size=16, size=None, fit="crop")
            permutation = create_cipher("etc", block).compile(KEY, *fitted.shape[:2])
            encrypted = permutation.apply(fitted)
            plain, data = encode_image(fitted, codec), encode_image(encrypted, codec)
            box = codec.subsampling == "4:2:0"
            revealed = permutation.inverse().apply(read_protected(data, channels=3, box_upsampling=box))
            label = codec.format + (f" q{codec.quality} {codec.subsampling}" if codec.format == "jpeg" else "")
            cost = milliseconds(lambda e=encrypted, c=codec: encode_image(e, c))
            back = milliseconds(lambda d=data: read_protected(d, channels=3))
            print(
                f"| {label} | {block} | {len(plain) / 1e3:.0f} | {len(data) / 1e3:.0f} | {cost:.2f} | {back:.2f} "
                f"| {psnr(revealed, fitted):.2f} | {psnr(read_image(plain), fitted):.2f} |"
            )


if __name__ == "__main__":
    main()
