/** STUBS, not AndroidX; see AndroidXTest.kt. */
@file:Suppress("UNUSED_PARAMETER", "unused", "PackageDirectoryMismatch")

package androidx.benchmark.macro

import android.content.Intent

enum class StartupMode { COLD, WARM, HOT }

sealed class CompilationMode {
    class Full : CompilationMode()

    companion object {
        @JvmField
        val DEFAULT: CompilationMode = Full()
    }
}

sealed class Metric

class StartupTimingMetric : Metric()

class FrameTimingMetric : Metric()

class MacrobenchmarkScope internal constructor() {
    fun pressHome(delayDurationMs: Long = 0): Unit = throw UnsupportedOperationException("a stub, not AndroidX")

    fun startActivityAndWait(intent: Intent): Unit = throw UnsupportedOperationException("a stub, not AndroidX")
}
