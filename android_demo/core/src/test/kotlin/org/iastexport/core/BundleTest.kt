package org.iastexport.core

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.util.zip.CRC32
import java.util.zip.DeflaterOutputStream

/** An engine that inverts pictures: what is done around a runtime can be told from the result. */
private class InvertingEngine(override val lane: Lane, private val offset: Float = 0f) : StyleEngine {
    override val accelerator = "test"
    override val layout = if (lane.runtime == Runtime.LITERT) Layout.NHWC else Layout.NCHW
    var closed = false
    val sizes = ArrayList<Pair<Int, Int>>()

    override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray {
        check(content.size == 3 * heightPx * widthPx && code.size == 4)
        sizes += heightPx to widthPx
        return FloatArray(content.size) { 1f - content[it] + offset }
    }

    override fun encodeStyle(style: FloatArray) = FloatArray(4) { style[it] }

    override fun close() {
        closed = true
    }
}

class BundleTest {
    @get:Rule
    val temporary = TemporaryFolder()
    private lateinit var source: File
    private val litert = Lane(Runtime.LITERT, Precision.INT8)

    private fun hash(bytes: ByteArray) = sha256(ByteArrayInputStream(bytes))

    private fun png(picture: Picture): ByteArray {
        val out = ByteArrayOutputStream()
        fun chunk(type: String, body: ByteArray) {
            val data = type.toByteArray() + body
            val crc = CRC32().apply { update(data) }.value
            out.write(int(body.size) + data + int(crc.toInt()))
        }
        out.write(byteArrayOf(-119, 80, 78, 71, 13, 10, 26, 10))
        chunk("IHDR", int(picture.widthPx) + int(picture.heightPx) + byteArrayOf(8, 2, 0, 0, 0))
        val rows = ByteArrayOutputStream()
        for (y in 0 until picture.heightPx) {
            rows.write(0)
            rows.write(picture.crop(0, y, picture.widthPx, 1).levels().map { it.toByte() }.toByteArray())
        }
        chunk("IDAT", ByteArrayOutputStream().also { DeflaterOutputStream(it).use { z -> z.write(rows.toByteArray()) } }.toByteArray())
        chunk("IEND", ByteArray(0))
        return out.toByteArray()
    }

    private fun int(value: Int) = ByteArray(4) { (value shr (24 - 8 * it)).toByte() }

    private fun inverted(picture: Picture) = Picture(picture.widthPx, picture.heightPx, IntArray(picture.argb.size) { picture.argb[it] xor 0xFFFFFF })

    @Before
    fun build() {
        source = temporary.newFolder("source")
        val content = noise(20, 9)
        val files = mapOf(
            "models/a.onnx" to ByteArray(10) { 1 }, "models/a.tflite" to ByteArray(10) { 2 },
            "styles/ink.f32" to ByteArray(16), "styles/ink.png" to png(noise(4, 4)),
            "golden/c.png" to png(content), "golden/o.png" to png(inverted(content)),
        )
        var text = SharedCases.list("manifest_cases.json")[0].getValue("manifest").toString()
        for ((path, bytes) in files) {
            File(source, path).apply { parentFile!!.mkdirs() }.writeBytes(bytes)
            val sha = "ab".repeat(32)
            text = text.replace(Regex("(\"path\":\"$path\"[^}]*?\"sha256\":\")$sha"), "$1${hash(bytes)}")
                .replace(Regex("(\"sha256\":\")$sha(\"[^}]*\"path\":\"$path\")"), "$1${hash(bytes)}$2")
                .replace("\"$path\":\"$sha\"", "\"$path\":\"${hash(bytes)}\"")
                .replace("\"thumbnail\":\"$path\",\"thumbnail_sha256\":\"$sha\"", "\"thumbnail\":\"$path\",\"thumbnail_sha256\":\"${hash(bytes)}\"")
        }
        File(source, Manifest.FILE_NAME).writeText(text)
    }

    private fun install(): Bundle = BundleStore(temporary.root.resolve("installed")).install(FolderSource(source))

    @Test
    fun aBundleIsCopiedAndVerified() {
        val bundle = install()
        bundle.verifyAll()
        assertEquals(4, bundle.code("ink").size)
        assertEquals(hash(File(source, Manifest.FILE_NAME).readBytes()), bundle.manifestSha256)
        assertTrue(bundle.folder.walk().none { it.name.endsWith(".part") })
    }

    @Test
    fun anAlteredFileIsRefusedAndWhatWasThereStays() {
        val before = install()
        for (path in listOf("models/a.tflite", "styles/ink.f32", "golden/o.png", "styles/ink.png")) {
            val file = File(source, path)
            val bytes = file.readBytes()
            file.writeBytes(bytes.copyOf().also { it[bytes.size - 1] = (it[bytes.size - 1] + 1).toByte() })
            val fresh = BundleStore(temporary.newFolder())
            refuses("was altered or cut short") { fresh.install(FolderSource(source)) }
            file.delete()
            refuses("is missing from the bundle") { fresh.install(FolderSource(source)) }
            file.writeBytes(bytes)
        }
        before.verifyAll()
    }

