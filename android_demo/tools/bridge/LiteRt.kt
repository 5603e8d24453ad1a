package org.iastexport.bridge

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.Player
import com.google.ai.edge.litert.Status
import java.io.File

/** LiteRT behind the stubs' signatures, played by Python's; stricter than the real one about threads. */
object PlayedLiteRt : Player {
    private class Model(val path: String) {
        val owner: Thread = Thread.currentThread()
    }

    private class Buffer(val dtype: String, val size: Int) {
        var values: Any? = null
    }

    private fun refuse(message: String): Nothing = throw LiteRtException(Status.ErrorRuntimeFailure, message)

    private fun ask(vararg words: String): List<String> = try {
        Bridge.ask(*words)
    } catch (error: IllegalStateException) {
        refuse(error.message.orEmpty())
    }

    private fun confined(model: Any): String {
        model as Model
        if (Thread.currentThread() !== model.owner) refuse("the model is used by another thread than the one that made it")
        return model.path
    }

    override fun open(path: String, accelerators: Set<Accelerator>, options: CompiledModel.Options): Any {
        val gpu = options.gpuOptions?.run { "$serializationDir $modelCacheKey $serializeProgramCache" }
        ask("litert-open", path, accelerators.joinToString(","), options.cpuOptions?.numThreads.toString(), gpu ?: "none")
        return Model(path).also { Bridge.open.incrementAndGet() }
    }

    override fun buffer(model: Any, isInput: Boolean, name: String, signature: String): Any {
        val (dtype, size) = ask("litert-buffer", confined(model), signature, if (isInput) "input" else "output", name)
        return Buffer(dtype, size.toInt()).also { Bridge.open.incrementAndGet() }
    }

    override fun run(model: Any, inputs: Map<String, Any>, outputs: Map<String, Any>, signature: String) {
        val folder = Bridge.tensors()
        for ((name, buffer) in inputs) save(buffer as Buffer, File(folder, name))
        ask("litert-run", confined(model), signature, folder.path, inputs.keys.joinToString(","), outputs.keys.joinToString(","))
        for ((name, buffer) in outputs) load(buffer as Buffer, File(folder, name))
    }

    override fun write(buffer: Any, values: Any) {
        buffer as Buffer
        buffer.values = checked(buffer, if (values is FloatArray) values.copyOf() else (values as ByteArray).copyOf())
    }

    override fun read(buffer: Any): Any = (buffer as Buffer).values ?: refuse("the buffer holds nothing")

    override fun close(handle: Any) {
        if (handle is Model) confined(handle)
        Bridge.open.decrementAndGet()
    }

    private fun checked(buffer: Buffer, values: Any): Any {
        val (dtype, size) = if (values is FloatArray) "float32" to values.size else "int8" to (values as ByteArray).size
        if (dtype != buffer.dtype || size != buffer.size) refuse("$size values of $dtype for a tensor of ${buffer.size} ${buffer.dtype}")
        return values
    }

    private fun save(buffer: Buffer, file: File) = when (val values = buffer.values ?: refuse("${file.name} was not written")) {
        is FloatArray -> Bridge.write(file, values)
        else -> file.writeBytes(values as ByteArray)
    }

    private fun load(buffer: Buffer, file: File) =
        write(buffer, if (buffer.dtype == "int8") file.readBytes() else Bridge.read(file))
}
