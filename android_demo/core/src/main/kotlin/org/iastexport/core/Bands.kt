package org.iastexport.core

import kotlin.math.floor

/** Gets rows of a picture from top to bottom, each band with the row that it begins at. */
public typealias Sink = (Int, Picture) -> Unit

/** Enlarges planes row by row, linear between the centers of pixels, the border repeated; [depth] numbers a pixel. */
internal class Enlarged(
    private val rows: Int,
    private val columns: Int,
    private val depth: Int,
    private val heightPx: Int,
    private val widthPx: Int,
) {
    private val left = IntArray(widthPx)
    private val right = IntArray(widthPx)
    private val part = FloatArray(widthPx)
    private val blended = FloatArray(columns * depth)

    init {
        for (x in 0 until widthPx) {
            // In single precision, as OpenCV has it.
            val center = ((x + 0.5) * (columns.toDouble() / widthPx) - 0.5).toFloat()
            val below = floor(center).toInt()
            left[x] = below.coerceIn(0, columns - 1)
            right[x] = (below + 1).coerceIn(0, columns - 1)
            part[x] = if (below < 0 || below >= columns - 1) 0f else center - below
        }
    }

    /** Row [y] of the large picture into [out]; [row] gives those of the small one, of which two are asked. */
    fun row(y: Int, out: FloatArray, row: (Int) -> FloatArray) {
        val center = ((y + 0.5) * rows / heightPx - 0.5).coerceIn(0.0, rows - 1.0)
        val above = floor(center).toInt()
        val share = (center - above).toFloat()
        val upper = row(above)
        val lower = if (share == 0f) upper else row(minOf(above + 1, rows - 1)) // what takes no part may not be known yet
        for (i in blended.indices) blended[i] = upper[i] * (1f - share) + lower[i] * share
        for (x in 0 until widthPx) {
            val (a, b) = left[x] * depth to right[x] * depth
            for (c in 0 until depth) out[x * depth + c] = blended[a + c] * (1f - part[x]) + blended[b + c] * part[x]
        }
    }
}

/** A level from a number around 0..255, halves up. */
internal fun rounded(level: Float): Int = floor(level + 0.5f).toInt().coerceIn(0, 255)

/**
 * Exchanges low frequencies: what a picture, made as small as [preview], differs from it is added, enlarged. That is
 * the lowest band of a Laplacian pyramid (Burt and Adelson 1983). Bands come in by [add], from top to bottom.
 */
public class PreviewBands(private val preview: Picture, private val widthPx: Int, private val heightPx: Int, private val sink: Sink) {
    private val small = AreaRows(widthPx, heightPx, preview.widthPx, preview.heightPx)
    private val enlarged = Enlarged(preview.heightPx, preview.widthPx, 3, heightPx, widthPx)
    private val known = ArrayList<FloatArray>()
    private val waiting = ArrayDeque<Pair<Int, Picture>>()
    private val offsets = FloatArray(3 * widthPx)
    private var next = 0

    public fun add(band: Picture) {
        small.add(band)?.let(::differ)
        waiting.addLast((waiting.lastOrNull()?.let { it.first + it.second.heightPx } ?: next) to band)
        val ready = if (known.size == preview.heightPx) heightPx else
            maxOf(0L, heightPx.toLong() * (2L * known.size - 1) / (2L * preview.heightPx)).toInt()
        while (next < ready) {
            val (top, first) = waiting.first()
            val last = minOf(ready, top + first.heightPx)
            sink(next, shifted(first, top, last))
            next = last
            if (next == top + first.heightPx) waiting.removeFirst()
        }
    }

    private fun differ(rows: Picture) {
        for (y in 0 until rows.heightPx) {
            val at = known.size * preview.widthPx
            known += FloatArray(3 * preview.widthPx) {
                (channel(preview.argb[at + it / 3], it % 3) - channel(rows.argb[y * rows.widthPx + it / 3], it % 3)).toFloat()
            }
        }
    }

    /** Rows [next, last) of a band that begins at [top], with the offsets added. */
    private fun shifted(band: Picture, top: Int, last: Int): Picture {
        val out = IntArray((last - next) * widthPx)
        for (y in next until last) {
            enlarged.row(y, offsets) { known[it] }
            for (x in 0 until widthPx) {
                val pixel = band.argb[(y - top) * widthPx + x]
                fun level(c: Int) = rounded(channel(pixel, c).toFloat() + offsets[3 * x + c])
                out[(y - next) * widthPx + x] = rgb(level(0), level(1), level(2))
            }
        }
        return Picture(widthPx, last - next, out)
    }
}
