package org.iastexport.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

class PipelineTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val source: File by lazy { SmallBundle.build(temporary.newFolder("source")) }

    private fun install(): Bundle = BundleStore(temporary.root.resolve("installed")).install(FolderSource(source))

    @Test
    fun aPictureGoesThroughTheEngineWhateverItsSize() {
        val bundle = install()
        for (lane in listOf(SmallBundle.LITERT, Lane(Runtime.ONNXRUNTIME, Precision.INT8))) {
            val engine = InvertingEngine(lane)
            val photograph = noise(30, 17)
            val made = StylePipeline(bundle, engine).stylize(photograph, bundle.code("ink"), 0.5f, Oversize.REFUSE)
            assertArrayEquals(SmallBundle.inverted(photograph).argb, made.picture.argb)
            assertEquals("d2-32px", made.choice.tier.id)
            assertEquals(if (lane.runtime == Runtime.LITERT) 32 to 32 else 20 to 32, engine.sizes.single())
        }
    }

    @Test
    fun aLargePictureIsScaledDownOrTiled() {
        val bundle = install()
        val photograph = noise(150, 40)
        val pipeline = StylePipeline(bundle, InvertingEngine(SmallBundle.LITERT))
        val small = pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.SCALE_DOWN)
        assertEquals(64 to 17, small.picture.widthPx to small.picture.heightPx)
        val tiled = pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.TILE)
        assertArrayEquals(SmallBundle.inverted(photograph).argb, tiled.picture.argb)
        assertEquals(3, tiled.tiles)
        val steps = ArrayList<Pair<Int, Int>>()
        val byHand = pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.TILE, bundle.manifest.tiers[0]) { done, all -> steps += done to all }
        assertEquals("d2-32px", byHand.choice.tier.id)
        assertEquals((0..byHand.tiles).map { it to byHand.tiles }, steps)
        refuses("tile it") { pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.REFUSE) }
        refuses("outside 0..1") { pipeline.stylize(photograph, bundle.code("ink"), 1.2f, Oversize.TILE) }
    }

    /** An engine whose code and picture are what a test says. */
    private class Scripted(val code: FloatArray, val value: Float) : StyleEngine by InvertingEngine(SmallBundle.LITERT) {
        lateinit var seen: FloatArray

        override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float) =
            FloatArray(content.size) { value }

        override fun encodeStyle(style: FloatArray): FloatArray = code.also { seen = style }
    }

    @Test
    fun anArtworkIsSeenAsASquareOfTheManifest() {
        val engine = Scripted(FloatArray(4) { 0.5f }, 0f)
        val artwork = noise(300, 270)
        val code = StylePipeline(install(), engine).encodeStyle(artwork)
        assertArrayEquals(floatArrayOf(0.5f, 0.5f, 0.5f, 0.5f), code, 0f)
        assertArrayEquals(PixelCodec.toTensor(Resize.centerSquare(artwork, 256), Layout.NHWC), engine.seen, 0f)
    }

    @Test
    fun whatAnEngineMustNotReturnIsRefused() {
        val bundle = install()
        for (code in listOf(FloatArray(3), FloatArray(4) { Float.NaN })) {
            refuses("style encoder returned") { StylePipeline(bundle, Scripted(code, 0f)).encodeStyle(noise(8, 8)) }
        }
        val nan = StylePipeline(bundle, Scripted(FloatArray(4), Float.NaN))
        refuses("NaN or infinity") { nan.stylize(noise(9, 9), FloatArray(4), 1f, Oversize.REFUSE) }
    }

    @Test
    fun transparencyIsLaidOverWhiteBeforeTheNetworkSeesIt() {
        val made = StylePipeline(install(), InvertingEngine(SmallBundle.LITERT))
            .stylize(Picture(2, 1, intArrayOf(0, -1)), FloatArray(4), 1f, Oversize.REFUSE)
        assertEquals(listOf(0, 0, 0, 0, 0, 0), made.picture.levels())
    }

    @Test
    fun aNetworkWithoutStrengthIsNotAskedForOne() {
        val bundle = install()
        val without = Bundle(bundle.folder, bundle.manifest.copy(takesStrength = false), bundle.manifestSha256)
        val pipeline = StylePipeline(without, InvertingEngine(SmallBundle.LITERT))
        refuses("takes no strength") { pipeline.stylize(noise(8, 8), FloatArray(4), 0.5f, Oversize.REFUSE) }
        assertEquals(8, pipeline.stylize(noise(8, 8), FloatArray(4), 1f, Oversize.REFUSE).picture.widthPx)
    }
}
