package org.iastexport.core

import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import kotlin.math.abs

/** A local network of two levels: each color is drawn toward its mean, by as much as the inverted mean says. */
internal class LocalNetwork(override val layout: Layout) : Lifted {
    override val levels = 2
    override val haloPx = 8
    override val multiplePx = 4
    var tiles = 0

    override fun measure(tile: StylePipeline.Prepared, weight: FloatArray, moments: Moments, level: Int): Moments {
        val sums = DoubleArray(3)
        val pixels = weight.size
        for (i in 0 until pixels) for (c in 0..2) {
            val value = tile.values[at(i, c, pixels)]
            sums[c] += weight[i].toDouble() * (if (level == 0) value else 1f - moments.getValue("moment_0")[c])
        }
        return mapOf("moment_$level" to FloatArray(3) { (sums[it] / pixels).toFloat() })
    }

    override fun render(tile: StylePipeline.Prepared, moments: Moments): FloatArray {
        tiles += 1
        val pixels = tile.widthPx * tile.heightPx
        val (mean, inverse) = moments.getValue("moment_0") to moments.getValue("moment_1")
        val out = FloatArray(tile.values.size)
        for (i in 0 until pixels) for (c in 0..2) {
            val k = at(i, c, pixels)
            out[k] = mean[c] + (tile.values[k] - mean[c]) * inverse[c]
        }
        return out
    }

    private fun at(pixel: Int, c: Int, pixels: Int) = if (layout == Layout.NHWC) 3 * pixel + c else c * pixels + pixel
}

/** An engine whose tiers are [LocalNetwork]s, where it [lifts]. */
internal class LocalEngine(private val lifts: Boolean = true) : StyleEngine by InvertingEngine(SmallBundle.LITERT) {
    val network = LocalNetwork(layout)

    override fun lifted(tier: Tier, code: FloatArray, strength: Float): Lifted? = if (lifts) network else null

    override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray =
        FloatArray(content.size) { 1f - content[it] }
}

class LargeTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private fun bundle() = BundleStore(temporary.root.resolve("installed")).install(FolderSource(SmallBundle.build(temporary.newFolder())))

    private fun JsonElement.floats() = FloatArray(jsonArray.size) { Float.fromBits(jsonArray[it].jsonPrimitive.content.toInt()) }

    /** What came of painting, put together, and the rows that each band had. */
    private class Whole(private val widthPx: Int, private val heightPx: Int) : Sink {
        private val argb = IntArray(widthPx * heightPx)
        private var rows = 0

        override fun invoke(top: Int, band: Picture) {
            assertEquals(rows, top)
            System.arraycopy(band.argb, 0, argb, top * widthPx, band.argb.size)
            rows += band.heightPx
        }

        fun picture() = Picture(widthPx, heightPx, argb).also { assertEquals(heightPx, rows) }
    }

    private fun differ(a: Picture, b: Picture) = a.levels().zip(b.levels()) { x, y -> abs(x - y) }.maxOrNull()!!

    @Test
    fun picturesAreCutIntoTheSameTilesAsInPython() {
        val cases = SharedCases.list("cover_cases.json")
        for (case in cases) {
            val make = { CoverAxis(case.int("length_px"), case.int("largest_px"), case.int("halo_px"), case.int("multiple_px")) }
            val expect = case.getValue("expect")
            if (expect is JsonNull) {
                refuses("use a larger tier") { make() }
                continue
            }
            assertEquals(expect.jsonObject.int("side_px"), make().sidePx)
            val spans = expect.jsonObject.getValue("spans").jsonArray.map { it.ints() }
            assertEquals(spans, make().spans.map { listOf(it.startPx, it.firstPx, it.lastPx) })
        }
        assertTrue(cases.size > 5)
    }

    @Test
    fun bandsTakeAPreviewsLowFrequenciesToTheLevel() {
        for (case in SharedCases.list("band_cases.json")) {
            val picture = case.getValue("picture").picture()
            val whole = Whole(picture.widthPx, picture.heightPx)
            val bands = PreviewBands(case.getValue("preview").picture(), picture.widthPx, picture.heightPx, whole)
            var top = 0
            for (rows in case.getValue("bands").ints()) {
                bands.add(picture.crop(0, top, picture.widthPx, rows))
                top += rows
            }
            assertTrue(differ(case.getValue("expect_preview").picture(), whole.picture()) <= 1)
        }
    }

    @Test
    fun aPhotographIsGuidedToTheLevel() {
        for (case in SharedCases.list("band_cases.json")) {
            val picture = case.getValue("picture").picture()
            val whole = Whole(picture.widthPx, picture.heightPx)
            Guided(case.getValue("small").picture(), case.getValue("preview").picture()).run(picture, { _, _ -> }, whole)
            assertTrue(differ(case.getValue("expect_guided").picture(), whole.picture()) <= 1)
        }
    }

    @Test
    fun statisticsMoveAndBeginAnewToTheBit() {
        for (case in SharedCases.list("moving_cases.json")) {
            val moving = MovingMoments()
            val frames = case.getValue("frames").jsonArray.map { it.jsonObject }
            for (frame in frames) {
                val made = moving.add(frame.getValue("frame").picture(), mapOf("moment_0" to frame.getValue("own_bits").floats()))
                assertArrayEquals(frame.getValue("expect_bits").floats(), made.getValue("moment_0"), 0f)
            }
            val cuts = case.getValue("cuts").jsonArray.map { it.jsonPrimitive.boolean }
            val pairs = frames.map { it.getValue("frame").picture() }.zipWithNext(MovingMoments.Companion::isCut)
            assertEquals(cuts, pairs)
            assertEquals(cuts.count { it }, moving.cuts)
        }
    }

    @Test
    fun rowsAreMadeSmallerAsTheyComeToTheSameLevels() {
        for ((picture, side) in listOf(noise(150, 40) to 64, noise(31, 200) to 17, noise(64, 64) to 64)) {
            assertArrayEquals(Resize.fitLongestSide(picture, side).argb, AreaRows.fitLongestSide(picture, side).argb)
        }
    }

    @Test
    fun tilesOfALargePictureAreThePictureAsAWhole() {
        val engine = LocalEngine()
        val painter = LargePainter(bundle(), engine)
        val photograph = noise(150, 91)
        val steps = ArrayList<Int>()
        val made = Whole(150, 91).also { painter.paint(photograph, FloatArray(4), 1f, Way.TILES, progress = { done, _ -> steps += done }, sink = it) }
        val tiles = engine.network.tiles
        assertTrue(tiles > 4)
        assertEquals((0..3 * tiles).toList(), steps)
        val one = Covered(photograph, 400, engine.network)
        val moments = Measuring.exact(engine.network, listOf(one))
        val (down, across) = one.cover.down.spans.single() to one.cover.across.spans.single()
        val whole = one.given(down, across, engine.network.render(one.tile(down, across, engine.layout), moments), engine.layout)
        assertTrue(differ(whole, made.picture()) <= 1)
    }

    @Test
    fun eachWayGivesEveryRowAndQuickStatisticsAreNear() {
        val painter = LargePainter(bundle(), LocalEngine())
        val photograph = noise(90, 130)
        for (way in Way.values()) {
            val exact = Whole(90, 130).also { painter.paint(photograph, FloatArray(4), 1f, way, sink = it) }.picture()
            val quick = Whole(90, 130).also { painter.paint(photograph, FloatArray(4), 1f, way, Statistics.QUICK, sink = it) }.picture()
            assertTrue(differ(exact, quick) <= 4)
        }
        refuses("outside 0..1") { painter.paint(photograph, FloatArray(4), 2f, Way.GUIDED) { _, _ -> } }
    }

    @Test
    fun anEngineThatLiftsNothingBlendsTilesAndSaysSo() {
        val bundle = bundle()
        val photograph = noise(150, 40)
        val painter = LargePainter(bundle, LocalEngine(lifts = false))
        val whole = Whole(150, 40)
        val made = painter.paint(photograph, FloatArray(4), 1f, Way.TILES, sink = whole)
        assertEquals(false to 3, made.sharesStatistics to made.tiles)
        val blended = StylePipeline(bundle, LocalEngine()).stylize(photograph, FloatArray(4), 1f, Oversize.TILE)
        assertArrayEquals(blended.picture.argb, whole.picture().argb)
        assertEquals(null, painter.together(listOf(photograph), FloatArray(4), 1f, bundle.manifest.tiers[1]))
    }

    @Test
    fun picturesTogetherShareTheMeanOfAllOfThem() {
        val bundle = bundle()
        val painter = LargePainter(bundle, LocalEngine())
        val (dark, light) = Picture(20, 12, IntArray(240) { rgb(0, 0, 0) }) to Picture(80, 70, IntArray(5600) { rgb(255, 255, 255) })
        val moments = painter.together(listOf(dark, light), FloatArray(4), 1f, bundle.manifest.tiers[1])!!
        for (mean in moments.getValue("moment_0")) assertEquals(0.5f, mean, 1e-6f)
        val whole = Whole(20, 12).also { painter.paint(dark, FloatArray(4), 1f, bundle.manifest.tiers[1], moments, it) }
        assertEquals(rgb(64, 64, 64), whole.picture().argb[0])
    }

    @Test
    fun aTableOfStatisticsIsReadAndComposed() {
        val shapes = SharedCases.read("shape_cases.json").jsonObject
        val table = shapes.getValue("table").toString()
        val program = """{"key":"d1_32px","inputs":["content"],"outputs":["stylized"]}"""
        val tier = """{"signature":"d1_32px","multiple_px":4,"halo_px":24,"moments":{"moment_0":[1,1,80]},"render":$program,
            "measure":[{"key":"d1_32px","inputs":["content"],"outputs":["moment_0"]}]}"""
        fun text(tier: String) = """{"schema_version":1,"model_sha256":"","before":"0001","behind":"17","tiers":[$tier],"left_out":{},"shapes":$table}"""
        val read = LiftedTable.parse(text(tier))
        val found = read.find("d1_32px")!!
        assertEquals(mapOf("moment_0" to 80), found.moments)
        assertEquals(null, read.find("d2_64px"))
        val inner = ByteArray(21) { (it + 2).toByte() }
        val whole = ByteArray(24) { if (it < 23) it.toByte() else 0x17 }
        val plain = ShapeTable.parse(table).reshape(whole, "d1_32px", 32, 32)
        assertArrayEquals(plain, read.reshape(inner, found.render, 32, 32))
        refuses("measured once") { LiftedTable.parse(text(tier.replace("\"outputs\":[\"moment_0\"]", "\"outputs\":[]"))) }
        refuses("update the app") { LiftedTable.parse(text(tier).replaceFirst("\"schema_version\":1", "\"schema_version\":2")) }
    }
}
