package org.iastexport.demo

import android.content.Context
import android.graphics.ImageFormat
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import org.iastexport.core.CameraFrames
import org.iastexport.core.CameraPlane
import org.iastexport.core.NewestFrame
import org.iastexport.core.Picture
import java.io.Closeable
import java.io.IOException

/**
 * Frames of the back camera, upright, into [frames]; by Android's own Camera2, which needs no library. What goes wrong
 * is told to [failed], on a thread of the camera's.
 */
class Camera(context: Context, private val frames: NewestFrame<Picture>, private val failed: (Throwable) -> Unit) : Closeable {
    private val manager = context.getSystemService(Context.CAMERA_SERVICE) as CameraManager
    private val thread = HandlerThread("iast-camera").apply { start() }
    private val handler = Handler(thread.looper)
    private var reader: ImageReader? = null
    private var device: CameraDevice? = null
    private var degrees = 0
    private var isClosed = false

    /**
     * Opens the camera; frames come a little later.
     *
     * @param sidePx what the longest side should have at least.
     * @param turned how far the screen is turned, in degrees.
     * @throws SecurityException the person has not allowed it.
     * @throws IOException there is no camera that gives frames.
     */
    fun open(sidePx: Int, turned: Int) {
        val id = manager.cameraIdList.firstOrNull { facing(it) == CameraCharacteristics.LENS_FACING_BACK }
            ?: manager.cameraIdList.firstOrNull() ?: throw IOException("no camera")
        val facts = manager.getCameraCharacteristics(id)
        val sizes = facts.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty()
        val (width, height) = CameraFrames.size(sizes.map { it.width to it.height }, sidePx) ?: throw IOException("no frames")
        degrees = (facts.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0) - turned
        val made = ImageReader.newInstance(width, height, ImageFormat.YUV_420_888, IMAGES)
        made.setOnImageAvailableListener({ source -> source.acquireLatestImage()?.use { frames.offer(read(it)) } }, handler)
        reader = made
        manager.openCamera(id, Opening(made), handler)
    }

    private fun facing(id: String): Int? = manager.getCameraCharacteristics(id).get(CameraCharacteristics.LENS_FACING)

    private fun read(image: Image): Picture {
        val (y, u, v) = image.planes.map { plane ->
            CameraPlane(ByteArray(plane.buffer.remaining()).also { plane.buffer.get(it) }, plane.rowStride, plane.pixelStride)
        }
        return CameraFrames.picture(y, u, v, image.width, image.height, degrees)
    }

    private inner class Opening(private val reader: ImageReader) : CameraDevice.StateCallback() {
        @Suppress("DEPRECATION") // its successor came with Android 9
        override fun onOpened(camera: CameraDevice) {
            if (isClosed) return camera.close()
            device = camera
            camera.createCaptureSession(listOf(reader.surface), Session(camera, reader), handler)
        }

        override fun onDisconnected(camera: CameraDevice) = camera.close()

        override fun onError(camera: CameraDevice, error: Int) {
            camera.close()
            failed(IOException("camera error $error"))
        }
    }

    private inner class Session(private val camera: CameraDevice, private val reader: ImageReader) : CameraCaptureSession.StateCallback() {
        override fun onConfigured(session: CameraCaptureSession) {
            if (isClosed) return
            val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_RECORD).apply { addTarget(reader.surface) }
            session.setRepeatingRequest(request.build(), null, handler)
        }

        override fun onConfigureFailed(session: CameraCaptureSession) = failed(IOException("the camera refuses its own size"))
    }

    override fun close() {
        handler.post {
            isClosed = true
            device?.close()
            reader?.close()
            thread.quitSafely()
        }
    }

    private companion object {
        /** The one that is read, and the one that is filled. */
        const val IMAGES = 2
    }
}
