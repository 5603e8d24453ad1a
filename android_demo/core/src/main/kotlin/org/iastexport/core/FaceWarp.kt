package org.iastexport.core

import kotlin.math.PI
import kotlin.math.cos
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

/** A place in a picture, in pixels from the top left corner of the top left pixel. */
public data class Point(val x: Double, val y: Double)

/** The 68 landmarks of a face in the order of the iBUG 300-W annotation (which Dlib uses). */
public object Landmarks {
    public const val COUNT = 68

    /** Runs of points that are joined when drawn: jaw, brows, nose, eyes, mouth; with true, the run closes. */
    public val CONTOURS: List<Pair<IntRange, Boolean>> = listOf(
        (0..16) to false, (17..21) to false, (22..26) to false, (27..30) to false, (31..35) to false,
        (36..41) to true, (42..47) to true, (48..59) to true, (60..67) to true,
    )

    /** A plain frontal face in a box of [sizePx] at ([left], [top]): where handles start without a landmark network. */
    public fun template(left: Double, top: Double, sizePx: Double): List<Point> {
        val points = ArrayList<Point>(COUNT)
        fun arc(count: Int, cx: Double, cy: Double, rx: Double, ry: Double, from: Double, to: Double) {
            for (i in 0 until count) {
                val angle = (from + (to - from) * i / (count - 1)) * PI / 180.0
                points += Point(cx + rx * cos(angle), cy + ry * sin(angle))
            }
        }
        arc(17, 0.50, 0.42, 0.42, 0.54, 180.0, 0.0)
        arc(5, 0.30, 0.33, 0.13, 0.07, 200.0, 340.0)
        arc(5, 0.70, 0.33, 0.13, 0.07, 200.0, 340.0)
        for (i in 0..3) points += Point(0.50, 0.40 + 0.06 * i)
        arc(5, 0.50, 0.61, 0.09, 0.04, 180.0, 0.0)
        for (center in listOf(0.32, 0.68)) for (angle in listOf(180.0, 240.0, 300.0, 0.0, 60.0, 120.0)) {
            points += Point(center + 0.075 * cos(angle * PI / 180.0), 0.42 + 0.035 * sin(angle * PI / 180.0))
        }
        for (i in 0..11) points += onEllipse(0.17, 0.075, 180.0 + 30.0 * i)
        for (i in 0..7) points += onEllipse(0.12, 0.03, 180.0 + 45.0 * i)
        return points.map { Point(left + it.x * sizePx, top + it.y * sizePx) }
    }

    private fun onEllipse(rx: Double, ry: Double, degrees: Double) =
        Point(0.50 + rx * cos(degrees * PI / 180.0), 0.76 + ry * sin(degrees * PI / 180.0))
}

/**
 * A smooth warp that takes each point of [before] to its place in [after], and leaves the border alone.
 *
 * Moving least squares with similarity transforms (Schaefer, McPhail and Warren, "Image Deformation Using
 * Moving Least Squares", SIGGRAPH 2006, section 2.2), evaluated backwards on a grid of [GRID_PX] and
 * interpolated in between.
 */
public class FaceWarp(private val before: List<Point>, private val after: List<Point>) {
    init {
        need(before.size == after.size && before.isNotEmpty()) { "${before.size} landmarks can't move to ${after.size} places" }
        need((before + after).none { it.x.isNaN() || it.y.isNaN() || it.x.isInfinite() || it.y.isInfinite() }) {
            "a landmark has no place; put the landmarks anew"
        }
    }

    /** The picture with its landmarks moved; the same object where none moved. */
    public fun apply(picture: Picture): Picture {
        if (before == after) return picture
        val map = BackwardMap(picture.widthPx, picture.heightPx)
        val out = IntArray(picture.argb.size)
        for (y in 0 until picture.heightPx) {
            for (x in 0 until picture.widthPx) out[y * picture.widthPx + x] = map.sample(picture, x, y)
        }
        return Picture(picture.widthPx, picture.heightPx, out)
    }

