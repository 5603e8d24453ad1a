package org.iastexport.core

/** One of a camera's planes: [bytes] of a byte per sample, [rowStride] and [pixelStride] apart. */
public class CameraPlane(public val bytes: ByteArray, public val rowStride: Int, public val pixelStride: Int) {
    internal fun at(x: Int, y: Int): Int = bytes[y * rowStride + x * pixelStride].toInt() and 0xFF
}

/** What cameras give: brightness at every pixel, colors at every other one each way (YUV 4:2:0, as JPEG has it). */
public object CameraFrames {
    private const val ONE = 1 shl 16
    private const val HALF = ONE / 2

    // Of ITU-R BT.601 in its full range, times 2^16.
    private const val RED_OF_V = 91881
    private const val GREEN_OF_U = 22554
    private const val GREEN_OF_V = 46802
    private const val BLUE_OF_U = 116130

    /** The frame, turned clockwise by [degrees], 0, 90, 180 or 270, so that it stands upright. */
    public fun picture(y: CameraPlane, u: CameraPlane, v: CameraPlane, widthPx: Int, heightPx: Int, degrees: Int): Picture {
        val out = IntArray(widthPx * heightPx)
        for (row in 0 until heightPx) for (column in 0 until widthPx) {
            val (light, blue, red) = Triple(y.at(column, row) * ONE + HALF, u.at(column / 2, row / 2) - 128, v.at(column / 2, row / 2) - 128)
            out[row * widthPx + column] = rgb(
                level(light + RED_OF_V * red),
                level(light - GREEN_OF_U * blue - GREEN_OF_V * red),
                level(light + BLUE_OF_U * blue),
            )
        }
        return Picture(widthPx, heightPx, out).upright(orientation(degrees))
    }

    /** EXIF's number of a turn. */
    private fun orientation(degrees: Int): Int = when (degrees.mod(360)) {
        90 -> 6
        180 -> 3
        270 -> 8
        else -> 1
    }

    private fun level(value: Int): Int = (value shr 16).coerceIn(0, 255)

    /** Of a camera's sizes, as width to height, the smallest that is at least [sidePx] long; the largest where none is. */
    public fun size(offered: List<Pair<Int, Int>>, sidePx: Int): Pair<Int, Int>? {
        val rising = offered.sortedBy { (width, height) -> width.toLong() * height }
        return rising.firstOrNull { (width, height) -> maxOf(width, height) >= sidePx } ?: rising.lastOrNull()
    }
}
