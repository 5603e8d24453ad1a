/**
 * STUBS, not LiteRT: the signatures of the calls that the engine uses, after LiteRT 2.1's public
 * documentation, so that the engine can be compiled where LiteRT's library can't be had. They do
 * nothing, are no part of the Gradle build, and prove only that the engine agrees with this file.
 */
@file:Suppress("UNUSED_PARAMETER", "unused")

package com.google.ai.edge.litert

private fun stub(): Nothing = throw UnsupportedOperationException("a stub, not LiteRT")

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException internal constructor(message: String) : Exception(message)

class Environment private constructor() : AutoCloseable {
    override fun close(): Unit = stub()
}

class TensorBuffer private constructor() : AutoCloseable {
    fun writeFloat(data: FloatArray): Unit = stub()

    fun writeInt8(data: ByteArray): Unit = stub()

    fun readFloat(): FloatArray = stub()

    fun readInt8(): ByteArray = stub()

    override fun close(): Unit = stub()
}

class CompiledModel private constructor() : AutoCloseable {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(vararg accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
    }

    fun createInputBuffer(inputName: String, signature: String? = null): TensorBuffer = stub()

    fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer = stub()

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String? = null): Unit = stub()

    override fun close(): Unit = stub()

    companion object {
        fun create(filePath: String, options: Options = Options(Accelerator.CPU), optionalEnv: Environment? = null): CompiledModel = stub()
    }
}
