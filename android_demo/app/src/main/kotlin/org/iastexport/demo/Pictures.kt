package org.iastexport.demo

import android.content.ContentValues
import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import org.iastexport.core.Picture
import java.io.File
import java.io.IOException
import java.io.OutputStream

/** A picture that can't be decoded. */
class UnreadablePicture : IOException()

/** Pixels of a core picture as Android shows them. */
fun Picture.toBitmap(): Bitmap = Bitmap.createBitmap(argb, widthPx, heightPx, Bitmap.Config.ARGB_8888)

/**
 * Pixels of a bitmap for the core, in sRGB: getPixels converts from a profile in the file (Android 8 and later). A bitmap of
 * the graphics memory, which shows its pixels to nobody, or of another kind is copied first.
 *
 * @throws UnreadablePicture there is no memory for the copy.
 */
fun Bitmap.toPicture(): Picture {
    val plain = if (config == Bitmap.Config.ARGB_8888) this else copy(Bitmap.Config.ARGB_8888, false) ?: throw UnreadablePicture()
    val pixels = IntArray(width * height)
    plain.getPixels(pixels, 0, width, 0, 0, width, height)
    return Picture(width, height, pixels)
}

/**
 * How a file is decoded: every [sample]th pixel (a power of two: Android takes others for the next smaller one), then
 * [from] px of what is left become [to] px; both 0: no scaling.
 */
data class Decoding(val sample: Int, val from: Int, val to: Int) {
    companion object {
        private val OPAQUE = setOf("image/jpeg", "image/heif", "image/heic") // Android scales colors with alpha wrongly
        private const val MOST_BYTES = 128L shl 20 // of the bitmap before it is scaled; it lies outside the heap
        private const val BYTES_PER_PIXEL = 4

        /**
         * The largest picture that is at most [limitPx] on its longest side. Samples alone would halve a photograph that is a
         * little longer; they are all there is where the file may hold alpha or the bitmap between would be too large.
         */
        fun of(width: Int, height: Int, limitPx: Int, type: String?): Decoding {
            val longest = maxOf(width, height)
            if (longest <= limitPx) return Decoding(1, 0, 0)
            val sample = Integer.highestOneBit(longest / limitPx)
            val bytes = (width / sample).toLong() * (height / sample) * BYTES_PER_PIXEL
            return when {
                longest <= sample * limitPx -> Decoding(sample, 0, 0)
                type !in OPAQUE || bytes > MOST_BYTES -> Decoding(2 * sample, 0, 0)
                else -> Decoding(sample, longest / sample, limitPx)
            }
        }
    }
}

/** Reading, saving and sharing of pictures. */
class Pictures(private val context: Context) {
    /** The photograph that is being worked on, kept so that it survives the end of the process. */
    val current = File(context.filesDir, "photograph")

    /** Keeps a copy of what a person picked. */
    fun keep(uri: Uri) {
        val input = context.contentResolver.openInputStream(uri) ?: throw UnreadablePicture()
        val aside = File(current.path + ".part")
        input.use { source -> aside.outputStream().use { source.copyTo(it) } }
        if (!aside.renameTo(current)) throw IOException(current.path)
    }

    /**
     * A picture from a file, upright, at most [limitPx] on its longest side (see [Decoding]).
     *
     * @throws UnreadablePicture it can't be decoded.
     */
    fun read(file: File, limitPx: Int): Picture {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeFile(file.path, bounds)
        if (bounds.outWidth <= 0 || bounds.outHeight <= 0) throw UnreadablePicture()
        val decoding = Decoding.of(bounds.outWidth, bounds.outHeight, limitPx, bounds.outMimeType)
        val options = BitmapFactory.Options().apply {
            inSampleSize = decoding.sample
            inDensity = decoding.from // from and to: what Android scales by while it decodes
            inTargetDensity = decoding.to
            inPremultiplied = false
        }
        val decoded = BitmapFactory.decodeFile(file.path, options) ?: throw UnreadablePicture()
        val lying = decoded.toPicture()
        decoded.recycle()
        return lying.upright(orientation(file))
    }

    /** The longest side of the picture in a file, in pixels, before [read] makes it smaller. */
    fun longestPx(file: File): Int {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeFile(file.path, bounds)
        return maxOf(bounds.outWidth, bounds.outHeight)
    }

    private fun orientation(file: File): Int = try {
        ExifInterface(file.path).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
    } catch (_: IOException) {
        ExifInterface.ORIENTATION_NORMAL // a format without EXIF is upright
    }

    /** A place in the shared Pictures folder for a new picture, for a camera or for [save]; [pending]: not shown yet. */
    fun newPlace(name: String, type: String, pending: Boolean = false): Uri =
        place(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, "Pictures", name, type, pending)

    private fun place(shared: Uri, folder: String, name: String, type: String, pending: Boolean): Uri {
        val values = ContentValues()
        values.put(MediaStore.MediaColumns.DISPLAY_NAME, name)
        values.put(MediaStore.MediaColumns.MIME_TYPE, type)
        // MediaStore.MediaColumns.RELATIVE_PATH and IS_PENDING, by their values: the constants came with Android 10.
        if (Build.VERSION.SDK_INT >= ANDROID_10) {
            values.put("relative_path", "$folder/IAST")
            if (pending) values.put(IS_PENDING, 1)
        }
        return context.contentResolver.insert(shared, values) ?: throw IOException("the shared folder $folder")
    }

    /** Writes a picture as PNG into the shared Pictures folder; what was half written is removed. */
    fun save(bitmap: Bitmap): Uri = fill(newPlace("iast-${System.currentTimeMillis()}.png", "image/png", pending = true)) {
        if (!bitmap.compress(Bitmap.CompressFormat.PNG, 100, it)) throw IOException("PNG")
    }

    /** Moves a clip into the shared Movies folder, likewise. */
    fun saveClip(file: File): Uri {
        val name = "iast-${System.currentTimeMillis()}.mp4"
        val uri = place(MediaStore.Video.Media.EXTERNAL_CONTENT_URI, "Movies", name, "video/mp4", pending = true)
        return fill(uri) { out -> file.inputStream().use { it.copyTo(out) } }.also { file.delete() }
    }

    private fun fill(uri: Uri, write: (OutputStream) -> Unit): Uri {
        try {
            val output = context.contentResolver.openOutputStream(uri) ?: throw IOException(uri.toString())
            output.use(write)
            if (Build.VERSION.SDK_INT >= ANDROID_10) finished(uri)
        } catch (error: IOException) {
            context.contentResolver.delete(uri, null, null)
            throw error
        }
        return uri
    }

    /** Shows a picture to other apps, now that it is whole. */
    private fun finished(uri: Uri) {
        context.contentResolver.update(uri, ContentValues().apply { put(IS_PENDING, 0) }, null, null)
    }

    private companion object {
        const val ANDROID_10 = 29
        const val IS_PENDING = "is_pending"
    }
}