    /** Where the pixel at [place] of the warped picture comes from. */
    internal fun source(place: Point, from: List<Point>, to: List<Point>): Point {
        var weights = 0.0
        var fx = 0.0
        var fy = 0.0
        var tx = 0.0
        var ty = 0.0
        val w = DoubleArray(from.size) { i ->
            val dx = from[i].x - place.x
            val dy = from[i].y - place.y
            val squared = dx * dx + dy * dy
            if (squared < 1e-9) return to[i]
            1.0 / (squared * squared)
        }
        for (i in from.indices) {
            weights += w[i]
            fx += w[i] * from[i].x
            fy += w[i] * from[i].y
            tx += w[i] * to[i].x
            ty += w[i] * to[i].y
        }
        fx /= weights
        fy /= weights
        tx /= weights
        ty /= weights
        // Points as complex numbers: the least-squares similarity is one complex factor, sum(w conj(p) q) / sum(w |p|^2).
        var real = 0.0
        var imaginary = 0.0
        var energy = 0.0
        for (i in from.indices) {
            val px = from[i].x - fx
            val py = from[i].y - fy
            val qx = to[i].x - tx
            val qy = to[i].y - ty
            real += w[i] * (px * qx + py * qy)
            imaginary += w[i] * (px * qy - py * qx)
            energy += w[i] * (px * px + py * py)
        }
        if (energy < 1e-12) return Point(place.x + tx - fx, place.y + ty - fy)
        val dx = place.x - fx
        val dy = place.y - fy
        return Point(tx + (real * dx - imaginary * dy) / energy, ty + (imaginary * dx + real * dy) / energy)
    }

    private inner class BackwardMap(widthPx: Int, heightPx: Int) {
        private val columns = (widthPx + GRID_PX - 1) / GRID_PX + 1
        private val rows = (heightPx + GRID_PX - 1) / GRID_PX + 1
        private val xs = DoubleArray(columns * rows)
        private val ys = DoubleArray(columns * rows)

        init {
            val still = border(widthPx, heightPx)
            val from = after + still
            val to = before + still
            for (row in 0 until rows) for (column in 0 until columns) {
                val found = source(Point(column * GRID_PX.toDouble(), row * GRID_PX.toDouble()), from, to)
                xs[row * columns + column] = found.x
                ys[row * columns + column] = found.y
            }
        }

        private fun border(widthPx: Int, heightPx: Int): List<Point> = (0..BORDER_POINTS).flatMap { i ->
            val x = widthPx.toDouble() * i / BORDER_POINTS
            val y = heightPx.toDouble() * i / BORDER_POINTS
            listOf(Point(x, 0.0), Point(x, heightPx.toDouble()), Point(0.0, y), Point(widthPx.toDouble(), y))
        }.distinct()

        fun sample(picture: Picture, x: Int, y: Int): Int {
            val gx = (x + 0.5) / GRID_PX
            val gy = (y + 0.5) / GRID_PX
            val i = gy.toInt() * columns + gx.toInt()
            val u = gx - gx.toInt()
            val v = gy - gy.toInt()
            fun blend(values: DoubleArray) = (1 - v) * ((1 - u) * values[i] + u * values[i + 1]) +
                v * ((1 - u) * values[i + columns] + u * values[i + columns + 1])
            return bilinear(picture, blend(xs) - 0.5, blend(ys) - 0.5)
        }
    }

    private fun bilinear(picture: Picture, x: Double, y: Double): Int {
        val left = floor(x).toInt()
        val top = floor(y).toInt()
        val u = x - left
        val v = y - top
        fun at(dx: Int, dy: Int) = picture.argb[
            min(max(top + dy, 0), picture.heightPx - 1) * picture.widthPx + min(max(left + dx, 0), picture.widthPx - 1),
        ]
        val a = at(0, 0)
        val b = at(1, 0)
        val c = at(0, 1)
        val d = at(1, 1)
        fun level(i: Int) = ((1 - v) * ((1 - u) * channel(a, i) + u * channel(b, i)) +
            v * ((1 - u) * channel(c, i) + u * channel(d, i)) + 0.5).toInt()
        return rgb(level(0), level(1), level(2))
    }

    public companion object {
        /** Spacing of the grid on which the warp is evaluated. */
        public const val GRID_PX = 8
        private const val BORDER_POINTS = 8
    }
}
