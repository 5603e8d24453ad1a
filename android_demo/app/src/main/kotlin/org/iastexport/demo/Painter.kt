package org.iastexport.demo

import android.graphics.Bitmap
import android.net.Uri
import org.iastexport.core.Bundle
import org.iastexport.core.Picture
import org.iastexport.core.StylePipeline
import org.iastexport.core.Stylized
import org.iastexport.core.TierChoice
import java.io.File
import java.io.IOException

/**
 * What came of a painting, as Android shows it. It keeps no picture of the core: those of 12 megapixels take 47 MiB of
 * the heap each, and a painting stays on the screen while the next one is made. Bitmaps lie outside the heap.
 */
class Painting(val before: Bitmap, made: Stylized, val accelerator: String, val settings: Settings) {
    /** Made with the painting, off the screen's thread, where memory may run out. */
    val after: Bitmap = made.picture.toBitmap()
    val choice: TierChoice = made.choice
    val tiles: Int = made.tiles
    val runAndReadBackMs: Double = made.runAndReadBackMs

    /** Where it was saved; null before. */
    var saved: Uri? = null
}

/** The photograph of a file of this age, for the core and for the screen; all its paintings share it. */
class Photograph(val stamp: Long, val picture: Picture, val shown: Bitmap)

/** Makes paintings on the worker thread, and says how far it is. */
class Painter(private val app: DemoApplication, private val pictures: Pictures) {
    private val ownArtwork = File(app.filesDir, "artwork")
    private var read: Photograph? = null

    /** Keeps the photograph, decoded at most this long on its longest side: what a phone's memory takes. */
    fun photograph(): Photograph {
        val stamp = pictures.current.lastModified()
        read?.let { if (it.stamp == stamp) return it }
        read = null // before the next one takes memory
        val picture = pictures.read(pictures.current, LIMIT_PX)
        return Photograph(stamp, picture, picture.toBitmap()).also { read = it }
    }

    /** Keeps the current file as the person's own artwork. */
    fun keepArtwork(from: File) {
        if (!from.renameTo(ownArtwork)) throw IOException(ownArtwork.path)
    }

    /** Paints with these settings. */
    fun paint(bundle: Bundle, settings: Settings, progress: (Int, Int) -> Unit): Painting {
        val engine = app.engine(settings.lane!!, settings.engine())
        val pipeline = StylePipeline(bundle, engine)
        val code = settings.style?.let { bundle.code(it) } ?: pipeline.encodeStyle(pictures.read(ownArtwork, LIMIT_PX))
        val tier = settings.tier?.let { bundle.manifest.tier(it) }
        val photograph = photograph()
        val made = pipeline.stylize(photograph.picture, code, settings.strength / 100f, settings.oversize, tier, progress)
        return Painting(photograph.shown, made, engine.accelerator, settings)
    }

    private companion object {
        const val LIMIT_PX = 4096
    }
}
