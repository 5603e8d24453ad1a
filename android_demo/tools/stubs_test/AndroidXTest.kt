/**
 * STUBS, not AndroidX: signatures of androidx.test's monitor 1.8 and benchmark-macro-junit4 1.4 around what the tests for
 * devices use, so that those can be compiled where the libraries can't be had. They are no part of the Gradle build.
 */
@file:Suppress("UNUSED_PARAMETER", "unused", "PackageDirectoryMismatch")

package androidx.test.platform.app

import android.app.Instrumentation
import android.os.Bundle

object InstrumentationRegistry {
    @JvmStatic
    fun getInstrumentation(): Instrumentation = throw UnsupportedOperationException("a stub, not AndroidX")

    @JvmStatic
    fun getArguments(): Bundle = throw UnsupportedOperationException("a stub, not AndroidX")
}
