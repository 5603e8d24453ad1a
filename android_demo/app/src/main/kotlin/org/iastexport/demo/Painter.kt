package org.iastexport.demo

import android.graphics.Bitmap
import android.net.Uri
import org.iastexport.core.AreaRows
import org.iastexport.core.Bundle
import org.iastexport.core.LargePainter
import org.iastexport.core.Oversize
import org.iastexport.core.Picture
import org.iastexport.core.Pixels
import org.iastexport.core.StylePipeline
import org.iastexport.core.TierChoice
import org.iastexport.core.TierReason
import org.iastexport.core.TierRule
import java.io.File
import java.io.IOException

/**
 * What came of a painting, as Android shows it. It keeps no picture of the core: those of 12 megapixels take 47 MiB of
 * the heap each, and a painting stays on the screen while the next one is made. Bitmaps lie outside the heap.
 */
class Painting(
    val before: Bitmap,
    val after: Bitmap,
    val choice: TierChoice,
    val tiles: Int,
    val sharesStatistics: Boolean,
    val spentMs: Double,
    val accelerator: String,
    val settings: Settings,
) {
    /** Where it was saved; null before. */
    var saved: Uri? = null
}

/** The photograph of a file of this age; all its paintings share it. */
class Photograph(val stamp: Long, val shown: Bitmap) {
    /** For the core, which reads it tile by tile from outside the heap. */
    val pixels: Pixels = BitmapPixels(shown)
}

/** An opaque bitmap, read a rectangle at a time. */
private class BitmapPixels(private val bitmap: Bitmap) : Pixels {
    override val widthPx: Int = bitmap.width
    override val heightPx: Int = bitmap.height

    override fun crop(left: Int, top: Int, widthPx: Int, heightPx: Int): Picture {
        val out = IntArray(widthPx * heightPx)
        bitmap.getPixels(out, 0, widthPx, left, top, widthPx, heightPx)
        return Picture(widthPx, heightPx, out)
    }
}

/** Makes paintings on the worker thread, and says how far it is. */
class Painter(private val app: DemoApplication, private val pictures: Pictures) {
    private val ownArtwork = File(app.filesDir, "artwork")
    private var read: Photograph? = null

    /** Keeps the photograph, decoded at most this long on its longest side: what a phone's memory takes. */
    fun photograph(): Photograph {
        val stamp = pictures.current.lastModified()
        read?.let { if (it.stamp == stamp) return it }
        read = null // before the next one takes memory
        return Photograph(stamp, pictures.read(pictures.current, LIMIT_PX).opaque().toBitmap()).also { read = it }
    }

    /** Keeps the current file as the person's own artwork. */
    fun keepArtwork(from: File) {
        if (!from.renameTo(ownArtwork)) throw IOException(ownArtwork.path)
    }

    /** Paints with these settings. */
    fun paint(bundle: Bundle, settings: Settings, progress: (Int, Int) -> Unit): Painting {
        val engine = app.engine(settings.lane!!, settings.engine())
        val code = code(bundle, settings)
        val byHand = settings.tier?.let { bundle.manifest.tier(it) }
        val photograph = photograph()
        val pixels = photograph.pixels
        val oversize = if (settings.large.way == null) Oversize.SCALE_DOWN else Oversize.TILE
        val choice = TierRule.choose(bundle.manifest.tiers, pixels.widthPx, pixels.heightPx, oversize, byHand)
        val strength = settings.strength / 100f
        val way = settings.large.way
        if (choice.reason == TierReason.TILED && way != null) {
            val started = System.nanoTime()
            val after = Bitmap.createBitmap(pixels.widthPx, pixels.heightPx, Bitmap.Config.ARGB_8888)
            val made = LargePainter(bundle, engine).paint(pixels, code, strength, way, tier = choice.tier, progress = progress) { top, band ->
                after.setPixels(band.argb, 0, band.widthPx, 0, top, band.widthPx, band.heightPx)
            }
            val spentMs = (System.nanoTime() - started) / 1e6
            return Painting(photograph.shown, after, choice, made.tiles, made.sharesStatistics, spentMs, engine.accelerator, settings)
        }
        val fitting = if (choice.reason == TierReason.SCALED_DOWN) AreaRows.fitLongestSide(pixels, choice.tier.maxSidePx) else
            pixels.crop(0, 0, pixels.widthPx, pixels.heightPx)
        val made = StylePipeline(bundle, engine).stylize(fitting, code, strength, Oversize.REFUSE, choice.tier, progress)
        return Painting(photograph.shown, made.picture.toBitmap(), choice, 1, true, made.runAndReadBackMs, engine.accelerator, settings)
    }

    /** The code of the style that was chosen. On the worker thread only. */
    fun code(bundle: Bundle, settings: Settings): FloatArray = settings.style?.let { bundle.code(it) }
        ?: StylePipeline(bundle, app.engine(settings.lane!!, settings.engine())).encodeStyle(pictures.read(ownArtwork, LIMIT_PX))

    private companion object {
        const val LIMIT_PX = 4096
    }
}
