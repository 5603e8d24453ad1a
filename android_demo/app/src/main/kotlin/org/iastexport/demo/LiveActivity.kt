package org.iastexport.demo

import android.Manifest.permission.CAMERA
import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.os.Bundle
import android.view.Surface
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.TextView
import org.iastexport.core.LiveFrame
import org.iastexport.core.LivePainter
import org.iastexport.core.NewestFrame
import org.iastexport.core.Picture
import java.io.File

/** The camera in a style as it films: photograph and painting side by side, a picture or a clip of it saved. */
class LiveActivity : Activity() {
    private lateinit var settings: Settings
    private lateinit var pictures: Pictures
    private var running: Running? = null
    private var shown: Bitmap? = null

    /** What is between the activity's coming to the front and its leaving; frames end it. */
    private class Running(val frames: NewestFrame<Picture>, val camera: Camera) {
        @Volatile var isFilming = false
        @Volatile var clip: File? = null
    }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.live)
        keepClearOfBars(view(R.id.live_root))
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        settings = Settings.of(intent.getBundleExtra(SETTINGS))
        pictures = Pictures(this)
        view<Button>(R.id.live_photo).setOnClickListener { savePhoto() }
        view<Button>(R.id.live_clip).setOnClickListener { film() }
    }

    @Suppress("UNCHECKED_CAST")
    private fun <T : View> view(id: Int): T = (findViewById(id) as View) as T

    private fun say(words: String) {
        view<TextView>(R.id.live_status).text = words
    }

    override fun onResume() {
        super.onResume()
        if (checkSelfPermission(CAMERA) == PackageManager.PERMISSION_GRANTED) begin() else requestPermissions(arrayOf(CAMERA), 1)
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        if (results.firstOrNull() != PackageManager.PERMISSION_GRANTED) say(getString(R.string.camera_denied))
    }

    override fun onPause() {
        running?.run {
            camera.close()
            frames.close()
        }
        running = null
        super.onPause()
    }

    private fun begin() {
        val frames = NewestFrame<Picture>()
        val camera = Camera(this, frames) { error -> demo.onScreen { say(getString(R.string.camera_failed, error.said)) } }
        val now = Running(frames, camera)
        running = now
        val turned = turned()
        demo.inBackground({ paint(now, turned) }) { result ->
            camera.close()
            if (!isDestroyed) result.onFailure { say(words(it)) }
        }
    }

    /** On the worker thread, until the frames end: the newest one is painted, those that came meanwhile are left out. */
    private fun paint(now: Running, turned: Int) {
        val bundle = demo.bundle()
        val painter = LivePainter(bundle, demo.engine(settings.lane!!, settings.engine()), BUDGET_MS)
        val code = Painter(demo, pictures).code(bundle, settings)
        now.camera.open(bundle.manifest.tiers.last().maxSidePx, turned)
        var clip: ClipWriter? = null
        try {
            while (true) {
                val frame = now.frames.take() ?: break
                val made = painter.paint(frame, code, settings.strength / 100f)
                val (before, after) = made.before.toBitmap() to made.after.toBitmap()
                if (now.isFilming) {
                    val open = clip ?: ClipWriter(File(cacheDir, "clip.mp4").also { now.clip = it }, after).also { clip = it }
                    open.add(after)
                } else {
                    finish(now, clip)
                    clip = null
                }
                demo.onScreen { show(made, before, after, now.frames.dropped) }
            }
        } finally {
            finish(now, clip)
        }
    }

    /** Ends a clip and puts it where people find it. */
    private fun finish(now: Running, clip: ClipWriter?) {
        val file = now.clip
        if (clip == null || file == null) return
        clip.close()
        pictures.saveClip(file)
        now.clip = null
        demo.onScreen { if (!isDestroyed) say(getString(R.string.clip_saved)) }
    }

    private fun show(made: LiveFrame, before: Bitmap, after: Bitmap, dropped: Int) {
        if (isDestroyed || running == null) return
        shown = after
        view<CompareView>(R.id.live_compare).show(before, after)
        say(getString(if (made.isSteady) R.string.live_line else R.string.live_line_unsteady, made.tier.id, made.spentMs, dropped))
    }

    private fun savePhoto() {
        val picture = shown ?: return
        // The worker thread paints; a thread of its own writes.
        Thread {
            val said = try {
                pictures.save(picture)
                getString(R.string.saved)
            } catch (error: Exception) { // no card, no space, no provider: each phone throws its own
                getString(R.string.save_failed, error.said)
            }
            demo.onScreen { if (!isDestroyed) say(said) }
        }.start()
    }

    private fun film() {
        val now = running ?: return
        now.isFilming = !now.isFilming
        view<Button>(R.id.live_clip).setText(if (now.isFilming) R.string.live_stop else R.string.live_clip)
    }

    /** How far the screen is turned from how the phone is built, in degrees. */
    @Suppress("DEPRECATION") // its successor came with Android 11
    private fun turned(): Int = when (windowManager.defaultDisplay.rotation) {
        Surface.ROTATION_90 -> 90
        Surface.ROTATION_180 -> 180
        Surface.ROTATION_270 -> 270
        else -> 0
    }

    companion object {
        private const val SETTINGS = "settings"

        /** Chosen: some ten frames in a second, with reading and showing them. */
        private const val BUDGET_MS = 80.0

        /** The intent that films with these settings. */
        fun intent(from: Activity, settings: Settings): Intent =
            Intent(from, LiveActivity::class.java).putExtra(SETTINGS, Bundle().also(settings::save))
    }
}
