/** STUBS, not AndroidX; see AndroidXTest.kt. */
@file:Suppress("UNUSED_PARAMETER", "unused", "PackageDirectoryMismatch")

package androidx.benchmark.macro.junit4

import androidx.benchmark.macro.CompilationMode
import androidx.benchmark.macro.MacrobenchmarkScope
import androidx.benchmark.macro.Metric
import androidx.benchmark.macro.StartupMode
import org.junit.rules.TestRule
import org.junit.runner.Description
import org.junit.runners.model.Statement

class MacrobenchmarkRule : TestRule {
    fun measureRepeated(
        packageName: String,
        metrics: List<Metric>,
        compilationMode: CompilationMode = CompilationMode.DEFAULT,
        startupMode: StartupMode? = null,
        iterations: Int,
        setupBlock: MacrobenchmarkScope.() -> Unit = {},
        measureBlock: MacrobenchmarkScope.() -> Unit,
    ): Unit = throw UnsupportedOperationException("a stub, not AndroidX")

    override fun apply(base: Statement, description: Description): Statement = base
}
