/**
 * STUBS, not LiteRT: signatures of LiteRT's Kotlin API around what the engine uses, as version 2.1.5 declares
 * them, so that the engine can be compiled where LiteRT's library can't be had. They do nothing unless a test
 * sets a [Player], are no part of the Gradle build, and prove only that the engine agrees with this file.
 */
@file:Suppress("UNUSED_PARAMETER", "unused")

package com.google.ai.edge.litert

import android.content.res.AssetManager

private fun stub(): Nothing = throw UnsupportedOperationException("a stub, not LiteRT")

/** What plays LiteRT behind these signatures in a test; models and buffers are whatever it hands out. */
interface Player {
    fun open(path: String, accelerators: Set<Accelerator>, options: CompiledModel.Options): Any

    fun buffer(model: Any, isInput: Boolean, name: String, signature: String): Any

    fun run(model: Any, inputs: Map<String, Any>, outputs: Map<String, Any>, signature: String)

    /** [values] is a FloatArray or a ByteArray. */
    fun write(buffer: Any, values: Any)

    fun read(buffer: Any): Any

    fun close(handle: Any)

    companion object {
        @Volatile
        var current: Player? = null
    }
}

private fun player(): Player = Player.current ?: stub()

enum class Accelerator(val value: Int) { NONE(0), CPU(1), GPU(2), NPU(3) }

enum class Status(val code: Int) {
    Ok(0),
    ErrorInvalidArgument(1),
    ErrorRuntimeFailure(3),
    ErrorUnsupported(5),
    ErrorCompilation(504),
}

class LiteRtException(status: Status, message: String) : Exception(message) {
    constructor(code: Int, message: String) : this(Status.ErrorRuntimeFailure, message)
}

/** What owns native memory: closed as often as one likes, an IllegalStateException when used afterwards. */
abstract class JniHandle internal constructor(private val handle: Any) : AutoCloseable {
    private var closed = false

    protected abstract fun destroy()

    internal fun live(): Any = handle.also { check(!closed) { "used after it was closed" } }

    final override fun close() {
        if (!closed) player().close(handle)
        closed = true
    }
}

class Environment private constructor(handle: Any) : JniHandle(handle) {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir, SystemRuntimeHandle }

    @Throws(LiteRtException::class)
    fun getAvailableAccelerators(): Set<Accelerator> = stub()

    override fun destroy(): Unit = stub()

    companion object {
        @Throws(LiteRtException::class)
        @JvmOverloads
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = stub()
    }
}

class TensorBuffer private constructor(handle: Any) : JniHandle(handle) {
    @Throws(LiteRtException::class)
    fun writeInt(data: IntArray): Unit = stub()

    @Throws(LiteRtException::class)
    fun writeFloat(data: FloatArray): Unit = player().write(live(), data)

    @Throws(LiteRtException::class)
    fun writeInt8(data: ByteArray): Unit = player().write(live(), data)

    @Throws(LiteRtException::class)
    fun writeBoolean(data: BooleanArray): Unit = stub()

    @Throws(LiteRtException::class)
    fun writeLong(data: LongArray): Unit = stub()

    @Throws(LiteRtException::class)
    fun readInt(): IntArray = stub()

    @Throws(LiteRtException::class)
    fun readFloat(): FloatArray = player().read(live()) as FloatArray

    @Throws(LiteRtException::class)
    fun readInt8(): ByteArray = player().read(live()) as ByteArray

    @Throws(LiteRtException::class)
    fun readBoolean(): BooleanArray = stub()

    @Throws(LiteRtException::class)
    fun readLong(): LongArray = stub()

    override fun destroy(): Unit = stub()

    internal companion object {
        fun played(handle: Any) = TensorBuffer(handle)
    }
}

data class TensorType(val elementType: ElementType, val layout: Layout? = null) {
    enum class ElementType { INT, FLOAT, INT8, BOOLEAN, INT64 }

    data class Layout(val dimensions: List<Int>, val strides: List<Int> = listOf())
}

class CompiledModel private constructor(handle: Any) : JniHandle(handle) {
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

    class Options(internal val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null

        companion object {
            @JvmStatic
            val CPU: Options = Options(Accelerator.CPU)
        }
    }

    @Throws(LiteRtException::class)
    fun createInputBuffer(inputName: String, signature: String = ""): TensorBuffer =
        TensorBuffer.played(player().buffer(live(), true, inputName, signature))

    @Throws(LiteRtException::class)
    fun createOutputBuffer(outputName: String, signature: String = ""): TensorBuffer =
        TensorBuffer.played(player().buffer(live(), false, outputName, signature))

    @Throws(LiteRtException::class)
    @JvmOverloads
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = stub()

    @Throws(LiteRtException::class)
    fun createInputBuffers(signature: String): List<TensorBuffer> = stub()

    @Throws(LiteRtException::class)
    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = stub()

    @Throws(LiteRtException::class)
    fun createOutputBuffers(signature: String): List<TensorBuffer> = stub()

    @Throws(LiteRtException::class)
    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, signatureIndex: Int = 0): List<TensorBuffer> = stub()

    @Throws(LiteRtException::class)
    fun run(inputs: List<TensorBuffer>, signature: String): List<TensorBuffer> = stub()

    @Throws(LiteRtException::class)
    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0): Unit = stub()

    @Throws(LiteRtException::class)
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signature: String): Unit = stub()

    @Throws(LiteRtException::class)
    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = ""): Unit =
        player().run(live(), inputs.mapValues { it.value.live() }, outputs.mapValues { it.value.live() }, signature)

    fun getInputTensorType(inputName: String, signature: String = ""): TensorType = stub()

    fun getOutputTensorType(outputName: String, signature: String = ""): TensorType = stub()

    override fun destroy(): Unit = stub()

    companion object {
        @Throws(LiteRtException::class)
        @JvmStatic
        @JvmOverloads
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ): CompiledModel = stub()

        @Throws(LiteRtException::class)
        @JvmStatic
        @JvmOverloads
        fun create(filePath: String, options: Options = Options.CPU, optionalEnv: Environment? = null): CompiledModel =
            CompiledModel(player().open(filePath, options.accelerators, options))
    }
}
