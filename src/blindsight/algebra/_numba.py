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
def scatter_nibbles(batch, out, m, target, offset, tile_index, byte_mask):  # type: ignore[no-untyped-def]
    """As scatter_tiles, on nibbles: half j of block target[s] is half tile_index[target[s], j] of block s.

    A row of blocks is taken apart first, in two long loops that the compiler can vectorise: all its low halves, then
    all its high ones. Halves are then picked from there.
    """
    count, height, width, ch = batch.shape
    cols = width // m
    line = np.uint64(width * ch)
    side = np.uint64(m)
    run = np.uint64(m * ch)
    size = m * m * ch
    shared = tile_index.shape[0] == 1
    mask_step = 1 if byte_mask.shape[0] > 1 else 0
    strip = m * width * ch
    halves = np.empty(2 * strip, np.uint8)
    places = np.empty(2 * size, np.uint32)
    for i in range(size):
        places[2 * i] = offset[i]
        places[2 * i + 1] = offset[i] + strip
    moved = places[tile_index[0]] if shared else places
    two, one = np.uint64(2), np.uint64(1)
    for k in range(count):
        src = batch[k].reshape(-1)
        dst = out[k].reshape(-1)
        for top in range(height // m):
            for i in range(strip):
                halves[i] = src[top * strip + i] & np.uint8(15)
            for i in range(strip):
                halves[strip + i] = src[top * strip + i] >> np.uint8(4)
            for left in range(cols):
                d = target[top * cols + left]
                from_ = np.uint64(left) * run
                to = np.uint64(((d // cols) * m * width + (d % cols) * m) * ch)
                index = tile_index[0 if shared else d]
                mask = byte_mask[d * mask_step]
                j = np.uint64(0)
                for r in range(side):
                    p = to + np.uint64(r) * line
                    if shared:
                        for x in range(run):
                            low = halves[from_ + np.uint64(moved[two * j])]
                            high = halves[from_ + np.uint64(moved[two * j + one])]
                            dst[p + np.uint64(x)] = (low | (high << np.uint8(4))) ^ mask[j]
                            j += one
                    else:
                        for x in range(run):
                            low = halves[from_ + np.uint64(places[np.uint64(index[two * j])])]
                            high = halves[from_ + np.uint64(places[np.uint64(index[two * j + one])])]
                            dst[p + np.uint64(x)] = (low | (high << np.uint8(4))) ^ mask[j]
                            j += one
