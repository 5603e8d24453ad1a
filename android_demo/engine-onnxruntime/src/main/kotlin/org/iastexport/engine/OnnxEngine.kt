package org.iastexport.engine

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.Confined
import org.iastexport.core.Lane
import org.iastexport.core.Layout
import org.iastexport.core.ModelFile
import org.iastexport.core.Role
import org.iastexport.core.Runtime
import org.iastexport.core.StyleEngine
import org.iastexport.core.Tier
import org.iastexport.core.TierRule
import java.nio.FloatBuffer

/**
 * ONNX Runtime on the CPU: one file per tier, or the dispatching file that chooses the depth by itself.
 *
 * @param dispatch takes the dispatching file: one session for all tiers, which chooses by size and so takes
 *   no tier that was chosen by hand.
 * @throws BundleException the bundle has no such lane, or ONNX Runtime refuses a file.
 */
public class OnnxEngine(
    private val bundle: Bundle,
    override val lane: Lane,
    private val threads: Int,
    private val dispatch: Boolean = false,
    override val accelerator: String = "cpu",
) : StyleEngine {
    override val layout = Layout.NCHW
    private val confined = Confined("iast-onnxruntime")
    private val environment = OrtEnvironment.getEnvironment()
    private val sessions = HashMap<String, OrtSession>()

    init {
        require(lane.runtime == Runtime.ONNXRUNTIME) { "$lane is not ONNX Runtime's" }
        fileFor(bundle.manifest.tiers.first())
    }

    private fun fileFor(tier: Tier): ModelFile {
        val dispatching = bundle.manifest.files.firstOrNull {
            it.role == Role.DISPATCH && it.runtime == lane.runtime && it.precision == lane.precision
        }
        return (if (dispatch) dispatching else bundle.manifest.transfer(lane, tier))
            ?: throw BundleException("the bundle has no model for $lane; choose another precision")
    }

    override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray =
        confined.call {
            if (dispatch && TierRule.select(bundle.manifest.tiers, widthPx, heightPx) != tier) {
                throw BundleException("the file for all tiers chooses the tier by size; leave the choice to it, or take the files per tier")
            }
            val feeds = HashMap<String, OnnxTensor>()
            try {
                feeds["content"] = tensor(content, longArrayOf(1, 3, heightPx.toLong(), widthPx.toLong()))
                for ((input, values) in bundle.manifest.split(code)) feeds[input.name] = tensor(values, input.shape.map { it.toLong() }.toLongArray())
                if (bundle.manifest.takesStrength) feeds["strength"] = tensor(floatArrayOf(strength), longArrayOf(1, 1))
                read(session(fileFor(tier)), feeds, listOf("stylized"))
            } finally {
                feeds.values.forEach { it.close() }
            }
        }

    override fun encodeStyle(style: FloatArray): FloatArray = confined.call {
        val file = bundle.manifest.only(Role.STYLE_ENCODER, Runtime.ONNXRUNTIME)
            ?: throw BundleException("this bundle has no style encoder; choose one of its styles")
        val side = bundle.manifest.styleSidePx.toLong()
        tensor(style, longArrayOf(1, 3, side, side)).use { picture ->
            read(session(file), mapOf("style" to picture), bundle.manifest.codes.map { it.name })
        }
    }

    private fun tensor(values: FloatArray, shape: LongArray): OnnxTensor =
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), shape)

    private fun session(file: ModelFile): OrtSession = sessions.getOrPut(file.path) {
        OrtSession.SessionOptions().use { options ->
            options.setIntraOpNumThreads(threads)
            options.setInterOpNumThreads(1)
            // Without it, 8-bit products saturate on x86 processors (emulators) that lack VNNI. Arm ignores it.
            options.addConfigEntry("session.x64quantprecision", "1")
            try {
                environment.createSession(bundle.file(file.path).path, options)
            } catch (error: OrtException) {
                throw BundleException("ONNX Runtime refuses ${file.path}: ${error.message}; update the app or the bundle", error)
            }
        }
    }

    private fun read(session: OrtSession, feeds: Map<String, OnnxTensor>, names: List<String>): FloatArray =
        session.run(feeds, names.toSet()).use { results ->
            names.map { name ->
                // Not Result.get(name): its Optional is younger than the oldest Android that is checked against.
                val buffer = (results.first { it.key == name }.value as OnnxTensor).floatBuffer
                FloatArray(buffer.remaining()).also { buffer.get(it) }
            }.reduce { a, b -> a + b }
        }

    override fun close() = confined.close {
        sessions.values.forEach { it.close() }
    }
}
