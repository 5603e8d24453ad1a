package org.iastexport.core

/** How an image tensor lies in memory: channels last (LiteRT) or channels first (ONNX Runtime). */
public enum class Layout { NHWC, NCHW }

/**
 * The exact way from pixels to tensors and back, as the manifest's preprocess and postprocess name it.
 *
 * All arithmetic is in float32, one rounding per operation, so that every platform gives the same bits.
 */
public object PixelCodec {
    /** An ARGB pixel over white, opaque: `(level * alpha + 255 * (255 - alpha) + 127) / 255` per channel. */
    public fun overWhite(argb: Int): Int {
        val alpha = argb ushr 24
        if (alpha == 255) return argb
        fun over(index: Int) = (channel(argb, index) * alpha + 255 * (255 - alpha) + 127) / 255
        return rgb(over(0), over(1), over(2))
    }

    /** `level / 255` for every opaque pixel, as a tensor [1, H, W, 3] or [1, 3, H, W]. */
    public fun toTensor(picture: Picture, layout: Layout): FloatArray {
        val pixels = picture.argb
        val out = FloatArray(3 * pixels.size)
        for (i in pixels.indices) {
            for (c in 0..2) out[at(i, c, pixels.size, layout)] = channel(pixels[i], c).toFloat() / 255f
        }
        return out
    }

    /**
     * The top left [widthPx] x [heightPx] pixels of a tensor that is [tensorWidthPx] wide, as levels:
     * `floor(value * 255 + 0.5)`, clipped to 0..255.
     *
     * @throws BundleException a value is NaN or infinite, or the tensor has another size.
     */
    public fun toPicture(
        values: FloatArray,
        tensorWidthPx: Int,
        tensorHeightPx: Int,
        layout: Layout,
        widthPx: Int = tensorWidthPx,
        heightPx: Int = tensorHeightPx,
    ): Picture {
        val plane = tensorWidthPx * tensorHeightPx
        need(values.size == 3 * plane && widthPx <= tensorWidthPx && heightPx <= tensorHeightPx) {
            "the model returned ${values.size} numbers for ${tensorWidthPx}x$tensorHeightPx px"
        }
        for (value in values) need(!value.isNaN() && !value.isInfinite()) {
            "the model's output holds NaN or infinity; build the bundle again"
        }
        val out = IntArray(widthPx * heightPx)
        for (y in 0 until heightPx) {
            for (x in 0 until widthPx) {
                val i = y * tensorWidthPx + x
                fun level(c: Int) = level(values[at(i, c, plane, layout)])
                out[y * widthPx + x] = rgb(level(0), level(1), level(2))
            }
        }
        return Picture(widthPx, heightPx, out)
    }

    /** `floor(value * 255 + 0.5)` in float32, clipped to 0..255. */
    public fun level(value: Float): Int = Math.floor((value * 255f + 0.5f).toDouble()).coerceIn(0.0, 255.0).toInt()

    /** `round(value / scale) + zeroPoint`, halves to even, clipped to -128..127: an int8 edge. */
    public fun quantize(values: FloatArray, scale: Float, zeroPoint: Int): ByteArray = ByteArray(values.size) {
        (Math.rint((values[it] / scale).toDouble()) + zeroPoint).coerceIn(-128.0, 127.0).toInt().toByte()
    }

    /** `(level - zeroPoint) * scale` in float32. */
    public fun dequantize(levels: ByteArray, scale: Float, zeroPoint: Int): FloatArray =
        FloatArray(levels.size) { (levels[it].toFloat() - zeroPoint.toFloat()) * scale }

    private fun at(pixel: Int, channel: Int, plane: Int, layout: Layout): Int =
        if (layout == Layout.NHWC) 3 * pixel + channel else channel * plane + pixel
}

/** Pads pictures at the bottom and the right by reflection, continued where the pad is long. */
public object Padding {
    /**
     * Position in a side of [size] pixels that a padded position reads: mirrored around the last and
     * the first pixel, which are not repeated; a side of one pixel is repeated.
     */
    public fun mirrored(position: Int, size: Int): Int {
        if (size == 1) return 0
        val period = 2 * (size - 1)
        val inside = position % period
        return if (inside < size) inside else period - inside
    }

    /** The picture padded to [widthPx] x [heightPx].
     *
     * @throws BundleException the picture is larger than that.
     */
    public fun to(picture: Picture, widthPx: Int, heightPx: Int): Picture {
        need(picture.widthPx <= widthPx && picture.heightPx <= heightPx) {
            "a picture of ${picture.widthPx}x${picture.heightPx} px doesn't fit ${widthPx}x$heightPx px"
        }
        if (picture.widthPx == widthPx && picture.heightPx == heightPx) return picture
        val columns = IntArray(widthPx) { mirrored(it, picture.widthPx) }
        val out = IntArray(widthPx * heightPx)
        for (y in 0 until heightPx) {
            val row = mirrored(y, picture.heightPx) * picture.widthPx
            for (x in 0 until widthPx) out[y * widthPx + x] = picture.argb[row + columns[x]]
        }
        return Picture(widthPx, heightPx, out)
    }

    /** The next multiple of [multiple], at least two of them: one alone is one pixel inside a network, which it can't reflect. */
    public fun roundUp(size: Int, multiple: Int): Int = maxOf(2, (size + multiple - 1) / multiple) * multiple
}
