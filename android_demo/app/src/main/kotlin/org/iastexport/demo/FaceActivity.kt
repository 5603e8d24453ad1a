package org.iastexport.demo

import android.app.Activity
import android.graphics.Bitmap
import android.os.Bundle
import android.view.View
import android.widget.Button
import android.widget.TextView
import org.iastexport.core.FaceWarp
import org.iastexport.core.Landmarks
import org.iastexport.core.Picture
import org.iastexport.core.Point
import org.iastexport.engine.LandmarkEngine
import java.io.File

/**
 * Face correction: points are put on the face (by the bundle's landmark network where there is one),
 * then dragged, and the photograph follows by a smooth warp. The corrected photograph is then painted.
 */
class FaceActivity : Activity() {
    private lateinit var pictures: Pictures
    private lateinit var face: FaceView
    private var photograph: Picture? = null
    private var original: Bitmap? = null
    private var corrected: Bitmap? = null
    private var start: List<Point> = emptyList() // where the face is
    private var moved: List<Point> = emptyList() // where it is to be
    private var limited = false // the photograph is larger than what is corrected
    private var asked = 0 // counts wishes; what comes of an earlier one is left out
    private var warping = false
    private var leaving = false // Done was pressed while a warp was on its way

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.face)
        keepClearOfBars(findViewById(R.id.root) as View)
        pictures = Pictures(this)
        face = findViewById(R.id.view) as FaceView
        face.together = state?.getBoolean("together") ?: true
        face.onMoved = ::follow
        (findViewById(R.id.mode) as Button).setOnClickListener { mode(!face.together) }
        (findViewById(R.id.reset) as Button).setOnClickListener { place() }
        (findViewById(R.id.done) as Button).setOnClickListener { finishWithPicture() }
        start = points(state?.getDoubleArray("start"))
        moved = points(state?.getDoubleArray("moved"))
        demo.inBackground({
            val read = pictures.read(pictures.current, LIMIT_PX)
            Triple(read, read.toBitmap(), pictures.longestPx(pictures.current) > LIMIT_PX)
        }) { result ->
            if (isDestroyed) return@inBackground
            result.onFailure { say(words(it)) }.onSuccess { (picture, bitmap, smaller) ->
                photograph = picture
                limited = smaller
                original = bitmap
                if (start.isEmpty()) place() else mode(face.together)
            }
        }
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putBoolean("together", face.together)
        state.putDoubleArray("start", numbers(start))
        state.putDoubleArray("moved", numbers(moved))
    }

    private fun numbers(points: List<Point>) = points.flatMap { listOf(it.x, it.y) }.toDoubleArray()

    private fun points(numbers: DoubleArray?) = numbers.orEmpty().chunked(2).map { (x, y) -> Point(x, y) }

    private fun DoubleArray?.orEmpty(): List<Double> = this?.toList() ?: emptyList()

    private fun say(words: String) {
        (findViewById(R.id.about) as TextView).text = words
    }

    /** Placing points shows the photograph as it is, moving them the photograph as it becomes. */
    private fun mode(together: Boolean) {
        face.together = together
        face.points = if (together) start else moved
        (findViewById(R.id.mode) as Button).setText(if (together) R.string.face_move else R.string.face_place)
        original?.let(face::show)
        if (!together) warp()
    }

    /** What a finger did: placed points take the correction along, a moved one changes it. */
    private fun follow() {
        if (face.together) {
            moved = moved.zip(start.zip(face.points)) { to, (old, new) -> Point(to.x + new.x - old.x, to.y + new.y - old.y) }
            start = face.points
        } else {
            moved = face.points
        }
        warp()
    }

    /** Points anew: by the landmark network on the picture's central square, else the template there. */
    private fun place() {
        val picture = photograph ?: return
        corrected = null
        warping = false
        val ticket = ++asked
        val side = minOf(picture.widthPx, picture.heightPx)
        val left = (picture.widthPx - side) / 2
        val top = (picture.heightPx - side) / 2
        demo.inBackground({ LandmarkEngine.find(demo.bundle(), picture.crop(left, top, side, side)) }) { result ->
            if (isDestroyed || ticket != asked) return@inBackground
            val found = result.getOrNull()?.map { Point(it.x + left, it.y + top) }
            val told = result.exceptionOrNull()?.let(::words) ?: getString(if (found != null) R.string.face_found else R.string.face_by_hand)
            val size = if (limited) " " + getString(R.string.face_smaller, picture.widthPx, picture.heightPx) else ""
            say(told + " " + getString(R.string.face_about) + size)
            start = found ?: Landmarks.template(left + 0.2 * side, top + 0.2 * side, 0.6 * side)
            moved = start
            mode(true)
        }
    }

    private fun warp() {
        val picture = photograph ?: return
        val (from, to) = start to moved
        if (from.isEmpty() || from.size != to.size) return // points are still being looked for
        val ticket = ++asked
        corrected = null
        warping = from != to
        if (!warping) return
        demo.inBackground({ FaceWarp(from, to).apply(picture).toBitmap() }) { result ->
            if (isDestroyed || ticket != asked) return@inBackground
            warping = false
            result.onFailure { leaving = false; say(words(it)) }.onSuccess {
                corrected = it
                if (!face.together) face.show(it)
                if (leaving) finishWithPicture()
            }
        }
    }

    /** Keeps the correction as the photograph; one that is on its way is waited for. */
    private fun finishWithPicture() {
        leaving = warping
        if (leaving) return say(getString(R.string.working))
        val made = corrected ?: return finish()
        demo.inBackground({
            val aside = File(filesDir, "corrected.png")
            aside.outputStream().use { made.compress(Bitmap.CompressFormat.PNG, 100, it) }
            check(aside.renameTo(pictures.current)) { pictures.current.path }
        }) { result ->
            if (isDestroyed) return@inBackground
            result.onFailure { say(words(it)) }.onSuccess {
                setResult(RESULT_OK)
                finish()
            }
        }
    }

    private companion object {
        const val LIMIT_PX = 2048
    }
}
