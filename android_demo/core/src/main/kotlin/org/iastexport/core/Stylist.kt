package org.iastexport.core

import java.io.Closeable
import java.util.concurrent.Executors
import kotlin.coroutines.CoroutineContext
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext

/**
 * One engine kept open, for coroutines: whatever is asked of it is done one after the other, on a thread of its own.
 *
 * A call that is canceled ends before its next tile, and one that still waits never begins. The tile that is being
 * computed is not interrupted: runtimes can't be. What can't be opened is tried again by the next call.
 *
 * @param open makes the engine, on the first call.
 */
public class Stylist(private val bundle: Bundle, private val open: () -> StyleEngine) : Closeable {
    private val thread = Executors.newSingleThreadExecutor { task -> Thread(task, "iast-stylist") }
    private val dispatcher = thread.asCoroutineDispatcher()
    private var engine: StyleEngine? = null

    @Volatile
    private var isClosed = false

    /**
     * The picture in a style; as [StylePipeline.stylize].
     *
     * @throws BundleException the engine can't be opened, or the picture is too large and [oversize] is REFUSE.
     * @throws IllegalStateException this is closed.
     */
    public suspend fun stylize(
        photograph: Picture,
        code: FloatArray,
        strength: Float = 1f,
        oversize: Oversize = Oversize.SCALE_DOWN,
        progress: (Int, Int) -> Unit = { _, _ -> },
    ): Stylized = withEngine { engine, step ->
        StylePipeline(bundle, engine).stylize(photograph, code, strength, oversize) { done, all ->
            step(done, all)
            progress(done, all)
        }
    }

    /** The code of an artwork, by the bundle's style encoder. */
    public suspend fun encodeStyle(artwork: Picture): FloatArray =
        withEngine { engine, _ -> StylePipeline(bundle, engine).encodeStyle(artwork) }

    /**
     * Whatever else an engine can do, in turn with all other calls.
     *
     * @param work gets the engine, which it must not keep, and what to call between steps: it throws once the call is
     *   canceled. It fits wherever the core asks for a `progress`.
     */
    public suspend fun <T> withEngine(work: (StyleEngine, (Int, Int) -> Unit) -> T): T {
        check(!isClosed) { "the stylist is closed" }
        val caller: CoroutineContext = currentCoroutineContext()
        return withContext(dispatcher) {
            val ready = engine ?: open().also { engine = it }
            work(ready) { _, _ -> caller.ensureActive() }
        }
    }

    /** Waits for the call that runs, and closes the engine; calls that wait are canceled. */
    override fun close() {
        if (isClosed) return
        isClosed = true
        thread.submit { engine?.close() }.get()
        dispatcher.close()
    }
}
