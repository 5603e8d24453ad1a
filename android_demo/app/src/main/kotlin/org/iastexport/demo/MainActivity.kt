package org.iastexport.demo

import android.Manifest.permission.CAMERA
import android.Manifest.permission.WRITE_EXTERNAL_STORAGE
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.SeekBar
import android.widget.Spinner
import android.widget.TextView
import org.iastexport.core.TierReason
import java.io.File
import java.util.concurrent.CancellationException
import org.iastexport.core.Bundle as IastBundle

/** The one screen that paints: picture, style, strength, model, tier; compare, save, share. */
class MainActivity : Activity() {
    private var settings = Settings()
    private var bundle: IastBundle? = null
    private var painting: Painting? = null
    private var shot: Uri? = null
    @Volatile private var asked = 0 // counts wishes; the worker thread leaves out those that are no longer the last
    private lateinit var pictures: Pictures
    private lateinit var painter: Painter
    private lateinit var strip: StyleStrip

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.main)
        keepClearOfBars(view(R.id.root))
        @Suppress("DEPRECATION") // its successor is a library's
        painting = lastNonConfigurationInstance as? Painting
        settings = Settings.of(state)
        shot = state?.getParcelable("shot")
        demo.main = this
        pictures = Pictures(this)
        painter = Painter(demo, pictures)
        strip = StyleStrip(view(R.id.styles)) { chooseStyle(it) }
        view<Button>(R.id.pick).setOnClickListener { pick(PICK) }
        view<Button>(R.id.shoot).setOnClickListener { shoot() }
        view<Button>(R.id.live).setOnClickListener { startActivity(LiveActivity.intent(this, settings)) }
        view<Button>(R.id.checks).setOnClickListener { startActivity(Intent(this, ChecksActivity::class.java)) }
        view<Button>(R.id.face).setOnClickListener { startActivityForResult(Intent(this, FaceActivity::class.java), FACE) }
        view<Button>(R.id.save).setOnClickListener { save { say(getString(R.string.saved)) } }
        view<Button>(R.id.share).setOnClickListener { save(::share) }
        onStrength()
        enable()
        install()
    }

    /** A turned phone keeps its painting; only the end of the process paints it again. */
    @Suppress("OVERRIDE_DEPRECATION")
    override fun onRetainNonConfigurationInstance(): Any? = painting

    override fun onDestroy() {
        asked += 1 // nobody waits for what is still being painted
        if (demo.main === this) demo.main = null
        super.onDestroy()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        settings.save(state)
        state.putParcelable("shot", shot)
    }

    @Suppress("UNCHECKED_CAST")
    private fun <T : View> view(id: Int): T = (findViewById(id) as View) as T

    private fun say(words: String) {
        view<TextView>(R.id.status).text = words
    }

    private fun enable() {
        for (id in listOf(R.id.pick, R.id.shoot, R.id.live, R.id.checks)) view<View>(id).isEnabled = bundle != null
        for (id in listOf(R.id.save, R.id.share)) view<View>(id).isEnabled = painting != null
        view<View>(R.id.face).isEnabled = settings.hasPhotograph
    }

    private fun progress(words: Int, done: Int, all: Int) = demo.onScreen {
        val bar = view<ProgressBar>(R.id.progress)
        bar.visibility = if (done < all) View.VISIBLE else View.INVISIBLE
        bar.max = all
        bar.progress = done
        if (done < all && all > 1) say(getString(words, done + 1, all))
    }

    private fun install() = demo.inBackground({
        val installed = demo.bundle { done, all -> progress(R.string.installing, done, all) }
        installed to StyleStrip.tiles(installed)
    }) { result ->
        if (isDestroyed) return@inBackground
        result.onFailure { say(words(it, installing = true)) }.onSuccess { (installed, tiles) ->
            bundle = installed
            settings = settings.completed(installed.manifest)
            strip.show(tiles)
            strip.mark(settings.style)
            showChoices(installed)
            enable()
            say(getString(R.string.welcome))
            val kept = painting
            if (kept?.settings == settings) show(kept) else if (settings.hasPhotograph) paint()
        }
    }

    private fun showChoices(installed: IastBundle) {
        view<View>(R.id.strength).isEnabled = installed.manifest.takesStrength
        val models = Settings.choices(installed.manifest)
        val words = models.map { (lane, whole) -> if (whole) getString(R.string.lane_dispatch, lane.toString()) else lane.toString() }
        spinner(R.id.lane, words, models.indexOf(settings.lane to settings.dispatch)) {
            settings.copy(lane = models[it].first, dispatch = models[it].second)
        }
        val accelerators = listOf(R.string.cpu, R.string.gpu_strict, R.string.gpu_fallback).map(::getString)
        spinner(R.id.accelerator, accelerators, settings.accelerate.ordinal) { settings.copy(accelerate = Accelerate.values()[it]) }
        val tiers = installed.manifest.tiers
        val names = listOf(getString(R.string.tier_auto)) + tiers.map { getString(R.string.tier_by_hand, it.id) }
        spinner(R.id.tier, names, 1 + tiers.indexOfFirst { it.id == settings.tier }) { settings.copy(tier = tiers.getOrNull(it - 1)?.id) }
        val ways = listOf(R.string.oversize_scale, R.string.oversize_tiles, R.string.oversize_preview, R.string.oversize_guided)
        spinner(R.id.oversize, ways.map(::getString), settings.large.ordinal) { settings.copy(large = Large.values()[it]) }
    }

    private fun spinner(id: Int, names: List<String>, chosen: Int, choose: (Int) -> Settings) = view<Spinner>(id).run {
        adapter = ArrayAdapter(this@MainActivity, android.R.layout.simple_spinner_dropdown_item, names)
        setSelection(chosen.coerceAtLeast(0), false)
        onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) = change(choose(position))

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
    }

    private fun change(to: Settings) {
        if (to == settings) return
        settings = to
        paint()
    }

    private fun onStrength() {
        val bar = view<SeekBar>(R.id.strength)
        bar.progress = settings.strength
        view<TextView>(R.id.strength_label).text = getString(R.string.strength_value, settings.strength)
        bar.setOnSeekBarChangeListener(object : SeekBar.OnSeekBarChangeListener {
            override fun onProgressChanged(bar: SeekBar, value: Int, byHand: Boolean) {
                view<TextView>(R.id.strength_label).text = getString(R.string.strength_value, value)
            }

            override fun onStartTrackingTouch(bar: SeekBar) = Unit

            override fun onStopTrackingTouch(bar: SeekBar) = change(settings.copy(strength = bar.progress))
        })
    }

    private fun chooseStyle(id: String?) {
        if (id == null) return pick(ARTWORK)
        strip.mark(id)
        change(settings.copy(style = id))
    }

    private fun paint() {
        val installed = bundle ?: return
        if (!settings.hasPhotograph) return
        val wanted = settings
        val ticket = ++asked
        say(getString(R.string.working))
        demo.inBackground({
            if (ticket != asked) null else painter.paint(installed, wanted) { done, all ->
                if (ticket != asked) throw CancellationException()
                progress(R.string.working_tiles, done, all)
            }
        }) { result ->
            if (isDestroyed || ticket != asked) return@inBackground
            view<View>(R.id.progress).visibility = View.INVISIBLE
            result.onFailure { say(words(it)) }.onSuccess { it?.let(::show) }
        }
    }

    private fun show(made: Painting) {
        painting = made
        view<CompareView>(R.id.compare).show(made.before, made.after)
        val tones = if (made.sharesStatistics) "" else getString(R.string.tones_differ) + "\n"
        say(reason(made) + "\n" + tones + getString(R.string.time, made.settings.lane.toString(), made.accelerator, made.spentMs))
        enable()
    }

    private fun reason(made: Painting): String {
        val choice = made.choice
        val (width, height) = made.before.width to made.before.height
        return when (choice.reason) {
            TierReason.SMALLEST_THAT_FITS -> getString(R.string.reason_fits, choice.tier.id, width, height)
            TierReason.CHOSEN_BY_HAND -> getString(R.string.reason_by_hand, choice.tier.id, width, height)
            TierReason.SCALED_DOWN -> getString(R.string.reason_scaled, choice.tier.id, width, height)
            TierReason.TILED -> getString(R.string.reason_tiled, choice.tier.id, width, height, made.tiles)
        }
    }

    private fun pick(request: Int) {
        // Android's photo picker (MediaStore.ACTION_PICK_IMAGES by its value, Android 13), else any app that opens pictures.
        val picker = Intent("android.provider.action.PICK_IMAGES").setType("image/*")
        val other = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
        for (intent in if (Build.VERSION.SDK_INT >= ANDROID_13) listOf(picker, other) else listOf(other)) {
            try {
                return startActivityForResult(intent, request)
            } catch (_: ActivityNotFoundException) {
                continue
            }
        }
        say(getString(R.string.no_picker))
    }

    private fun mayWrite(request: Int): Boolean {
        if (Build.VERSION.SDK_INT >= ANDROID_10) return true
        if (checkSelfPermission(WRITE_EXTERNAL_STORAGE) == PackageManager.PERMISSION_GRANTED) return true
        requestPermissions(arrayOf(WRITE_EXTERNAL_STORAGE), request)
        return false
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        if (results.firstOrNull() != PackageManager.PERMISSION_GRANTED) {
            return say(getString(if (permissions.firstOrNull() == CAMERA) R.string.camera_denied else R.string.storage_denied))
        }
        if (request == SHOOT) shoot() else say(getString(R.string.storage_granted))
    }

    private fun shoot() {
        if (!mayWrite(SHOOT)) return
        // An app that names this permission, as the live view needs it, may ask no camera app for a picture without having it.
        if (checkSelfPermission(CAMERA) != PackageManager.PERMISSION_GRANTED) return requestPermissions(arrayOf(CAMERA), SHOOT)
        try {
            val place = pictures.newPlace("iast-photo-${System.currentTimeMillis()}.jpg", "image/jpeg")
            shot = place
            startActivityForResult(Intent(MediaStore.ACTION_IMAGE_CAPTURE).putExtra(MediaStore.EXTRA_OUTPUT, place), SHOOT)
        } catch (_: ActivityNotFoundException) {
            forgetShot()
            say(getString(R.string.no_camera))
        } catch (error: Exception) { // no card, no space, no provider: each phone throws its own
            say(getString(R.string.save_failed, error.said))
        }
    }

    /** Removes the place that was made for a photograph which nobody took. */
    private fun forgetShot() {
        shot?.let { contentResolver.delete(it, null, null) }
        shot = null
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        if (result != RESULT_OK) return if (request == SHOOT) forgetShot() else Unit
        when (request) {
            PICK -> data?.data?.let { take(it) }
            SHOOT -> shot?.let { take(it) }
            ARTWORK -> data?.data?.let { takeArtwork(it) }
            FACE -> takeCorrected()
        }
    }

    private fun take(uri: Uri) = demo.inBackground({ pictures.keep(uri); painter.photograph().shown }) { demo.main?.taken(it) }

    private fun takeCorrected() = demo.inBackground({ painter.photograph().shown }) { demo.main?.taken(it) }

    private fun taken(result: Result<Bitmap>) {
        result.onFailure { say(words(it)) }.onSuccess {
            settings = settings.copy(hasPhotograph = true)
            painting = null
            view<CompareView>(R.id.compare).show(it, null)
            enable()
            paint()
        }
    }

    private fun takeArtwork(uri: Uri) = demo.inBackground({
        val aside = File(filesDir, "artwork.part")
        val input = contentResolver.openInputStream(uri) ?: throw UnreadablePicture()
        input.use { source -> aside.outputStream().use { source.copyTo(it) } }
        painter.keepArtwork(aside)
    }) { demo.main?.takenArtwork(it) }

    private fun takenArtwork(result: Result<Unit>) {
        result.onFailure { say(words(it)) }.onSuccess {
            strip.mark(null)
            settings = settings.copy(style = null, hasOwnStyle = true)
            paint()
        }
    }

    private fun save(then: (Uri) -> Unit) {
        val made = painting ?: return
        made.saved?.let { return then(it) }
        if (!mayWrite(SAVE)) return
        demo.inBackground({ pictures.save(made.after) }) { result ->
            if (isDestroyed) return@inBackground
            result.onFailure { say(getString(R.string.save_failed, it.said)) }.onSuccess {
                made.saved = it
                then(it)
            }
        }
    }

    private fun share(uri: Uri) {
        val intent = Intent(Intent.ACTION_SEND).setType("image/png").putExtra(Intent.EXTRA_STREAM, uri)
        try {
            startActivity(Intent.createChooser(intent.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION), getString(R.string.share)))
        } catch (_: ActivityNotFoundException) {
            say(getString(R.string.no_picker))
        }
    }

    private companion object {
        const val PICK = 1
        const val SHOOT = 2
        const val ARTWORK = 3
        const val FACE = 4
        const val SAVE = 5
        const val ANDROID_10 = 29
        const val ANDROID_13 = 33
    }
}
