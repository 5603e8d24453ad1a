/** LiteRT played by the bridge, with the signatures of the stubs; stricter than they, as the real one is. */
@file:Suppress("unused")

package com.google.ai.edge.litert

import org.iastexport.bridge.Bridge
import java.io.File

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

class Environment private constructor() : AutoCloseable {
    override fun close() = Unit
}

private fun ask(vararg words: String): List<String> = try {
    Bridge.ask(*words)
} catch (error: IllegalStateException) {
    throw LiteRtException(error.message.orEmpty())
}

private fun must(condition: Boolean, message: () -> String) {
    if (!condition) throw LiteRtException(message())
}

class TensorBuffer internal constructor(private val dtype: String, private val size: Int) : AutoCloseable {
    private var floats: FloatArray? = null
    private var bytes: ByteArray? = null
    private var closed = false

    init {
        Bridge.open.incrementAndGet()
    }

    private fun check(wanted: String, length: Int) {
        must(!closed) { "the buffer is closed" }
        must(dtype == wanted && length == size) { "$length values of $wanted for a tensor of $size $dtype" }
    }

    fun writeFloat(data: FloatArray) {
        check("float32", data.size)
        floats = data.copyOf()
    }

    fun writeInt8(data: ByteArray) {
        check("int8", data.size)
        bytes = data.copyOf()
    }

    fun readFloat(): FloatArray = floats!!.copyOf().also { check("float32", it.size) }

    fun readInt8(): ByteArray = bytes!!.copyOf().also { check("int8", it.size) }

    internal fun save(file: File) {
        must(!closed) { "the buffer is closed" }
        if (dtype == "int8") file.writeBytes(bytes!!) else Bridge.write(file, floats!!)
    }

    internal fun load(file: File) = if (dtype == "int8") writeInt8(file.readBytes()) else writeFloat(Bridge.read(file))

    override fun close() {
        must(!closed) { "the buffer is closed twice" }
        closed = true
        Bridge.open.decrementAndGet()
    }
}

class CompiledModel private constructor(private val path: String) : AutoCloseable {
    private val owner = Thread.currentThread()
    private var closed = false

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

        fun words() = "$serializationDir $modelCacheKey $serializeProgramCache"
    }

    class Options(internal vararg val accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null
    }

    init {
        Bridge.open.incrementAndGet()
    }

    private fun confined() {
        must(!closed) { "the model is closed" }
        must(Thread.currentThread() === owner) { "the model is used by another thread than the one that made it" }
    }

    fun createInputBuffer(inputName: String, signature: String = ""): TensorBuffer = buffer("input", inputName, signature)

    fun createOutputBuffer(outputName: String, signature: String = ""): TensorBuffer = buffer("output", outputName, signature)

    private fun buffer(side: String, name: String, signature: String): TensorBuffer {
        confined()
        val (dtype, size) = ask("litert-buffer", path, signature, side, name)
        return TensorBuffer(dtype, size.toInt())
    }

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String = "") {
        confined()
        val folder = Bridge.tensors()
        inputs.forEach { (name, buffer) -> buffer.save(File(folder, name)) }
        ask("litert-run", path, signature, folder.path, inputs.keys.joinToString(","), outputs.keys.joinToString(","))
        outputs.forEach { (name, buffer) -> buffer.load(File(folder, name)) }
    }

    override fun close() {
        confined()
        closed = true
        Bridge.open.decrementAndGet()
    }

    companion object {
        fun create(filePath: String, options: Options = Options(Accelerator.CPU), optionalEnv: Environment? = null): CompiledModel {
            ask("litert-open", filePath, options.accelerators.joinToString(","), options.cpuOptions?.numThreads.toString(), options.gpuOptions?.words() ?: "none")
            return CompiledModel(filePath)
        }
    }
}
