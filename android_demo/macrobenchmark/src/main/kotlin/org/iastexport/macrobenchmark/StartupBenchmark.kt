package org.iastexport.macrobenchmark

import android.content.Intent
import androidx.benchmark.macro.CompilationMode
import androidx.benchmark.macro.FrameTimingMetric
import androidx.benchmark.macro.StartupMode
import androidx.benchmark.macro.StartupTimingMetric
import androidx.benchmark.macro.junit4.MacrobenchmarkRule
import org.junit.Rule
import org.junit.Test

/**
 * How long the app takes to show itself, and whether its screens keep up with the display, from outside of its process.
 * Times of the models are `benchmark.json`'s: they belong to no frame.
 */
class StartupBenchmark {
    @get:Rule
    val rule = MacrobenchmarkRule()

    @Test
    fun cold() = start(StartupMode.COLD)

    @Test
    fun warm() = start(StartupMode.WARM)

    private fun start(mode: StartupMode) = rule.measureRepeated(
        packageName = PACKAGE,
        metrics = listOf(StartupTimingMetric(), FrameTimingMetric()),
        compilationMode = CompilationMode.DEFAULT,
        iterations = ITERATIONS,
        startupMode = mode,
    ) {
        pressHome()
        startActivityAndWait(Intent(Intent.ACTION_MAIN).setPackage(PACKAGE).addCategory(Intent.CATEGORY_LAUNCHER))
    }

    private companion object {
        const val PACKAGE = "org.iastexport.demo"
        const val ITERATIONS = 10
    }
}
