package org.iastexport.core

/**
 * A photograph through a local affine map of colors that leads from a small version of it to the painting of that:
 * the guided filter (He, Sun and Tang, TPAMI 2013, equations 19 and 20), its coefficients found at the small size
 * (He and Sun, arXiv 1505.00996) and held a few rows at a time.
 */
public class Guided(private val small: Picture, private val painting: Picture) {
    private val widthPx = small.widthPx
    private val heightPx = small.heightPx
    private val moments = BoxRows(widthPx, heightPx, MOMENTS, ::products)
    private val map = BoxRows(widthPx, heightPx, MAP, ::fit)

    init {
        need(painting.widthPx == widthPx && painting.heightPx == heightPx) { "the painting is not of the photograph's size" }
    }

    /** Gives [photograph]'s colors through the map, band by band; once only, as it goes from top to bottom. */
    public fun run(photograph: Pixels, progress: (Int, Int) -> Unit, sink: Sink) {
        val (width, height) = photograph.widthPx to photograph.heightPx
        val enlarged = Enlarged(heightPx, widthPx, MAP, height, width)
        val row = FloatArray(width * MAP)
        for (top in 0 until height step ROWS) {
            progress(top, height)
            val band = photograph.crop(0, top, width, minOf(ROWS, height - top)).opaque()
            val out = IntArray(band.argb.size)
            for (y in 0 until band.heightPx) {
                enlarged.row(top + y, row) { map.row(it) }
                for (x in 0 until width) out[y * width + x] = through(band.argb[y * width + x], row, x * MAP)
            }
            sink(top, Picture(width, band.heightPx, out))
        }
    }

    private fun through(pixel: Int, map: FloatArray, at: Int): Int {
        fun level(c: Int): Int {
            var sum = 0f
            for (g in 0..2) sum += map[at + 3 * c + g] * (channel(pixel, g) / 255f)
            return rounded((sum + map[at + 9 + c]) * 255f)
        }
        return rgb(level(0), level(1), level(2))
    }

    /** Per pixel of a row: guide, painting, guide times guide and guide times painting. */
    private fun products(y: Int): FloatArray {
        val out = FloatArray(widthPx * MOMENTS)
        for (x in 0 until widthPx) {
            val (from, to) = small.argb[y * widthPx + x] to painting.argb[y * widthPx + x]
            val at = x * MOMENTS
            for (i in 0..2) {
                val guide = channel(from, i) / 255f
                out[at + i] = guide
                out[at + 3 + i] = channel(to, i) / 255f
                for (j in 0..2) {
                    out[at + 6 + 3 * i + j] = guide * (channel(from, j) / 255f)
                    out[at + 15 + 3 * i + j] = guide * (channel(to, j) / 255f)
                }
            }
        }
        return out
    }

    /** Per pixel of a row nine gains, three for each color of the result, and three offsets: the least squares around it. */
    private fun fit(y: Int): FloatArray {
        val means = moments.row(y)
        val out = FloatArray(widthPx * MAP)
        val spread = DoubleArray(9)
        val shared = DoubleArray(9)
        for (x in 0 until widthPx) {
            val at = x * MOMENTS
            for (i in 0..2) for (j in 0..2) {
                val guide = means[at + i].toDouble()
                spread[3 * i + j] = means[at + 6 + 3 * i + j] - guide * means[at + j] + if (i == j) FLAT else 0.0
                shared[3 * i + j] = means[at + 15 + 3 * i + j] - guide * means[at + 3 + j]
            }
            solve(spread, shared)
            for (c in 0..2) {
                var offset = means[at + 3 + c].toDouble()
                for (g in 0..2) {
                    out[x * MAP + 3 * c + g] = shared[3 * g + c].toFloat()
                    offset -= shared[3 * g + c] * means[at + g]
                }
                out[x * MAP + 9 + c] = offset.toFloat()
            }
        }
        return out
    }

    /** Solves `a x = b` in place of [b], both three by three; [a] is symmetric and positive, so that no pivot is sought. */
    private fun solve(a: DoubleArray, b: DoubleArray) {
        for (k in 0..2) for (i in 0..2) {
            if (i == k) continue
            val factor = a[3 * i + k] / a[3 * k + k]
            for (j in 0..2) {
                a[3 * i + j] -= factor * a[3 * k + j]
                b[3 * i + j] -= factor * b[3 * k + j]
            }
        }
        for (i in 0..2) for (j in 0..2) b[3 * i + j] /= a[4 * i]
    }

    private companion object {
        const val MOMENTS = 24
        const val MAP = 12
        const val ROWS = 64

        /** The variance below which a window counts as flat. */
        const val FLAT = 1e-3
    }
}

/** Means over squares of 17 px, borders mirrored, of [depth] numbers a pixel; rows are asked for from top to bottom. */
private class BoxRows(private val widthPx: Int, private val heightPx: Int, private val depth: Int, private val source: (Int) -> FloatArray) {
    private val held = HashMap<Int, FloatArray>()
    private val made = HashMap<Int, FloatArray>()

    fun row(y: Int): FloatArray = made.getOrPut(y) {
        made.keys.retainAll { it >= y - 1 }
        val rows = (y - RADIUS..y + RADIUS).map { mirrored(it, heightPx) }
        held.keys.retainAll(rows.toSet())
        val sums = DoubleArray(widthPx * depth)
        for (row in rows) {
            val values = held.getOrPut(row) { source(row) }
            for (i in sums.indices) sums[i] += values[i].toDouble()
        }
        across(sums)
    }

    private fun across(sums: DoubleArray): FloatArray {
        val out = FloatArray(widthPx * depth)
        val window = DoubleArray(depth)
        fun add(x: Int, sign: Int) {
            val at = mirrored(x, widthPx) * depth
            for (c in 0 until depth) window[c] += sign * sums[at + c]
        }
        for (x in -RADIUS until RADIUS) add(x, 1)
        for (x in 0 until widthPx) {
            add(x + RADIUS, 1)
            for (c in 0 until depth) out[x * depth + c] = (window[c] / (SIDE * SIDE)).toFloat()
            add(x - RADIUS, -1)
        }
        return out
    }

    /** A place beyond a border, which is repeated: c b a | a b c | c b a. */
    private fun mirrored(at: Int, size: Int): Int {
        val inside = at.mod(2 * size)
        return if (inside < size) inside else 2 * size - 1 - inside
    }

    private companion object {
        const val RADIUS = 8
        const val SIDE = 2 * RADIUS + 1
    }
}
