package org.iastexport.core

/** A picture of [widthPx] x [heightPx] pixels, each an ARGB int as Android's Bitmap gives it, row by row. */
class Picture(val widthPx: Int, val heightPx: Int, val argb: IntArray) {
    init {
        need(widthPx > 0 && heightPx > 0) { "a picture of ${widthPx}x$heightPx px is empty; use a real picture" }
        need(argb.size.toLong() == widthPx.toLong() * heightPx) { "${argb.size} pixels for ${widthPx}x$heightPx px" }
    }

    /** The rectangle from ([left], [top]); it must lie inside. */
    fun crop(left: Int, top: Int, widthPx: Int, heightPx: Int): Picture {
        need(left >= 0 && top >= 0 && widthPx > 0 && heightPx > 0 && left + widthPx <= this.widthPx && top + heightPx <= this.heightPx) {
            "a crop of ${widthPx}x$heightPx px at $left, $top leaves the picture of ${this.widthPx}x${this.heightPx} px"
        }
        val out = IntArray(widthPx * heightPx)
        for (y in 0 until heightPx) System.arraycopy(argb, (top + y) * this.widthPx + left, out, y * widthPx, widthPx)
        return Picture(widthPx, heightPx, out)
    }

    /** The picture with transparency laid over white; the same object where every pixel is opaque already. */
    fun opaque(): Picture = if (argb.all { it ushr 24 == 255 }) this else Picture(widthPx, heightPx, IntArray(argb.size) { PixelCodec.overWhite(argb[it]) })
}

/** Packs three levels of 0..255 into an opaque ARGB int. */
internal fun rgb(red: Int, green: Int, blue: Int): Int = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue

/** The level of 0..255 of channel 0 (red), 1 (green) or 2 (blue). */
internal fun channel(argb: Int, index: Int): Int = (argb shr (16 - 8 * index)) and 0xFF
