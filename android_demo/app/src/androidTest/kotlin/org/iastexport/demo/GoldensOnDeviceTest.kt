package org.iastexport.demo

import androidx.test.platform.app.InstrumentationRegistry
import org.iastexport.core.Accelerator
import org.iastexport.core.Attempt
import org.iastexport.core.Bundle
import org.iastexport.core.DeviceBenchmark
import org.iastexport.core.DeviceResult
import org.iastexport.core.SelfTest
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

/**
 * What *Checks* does, as an instrumentation test that any device farm can run. Both leave their JSON in the app's
 * external files folder, as the app does, for `iast-export device import`; a farm pulls that folder.
 *
 *     adb shell am instrument -w -e samples 30 org.iastexport.demo.test/androidx.test.runner.AndroidJUnitRunner
 */
class GoldensOnDeviceTest {
    private val app = InstrumentationRegistry.getInstrumentation().targetContext
    private val asked = InstrumentationRegistry.getArguments()
    private val bundle: Bundle by lazy { (app.applicationContext as DemoApplication).bundle() }

    private fun attempts(): List<Attempt> {
        fun words(name: String) = asked.getString(name).orEmpty()
        return Attempt.chosen(bundle.manifest, words("accelerators"), words("precisions"), words("files"))
    }

    private fun keep(result: DeviceResult, name: String) = File(app.getExternalFilesDir(null), name).writeText(result.toJson())

    /** A GPU that opens nothing is a row with its words: nobody promised this phone's driver. One that draws otherwise fails. */
    @Test
    fun everyGoldenPictureIsMetOnTheProcessorAndNoneIsMissedOnTheGpu() {
        val before = DeviceFacts.state(app)
        val outcomes = SelfTest(bundle) { openEngine(bundle, it, THREADS) }.run(attempts())
        keep(DeviceFacts.result(app, bundle, before, selftest = outcomes), "selftest.json")
        val wrong = outcomes.filter { it.status == "fail" || (it.status == "error" && it.attempt.accelerator == Accelerator.CPU) }
        assertEquals(emptyList<String>(), wrong.map { "${it.attempt} ${it.tier}: ${it.maxLevelDifference} ${it.message}" })
        assertTrue(outcomes.any { it.status == "pass" })
    }

    /** Times are kept, not judged here: the gate does, by rules of the bundle's owner. */
    @Test
    fun everyLaneIsTimed() {
        val before = DeviceFacts.state(app)
        val samples = asked.getString("samples")?.toInt() ?: SAMPLES
        val measured = DeviceBenchmark(bundle) { openEngine(bundle, it, THREADS) }.run(attempts(), THREADS, samples = samples)
        keep(DeviceFacts.result(app, bundle, before, benchmark = measured), "benchmark.json")
        assertTrue(measured.any { it.samplesMs.isNotEmpty() })
    }

    private companion object {
        const val THREADS = 4
        const val SAMPLES = 30
    }
}
