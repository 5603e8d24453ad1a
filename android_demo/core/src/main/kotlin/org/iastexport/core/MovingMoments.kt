package org.iastexport.core

import kotlin.math.abs
import kotlin.math.sqrt

/**
 * Statistics that move along a clip: an average of the frames so far, begun anew at each cut. A frame's own breathe
 * with what comes into view, and frozen ones answer a change of light with a wrong picture.
 *
 * @param keep share of the average that stays; 0 takes each frame's own statistics.
 */
public class MovingMoments(private val keep: Float = KEEP) {
    private var average: Moments = emptyMap()
    private var seen: Picture? = null

    /** Frames that began a scene, the first left out. */
    public var cuts = 0
        private set

    /** The moments to draw [frame] with, from its [own] and those of the frames before. */
    public fun add(frame: Picture, own: Moments): Moments {
        val small = thumbnail(frame)
        val before = seen
        // A frame of another shape is another camera's.
        val begins = before == null || before.widthPx != small.widthPx || before.heightPx != small.heightPx || isCut(before, small)
        if (begins && before != null) cuts += 1
        val old = average
        average = if (begins) own else own.mapValues { (name, values) ->
            val kept = old.getValue(name)
            FloatArray(values.size) { keep * kept[it] + (1f - keep) * values[it] }
        }
        seen = small
        return average
    }

    public companion object {
        /** Of what was: after 22 frames a tenth is left. */
        public const val KEEP = 0.9f

        // A cut: thumbnails change by so many levels in the mean, colors move to other bins (of 4 x 4 x 4), and what
        // is light and dark no longer lies where it lay. All three: a pan changes pixels and places, a flash pixels and colors.
        private const val CUT_LEVELS = 25f
        private const val CUT_SHARE = 0.35
        private const val CUT_CORRELATION = 0.7
        private const val SHORT_PX = 18
        private const val LONG_PX = 32
        private const val BINS = 4

        /** Whether two frames, or [thumbnail]s, of one shape are of different scenes. */
        public fun isCut(before: Picture, after: Picture): Boolean {
            val (a, b) = thumbnail(before) to thumbnail(after)
            if (levels(a, b) < CUT_LEVELS || movedShare(a, b) < CUT_SHARE) return false
            return correlation(a, b) < CUT_CORRELATION
        }

        public fun thumbnail(frame: Picture): Picture {
            val isWide = frame.widthPx >= frame.heightPx
            val (width, height) = if (isWide) LONG_PX to SHORT_PX else SHORT_PX to LONG_PX
            return Resize.to(frame, minOf(width, frame.widthPx), minOf(height, frame.heightPx))
        }

        private fun levels(a: Picture, b: Picture): Float {
            var sum = 0L
            for (i in a.argb.indices) for (c in 0..2) sum += abs(channel(a.argb[i], c) - channel(b.argb[i], c))
            return sum.toFloat() / (3 * a.argb.size).toFloat()
        }

        private fun movedShare(a: Picture, b: Picture): Double {
            val counts = IntArray(BINS * BINS * BINS)
            fun bin(argb: Int) = (0..2).fold(0) { at, c -> at * BINS + channel(argb, c) * BINS / 256 }
            for (pixel in a.argb) counts[bin(pixel)] += 1
            for (pixel in b.argb) counts[bin(pixel)] -= 1
            return counts.sumOf { abs(it) } / (2.0 * a.argb.size)
        }

        /** Of brightness; 0 where a frame is flat. */
        private fun correlation(a: Picture, b: Picture): Double {
            fun centered(picture: Picture): DoubleArray {
                val light = DoubleArray(picture.argb.size) { i -> (0..2).sumOf { channel(picture.argb[i], it) } / 3.0 }
                val mean = light.average()
                return DoubleArray(light.size) { light[it] - mean }
            }
            val (first, second) = centered(a) to centered(b)
            val size = sqrt(first.sumOf { it * it } * second.sumOf { it * it })
            return if (size > 0) first.indices.sumOf { first[it] * second[it] } / size else 0.0
        }
    }
}
