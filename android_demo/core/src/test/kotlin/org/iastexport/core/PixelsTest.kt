package org.iastexport.core

import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Test

class PixelsTest {
    private val codec = SharedCases.read("codec_cases.json").jsonObject

    private fun floats(key: String, from: kotlinx.serialization.json.JsonObject = codec) =
        from.getValue(key).ints().map { Float.fromBits(it) }.toFloatArray()

    @Test
    fun levelsBecomeTheSameBits() {
        val gray = Picture(256, 1, IntArray(256) { rgb(it, it, it) })
        val wanted = codec.getValue("level_to_value_bits").ints()
        val planes = PixelCodec.toTensor(gray, Layout.NCHW)
        val pixels = PixelCodec.toTensor(gray, Layout.NHWC)
        assertEquals(wanted, planes.take(256).map { it.toRawBits() })
        assertEquals(wanted, pixels.filterIndexed { i, _ -> i % 3 == 2 }.map { it.toRawBits() })
    }

    @Test
    fun valuesBecomeTheSameLevels() {
        val wanted = codec.getValue("levels").ints()
        assertEquals(wanted, floats("values_bits").map(PixelCodec::level))
    }

    @Test
    fun tensorsOfEitherLayoutGiveThePictureBack() {
        val picture = noise(7, 5)
        for (layout in Layout.values()) {
            val again = PixelCodec.toPicture(PixelCodec.toTensor(picture, layout), 7, 5, layout, 6, 3)
            assertEquals(picture.crop(0, 0, 6, 3).levels(), again.levels())
        }
    }

    @Test
    fun transparencyLiesOverWhite() {
        for (case in codec.getValue("over_white").jsonArray.map { it.jsonObject }) {
            val (a, r, g, b) = case.getValue("argb").ints()
            val made = PixelCodec.overWhite((a shl 24) or (r shl 16) or (g shl 8) or b)
            assertEquals(case.getValue("expect").ints(), Picture(1, 1, intArrayOf(made)).levels())
        }
    }

    @Test
    fun int8EdgesRoundHalvesToEven() {
        val case = codec.getValue("int8").jsonObject
        val scale = Float.fromBits(case.int("scale_bits"))
        val zeroPoint = case.getValue("zero_point").jsonPrimitive.content.toInt()
        val levels = PixelCodec.quantize(floats("values_bits", case), scale, zeroPoint)
        assertEquals(case.getValue("levels").ints(), levels.map { it.toInt() })
        val whole = ByteArray(256) { (it - 128).toByte() }
        val back = PixelCodec.dequantize(whole, scale, zeroPoint)
        assertEquals(case.getValue("dequantized_bits").ints(), back.map { it.toRawBits() })
    }

    @Test
    fun notANumberIsRefused() = refuses("NaN or infinity") {
        PixelCodec.toPicture(floatArrayOf(0f, Float.NaN, 0f), 1, 1, Layout.NHWC)
    }

    @Test
    fun paddingReadsTheMirroredPositions() {
        for (case in SharedCases.list("padding_cases.json")) {
            val size = case.int("size")
            assertEquals(case.getValue("expect").ints(), List(case.int("padded")) { Padding.mirrored(it, size) })
        }
        val picture = noise(3, 2)
        val padded = Padding.to(picture, 8, 4)
        assertEquals(picture.levels(), padded.crop(0, 0, 3, 2).levels())
        assertSame(picture, Padding.to(picture, 3, 2))
        refuses("doesn't fit") { Padding.to(picture, 2, 4) }
    }

    @Test
    fun resizeGivesTheExactLevels() {
        for (case in SharedCases.list("resize_cases.json")) {
            val made = Resize.to(case.getValue("picture").picture(), case.int("width_px"), case.int("height_px"))
            assertEquals(case.getValue("expect").levels(), made.levels())
        }
    }

    @Test
    fun photographsStandUprightOverWhite() {
        for (case in SharedCases.list("photograph_cases.json")) {
            val argb = case.getValue("argb").ints().toIntArray()
            val stored = Picture(case.int("width_px"), case.int("height_px"), argb)
            assertEquals(case.getValue("expect").levels(), stored.upright(case.int("orientation")).opaque().levels())
        }
    }

    @Test
    fun fittingGivesTheSizes() {
        for (case in SharedCases.list("fit_cases.json")) {
            val (width, height) = Resize.fittedSize(case.int("width_px"), case.int("height_px"), case.int("side_px"))
            assertEquals(case.getValue("expect").ints(), listOf(width, height))
        }
        val made = Resize.fitLongestSide(noise(30, 7), 10)
        assertEquals(10 to 2, made.widthPx to made.heightPx)
    }

