package org.iastexport.core

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

class SelfTestTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val source: File by lazy { SmallBundle.build(temporary.newFolder("source")) }

    private fun install(): Bundle = BundleStore(temporary.root.resolve("installed")).install(FolderSource(source))

    @Test
    fun theSelfTestPassesFailsAndReportsErrors() {
        val bundle = install()
        fun statuses(open: EngineFactory) = SelfTest(bundle, open).run(ONE).map { it.status }
        assertEquals(listOf("pass"), statuses { InvertingEngine(it.lane) })
        assertEquals(listOf("fail"), statuses { InvertingEngine(it.lane, 3f / 255f) })
        assertEquals(listOf("error"), statuses { throw IllegalStateException("no GPU") })
        refuses("no golden picture") { SelfTest(bundle) { InvertingEngine(it.lane) }.run(listOf(Attempt(Lane(Runtime.LITERT, Precision.FP16)))) }
        File(bundle.folder, "golden/o.png").writeBytes(ByteArray(3))
        val outcome = SelfTest(Bundle.open(bundle.folder)) { InvertingEngine(it.lane) }.run(ONE).single()
        assertEquals("error", outcome.status)
        assertTrue("was altered" in outcome.message)
    }

    @Test
    fun aLaneWhoseLibraryIsMissingIsAnErrorOfTheSelfTest() {
        val outcome = SelfTest(install()) { throw UnsatisfiedLinkError("no library for this processor") }.run(ONE).single()
        assertEquals("error" to "none", outcome.status to outcome.accelerator)
        assertEquals("no library for this processor", outcome.message)
    }

    @Test
    fun oneEngineIsOpenAtATimeAndALaneThatFailsIsARow() {
        val bundle = install()
        val opened = ArrayList<InvertingEngine>()
        val gpu = Attempt(SmallBundle.LITERT, Accelerator.GPU)
        val rows = DeviceBenchmark(bundle) {
            assertTrue("an engine was left open", opened.all { engine -> engine.closed })
            if (it == gpu) throw BundleException("the GPU refuses it")
            InvertingEngine(it.lane).also(opened::add)
        }.run(listOf(gpu, ONE.single()), 1, warmup = 1, samples = 3)
        assertTrue(opened.size == 2 && opened.all { it.closed })
        assertEquals(listOf(gpu to 0, ONE.single() to 3), rows.map { it.attempt to it.samplesMs.size })
        assertEquals(listOf("the GPU refuses it" to "none", "" to "test"), rows.map { it.message to it.accelerator })
        refuses("nothing to measure") { DeviceBenchmark(bundle) { InvertingEngine(it.lane) }.run(emptyList(), 1) }
        refuses("nothing to measure") { DeviceBenchmark(bundle) { InvertingEngine(it.lane) }.run(ONE, 1, samples = 0) }
    }

    @Test
    fun attemptsAreChosenByWords() {
        val manifest = install().manifest
        val all = Attempt.all(manifest)
        assertEquals(all, Attempt.chosen(manifest))
        assertTrue(Attempt(SmallBundle.LITERT, Accelerator.GPU) in all && ONE.single() in all)
        assertEquals(setOf(Accelerator.GPU), Attempt.chosen(manifest, "gpu").map { it.accelerator }.toSet())
        assertEquals(ONE, Attempt.chosen(manifest, "cpu", "int8", "tiers").filter { it.lane.runtime == Runtime.LITERT })
        refuses("\"tpu\" is none of cpu, gpu") { Attempt.chosen(manifest, "tpu") }
        refuses("nothing to run") { Attempt.chosen(manifest, "gpu", files = "dispatch") }
    }

    @Test
    fun resultsAreJsonOfTheSchema() {
        val bundle = install()
        val engine = InvertingEngine(SmallBundle.LITERT)
        val samples = DeviceBenchmark(bundle) { engine }.run(ONE, 1, warmup = 2, samples = 5)
        assertTrue(engine.closed)
        assertEquals(5 to 4, samples.single().samplesMs.size to samples.single().warmupMs.size)
        val device = Device("maker", "phone", "Maker", "X1", "16", 36, "arm64-v8a", 8, false)
        val state = DeviceState(80, false, "none", true)
        val result = DeviceResult("iast-demo 0.1.0", "2026-11-20T12:00:00Z", bundle, device, state, state, benchmark = samples)
        val json = Json.parseToJsonElement(result.toJson()).jsonObject
        assertEquals("benchmark", json.getValue("kind").jsonPrimitive.content)
        assertEquals(0, json.getValue("selftest").jsonArray.size)
        assertEquals("\"Maker X1\"", json.getValue("device").jsonObject.getValue("soc").toString())
        assertEquals(json.getValue("state"), json.getValue("before"))
        assertEquals("cpu", json.getValue("benchmark").jsonArray[0].jsonObject.getValue("asked").jsonPrimitive.content)
        assertEquals("int8", json.getValue("benchmark").jsonArray[0].jsonObject.getValue("precision").jsonPrimitive.content)
        refuses("not nothing") { DeviceResult("x", "y", bundle, device, state) }
    }

    @Test
    fun aSelfTestThatDidNotRunLeavesThePhoneAsNull() {
        val bundle = install()
        val outcomes = SelfTest(bundle) { throw IllegalStateException("no GPU") }.run(ONE)
        val device = Device("maker", "phone", "Maker", "X1", "16", 36, "arm64-v8a", 8, false)
        val json = DeviceResult("x", "2026-11-20T12:00:00Z", bundle, device, DeviceState(null, null, null, null), selftest = outcomes).toJson()
        val row = Json.parseToJsonElement(json).jsonObject.getValue("selftest").jsonArray.single().jsonObject
        assertEquals("null", row.getValue("max_level_difference").toString())
        assertEquals("no GPU", row.getValue("message").jsonPrimitive.content)
    }

    @Test
    fun halvesAreJudgedByFp32sPictureOnAGpuAlone() {
        val half = Lane(Runtime.LITERT, Precision.FP16)
        val full = half.copy(precision = Precision.FP32)
        val golden = Golden("t", "c.png", "s", 1f, mapOf(full to "o.png"), mapOf(Runtime.LITERT to 1), emptyMap(), mapOf(Precision.FP32 to 8))
        assertEquals("o.png" to 8, golden.wanted(Attempt(half, Accelerator.GPU)) to golden.tolerance(half, "gpu"))
        assertEquals("o.png" to 1, golden.wanted(Attempt(full)) to golden.tolerance(full, "cpu"))
        assertEquals(null, golden.wanted(Attempt(half)))
    }

    @Test
    fun damagedGoldensAreRefused() {
        val bytes = SmallBundle.png(noise(6, 5))
        val file = temporary.newFile("g.png")
        file.writeBytes(bytes)
        assertArrayEquals(noise(6, 5).argb, GoldenPng.read(file).argb)
        for (filter in 1..4) {
            file.writeBytes(SmallBundle.png(noise(6, 5), filter))
            assertArrayEquals("filter $filter", noise(6, 5).argb, GoldenPng.read(file).argb)
        }
        file.writeBytes(bytes.copyOf().also { it[41] = 0 })
        refuses("damaged") { GoldenPng.read(file) }
        file.writeBytes(bytes.copyOf(bytes.size - 14))
        refuses("cut short") { GoldenPng.read(file) }
        file.writeBytes(bytes.copyOf().also { it[24] = 16 })
        refuses("not 8-bit RGB") { GoldenPng.read(file) }
        file.writeText("no picture")
        refuses("no PNG") { GoldenPng.read(file) }
    }

    private companion object {
        /** LiteRT in INT8 on the CPU. */
        val ONE = listOf(Attempt(SmallBundle.LITERT))
    }
}
