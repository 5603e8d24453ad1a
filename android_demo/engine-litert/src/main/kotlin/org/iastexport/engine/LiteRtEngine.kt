package org.iastexport.engine

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import org.iastexport.core.Accelerator as PromisedBy
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.Confined
import org.iastexport.core.Edge
import org.iastexport.core.Lane
import org.iastexport.core.Layout
import org.iastexport.core.Lifted
import org.iastexport.core.LiftedProgram
import org.iastexport.core.LiftedTable
import org.iastexport.core.LiftedTier
import org.iastexport.core.ModelFile
import org.iastexport.core.Moments
import org.iastexport.core.PixelCodec
import org.iastexport.core.Role
import org.iastexport.core.Runtime
import org.iastexport.core.ShapeTable
import org.iastexport.core.StyleEngine
import org.iastexport.core.StylePipeline
import org.iastexport.core.Tier
import java.io.File

/**
 * LiteRT's CompiledModel: all tiers in one file, one signature each, buffers made once per tier.
 *
 * @param gpu asks for the GPU alone. Where the GPU refuses the model, [fallback] decides: with it the
 *   CPU computes and [accelerator] says so; without it the engine can't be opened. A file that the bundle promises
 *   no GPU for is then computed by the CPU at once, or tried strictly; either is said.
 * @param cache a folder of the app's own where the GPU's compiled programs are kept for the next opening.
 * @throws BundleException the bundle has no such lane, or the accelerator refuses it.
 */
