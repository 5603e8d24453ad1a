/** The one name that LiteRT's Environment takes from its provider of NPU libraries, which needs Android 12. */
package com.google.ai.edge.litert

interface NpuAcceleratorProvider {
    fun isDeviceSupported(): Boolean

    fun isLibraryReady(): Boolean

    fun getLibraryDir(): String
}
