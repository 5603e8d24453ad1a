package org.iastexport.core

/** Statistics of pictures, by the name of their site; over parts of a picture they add up. */
public typealias Moments = Map<String, FloatArray>

/**
 * A tier of a network in a style, its spatial statistics lifted out: measured apart, then given. What is left is
 * local, so that a tile with its halo gives the same numbers as the whole picture.
 */
public interface Lifted {
    /** Passes that exact moments need; 0: the network has no spatial statistic. */
    public val levels: Int

    /** How far from a pixel of the result the network looks, a multiple of [multiplePx]. */
    public val haloPx: Int

    /** Sides and offsets of tiles are multiples of it. */
    public val multiplePx: Int

    /** How image tensors lie. */
    public val layout: Layout

    /** The moments of one level in a tile, weighed as [Covered.weight] says, told those of all levels before. */
    public fun measure(tile: StylePipeline.Prepared, weight: FloatArray, moments: Moments, level: Int): Moments

    /** The tile's picture in [layout], told the moments of all levels. */
    public fun render(tile: StylePipeline.Prepared, moments: Moments): FloatArray
}

/** Moments of pictures, exact over all their tiles; several pictures count alike and share one tone. */
public object Measuring {
    /**
     * The moments of all levels, a pass over all tiles for each. Sums are taken in double precision in the order of tiles.
     *
     * @param progress tiles done and tiles in all.
     * @throws BundleException moments that are not finite.
     */
    public fun exact(lifted: Lifted, pictures: List<Covered>, progress: (Int, Int) -> Unit = { _, _ -> }): Moments {
        val found = LinkedHashMap<String, FloatArray>()
        val all = pictures.sumOf { it.cover.count } * lifted.levels
        var done = 0
        for (level in 0 until lifted.levels) {
            val sums = LinkedHashMap<String, DoubleArray>()
            for (picture in pictures) {
                val share = 1.0 / (picture.pixels.heightPx.toDouble() * picture.pixels.widthPx * pictures.size)
                for (down in picture.cover.down.spans) for (across in picture.cover.across.spans) {
                    progress(done++, all)
                    val tile = picture.tile(down, across, lifted.layout)
                    for ((name, values) in lifted.measure(tile, picture.weight(down, across, share), found, level)) {
                        val sum = sums.getOrPut(name) { DoubleArray(values.size) }
                        for (i in values.indices) sum[i] += values[i].toDouble()
                    }
                }
            }
            for ((name, sum) in sums) found[name] = FloatArray(sum.size) { sum[it].toFloat() }
        }
        for ((name, values) in found) need(values.none { it.isNaN() || it.isInfinite() }) {
            "the statistics of $name hold NaN or infinity; build the bundle again"
        }
        return found
    }

    /** As [exact] of one picture, from it scaled down to [sidePx] where it is larger. */
    public fun quick(lifted: Lifted, pixels: Pixels, sidePx: Int): Moments {
        val isLarge = maxOf(pixels.widthPx, pixels.heightPx) > sidePx
        return exact(lifted, listOf(Covered(if (isLarge) AreaRows.fitLongestSide(pixels, sidePx) else pixels, sidePx, lifted)))
    }
}