    @Test
    fun aSquareIsCutFromTheMiddle() {
        val picture = noise(9, 4)
        assertArrayEquals(picture.crop(2, 0, 4, 4).argb, Resize.centerSquare(picture, 4).argb)
    }

    @Test
    fun tilesAreCutAndBlendedToTheLevel() {
        for (case in SharedCases.list("tiling_cases.json")) {
            val picture = case.getValue("picture").picture()
            val tiling = Tiling(picture.widthPx, picture.heightPx, case.int("tile_px"), case.int("size_multiple_px"))
            assertEquals(case.getValue("tops").ints(), tiling.down.starts.toList())
            assertEquals(case.getValue("lefts").ints(), tiling.across.starts.toList())
            var k = 0
            val made = tiling.run(picture) { tile -> raised(tile, 7 * k++) }
            assertEquals(tiling.count, k)
            assertEquals(case.getValue("expect").levels(), made.levels())
        }
    }

    private fun raised(tile: Picture, by: Int) = Picture(
        tile.widthPx,
        tile.heightPx,
        IntArray(tile.argb.size) { i -> rgb((channel(tile.argb[i], 0) + by) % 256, (channel(tile.argb[i], 1) + by) % 256, (channel(tile.argb[i], 2) + by) % 256) },
    )

    @Test
    fun blendingUnchangedTilesGivesThePicture() {
        val picture = noise(61, 47)
        assertArrayEquals(picture.argb, Tiling(61, 47, 16, 2).run(picture) { it }.argb)
    }

    @Test
    fun whatNoPictureCanBeIsRefused() {
        refuses("is empty") { Picture(0, 3, IntArray(0)) }
        refuses("5 pixels for 2x3 px") { Picture(2, 3, IntArray(5)) }
        refuses("0 pixels for 65536x65536 px") { Picture(65536, 65536, IntArray(0)) }
        refuses("leaves the picture") { noise(4, 4).crop(2, 0, 3, 4) }
        refuses("leaves the picture") { noise(4, 4).crop(0, 0, 0, 4) }
        refuses("at least 1 px") { Resize.to(noise(2, 2), 0, 4) }
        refuses("too many for a phone") { Resize.to(noise(2, 2), 65536, 65536) }
        refuses("returned 3 numbers for 2x1 px") { PixelCodec.toPicture(FloatArray(3), 2, 1, Layout.NHWC) }
    }

    @Test
    fun anOpaquePictureIsNotCopied() {
        val opaque = noise(3, 3)
        assertSame(opaque, opaque.opaque())
        val clear = Picture(1, 1, intArrayOf(0))
        assertEquals(listOf(255, 255, 255), clear.opaque().levels())
    }

    @Test
    fun valuesBeyondTheRangeAreClipped() {
        assertEquals(listOf(0, 0, 255, 255), listOf(-9f, -0.1f, 1.1f, 1e30f).map(PixelCodec::level))
        assertEquals(listOf(-128, 127), PixelCodec.quantize(floatArrayOf(-1e30f, 1e30f), 0.1f, 3).map { it.toInt() })
    }

    @Test
    fun tilesThatCannotCoverAreRefused() {
        refuses("can't cover") { TileAxis(10, 4, 4) }
        refuses("can't cover") { TileAxis(0, 4, 1) }
        refuses("too large to blend") { Tiling(20000, 20000, 16384, 4) }
        refuses("for another picture") { Tiling(20, 20, 8, 2).run(noise(19, 20)) { it } }
    }

    @Test
    fun sumsOfTheLargestTilesStayWhole() {
        // Two tiles that overlap nearly whole, the largest overlap in one direction: every level is the brightest.
        val white = Picture(8001, 33, IntArray(8001 * 33) { -1 })
        val axis = TileAxis(8001, 8000, 1000)
        assertEquals(listOf(0, 1), axis.starts.toList())
        assertArrayEquals(white.argb, Tiling(8001, 33, 8000, 4).run(white) { it }.argb)
    }

    @Test
    fun picturesOfTheCommandLineAreReadBack() {
        val file = java.io.File.createTempFile("picture", ".ppm")
        try {
            Ppm.write(file, noise(5, 3))
            assertArrayEquals(noise(5, 3).argb, Ppm.read(file).argb)
            file.writeBytes(file.readBytes().dropLast(1).toByteArray())
            refuses("no binary PPM") { Ppm.read(file) }
            file.writeText("P3 1 1 255 0 0 0")
            refuses("no binary PPM") { Ppm.read(file) }
        } finally {
            file.delete()
        }
    }

    @Test
    fun aTileOfAnotherSizeIsRefused() = refuses("another size") {
        Tiling(20, 20, 8, 2).run(noise(20, 20)) { noise(3, 3) }
    }
}
