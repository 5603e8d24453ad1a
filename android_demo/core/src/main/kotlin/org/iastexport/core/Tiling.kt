package org.iastexport.core

import kotlin.math.max
import kotlin.math.min

/** One axis cut into overlapping tiles of [tilePx]; [starts] rise, the last tile ends at [lengthPx]. */
public class TileAxis(public val lengthPx: Int, public val tilePx: Int, public val overlapPx: Int) {
    public val starts: IntArray

    /** Pixels of every tile along this axis. */
    public val sizePx: Int = min(lengthPx, tilePx)

    init {
        need(lengthPx > 0 && overlapPx in 0 until tilePx) { "tiles of $tilePx px overlapping by $overlapPx can't cover $lengthPx px" }
        val step = tilePx - overlapPx
        val count = if (lengthPx <= tilePx) 1 else (lengthPx - overlapPx + step - 1) / step
        starts = IntArray(count) { if (count == 1) 0 else (it.toLong() * (lengthPx - tilePx) / (count - 1)).toInt() }
    }

    /** Weight of a position in the tile that begins at [start]: rises over the overlap, not at the picture's own edge. */
    public fun weight(start: Int, position: Int): Int {
        val end = start + sizePx
        val left = if (start == 0) overlapPx + 1 else position - start + 1
        val right = if (end == lengthPx) overlapPx + 1 else end - position
        return min(min(left, right), overlapPx + 1)
    }

    /** Sum of the tiles' weights at every position. */
    public fun totals(): IntArray {
        val sums = IntArray(lengthPx)
        for (start in starts) for (position in start until start + sizePx) sums[position] += weight(start, position)
        return sums
    }
}

/**
 * Pictures beyond the largest tier, in overlapping tiles that are blended by integer weights.
 *
 * The network normalizes by the statistics of what it sees, a tile: tones may differ from tile to tile
 * and from the same picture scaled down. The blend hides the seams, not that.
 */
public class Tiling(widthPx: Int, heightPx: Int, tilePx: Int, sizeMultiplePx: Int) {
    private val overlap = max(sizeMultiplePx, tilePx / 8 / sizeMultiplePx * sizeMultiplePx)

    init {
        // At most two tiles per axis weigh in full at one pixel: 4 * 255 * (overlap + 1)^2 must stay an Int.
        need(overlap < MOST_OVERLAP_PX) { "tiles of $tilePx px are too large to blend; choose a smaller tier" }
    }

    public val across = TileAxis(widthPx, tilePx, overlap)
    public val down = TileAxis(heightPx, tilePx, overlap)

    /** How many tiles there are. */
    public val count: Int get() = across.starts.size * down.starts.size

    /**
     * Runs [stylize] on every tile and blends the results: `(2 * sum(w * level) + sum(w)) / (2 * sum(w))`.
     * One row of tiles is held at a time.
     *
     * @param stylize makes a picture of the same size.
     */
    public fun run(picture: Picture, stylize: (Picture) -> Picture): Picture {
        val out = IntArray(picture.argb.size)
        run(picture, stylize) { top, band -> System.arraycopy(band.argb, 0, out, top * band.widthPx, band.argb.size) }
        return Picture(picture.widthPx, picture.heightPx, out)
    }

    /** As [run]; [sink] gets the result's rows from top to bottom, each band with the row that it begins at. */
    public fun run(picture: Pixels, stylize: (Picture) -> Picture, sink: (Int, Picture) -> Unit) {
        need(picture.widthPx == across.lengthPx && picture.heightPx == down.lengthPx) { "the tiles are for another picture" }
        val band = Band(across.totals(), down.totals(), down.sizePx)
        for ((row, top) in down.starts.withIndex()) {
            for (left in across.starts) {
                val tile = stylize(picture.crop(left, top, across.sizePx, down.sizePx))
                need(tile.widthPx == across.sizePx && tile.heightPx == down.sizePx) { "a tile came back in another size" }
                add(band, tile, left, top)
            }
            val next = down.starts.getOrElse(row + 1) { down.lengthPx }
            sink(top, band.flush(next - top, top))
        }
    }

    private fun add(band: Band, tile: Picture, left: Int, top: Int) {
        val weights = IntArray(tile.widthPx) { across.weight(left, left + it) }
        for (y in 0 until tile.heightPx) {
            val weight = down.weight(top, top + y)
            for (x in 0 until tile.widthPx) band.add(left + x, y, weight * weights[x], tile.argb[y * tile.widthPx + x])
        }
    }

    private companion object {
        const val MOST_OVERLAP_PX = 1400
    }

    /**
     * Sums of weighted levels of the rows that tiles may still reach; row 0 is the top of the current tiles.
     * The weights' own sum needs no plane: a weight is a product, so its sum is the product of both axes' [totals][TileAxis.totals].
     */
    private class Band(private val acrossTotals: IntArray, private val downTotals: IntArray, rows: Int) {
        private val widthPx = acrossTotals.size
        private val sums = Array(3) { IntArray(widthPx * rows) }

        fun add(x: Int, y: Int, weight: Int, argb: Int) {
            val i = y * widthPx + x
            for (c in 0..2) sums[c][i] += weight * channel(argb, c)
        }

        /** The first [count] rows, which lie at row [top] of the picture; the others move up. */
        fun flush(count: Int, top: Int): Picture {
            val size = count * widthPx
            val out = IntArray(size)
            for (i in 0 until size) {
                val weight = acrossTotals[i % widthPx].toLong() * downTotals[top + i / widthPx]
                fun level(c: Int) = ((2L * sums[c][i] + weight) / (2L * weight)).toInt()
                out[i] = rgb(level(0), level(1), level(2))
            }
            for (plane in sums) {
                System.arraycopy(plane, size, plane, 0, plane.size - size)
                plane.fill(0, plane.size - size, plane.size)
            }
            return Picture(widthPx, count, out)
        }
    }
}
