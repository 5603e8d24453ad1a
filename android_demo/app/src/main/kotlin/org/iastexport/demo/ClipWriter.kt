package org.iastexport.demo

import android.graphics.Bitmap
import android.graphics.Paint
import android.graphics.Rect
import android.media.MediaCodec
import android.media.MediaCodecInfo
import android.media.MediaFormat
import android.media.MediaMuxer
import android.view.Surface
import java.io.Closeable
import java.io.File

/** Painted frames as an MP4 file of the first one's size; each is shown until the next one came. One thread at a time. */
class ClipWriter(file: File, first: Bitmap) : Closeable {
    private val width = first.width and 1.inv() // encoders take even sides
    private val height = first.height and 1.inv()
    private val codec = MediaCodec.createEncoderByType(MediaFormat.MIMETYPE_VIDEO_AVC)
    private val muxer = MediaMuxer(file.path, MediaMuxer.OutputFormat.MUXER_OUTPUT_MPEG_4)
    private val surface: Surface
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val info = MediaCodec.BufferInfo()
    private var track = NONE

    init {
        val format = MediaFormat.createVideoFormat(MediaFormat.MIMETYPE_VIDEO_AVC, width, height)
        format.setInteger(MediaFormat.KEY_COLOR_FORMAT, MediaCodecInfo.CodecCapabilities.COLOR_FormatSurface)
        format.setInteger(MediaFormat.KEY_BIT_RATE, width * height * BITS_PER_PIXEL)
        format.setInteger(MediaFormat.KEY_FRAME_RATE, FRAMES_PER_SECOND)
        format.setInteger(MediaFormat.KEY_I_FRAME_INTERVAL, 1)
        codec.configure(format, null, null, MediaCodec.CONFIGURE_FLAG_ENCODE)
        surface = codec.createInputSurface()
        codec.start()
    }

    fun add(frame: Bitmap) {
        val canvas = surface.lockHardwareCanvas() // an encoder takes no other
        canvas.drawBitmap(frame, null, Rect(0, 0, width, height), smooth)
        surface.unlockCanvasAndPost(canvas)
        drain(false)
    }

    /** Writes what the encoder has; at the [end], all that it will have. */
    private fun drain(end: Boolean) {
        while (true) {
            val index = codec.dequeueOutputBuffer(info, if (end) WAIT_US else 0L)
            if (index == MediaCodec.INFO_OUTPUT_FORMAT_CHANGED) {
                track = muxer.addTrack(codec.outputFormat)
                muxer.start()
            } else if (index == MediaCodec.INFO_TRY_AGAIN_LATER) {
                if (!end) return
            } else if (index >= 0) {
                val isSetup = info.flags and MediaCodec.BUFFER_FLAG_CODEC_CONFIG != 0 // the muxer has it with the format
                if (!isSetup && info.size > 0) codec.getOutputBuffer(index)?.let { muxer.writeSampleData(track, it, info) }
                codec.releaseOutputBuffer(index, false)
                if (info.flags and MediaCodec.BUFFER_FLAG_END_OF_STREAM != 0) return
            }
        }
    }

    /** Ends the file. */
    override fun close() {
        try {
            codec.signalEndOfInputStream()
            drain(true)
            muxer.stop()
        } finally {
            codec.release()
            surface.release()
            muxer.release()
        }
    }

    private companion object {
        const val NONE = -1
        const val BITS_PER_PIXEL = 8
        const val FRAMES_PER_SECOND = 15
        const val WAIT_US = 10_000L
    }
}
