package org.iastexport.core

/**
 * How a picture beyond the largest tier is painted at its own size. [TILES]: strokes as fine as pixels, tones of the
 * whole picture. [PREVIEW]: strokes and tones of the picture scaled down, with the tiles' fine strokes added. [GUIDED]:
 * the colors and the light of that preview on the photograph's own detail.
 */
public enum class Way { TILES, PREVIEW, GUIDED }

/** Where the statistics of tiles come from: a pass over the picture for each level, or the picture scaled down. */
public enum class Statistics { EXACT, QUICK }

/** What came of a large picture. [sharesStatistics] is false where tiles had to have statistics of their own. */
public class LargePainting(public val tier: Tier, public val tiles: Int, public val sharesStatistics: Boolean)

/** Pictures beyond the largest tier with one engine, in bands of rows, so that the heap holds neither picture whole. */
public class LargePainter(private val bundle: Bundle, private val engine: StyleEngine) {
    private val manifest = bundle.manifest
    private val pipeline = StylePipeline(bundle, engine)

    /**
     * Paints [photograph] at its own size.
     *
     * @param tier of the tiles and of the preview.
     * @param progress steps done and steps in all, from 0 on; it may throw to end the painting.
     * @param sink gets the rows of the result.
     * @throws BundleException a file is altered, or the model's output is damaged.
     */
    public fun paint(
        photograph: Pixels,
        code: FloatArray,
        strength: Float,
        way: Way,
        statistics: Statistics = Statistics.EXACT,
        tier: Tier = manifest.tiers.last(),
        progress: (Int, Int) -> Unit = { _, _ -> },
        sink: Sink,
    ): LargePainting {
        pipeline.check(strength)
        val tiles = { to: Sink -> tiles(photograph, code, strength, statistics, tier, progress, to) }
        if (way == Way.TILES) return tiles(sink)
        val small = fitted(photograph, tier.maxSidePx)
        val (preview, _) = pipeline.runOnce(small, tier, code, strength)
        if (way == Way.GUIDED) {
            Guided(small, preview).run(photograph, progress, sink)
            return LargePainting(tier, 1, sharesStatistics = true)
        }
        val bands = PreviewBands(preview, photograph.widthPx, photograph.heightPx, sink)
        return tiles { _, band -> bands.add(band) }
    }

    /** The moments of several pictures as one, so that all get one tone; null where this engine lifts none. */
    public fun together(pictures: List<Pixels>, code: FloatArray, strength: Float, tier: Tier): Moments? {
        val lifted = engine.lifted(tier, code, strength) ?: return null
        return Measuring.exact(lifted, pictures.map { Covered(it, tier.maxSidePx, lifted) })
    }

    /** A picture of any size told its [moments], such as those of [together]. */
    public fun paint(photograph: Pixels, code: FloatArray, strength: Float, tier: Tier, moments: Moments, sink: Sink) {
        val lifted = engine.lifted(tier, code, strength) ?: throw BundleException("${engine.lane} lifts no statistics here; paint the pictures one by one")
        render(lifted, Covered(photograph, tier.maxSidePx, lifted), moments, {}, sink)
    }

    private fun fitted(photograph: Pixels, sidePx: Int): Picture {
        val isLarge = maxOf(photograph.widthPx, photograph.heightPx) > sidePx
        return if (isLarge) AreaRows.fitLongestSide(photograph, sidePx) else photograph.crop(0, 0, photograph.widthPx, photograph.heightPx).opaque()
    }

    private fun tiles(
        photograph: Pixels,
        code: FloatArray,
        strength: Float,
        statistics: Statistics,
        tier: Tier,
        progress: (Int, Int) -> Unit,
        sink: Sink,
    ): LargePainting {
        val lifted = engine.lifted(tier, code, strength) ?: return blended(photograph, code, strength, tier, progress, sink)
        val picture = Covered(photograph, tier.maxSidePx, lifted)
        val passes = if (statistics == Statistics.EXACT) lifted.levels else 0
        val all = picture.cover.count * (passes + 1)
        val moments = when (statistics) {
            Statistics.EXACT -> Measuring.exact(lifted, listOf(picture)) { done, _ -> progress(done, all) }
            Statistics.QUICK -> Measuring.quick(lifted, photograph, tier.maxSidePx)
        }
        var done = picture.cover.count * passes
        render(lifted, picture, moments, { progress(done++, all) }, sink)
        progress(all, all)
        return LargePainting(tier, picture.cover.count, sharesStatistics = true)
    }

    private fun render(lifted: Lifted, picture: Covered, moments: Moments, next: () -> Unit, sink: Sink) {
        for (down in picture.cover.down.spans) {
            val width = picture.pixels.widthPx
            val band = IntArray(width * (down.lastPx - down.firstPx))
            for (across in picture.cover.across.spans) {
                next()
                val made = lifted.render(picture.tile(down, across, lifted.layout), moments)
                val given = picture.given(down, across, made, lifted.layout)
                for (y in 0 until given.heightPx) {
                    System.arraycopy(given.argb, y * given.widthPx, band, y * width + across.firstPx, given.widthPx)
                }
            }
            sink(down.firstPx, Picture(width, down.lastPx - down.firstPx, band))
        }
    }

    /** Where no statistics can be lifted: each tile has its own, and they blend. */
    private fun blended(
        photograph: Pixels,
        code: FloatArray,
        strength: Float,
        tier: Tier,
        progress: (Int, Int) -> Unit,
        sink: Sink,
    ): LargePainting {
        val tiling = Tiling(photograph.widthPx, photograph.heightPx, tier.maxSidePx, manifest.sizeMultiplePx)
        var done = 0
        tiling.run(photograph, { tile ->
            progress(done++, tiling.count)
            pipeline.runOnce(tile.opaque(), tier, code, strength).first
        }, sink)
        progress(tiling.count, tiling.count)
        return LargePainting(tier, tiling.count, sharesStatistics = false)
    }
}
