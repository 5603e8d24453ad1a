package org.iastexport.demo

import android.app.Activity
import android.graphics.Bitmap
import android.os.Bundle
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
    private var corrected: Picture? = null
    private var start: List<Point> = emptyList()

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.face)
        pictures = Pictures(this)
        face = findViewById(R.id.view) as FaceView
        face.together = state?.getBoolean("together") ?: true
        face.onMoved = { if (face.together) start = face.points else warp() }
        (findViewById(R.id.mode) as Button).setOnClickListener { mode(!face.together) }
        (findViewById(R.id.reset) as Button).setOnClickListener { place() }
        (findViewById(R.id.done) as Button).setOnClickListener { finishWithPicture() }
        start = points(state?.getDoubleArray("start"))
        val moved = points(state?.getDoubleArray("points"))
        demo.inBackground({ pictures.read(pictures.current, LIMIT_PX) }) { result ->
            if (isFinishing) return@inBackground
            result.onFailure { say(words(it)) }.onSuccess {
                photograph = it
                face.show(it.toBitmap())
                mode(face.together)
                if (start.isEmpty()) place() else face.points = moved.also { if (!face.together) warp() }
            }
        }
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putBoolean("together", face.together)
        state.putDoubleArray("start", numbers(start))
        state.putDoubleArray("points", numbers(face.points))
    }

    private fun numbers(points: List<Point>) = points.flatMap { listOf(it.x, it.y) }.toDoubleArray()

    private fun points(numbers: DoubleArray?) = numbers.orEmpty().chunked(2).map { (x, y) -> Point(x, y) }

    private fun DoubleArray?.orEmpty(): List<Double> = this?.toList() ?: emptyList()

    private fun say(words: String) {
        (findViewById(R.id.about) as TextView).text = words
    }

    private fun mode(together: Boolean) {
        face.together = together
        (findViewById(R.id.mode) as Button).setText(if (together) R.string.face_move else R.string.face_place)
    }

    /** Points anew: by the landmark network on the picture's central square, else the template there. */
    private fun place() {
        val picture = photograph ?: return
        corrected = null
        face.show(picture.toBitmap())
        val side = minOf(picture.widthPx, picture.heightPx)
        val left = (picture.widthPx - side) / 2
        val top = (picture.heightPx - side) / 2
        demo.inBackground({ LandmarkEngine.find(demo.bundle(), picture.crop(left, top, side, side)) }) { result ->
            if (isFinishing) return@inBackground
            val found = result.getOrNull()?.map { Point(it.x + left, it.y + top) }
            say(getString(if (found != null) R.string.face_found else R.string.face_by_hand) + " " + getString(R.string.face_about))
            val points = found ?: Landmarks.template(left + 0.2 * side, top + 0.2 * side, 0.6 * side)
            start = points
            face.points = points
        }
    }

    private fun warp() {
        val picture = photograph ?: return
        val (from, to) = start to face.points
        if (from.size != to.size || from.isEmpty()) return
        demo.inBackground({ FaceWarp(from, to).apply(picture) }) { result ->
            if (isFinishing) return@inBackground
            result.onFailure { say(words(it)) }.onSuccess {
                corrected = it
                face.show(it.toBitmap())
            }
        }
    }

    private fun finishWithPicture() {
        val made = corrected ?: return finish()
        demo.inBackground({
            val aside = File(filesDir, "corrected.png")
            aside.outputStream().use { made.toBitmap().compress(Bitmap.CompressFormat.PNG, 100, it) }
            check(aside.renameTo(pictures.current)) { pictures.current.path }
        }) { result ->
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
