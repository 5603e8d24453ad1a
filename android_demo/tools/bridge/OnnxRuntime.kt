/** The calls of ONNX Runtime's Java API that the engine uses, played by the bridge. */
@file:Suppress("UNUSED_PARAMETER", "unused")

package ai.onnxruntime

import org.iastexport.bridge.Bridge
import java.io.File
import java.nio.FloatBuffer

class OrtException(message: String) : Exception(message)

private fun ask(vararg words: String): List<String> = try {
    Bridge.ask(*words)
} catch (error: IllegalStateException) {
    throw OrtException(error.message.orEmpty())
}

interface ValueInfo

class TensorInfo internal constructor(private val sides: LongArray) : ValueInfo {
    fun getShape(): LongArray = sides
}

class NodeInfo(private val name: String, private val about: ValueInfo) {
    fun getInfo(): ValueInfo = about
}

interface OnnxValue : AutoCloseable {
    override fun close()
}

abstract class OnnxTensorLike : OnnxValue

class OnnxTensor internal constructor(internal val values: FloatArray, internal val sides: LongArray) : OnnxTensorLike() {
    private var closed = false

    init {
        Bridge.open.incrementAndGet()
    }

    fun getFloatBuffer(): FloatBuffer = FloatBuffer.wrap(values.copyOf())

    override fun close() {
        check(!closed) { "the tensor is closed twice" }
        closed = true
        Bridge.open.decrementAndGet()
    }

    companion object {
        @JvmStatic
        fun createTensor(environment: OrtEnvironment, data: FloatBuffer, shape: LongArray): OnnxTensor {
            val values = FloatArray(data.remaining()).also { data.get(it) }
            if (values.size.toLong() != shape.fold(1L, Long::times)) throw OrtException("${values.size} values for ${shape.toList()}")
            return OnnxTensor(values, shape)
        }
    }
}

class OrtEnvironment private constructor() : AutoCloseable {
    fun createSession(path: String): OrtSession = createSession(path, OrtSession.SessionOptions())

    fun createSession(path: String, options: OrtSession.SessionOptions): OrtSession {
        ask("onnx-open", path, options.threads.toString(), options.entries.toString())
        return OrtSession(path)
    }

    override fun close() = Unit

    companion object {
        private val ONE = OrtEnvironment()

        @JvmStatic
        fun getEnvironment(): OrtEnvironment = ONE
    }
}

class OrtSession internal constructor(private val path: String) : AutoCloseable {
    class SessionOptions : AutoCloseable {
        internal var threads = 0
        internal val entries = HashMap<String, String>()

        fun setIntraOpNumThreads(count: Int) {
            threads = count
        }

        fun setInterOpNumThreads(count: Int) = check(count == 1)

        fun addConfigEntry(key: String, value: String) {
            entries[key] = value
        }

        override fun close() = Unit
    }

    class Result internal constructor(private val held: Map<String, OnnxValue>) : AutoCloseable, Iterable<Map.Entry<String, OnnxValue>> {
        fun get(index: Int): OnnxValue = held.values.toList()[index]

        override fun iterator(): Iterator<Map.Entry<String, OnnxValue>> = held.entries.iterator()

        override fun close() = held.values.forEach { it.close() }
    }

    init {
        Bridge.open.incrementAndGet()
    }

    fun getInputInfo(): Map<String, NodeInfo> = ask("onnx-inputs", path).associate { word ->
        val (name, sides) = word.split('=')
        name to NodeInfo(name, TensorInfo(sides.split('x').map { it.toLong() }.toLongArray()))
    }

    fun run(inputs: Map<String, OnnxTensorLike>): Result = run(inputs, emptySet())

    fun run(inputs: Map<String, OnnxTensorLike>, requestedOutputs: Set<String>): Result {
        val folder = Bridge.tensors()
        val shapes = inputs.map { (name, tensor) ->
            Bridge.write(File(folder, name), (tensor as OnnxTensor).values)
            "$name=${tensor.sides.joinToString("x")}"
        }
        val made = ask("onnx-run", path, folder.path, shapes.joinToString(","), requestedOutputs.joinToString(","))
        return Result(made.associateWith { Bridge.read(File(folder, it)) }.mapValues { OnnxTensor(it.value, longArrayOf(it.value.size.toLong())) })
    }

    override fun close() {
        Bridge.open.decrementAndGet()
    }
}