    @Test
    fun afterInstallationAlterationsAreRefusedAndRepaired() {
        val bundle = install()
        File(bundle.folder, "models/a.tflite").writeBytes(ByteArray(10))
        refuses("was altered") { bundle.file("models/a.tflite") }
        install().verifyAll()
        refuses("not listed") { bundle.file("models/other.tflite") }
    }

    @Test
    fun anInterruptedInstallationLeavesNoManifest() {
        val failing = object : BundleSource {
            override fun open(path: String) = if (path.startsWith("golden")) throw java.io.IOException("gone") else File(source, path).inputStream()
        }
        val root = temporary.newFolder()
        refuses("is missing") { BundleStore(root).install(failing) }
        assertFalse(root.walk().any { it.name == Manifest.FILE_NAME || it.name.endsWith(".part") })
    }

    @Test
    fun olderBundlesGoWhenAsked() {
        val root = temporary.newFolder()
        val store = BundleStore(root)
        val first = store.install(FolderSource(source))
        File(source, Manifest.FILE_NAME).let { it.writeText(it.readText().replace("\"small\"", "\"other\"")) }
        val second = store.install(FolderSource(source))
        first.verifyAll()
        store.prune(second)
        assertEquals(listOf(second.folder.name), root.list()!!.toList())
    }

    @Test
    fun aPictureGoesThroughTheEngineWhateverItsSize() {
        val bundle = install()
        for (lane in listOf(litert, Lane(Runtime.ONNXRUNTIME, Precision.INT8))) {
            val engine = InvertingEngine(lane)
            val photograph = noise(30, 17)
            val made = StylePipeline(bundle, engine).stylize(photograph, bundle.code("ink"), 0.5f, Oversize.REFUSE)
            assertArrayEquals(inverted(photograph).argb, made.picture.argb)
            assertEquals("d2-32px", made.choice.tier.id)
            assertEquals(if (lane.runtime == Runtime.LITERT) 32 to 32 else 20 to 32, engine.sizes.single())
        }
    }

    @Test
    fun aLargePictureIsScaledDownOrTiled() {
        val bundle = install()
        val photograph = noise(150, 40)
        val pipeline = StylePipeline(bundle, InvertingEngine(litert))
        val small = pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.SCALE_DOWN)
        assertEquals(64 to 17, small.picture.widthPx to small.picture.heightPx)
        val tiled = pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.TILE)
        assertArrayEquals(inverted(photograph).argb, tiled.picture.argb)
        assertEquals(3, tiled.tiles)
        refuses("tile it") { pipeline.stylize(photograph, bundle.code("ink"), 1f, Oversize.REFUSE) }
        refuses("outside 0..1") { pipeline.stylize(photograph, bundle.code("ink"), 1.2f, Oversize.TILE) }
    }

    @Test
    fun theSelfTestPassesFailsAndReportsErrors() {
        val bundle = install()
        fun statuses(open: EngineFactory) = SelfTest(bundle, open).run().map { it.status }
        assertEquals(listOf("pass"), statuses { InvertingEngine(it) })
        assertEquals(listOf("fail"), statuses { InvertingEngine(it, 3f / 255f) })
        assertEquals(listOf("error"), statuses { throw IllegalStateException("no GPU") })
        refuses("no golden picture") { SelfTest(bundle) { InvertingEngine(it) }.run(listOf(Lane(Runtime.LITERT, Precision.FP16))) }
        File(bundle.folder, "golden/o.png").writeBytes(ByteArray(3))
        val outcome = SelfTest(Bundle.open(bundle.folder)) { InvertingEngine(it) }.run().single()
        assertEquals("error", outcome.status)
        assertTrue("was altered" in outcome.message)
    }

    @Test
    fun resultsAreJsonOfTheSchema() {
        val bundle = install()
        val engine = InvertingEngine(litert)
        val samples = DeviceBenchmark(bundle) { engine }.run(listOf(litert), 1, warmup = 2, samples = 5)
        assertTrue(engine.closed)
        assertEquals(5, samples.single().samplesMs.size)
        val device = Device("maker", "phone", null, "16", 36, "arm64-v8a", 8, false)
        val state = DeviceState(80, false, "none", true)
        val result = DeviceResult("iast-demo 0.1.0", "2026-11-20T12:00:00Z", bundle, device, state, benchmark = samples)
        val json = Json.parseToJsonElement(result.toJson()).jsonObject
        assertEquals("benchmark", json.getValue("kind").jsonPrimitive.content)
        assertEquals(0, json.getValue("selftest").jsonArray.size)
        assertEquals("int8", json.getValue("benchmark").jsonArray[0].jsonObject.getValue("precision").jsonPrimitive.content)
        refuses("not nothing") { DeviceResult("x", "y", bundle, device, state) }
    }

    @Test
    fun damagedGoldensAreRefused() {
        val bytes = png(noise(6, 5))
        val file = temporary.newFile("g.png")
        file.writeBytes(bytes)
        assertArrayEquals(noise(6, 5).argb, GoldenPng.read(file).argb)
        file.writeBytes(bytes.copyOf(bytes.size - 14))
        refuses("cut short") { GoldenPng.read(file) }
        file.writeBytes(bytes.copyOf().also { it[24] = 16 })
        refuses("not 8-bit RGB") { GoldenPng.read(file) }
        file.writeText("no picture")
        refuses("no PNG") { GoldenPng.read(file) }
    }
}