public class LiteRtEngine(
    private val bundle: Bundle,
    override val lane: Lane,
    private val threads: Int,
    gpu: Boolean = false,
    fallback: Boolean = false,
    private val cache: File? = null,
) : StyleEngine {
    override val layout = Layout.NHWC
    override val accelerator: String
    private val confined = Confined("iast-litert")
    private val file: ModelFile = bundle.manifest.transfer(lane, bundle.manifest.tiers.first())
        ?: throw BundleException("the bundle has no model for $lane; choose another precision")
    private val model: CompiledModel
    private val tiers = HashMap<String, Buffers>()
    private val shapes = LinkedHashMap<String, Shaped>()
    private val programs = LinkedHashMap<String, Shaped>()
    private val statistics: LiftedTable? by lazy { file.statistics?.let { LiftedTable.parse(bundle.file(it).readText()) } }
    private var encoder: Encoder? = null

    init {
        require(lane.runtime == Runtime.LITERT) { "$lane is not LiteRT's" }
        val path = bundle.file(file.path).path
        val (opened, words) = try {
            confined.call { open(path, gpu, fallback) }
        } catch (error: Throwable) {
            confined.close()
            throw error
        }
        model = opened
        accelerator = words
    }

    private fun open(path: String, gpu: Boolean, fallback: Boolean): Pair<CompiledModel, String> {
        if (!gpu) return onCpu(path) to "cpu"
        val doubt = file.doubt(PromisedBy.GPU)
        if (doubt != null && fallback && file.accelerators.isNotEmpty()) return onCpu(path) to "cpu ($doubt)"
        try {
            return onGpu(path, file.sha256) to if (doubt == null) "gpu" else "gpu ($doubt)"
        } catch (error: Exception) {
            if (!fallback) throw BundleException("the GPU refuses ${file.path}: ${error.message}; choose the CPU", error)
            return onCpu(path) to "cpu (the GPU refused: ${error.message})"
        }
    }

    /** Programs are kept under the model's hash, so that another model of the same name never meets them. */
    private fun onGpu(path: String, key: String): CompiledModel {
        val options = CompiledModel.Options(Accelerator.GPU)
        val kept = cache?.takeIf { it.isDirectory || it.mkdirs() }
        if (kept != null) {
            options.gpuOptions = CompiledModel.GpuOptions(
                serializationDir = kept.path,
                modelCacheKey = key,
                serializeProgramCache = true,
            )
        }
        return CompiledModel.create(path, options)
    }

    private fun onCpu(path: String): CompiledModel {
        val options = CompiledModel.Options(Accelerator.CPU)
        options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
        return CompiledModel.create(path, options)
    }

    override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray {
        val isOwn = heightPx == tier.heightPx && widthPx == tier.widthPx
        require(isOwn || !tier.isFixed(lane.runtime)) { "${tier.id} takes ${tier.widthPx}x${tier.heightPx} px" }
        return confined.call {
            val ready = if (isOwn) null else shaped(tier, heightPx, widthPx)
            val buffers = ready?.buffers ?: tiers.getOrPut(tier.id) { buffersOf(model, tier) }
            val running = ready?.model ?: model
            buffers.write("content", content)
            for ((input, values) in bundle.manifest.split(code)) buffers.write(input.name, values)
            if (bundle.manifest.takesStrength) buffers.write("strength", floatArrayOf(strength))
            running.run(buffers.inputs, buffers.outputs, buffers.signature)
            buffers.read("stylized")
        }
    }

    override fun encodeStyle(style: FloatArray): FloatArray = confined.call {
        val ready = encoder ?: openEncoder().also { encoder = it }
        ready.buffers.write("style", style)
        ready.model.run(ready.buffers.inputs, ready.buffers.outputs, ready.buffers.signature)
        bundle.manifest.codes.map { ready.buffers.read(it.name) }.reduce { a, b -> a + b }
    }

    /** Means lose too much in a GPU's FP16, so that the CPU alone lifts them. */
    override fun lifted(tier: Tier, code: FloatArray, strength: Float): Lifted? {
        val facts = (if (accelerator.startsWith("cpu")) statistics else null)?.find(bundle.manifest.signature(file, tier))
        return facts?.let { LiftedSignature(tier, it, code, strength) }
    }

    /** The tier's signature at another shape, as the model's table says; the last few stay open. */
    private fun shaped(tier: Tier, heightPx: Int, widthPx: Int): Shaped =
        kept(shapes, "${tier.id}-$heightPx-$widthPx", MOST_SHAPES) { key ->
            val table = ShapeTable.parse(bundle.file(file.shapes ?: throw BundleException("${file.path} has no table of shapes")).readText())
            val bytes = table.reshape(bundle.file(file.path).readBytes(), bundle.manifest.signature(file, tier), heightPx, widthPx)
            opened(bytes, key) { buffersOf(it, tier) }
        }

    private fun kept(open: LinkedHashMap<String, Shaped>, key: String, most: Int, make: (String) -> Shaped): Shaped {
        open.remove(key)?.let { return it.also { open[key] = it } }
        while (open.size >= most) open.remove(open.keys.first())?.close()
        return make(key).also { open[key] = it }
    }

    private fun opened(bytes: ByteArray, key: String, buffers: (CompiledModel) -> Buffers): Shaped {
        val kept = File.createTempFile("iast-shape-", null, cache?.takeIf { it.isDirectory || it.mkdirs() })
        try {
            kept.writeBytes(bytes)
            val opened = if (accelerator.startsWith("gpu")) onGpu(kept.path, "${file.sha256}-$key") else onCpu(kept.path)
            return Shaped(opened, buffers(opened), kept)
        } catch (error: Throwable) {
            kept.delete()
            throw error
        }
    }

    /** One of a tier's programs for tiles of a shape; a large tile's need the memory of all others. */
    private fun program(program: LiftedProgram, base: String, most: Int, heightPx: Int, widthPx: Int): Shaped =
        kept(programs, "${program.key}-$heightPx-$widthPx", if (heightPx * widthPx > LARGE_TILE_PX) 1 else most) { key ->
            val bytes = statistics!!.reshape(bundle.file(file.path).readBytes(), program, heightPx, widthPx)
            opened(bytes, key) { Buffers(it, file, program.key, program.inputs, program.outputs, base) }
        }

    /** A tier's signature with its statistics lifted out, in one style. */
    private inner class LiftedSignature(
        tier: Tier,
        private val facts: LiftedTier,
        private val code: FloatArray,
        private val strength: Float,
    ) : Lifted {
        override val levels = facts.measure.size
        override val haloPx = facts.haloPx
        override val multiplePx = facts.multiplePx
        override val layout = this@LiteRtEngine.layout
        private val base = bundle.manifest.signature(file, tier)

        override fun measure(tile: StylePipeline.Prepared, weight: FloatArray, moments: Moments, level: Int): Moments =
            run(facts.measure[level], tile, moments, weight)

        override fun render(tile: StylePipeline.Prepared, moments: Moments): FloatArray =
            run(facts.render, tile, moments, null).getValue("stylized")

        private fun run(program: LiftedProgram, tile: StylePipeline.Prepared, moments: Moments, weight: FloatArray?): Moments = confined.call {
            val ready = program(program, base, levels + 1, tile.heightPx, tile.widthPx)
            for (name in program.inputs) {
                val values = when (name) {
                    "content" -> tile.values
                    "pixel_weight" -> weight!!
                    "strength" -> floatArrayOf(strength)
                    else -> moments[name] ?: bundle.manifest.split(code).entries.first { it.key.name == name }.value
                }
                ready.buffers.write(name, values)
            }
            ready.model.run(ready.buffers.inputs, ready.buffers.outputs, ready.buffers.signature)
            program.outputs.associateWith { ready.buffers.read(it) }
        }
    }

    private fun buffersOf(model: CompiledModel, tier: Tier): Buffers {
        val names = bundle.manifest.codes.map { it.name } + if (bundle.manifest.takesStrength) listOf("strength") else emptyList()
        return Buffers(model, file, bundle.manifest.signature(file, tier), listOf("content") + names, listOf("stylized"))
    }

    private fun openEncoder(): Encoder {
        val found = bundle.manifest.only(Role.STYLE_ENCODER, Runtime.LITERT)
            ?: throw BundleException("this bundle has no style encoder; choose one of its styles")
        val opened = onCpu(bundle.file(found.path).path)
        return Encoder(opened, Buffers(opened, found, found.signatures.first(), listOf("style"), bundle.manifest.codes.map { it.name }))
    }

    override fun close() = confined.close {
        tiers.values.forEach { it.close() }
        (shapes.values + programs.values).forEach { it.close() }
        encoder?.let {
            it.buffers.close()
            it.model.close()
        }
        model.close()
    }

    /** A tier at a shape of its own, and the file that it was opened from. */
    private class Shaped(val model: CompiledModel, val buffers: Buffers, private val file: File) {
        fun close() {
            buffers.close()
            model.close()
            file.delete()
        }
    }

    private class Encoder(val model: CompiledModel, val buffers: Buffers)

    /** The buffers of one signature, in the types that the manifest says of it, or of the one that it was made from. */
    private inner class Buffers(
        model: CompiledModel,
        file: ModelFile,
        val signature: String,
        inputNames: List<String>,
        outputNames: List<String>,
        base: String = signature,
    ) {
        val inputs: Map<String, TensorBuffer> = inputNames.associateWith { model.createInputBuffer(it, signature) }
        val outputs: Map<String, TensorBuffer> = outputNames.associateWith { model.createOutputBuffer(it, signature) }
        // What was lifted out is in no manifest: it is float32.
        private val edges: Map<String, Edge> = (inputNames + outputNames).filter { base == signature || bundle.manifest.hasEdge(file, base, it) }
            .associateWith { bundle.manifest.edge(file, base, it) }

        fun write(name: String, values: FloatArray) {
            val (scale, zeroPoint) = integers(name) ?: return inputs.getValue(name).writeFloat(values)
            inputs.getValue(name).writeInt8(PixelCodec.quantize(values, scale, zeroPoint))
        }

        fun read(name: String): FloatArray {
            val (scale, zeroPoint) = integers(name) ?: return outputs.getValue(name).readFloat()
            return PixelCodec.dequantize(outputs.getValue(name).readInt8(), scale, zeroPoint)
        }

        private fun integers(name: String): Pair<Float, Int>? {
            val edge = edges[name] ?: return null
            return when (edge.dtype) {
                "float32" -> null
                "int8" -> (edge.scale ?: 1f) to (edge.zeroPoint ?: 0)
                else -> throw BundleException("${edge.path}: $name is ${edge.dtype}, which LiteRT on Android doesn't take; update the app")
            }
        }

        fun close() = (inputs.values + outputs.values).forEach { it.close() }
    }

    private companion object {
        /** Upright and lying pictures of one format; each holds a model's memory. */
        const val MOST_SHAPES = 2

        /** Of a tile whose programs are open one at a time; chosen: a frame's are smaller, a photograph's tile larger. */
        const val LARGE_TILE_PX = 512 * 512
    }
}
