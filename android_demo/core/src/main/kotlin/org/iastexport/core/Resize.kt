package org.iastexport.core

import kotlin.math.max
import kotlin.math.min

/**
 * The resize that the manifest names `area_down_linear_up`, all in integers and rounded once, so that
 * Kotlin and Python give the same levels. (Android's own scaling is not specified to the level.)
 *
 * Each axis by itself: where it shrinks or stays, an output pixel is the exact area average of what it
 * covers; where it grows, the linear interpolation between pixel centers, the border repeated.
 */
public object Resize {
    /** Largest picture that is made, in pixels: its levels fit the memory of a phone. */
    public const val MOST_PX = 1L shl 26

    /**
     * The picture at [widthPx] x [heightPx]; opaque. Row by row: beside the two pictures, one row of sums.
     *
     * @throws BundleException a size below 1 px, or more than [MOST_PX] in all.
     */
    public fun to(picture: Picture, widthPx: Int, heightPx: Int): Picture {
        need(widthPx >= 1 && heightPx >= 1) { "a size of ${widthPx}x$heightPx px was asked; ask for at least 1 px" }
        need(widthPx.toLong() * heightPx <= MOST_PX) { "${widthPx}x$heightPx px are too many for a phone; ask for at most $MOST_PX px" }
        if (widthPx == picture.widthPx && heightPx == picture.heightPx) return picture
        val across = Taps(picture.widthPx, widthPx)
        val down = Taps(picture.heightPx, heightPx)
        val total = across.total * down.total
        val sums = LongArray(3 * picture.widthPx)
        val out = IntArray(widthPx * heightPx)
        for (y in 0 until heightPx) {
            sums.fill(0L)
            for (k in 0 until down.count(y)) addRow(picture, down.index(y, k), down.weight(y, k), sums)
            for (x in 0 until widthPx) out[y * widthPx + x] = pixel(across, x, sums, total)
        }
        return Picture(widthPx, heightPx, out)
    }

    /** Scaled so that the longest side is [sidePx]; the other side is rounded half up, at least 1. */
    public fun fitLongestSide(picture: Picture, sidePx: Int): Picture {
        val (widthPx, heightPx) = fittedSize(picture.widthPx, picture.heightPx, sidePx)
        return to(picture, widthPx, heightPx)
    }

    /** Width and height that [fitLongestSide] gives a picture of [widthPx] x [heightPx]. */
    public fun fittedSize(widthPx: Int, heightPx: Int, sidePx: Int): Pair<Int, Int> {
        val longest = max(widthPx, heightPx)
        fun side(size: Int) = max(1L, (2L * size * sidePx + longest) / (2L * longest)).toInt()
        return side(widthPx) to side(heightPx)
    }

    /** The largest centered square, scaled to [sidePx]: how a style picture is read. */
    public fun centerSquare(picture: Picture, sidePx: Int): Picture {
        val side = min(picture.widthPx, picture.heightPx)
        val square = picture.crop((picture.widthPx - side) / 2, (picture.heightPx - side) / 2, side, side)
        return to(square, sidePx, sidePx)
    }

    private fun addRow(picture: Picture, row: Int, weight: Long, sums: LongArray) {
        val start = row * picture.widthPx
        for (x in 0 until picture.widthPx) {
            val pixel = picture.argb[start + x]
            sums[3 * x] += weight * ((pixel shr 16) and 0xFF)
            sums[3 * x + 1] += weight * ((pixel shr 8) and 0xFF)
            sums[3 * x + 2] += weight * (pixel and 0xFF)
        }
    }

    private fun pixel(across: Taps, x: Int, sums: LongArray, total: Long): Int {
        var red = 0L
        var green = 0L
        var blue = 0L
        for (k in 0 until across.count(x)) {
            val i = 3 * across.index(x, k)
            val weight = across.weight(x, k)
            red += weight * sums[i]
            green += weight * sums[i + 1]
            blue += weight * sums[i + 2]
        }
        fun level(sum: Long) = ((2 * sum + total) / (2 * total)).toInt()
        return rgb(level(red), level(green), level(blue))
    }

    /** Which inputs of an axis of [size] each output of [count] reads, with integer weights that add up to [total]. */
    internal class Taps(private val size: Int, private val count: Int) {
        private val grows = count > size
        val total: Long = if (grows) 2L * count else size.toLong()

        private fun first(i: Int): Int = if (grows) center(i).toInt() else (i.toLong() * size / count).toInt()

        private fun center(i: Int): Long = ((2L * i + 1) * size - count).floorDiv(2L * count)

        fun count(i: Int): Int {
            if (grows) return 2
            return ((i + 1L) * size + count - 1).div(count).toInt() - first(i)
        }

        fun index(i: Int, k: Int): Int = (first(i) + k).coerceIn(0, size - 1)

        fun weight(i: Int, k: Int): Long {
            if (grows) {
                val part = (2L * i + 1) * size - count - center(i) * total
                return if (k == 0) total - part else part
            }
            val j = (first(i) + k).toLong()
            return min((j + 1) * count, (i + 1L) * size) - max(j * count, i.toLong() * size)
        }
    }
}
