package org.iastexport.demo

import org.iastexport.core.Accelerator
import org.iastexport.core.Attempt
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.Files
import org.iastexport.core.Lane
import org.iastexport.core.Runtime
import org.iastexport.core.StyleEngine
import org.iastexport.engine.LiteRtEngine
import org.iastexport.engine.OnnxEngine
import java.io.File

/**
 * How engines are opened; a bundle's lane decides which one.
 *
 * @property cache a folder of the app's own where the GPU's compiled programs are kept; null compiles them at every opening.
 */
data class EngineChoice(
    val threads: Int,
    val gpu: Boolean = false,
    val fallback: Boolean = false,
    val dispatch: Boolean = false,
    val cache: File? = null,
)

/** The engine that an attempt of a check asks for, and no other: what can't be had is refused. */
fun openEngine(bundle: Bundle, attempt: Attempt, threads: Int, cache: File? = null): StyleEngine = openEngine(
    bundle,
    attempt.lane,
    EngineChoice(threads, gpu = attempt.accelerator == Accelerator.GPU, dispatch = attempt.files == Files.DISPATCH, cache = cache),
)

/**
 * The engine for a lane of [bundle].
 *
 * @throws BundleException the bundle has no such lane, or the accelerator that was asked for can't compute it.
 */
fun openEngine(bundle: Bundle, lane: Lane, choice: EngineChoice): StyleEngine = when (lane.runtime) {
    Runtime.LITERT -> LiteRtEngine(bundle, lane, choice.threads, choice.gpu, choice.fallback, choice.cache)
    Runtime.ONNXRUNTIME -> {
        if (choice.gpu && !choice.fallback) {
            throw BundleException("ONNX Runtime computes on the CPU alone here; choose the CPU, or a LiteRT model")
        }
        OnnxEngine(bundle, lane, choice.threads, choice.dispatch, if (choice.gpu) "cpu (ONNX Runtime takes no GPU here)" else "cpu")
    }
}
