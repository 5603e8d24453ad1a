/**
 * STUBS, not LiteRT: signatures of LiteRT's Kotlin API around what the engine uses, as version 2.1.5 declares
 * them, so that the engine can be compiled where LiteRT's library can't be had. They do nothing, are no part
 * of the Gradle build, and prove only that the engine agrees with this file.
 */
@file:Suppress("UNUSED_PARAMETER", "unused")

package com.google.ai.edge.litert

import android.content.res.AssetManager

private fun stub(): Nothing = throw UnsupportedOperationException("a stub, not LiteRT")

enum class Accelerator { NONE, CPU, GPU, NPU }

enum class Status { Ok, ErrorInvalidArgument, ErrorRuntimeFailure, ErrorUnsupported, ErrorCompilation }

class LiteRtException(status: Status, message: String) : Exception(message) {
    constructor(code: Int, message: String) : this(Status.ErrorRuntimeFailure, message)
}

/** What owns native memory: closed as often as one likes, an IllegalStateException when used afterwards. */
abstract class JniHandle internal constructor() : AutoCloseable {
    protected abstract fun destroy()

    final override fun close(): Unit = stub()
}

class Environment private constructor() : JniHandle() {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir, SystemRuntimeHandle }

    fun getAvailableAccelerators(): Set<Accelerator> = stub()

    override fun destroy(): Unit = stub()

    companion object {
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = stub()
    }
}

class TensorBuffer private constructor() : JniHandle() {
    fun writeInt(data: IntArray): Unit = stub()

    fun writeFloat(data: FloatArray): Unit = stub()

    fun writeInt8(data: ByteArray): Unit = stub()

    fun writeBoolean(data: BooleanArray): Unit = stub()

    fun writeLong(data: LongArray): Unit = stub()

    fun readInt(): IntArray = stub()

    fun readFloat(): FloatArray = stub()

    fun readInt8(): ByteArray = stub()

    fun readBoolean(): BooleanArray = stub()

    fun readLong(): LongArray = stub()

    override fun destroy(): Unit = stub()
}

data class TensorType(val elementType: ElementType, val layout: Layout? = null) {
    enum class ElementType { INT, FLOAT, INT8, BOOLEAN, INT64 }

    data class Layout(val dimensions: List<Int>, val strides: List<Int> = listOf())
}

class CompiledModel private constructor() : JniHandle() {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    data class GpuOptions(
        val constantTensorSharing: Boolean? = null,
        val infiniteFloatCapping: Boolean? = null,
        val allowSrcQuantizedFcConvOps: Boolean? = null,
        val precision: Precision? = null,
        val bufferStorageType: BufferStorageType? = null,
        val preferTextureWeights: Boolean? = null,
        val serializationDir: String? = null,
        val modelCacheKey: String? = null,
        val serializeProgramCache: Boolean? = null,
        val serializeExternalTensors: Boolean? = null,
        val externalTensorsMode: Boolean? = null,
        val externalTensorPattern: String? = null,
        val backend: Backend? = null,
        val priority: Priority? = null,
        val numStepsOfCommandBufferPreparations: Int? = null,
    ) {
        enum class Precision { DEFAULT, FP16, FP32 }

        enum class BufferStorageType { DEFAULT, BUFFER, TEXTURE_2D }

        enum class Backend { AUTOMATIC, OPENCL, WEBGPU, OPENGL }

        enum class Priority { DEFAULT, LOW, NORMAL, HIGH }
    }

    class Options(accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null

        companion object {
            @JvmStatic
            val CPU: Options = Options(Accelerator.CPU)
        }
    }

    fun createInputBuffer(inputName: String, signature: String = ""): TensorBuffer = stub()

    fun createOutputBuffer(outputName: String, signature: String = ""): TensorBuffer = stub()

    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = stub()

    fun createInputBuffers(signature: String): List<TensorBuffer> = stub()

    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = stub()

    fun createOutputBuffers(signature: String): List<TensorBuffer> = stub()

    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0): Unit = stub()

    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signature: String): Unit = stub()

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = ""): Unit = stub()

    fun getInputTensorType(inputName: String, signature: String = ""): TensorType = stub()

    fun getOutputTensorType(outputName: String, signature: String = ""): TensorType = stub()

    override fun destroy(): Unit = stub()

    companion object {
        @JvmStatic
        @JvmOverloads
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ): CompiledModel = stub()

        @JvmStatic
        @JvmOverloads
        fun create(filePath: String, options: Options = Options.CPU, optionalEnv: Environment? = null): CompiledModel = stub()
    }
}
