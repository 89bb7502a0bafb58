"""The block kernels, compiled.

Both walk the source in raster order and scatter: random stores are buffered, random loads stall. Unsigned indices drop
numba's negative-index branch; one inner loop a case (transposed or not, reversed or not) gives the compiler constant
strides. Both release the GIL: one image a thread.
"""

import numba
import numpy as np

__all__ = ["scatter_blocks", "scatter_nibbles", "scatter_tiles"]


@numba.njit(nogil=True, cache=True)
def _row(src, dst, q, p, step, m, mask, c0, c1, c2, channels):  # type: ignore[no-untyped-def]
    """Copies m pixels to consecutive places, reading every ``step`` bytes from q on (step wraps if negative)."""
    if channels == np.uint64(3):
        for _ in range(m):
            dst[p] = src[q + c0] ^ mask
            dst[p + np.uint64(1)] = src[q + c1] ^ mask
            dst[p + np.uint64(2)] = src[q + c2] ^ mask
            q += step
            p += np.uint64(3)
    else:
        for _ in range(m):
            dst[p] = src[q] ^ mask
            q += step
            p += np.uint64(1)


@numba.njit(nogil=True, cache=True)
def scatter_blocks(batch, out, m, target, orientation, negative, color):  # type: ignore[no-untyped-def]
    """Source block s goes to block target[s], in the state that the destination's tables say."""
    count, _height, width, ch = batch.shape
    channels = np.uint64(ch)
    cols = width // m
    line = np.uint64(width * ch)
    side = np.uint64(m)
    last = np.uint64(m - 1)
    for k in range(count):
        src = batch[k].reshape(-1)
        dst = out[k].reshape(-1)
        for s in range(target.size):
            d = target[s]
            from_ = np.uint64(((s // cols) * m * width + (s % cols) * m) * ch)
            to = np.uint64(((d // cols) * m * width + (d % cols) * m) * ch)
            code = orientation[d]
            mask = np.uint8(255) if negative[d] else np.uint8(0)
            c0 = np.uint64(color[d, 0])
            c1 = np.uint64(color[d, 1])
            c2 = np.uint64(color[d, 2])
            # Stride in the source from one row of the destination to the next.
            down = channels if code & 4 else line
            for r in range(side):
                y = last - np.uint64(r) if code & 2 else np.uint64(r)
                q = from_ + y * down
                p = to + np.uint64(r) * line
                if code & 1:
                    if code & 4:
                        _row(src, dst, q + last * line, p, np.uint64(0) - line, side, mask, c0, c1, c2, channels)
                    else:
                        back = np.uint64(0) - channels
                        _row(src, dst, q + last * channels, p, back, side, mask, c0, c1, c2, channels)
                elif code & 4:
                    _row(src, dst, q, p, line, side, mask, c0, c1, c2, channels)
                else:
                    _row(src, dst, q, p, channels, side, mask, c0, c1, c2, channels)


@numba.njit(nogil=True, cache=True)
def scatter_tiles(batch, out, m, target, offset, tile_index, tile_mask):  # type: ignore[no-untyped-def]
    """Byte j of block target[s] is byte tile_index[target[s], j] of block s, XOR tile_mask[target[s], j]."""
    count, _height, width, ch = batch.shape
    cols = width // m
    line = np.uint64(width * ch)
    side = np.uint64(m)
    run = np.uint64(m * ch)
    index_step = 1 if tile_index.shape[0] > 1 else 0
    mask_step = 1 if tile_mask.shape[0] > 1 else 0
    for k in range(count):
        src = batch[k].reshape(-1)
        dst = out[k].reshape(-1)
        for s in range(target.size):
            d = target[s]
            from_ = np.uint64(((s // cols) * m * width + (s % cols) * m) * ch)
            to = np.uint64(((d // cols) * m * width + (d % cols) * m) * ch)
            index = tile_index[d * index_step]
            mask = tile_mask[d * mask_step]
            j = np.uint64(0)
            for r in range(side):
                p = to + np.uint64(r) * line
                for x in range(run):
                    dst[p + np.uint64(x)] = src[from_ + np.uint64(offset[np.uint64(index[j])])] ^ mask[j]
                    j += np.uint64(1)


@numba.njit(nogil=True, cache=True)
def scatter_nibbles(batch, out, m, target, tile_index, byte_mask):  # type: ignore[no-untyped-def]
    """As scatter_tiles, on nibbles: half j of block target[s] is half tile_index[target[s], j] of block s.

    A block is taken apart once, into a buffer that stays in the first cache; halves are then picked from there.
    """
    count, _height, width, ch = batch.shape
    cols = width // m
    line = np.uint64(width * ch)
    side = np.uint64(m)
    run = np.uint64(m * ch)
    index_step = 1 if tile_index.shape[0] > 1 else 0
    mask_step = 1 if byte_mask.shape[0] > 1 else 0
    halves = np.empty(2 * m * m * ch, np.uint8)
    two = np.uint64(2)
    for k in range(count):
        src = batch[k].reshape(-1)
        dst = out[k].reshape(-1)
        for s in range(target.size):
            d = target[s]
            from_ = np.uint64(((s // cols) * m * width + (s % cols) * m) * ch)
            to = np.uint64(((d // cols) * m * width + (d % cols) * m) * ch)
            index = tile_index[d * index_step]
            mask = byte_mask[d * mask_step]
            j = np.uint64(0)
            for r in range(side):
                q = from_ + np.uint64(r) * line
                for x in range(run):
                    value = src[q + np.uint64(x)]
                    halves[j] = value & np.uint8(15)
                    halves[j + np.uint64(1)] = value >> np.uint8(4)
                    j += two
            i = np.uint64(0)
            for r in range(side):
                p = to + np.uint64(r) * line
                for x in range(run):
                    low = halves[np.uint64(index[two * i])]
                    high = halves[np.uint64(index[two * i + np.uint64(1)])]
                    dst[p + np.uint64(x)] = (low | (high << np.uint8(4))) ^ mask[i]
                    i += np.uint64(1)
