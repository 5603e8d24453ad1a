package org.iastexport.core

import java.util.concurrent.CancellationException
import java.util.concurrent.CountDownLatch
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** The suspending door: one engine, one at a time, cancelled between tiles. */
class StylistTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val bundle: Bundle by lazy {
        val source = SmallBundle.build(temporary.newFolder("source"))
        BundleStore(temporary.root.resolve("installed")).install(FolderSource(source))
    }
    private val engine by lazy { Counting(bundle) }
    private var opened = 0
    private val large = Picture(200, 200, IntArray(200 * 200) { -1 })

    private fun stylist() = Stylist(bundle) { engine.also { opened += 1 } }

    private class Counting(bundle: Bundle) : StyleEngine {
        override val lane = bundle.manifest.lanes().first()
        override val accelerator = "cpu"
        override val layout = Layout.NCHW
        val threads = HashSet<String>()
        var runs = 0
        var closed = 0
        var between: () -> Unit = {}

        override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray {
            threads += Thread.currentThread().name
            runs += 1
            between()
            return content
        }

        override fun encodeStyle(style: FloatArray) = FloatArray(4)

        override fun close() {
            closed += 1
        }
    }

    private fun code() = bundle.code(bundle.manifest.styles.first().id)

    @Test
    fun oneEngineServesEveryCallOnItsOwnThread() {
        stylist().use { stylist ->
            runBlocking(Dispatchers.Default) {
                val made = List(3) { async { stylist.stylize(large, code(), oversize = Oversize.TILE) } }.map { it.await() }
                assertEquals(3 * made.first().tiles, engine.runs)
            }
        }
        assertEquals(1, opened)
        assertEquals(setOf("iast-stylist"), engine.threads)
        assertEquals(1, engine.closed)
    }

    @Test
    fun aCancelledCallEndsBeforeItsNextTileAndTheEngineStaysOpen() = stylist().use { stylist ->
        val first = CountDownLatch(1)
        val cancelled = CountDownLatch(1)
        engine.between = {
            first.countDown()
            cancelled.await()
        }
        runBlocking(Dispatchers.Default) {
            val painting = launch { stylist.stylize(large, code(), oversize = Oversize.TILE) }
            first.await()
            val waiting = async { stylist.stylize(large, code(), oversize = Oversize.TILE) }
            painting.cancel()
            waiting.cancel()
            cancelled.countDown()
            painting.join()
            assertTrue(painting.isCancelled)
            assertThrows(CancellationException::class.java) { runBlocking { waiting.await() } }
        }
        assertEquals("the tile that ran, and none after it", 1, engine.runs)
        engine.between = {}
        val made = runBlocking { stylist.stylize(large, code(), oversize = Oversize.TILE) }
        assertTrue(made.tiles > 1)
        assertEquals(1, opened)
    }

    @Test
    fun whatCannotBeOpenedIsTriedAgain() {
        val stylist = Stylist(bundle) { if (opened++ == 0) throw BundleException("no memory; try again") else engine }
        stylist.use {
            assertThrows(BundleException::class.java) { runBlocking { stylist.stylize(large, code()) } }
            assertEquals(1, runBlocking { stylist.stylize(large, code()) }.tiles)
        }
        assertThrows(IllegalStateException::class.java) { runBlocking { stylist.stylize(large, code()) } }
        stylist.close()
        assertEquals(1, engine.closed)
    }

    @Test
    fun closingWhatWasNeverAskedOpensNothing() {
        stylist().close()
        assertFalse(opened > 0)
    }
}
