/** The app's LiteRT engine, unchanged, over LiteRT's real Kotlin classes and its native library, on a desktop JVM. */
package org.iastexport.litertjvm

import org.iastexport.core.Accelerator
import org.iastexport.core.Attempt
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.Device
import org.iastexport.core.DeviceResult
import org.iastexport.core.DeviceState
import org.iastexport.core.Oversize
import org.iastexport.core.Picture
import org.iastexport.core.Runtime
import org.iastexport.core.SelfTest
import org.iastexport.core.StylePipeline
import org.iastexport.engine.LiteRtEngine
import java.io.File
import kotlin.system.exitProcess

private const val THREADS = 2

/** A photograph of no use but its size, which is more than any tier takes. */
private const val LARGE_WIDTH_PX = 4032
private const val LARGE_HEIGHT_PX = 3024

private fun selfTest(bundle: Bundle, out: File): Boolean {
    val attempts = Attempt.all(bundle.manifest).filter { it.lane.runtime == Runtime.LITERT }
    val outcomes = SelfTest(bundle) { LiteRtEngine(bundle, it.lane, THREADS, gpu = it.accelerator == Accelerator.GPU) }.run(attempts)
    for (one in outcomes) {
        println("${one.attempt} ${one.tier}: ${one.maxLevelDifference?.let { "difference $it" } ?: one.message}")
    }
    val device = Device("litert on a JVM", System.getProperty("os.name"), null, null, "none", 0, System.getProperty("os.arch"), 1, emulated = true)
    val state = DeviceState(null, null, null, null)
    out.writeText(DeviceResult("litert_on_jvm", "2026-01-01T00:00:00Z", bundle, device, state, selftest = outcomes).toJson())
    val onCpu = outcomes.filter { it.attempt.accelerator == Accelerator.CPU }
    println("CPU: ${onCpu.count { it.status == "pass" }} of ${onCpu.size} golden pictures within their tolerance")
    return onCpu.isNotEmpty() && onCpu.all { it.status == "pass" }
}

/** What the engine says where the GPU is asked for alone, and where the CPU may stand in. */
private fun askForGpu(bundle: Bundle) {
    val lane = bundle.manifest.lanes().first { it.runtime == Runtime.LITERT }
    try {
        LiteRtEngine(bundle, lane, THREADS, gpu = true).use { println("GPU alone, $lane: ${it.accelerator}") }
    } catch (error: BundleException) {
        println("GPU alone, $lane: refused: ${error.message}")
    }
    LiteRtEngine(bundle, lane, THREADS, gpu = true, fallback = true).use { println("GPU or else, $lane: ${it.accelerator}") }
}

private fun paintLarge(bundle: Bundle) {
    val lane = bundle.manifest.lanes().last { it.runtime == Runtime.LITERT }
    LiteRtEngine(bundle, lane, THREADS).use { engine ->
        val photograph = Picture(LARGE_WIDTH_PX, LARGE_HEIGHT_PX, IntArray(LARGE_WIDTH_PX * LARGE_HEIGHT_PX) { it or (0xff shl 24) })
        val code = bundle.code(bundle.manifest.styles.first().id)
        val made = StylePipeline(bundle, engine).stylize(photograph, code, 1f, Oversize.TILE)
        println("${LARGE_WIDTH_PX}x$LARGE_HEIGHT_PX px, $lane: ${made.tiles} tiles")
    }
}

/** BUNDLE OUT.json [large]: the self-test, the GPU's refusal, and perhaps a photograph in tiles. */
fun main(args: Array<String>) {
    val bundle = Bundle.open(File(args[0]))
    val passed = selfTest(bundle, File(args[1]))
    askForGpu(bundle)
    if ("large" in args) paintLarge(bundle)
    exitProcess(if (passed) 0 else 1)
}
