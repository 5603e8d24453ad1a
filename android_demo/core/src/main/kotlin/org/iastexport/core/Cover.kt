package org.iastexport.core

/** A tile along one axis: it reads from [startPx] on and gives [firstPx] until [lastPx]. */
public data class Span(val startPx: Int, val firstPx: Int, val lastPx: Int)

/**
 * One axis of a picture, cut into tiles of one side that lie inside it, edge on edge: outer edges are the picture's
 * own, inner ones are cut halfway between two halos. Offsets are multiples of [multiplePx].
 *
 * @throws BundleException tiles that are all halo.
 */
public class CoverAxis(public val lengthPx: Int, largestPx: Int, private val haloPx: Int, private val multiplePx: Int) {
    /** The length up to the next multiple, which the network needs. */
    public val paddedPx: Int = Padding.roundUp(lengthPx, multiplePx)
    private val mostPx = largestPx / multiplePx * multiplePx

    init {
        need(paddedPx <= mostPx || mostPx > 2 * haloPx) {
            "tiles of $mostPx px are not larger than twice their halo of $haloPx px; use a larger tier"
        }
    }

    /** How many tiles there are, the fewest. */
    public val count: Int = if (paddedPx <= mostPx) 1 else up(paddedPx - 2 * haloPx, mostPx - 2 * haloPx)

    /** Of every tile, the smallest side that needs no further tile. */
    public val sidePx: Int =
        if (count == 1) paddedPx else up(up(paddedPx - 2 * haloPx, count), multiplePx) * multiplePx + 2 * haloPx

    /** The tiles, in order; what they give follows on one another without a gap. */
    public val spans: List<Span> = spans()

    private fun spans(): List<Span> {
        val rest = (paddedPx - sidePx).toLong()
        val steps = maxOf(1, count - 1)
        val starts = List(count) { (it * rest / steps).toInt() / multiplePx * multiplePx }
        val cuts = starts.zipWithNext { earlier, later -> (later + earlier + sidePx) / 2 / multiplePx * multiplePx }
        return starts.mapIndexed { i, start -> Span(start, if (i == 0) 0 else cuts[i - 1], cuts.getOrElse(i) { lengthPx }) }
    }

    private fun up(a: Int, b: Int) = (a + b - 1) / b
}

/** A picture of [down] x [across] tiles, all of one shape. */
public class Cover(public val down: CoverAxis, public val across: CoverAxis) {
    public val count: Int get() = down.count * across.count

    public companion object {
        /** The cover of a picture by tiles of at most [largestPx]. */
        public fun of(heightPx: Int, widthPx: Int, largestPx: Int, haloPx: Int, multiplePx: Int) =
            Cover(CoverAxis(heightPx, largestPx, haloPx, multiplePx), CoverAxis(widthPx, largestPx, haloPx, multiplePx))
    }
}

/** A picture and the tiles that it is seen in. */
public class Covered(public val pixels: Pixels, largestPx: Int, lifted: Lifted) {
    public val cover = Cover.of(pixels.heightPx, pixels.widthPx, largestPx, lifted.haloPx, lifted.multiplePx)
    private val heightPx = cover.down.sidePx
    private val widthPx = cover.across.sidePx

    /** What a tile reads; padded where the picture's side is no multiple. */
    public fun tile(down: Span, across: Span, layout: Layout): StylePipeline.Prepared {
        val height = minOf(heightPx, pixels.heightPx - down.startPx)
        val width = minOf(widthPx, pixels.widthPx - across.startPx)
        val cut = pixels.crop(across.startPx, down.startPx, width, height).opaque()
        return StylePipeline.Prepared(PixelCodec.toTensor(Padding.to(cut, widthPx, heightPx), layout), widthPx, heightPx)
    }

    /** What a tile gives of what it [made]. */
    public fun given(down: Span, across: Span, made: FloatArray, layout: Layout): Picture =
        PixelCodec.toPicture(made, widthPx, heightPx, layout)
            .crop(across.firstPx - across.startPx, down.firstPx - down.startPx, across.lastPx - across.firstPx, down.lastPx - down.firstPx)

    /** As the network takes it: a tile's pixels times the share of each that it gives, 0 where others give it. */
    public fun weight(down: Span, across: Span, share: Double): FloatArray {
        val value = share.toFloat() * (heightPx * widthPx).toFloat()
        val plane = FloatArray(heightPx * widthPx)
        for (y in down.firstPx - down.startPx until down.lastPx - down.startPx) {
            val row = y * widthPx - across.startPx
            plane.fill(value, row + across.firstPx, row + across.lastPx)
        }
        return plane
    }
}
