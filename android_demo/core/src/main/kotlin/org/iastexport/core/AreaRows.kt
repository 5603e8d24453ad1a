package org.iastexport.core

/** A picture made smaller as its rows come, to the levels of [Resize]; neither side of the result is larger. */
public class AreaRows(private val widthPx: Int, private val heightPx: Int, private val columns: Int, private val rows: Int) {
    private val across = Resize.Taps(widthPx, columns)
    private val total = widthPx.toLong() * heightPx
    private var seen = 0L
    private val sums = LongArray(3 * columns)
    private val row = LongArray(3 * columns)

    init {
        need(columns in 1..widthPx && rows in 1..heightPx) { "$widthPx x $heightPx px can't be made smaller to $columns x $rows px" }
    }

    /** The rows of the result that are complete once those of [band] have come; null where none is. */
    public fun add(band: Picture): Picture? {
        val made = ArrayList<IntArray>()
        for (y in 0 until band.heightPx) {
            shrink(band, y)
            // In units of 1 / rows of a pixel: this row spans `rows`, one of the result `heightPx`.
            val start = seen * rows
            val left = (start / heightPx + 1) * heightPx - start
            weigh(minOf(left, rows.toLong()))
            if (left <= rows) {
                made += IntArray(columns) { pixel(it) }
                sums.fill(0L)
                weigh(rows - left)
            }
            seen += 1
        }
        return if (made.isEmpty()) null else Picture(columns, made.size, joined(made))
    }

    private fun joined(rows: List<IntArray>): IntArray {
        val out = IntArray(rows.size * columns)
        for ((i, one) in rows.withIndex()) System.arraycopy(one, 0, out, i * columns, columns)
        return out
    }

    private fun shrink(band: Picture, y: Int) {
        row.fill(0L)
        for (x in 0 until columns) for (k in 0 until across.count(x)) {
            val pixel = PixelCodec.overWhite(band.argb[y * widthPx + across.index(x, k)])
            val weight = across.weight(x, k)
            for (c in 0..2) row[3 * x + c] += weight * channel(pixel, c)
        }
    }

    private fun weigh(by: Long) {
        for (i in sums.indices) sums[i] += by * row[i]
    }

    private fun pixel(x: Int): Int {
        fun level(c: Int) = ((2 * sums[3 * x + c] + total) / (2 * total)).toInt()
        return rgb(level(0), level(1), level(2))
    }

    public companion object {
        /** Rows that are read at a time. */
        private const val BAND_ROWS = 64

        /** [pixels] with the longest side at [sidePx], no larger than it is. */
        public fun fitLongestSide(pixels: Pixels, sidePx: Int): Picture {
            val (width, height) = Resize.fittedSize(pixels.widthPx, pixels.heightPx, sidePx)
            val small = AreaRows(pixels.widthPx, pixels.heightPx, width, height)
            val out = IntArray(width * height)
            var at = 0
            for (top in 0 until pixels.heightPx step BAND_ROWS) {
                val band = pixels.crop(0, top, pixels.widthPx, minOf(BAND_ROWS, pixels.heightPx - top))
                val made = small.add(band) ?: continue
                System.arraycopy(made.argb, 0, out, at, made.argb.size)
                at += made.argb.size
            }
            return Picture(width, height, out)
        }
    }
}
