package org.iastexport.engine

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.TensorInfo
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.Landmarks
import org.iastexport.core.Layout
import org.iastexport.core.Picture
import org.iastexport.core.PixelCodec
import org.iastexport.core.Point
import org.iastexport.core.Resize
import org.iastexport.core.Role
import org.iastexport.core.Runtime
import java.nio.FloatBuffer

/** The bundle's facial landmark network, where it has one. */
public object LandmarkEngine {
    /**
     * The 68 landmarks of the face that fills [face], a square, in its pixels; null where the bundle has no network.
     *
     * @throws BundleException the network is altered, or returned something else.
     */
    public fun find(bundle: Bundle, face: Picture): List<Point>? {
        val file = bundle.manifest.only(Role.LANDMARKS, Runtime.ONNXRUNTIME) ?: return null
        val environment = OrtEnvironment.getEnvironment()
        environment.createSession(bundle.file(file.path).path).use { session ->
            val (name, node) = session.inputInfo.entries.first()
            val shape = (node.info as TensorInfo).shape
            val side = shape.last().toInt()
            val values = PixelCodec.toTensor(Resize.to(face.opaque(), side, side), Layout.NCHW)
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), shape).use { input ->
                session.run(mapOf(name to input)).use { results ->
                    val buffer = (results.get(0) as OnnxTensor).floatBuffer
                    val found = FloatArray(buffer.remaining()).also { buffer.get(it) }
                    if (found.size != 2 * Landmarks.COUNT || found.any { it.isNaN() }) {
                        throw BundleException("${file.path} returned ${found.size} numbers, ${2 * Landmarks.COUNT} were needed")
                    }
                    return List(Landmarks.COUNT) { Point(found[2 * it].toDouble() * face.widthPx, found[2 * it + 1].toDouble() * face.heightPx) }
                }
            }
        }
    }
}
