package org.iastexport.demo

import android.app.Activity
import android.app.Application
import android.content.Context
import android.os.Handler
import android.os.Looper
import android.system.Os
import android.view.View
import android.view.WindowInsets
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.util.concurrent.Executors
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.BundleSource
import org.iastexport.core.BundleStore
import org.iastexport.core.Lane
import org.iastexport.core.Remedy
import org.iastexport.core.StyleEngine

/** Holds what outlives an activity: the worker thread, the installed bundle and the open engine. */
class DemoApplication : Application() {
    /** The thread on which bundles are installed and pictures are made; the screen's thread never waits. */
    private val worker = Executors.newSingleThreadExecutor { task -> Thread(task, "iast-worker") }
    private val screen = Handler(Looper.getMainLooper())
    private var bundle: Bundle? = null

    /** The main screen that is alive: what was begun for one that was turned away goes to its successor. */
    var main: MainActivity? = null
    private var engine: Pair<Pair<Lane, EngineChoice>, StyleEngine>? = null

    /** Before anything loads ONNX Runtime: its telemetry, which the manifest leaves out, is refused as well. */
    override fun attachBaseContext(base: Context) {
        super.attachBaseContext(base)
        Os.setenv("ORT_DISABLE_TELEMETRY", "1", true)
    }

    /** Does [work] on the worker thread, then [then] on the screen's thread with what came of it. */
    fun <T> inBackground(work: () -> T, then: (Result<T>) -> Unit) = worker.execute {
        val result = try {
            Result.success(work())
        } catch (error: OutOfMemoryError) {
            Result.failure(error)
        } catch (error: LinkageError) { // a runtime without native code for this phone's processor
            Result.failure(error)
        } catch (error: Exception) {
            Result.failure(error)
        }
        screen.post { then(result) }
    }

    /** Does [work] on the screen's thread. */
    fun onScreen(work: () -> Unit) {
        screen.post(work)
    }

    /** The bundle, installed and verified on first use. On the worker thread only. */
    fun bundle(progress: (Int, Int) -> Unit = { _, _ -> }): Bundle = bundle ?: run {
        val store = BundleStore(File(filesDir, "bundles"))
        store.install(AssetSource(this), progress).also {
            store.prune(it)
            bundle = it
        }
    }

    /** An engine for a lane; the one before is closed when another is asked for. On the worker thread only. */
    fun engine(lane: Lane, choice: EngineChoice): StyleEngine {
        val wanted = lane to choice
        engine?.let { (key, open) -> if (key == wanted) return open }
        closeEngine()
        // Android empties the code cache when the app or the system is updated, and with it what was compiled for the old one.
        return openEngine(bundle(), lane, choice.copy(cache = File(codeCacheDir, "gpu"))).also { engine = wanted to it }
    }

    /** Frees the open engine's memory. On the worker thread only. */
    fun closeEngine() {
        engine?.second?.close()
        engine = null
    }

    /** In the background, memory is worth more to other apps than an open model is to this one. */
    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        if (level >= TRIM_MEMORY_BACKGROUND) inBackground(::closeEngine) {}
    }
}

/** The demo application of any of its activities. */
val Context.demo: DemoApplication get() = applicationContext as DemoApplication

/** The bundle among the app's assets, where the Gradle task copyBundle puts it. */
private class AssetSource(private val context: Context) : BundleSource {
    override fun open(path: String): InputStream = context.assets.open("$FOLDER/$path")

    private companion object {
        const val FOLDER = "bundle"
    }
}

/** Lays a screen out between system bars and camera cutout, which lie over it since Android 15, with the usual gap. */
fun Activity.keepClearOfBars(root: View) {
    val gap = resources.getDimensionPixelSize(R.dimen.gap)
    root.setOnApplyWindowInsetsListener { view, insets ->
        view.setPadding(
            gap + maxOf(insets.systemWindowInsetLeft, cutout(insets, "Left")),
            gap + maxOf(insets.systemWindowInsetTop, cutout(insets, "Top")),
            gap + maxOf(insets.systemWindowInsetRight, cutout(insets, "Right")),
            gap + maxOf(insets.systemWindowInsetBottom, cutout(insets, "Bottom")),
        )
        insets
    }
}

/** How far a camera's cutout reaches in from one side: WindowInsets.getDisplayCutout by name, it came with Android 9. */
private fun cutout(insets: WindowInsets, side: String): Int = try {
    val found = WindowInsets::class.java.getMethod("getDisplayCutout").invoke(insets)
    if (found == null) 0 else found.javaClass.getMethod("getSafeInset$side").invoke(found) as Int
} catch (_: ReflectiveOperationException) {
    0
}

/** What an error says, or its kind where it says nothing. */
val Throwable.said: String get() = message ?: javaClass.simpleName

/** Whether the app was built with a bundle. */
fun Context.hasBundle(): Boolean = try {
    assets.open("bundle/manifest.json").close()
    true
} catch (_: IOException) {
    false
}

/** What to tell a person about a failure; [installing] the bundle, or using it. */
fun Context.words(error: Throwable, installing: Boolean = false): String = when {
    !hasBundle() -> getString(R.string.bundle_missing)
    error is OutOfMemoryError -> getString(R.string.out_of_memory)
    error is UnreadablePicture -> getString(R.string.picture_unreadable)
    error is BundleException && installing && error.remedy == Remedy.BUILD_AGAIN -> getString(R.string.bundle_broken, error.said)
    error is BundleException -> getString(remedy(error.remedy)) + "\n" + getString(R.string.detail, error.said)
    error is LinkageError -> getString(R.string.runtime_missing, error.said)
    else -> getString(R.string.failed, error.said)
}

/** What a person can do, in the language of the interface; the core's own words, in English, are the detail. */
private fun remedy(what: Remedy): Int = when (what) {
    Remedy.UPDATE_APP -> R.string.remedy_update_app
    Remedy.FREE_SPACE -> R.string.remedy_free_space
    Remedy.OTHER_PICTURE -> R.string.remedy_other_picture
    Remedy.CHOOSE_OTHERWISE -> R.string.remedy_choose_otherwise
    Remedy.BUILD_AGAIN -> R.string.remedy_build_again
}
