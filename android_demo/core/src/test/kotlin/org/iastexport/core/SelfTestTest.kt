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
    fun aLaneWhoseLibraryIsMissingIsAnErrorOfTheSelfTest() {
        val outcome = SelfTest(install()) { throw UnsatisfiedLinkError("no library for this processor") }.run().single()
        assertEquals("error" to "none", outcome.status to outcome.accelerator)
        assertEquals("no library for this processor", outcome.message)
    }

    @Test
    fun aBenchmarkClosesWhatItOpened() {
        val bundle = install()
        val first = InvertingEngine(SmallBundle.LITERT)
        var opened = 0
        refuses("refused") {
            DeviceBenchmark(bundle) { if (opened++ == 0) first else throw BundleException("refused") }.run(listOf(SmallBundle.LITERT, SmallBundle.LITERT), 1)
        }
        assertTrue(first.closed)
        refuses("nothing to measure") { DeviceBenchmark(bundle) { first }.run(emptyList(), 1) }
        refuses("nothing to measure") { DeviceBenchmark(bundle) { first }.run(listOf(SmallBundle.LITERT), 1, samples = 0) }
    }

    @Test
    fun resultsAreJsonOfTheSchema() {
        val bundle = install()
        val engine = InvertingEngine(SmallBundle.LITERT)
        val samples = DeviceBenchmark(bundle) { engine }.run(listOf(SmallBundle.LITERT), 1, warmup = 2, samples = 5)
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
    fun aSelfTestThatDidNotRunLeavesThePhoneAsNull() {
        val bundle = install()
        val outcomes = SelfTest(bundle) { throw IllegalStateException("no GPU") }.run()
        val device = Device("maker", "phone", null, "16", 36, "arm64-v8a", 8, false)
        val json = DeviceResult("x", "2026-11-20T12:00:00Z", bundle, device, DeviceState(null, null, null, null), outcomes).toJson()
        val row = Json.parseToJsonElement(json).jsonObject.getValue("selftest").jsonArray.single().jsonObject
        assertEquals("null", row.getValue("max_level_difference").toString())
        assertEquals("no GPU", row.getValue("message").jsonPrimitive.content)
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
}
