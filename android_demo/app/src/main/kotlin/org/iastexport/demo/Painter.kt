package org.iastexport.demo

import android.graphics.Bitmap
import android.net.Uri
import org.iastexport.core.Bundle
import org.iastexport.core.Picture
import org.iastexport.core.StylePipeline
import org.iastexport.core.Stylized
import java.io.File
import java.io.IOException

/** What one painting needs and what came of it. */
class Painting(val photograph: Picture, val made: Stylized, val accelerator: String, val settings: Settings) {
    /** Both as Android shows them; made with the painting, off the screen's thread, where memory may run out. */
    val before: Bitmap = photograph.toBitmap()
    val after: Bitmap = made.picture.toBitmap()

    /** Where it was saved; null before. */
    var saved: Uri? = null
}

/** Makes paintings on the worker thread, and says how far it is. */
class Painter(private val app: DemoApplication, private val pictures: Pictures) {
    private val ownArtwork = File(app.filesDir, "artwork")
    private var read: Pair<Long, Picture>? = null

    /** Keeps the photograph, decoded at most this long on its longest side: what a phone's memory takes. */
    fun photograph(): Picture {
        val stamp = pictures.current.lastModified()
        read?.let { (at, picture) -> if (at == stamp) return picture }
        return pictures.read(pictures.current, LIMIT_PX).also { read = stamp to it }
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
        val made = pipeline.stylize(photograph, code, settings.strength / 100f, settings.oversize, tier, progress)
        return Painting(photograph, made, engine.accelerator, settings)
    }

    private companion object {
        const val LIMIT_PX = 4096
    }
}
