package org.iastexport.core

/** Pixels that are read a rectangle at a time: a [Picture], or one that lies elsewhere than in the heap. */
public interface Pixels {
    public val widthPx: Int
    public val heightPx: Int

    /** The rectangle from ([left], [top]); it must lie inside. */
    public fun crop(left: Int, top: Int, widthPx: Int, heightPx: Int): Picture
}

/** A picture of [widthPx] x [heightPx] pixels, each an ARGB int as Android's Bitmap gives it, row by row. */
public class Picture(override val widthPx: Int, override val heightPx: Int, public val argb: IntArray) : Pixels {
    init {
        need(widthPx > 0 && heightPx > 0) { "a picture of ${widthPx}x$heightPx px is empty; use a real picture" }
        need(argb.size.toLong() == widthPx.toLong() * heightPx) { "${argb.size} pixels for ${widthPx}x$heightPx px" }
    }

    override fun crop(left: Int, top: Int, widthPx: Int, heightPx: Int): Picture {
        need(left >= 0 && top >= 0 && widthPx > 0 && heightPx > 0 && left + widthPx <= this.widthPx && top + heightPx <= this.heightPx) {
            "a crop of ${widthPx}x$heightPx px at $left, $top leaves the picture of ${this.widthPx}x${this.heightPx} px"
        }
        val out = IntArray(widthPx * heightPx)
        for (y in 0 until heightPx) System.arraycopy(argb, (top + y) * this.widthPx + left, out, y * widthPx, widthPx)
        return Picture(widthPx, heightPx, out)
    }

    /** The picture as it was taken, by EXIF's [orientation] from 1 (upright) to 8; any other number counts as 1. */
    public fun upright(orientation: Int): Picture {
        if (orientation !in 2..8) return this
        val across = orientation >= 5 // rows and columns change places first, then are mirrored
        val flipRows = orientation in listOf(3, 4, 7, 8)
        val flipColumns = orientation in listOf(2, 3, 6, 7)
        val width = if (across) heightPx else widthPx
        val height = if (across) widthPx else heightPx
        val out = IntArray(argb.size)
        for (y in 0 until height) for (x in 0 until width) {
            val row = if (flipRows) height - 1 - y else y
            val column = if (flipColumns) width - 1 - x else x
            out[y * width + x] = if (across) argb[column * widthPx + row] else argb[row * widthPx + column]
        }
        return Picture(width, height, out)
    }

    /** The picture with transparency laid over white; the same object where every pixel is opaque already. */
    public fun opaque(): Picture = if (argb.all { it ushr 24 == 255 }) this else Picture(widthPx, heightPx, IntArray(argb.size) { PixelCodec.overWhite(argb[it]) })
}

/** Packs three levels of 0..255 into an opaque ARGB int. */
internal fun rgb(red: Int, green: Int, blue: Int): Int = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue

/** The level of 0..255 of channel 0 (red), 1 (green) or 2 (blue). */
internal fun channel(argb: Int, index: Int): Int = (argb shr (16 - 8 * index)) and 0xFF
