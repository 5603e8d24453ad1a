package org.iastexport.core

import java.io.Closeable
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** Holds the newest frame for one who paints: a frame that comes before the last one was taken takes its place. */
public class NewestFrame<T : Any>(private val discard: (T) -> Unit = {}) : Closeable {
    private val lock = ReentrantLock()
    private val changed = lock.newCondition()
    private var waiting: T? = null
    private var isClosed = false

    /** Frames that nobody painted. */
    @Volatile
    public var dropped = 0
        private set

    /** Puts a frame where the painter finds it; false where nobody will come any more. */
    public fun offer(frame: T): Boolean = lock.withLock {
        val old = if (isClosed) frame else waiting.also { waiting = frame }
        if (old != null) {
            discard(old)
            dropped += 1
        }
        changed.signalAll()
        !isClosed
    }

    /** The newest frame, as soon as there is one; null once it is closed. */
    public fun take(): T? = lock.withLock {
        while (waiting == null && !isClosed) changed.await()
        waiting.also { waiting = null }
    }

    /** Ends the painter's waiting. */
    override fun close() = lock.withLock {
        isClosed = true
        waiting?.let(discard)
        waiting = null
        changed.signalAll()
    }
}

/**
 * Which tier live frames are painted in, so that one takes no longer than [budgetMs]: the largest that holds it. Times
 * are averages that forget; a tier that was never tried is foretold from the nearest one by its pixels.
 */
public class FrameBudget(private val tiers: List<Tier>, private val budgetMs: Double) {
    private val averages = HashMap<String, Double>()

    /** The tier for the next frame; the smallest at first. */
    public var tier: Tier = tiers.first()
        private set

    init {
        require(budgetMs > 0) { "a budget of $budgetMs ms" }
    }

    /** Notes what a frame in [tier] took. */
    public fun add(spentMs: Double) {
        averages[tier.id] = averages[tier.id]?.let { it + (spentMs - it) * SHARE } ?: spentMs
        val at = tiers.indexOf(tier)
        tiers.getOrNull(at + 1)?.let { larger -> averages[larger.id]?.let { averages[larger.id] = it * KEPT } } // it may have cooled down
        tier = when {
            averages.getValue(tier.id) > budgetMs -> tiers.getOrElse(at - 1) { tier }
            at + 1 < tiers.size && expectedMs(tiers[at + 1]) < ROOM * budgetMs -> tiers[at + 1]
            else -> tier
        }
    }

    /** What a frame would take: as measured, else by pixels from the tier in use. */
    private fun expectedMs(other: Tier): Double {
        val sides = other.maxSidePx.toDouble() / tier.maxSidePx
        return averages[other.id] ?: (averages.getValue(tier.id) * sides * sides)
    }

    private companion object {
        /** Of a new time in the average; chosen: three slow frames count, one does not. */
        const val SHARE = 0.3

        /** Of a larger tier's time with every frame; chosen: it is tried again after some ten seconds. */
        const val KEPT = 0.998

        /** A larger tier must be foretold to leave so much room, so that tiers don't take turns. */
        const val ROOM = 0.8
    }
}

/** A live frame, painted. [moments] came from a moving average where [isSteady]. */
public class LiveFrame(public val before: Picture, public val after: Picture, public val tier: Tier, public val spentMs: Double, public val isSteady: Boolean)

/** Paints frames of a camera or a clip in one style: each at the tier that its budget holds, with moving statistics. */
public class LivePainter(bundle: Bundle, private val engine: StyleEngine, budgetMs: Double, private val nowNs: () -> Long = System::nanoTime) {
    private val pipeline = StylePipeline(bundle, engine)
    private val budget = FrameBudget(bundle.manifest.tiers, budgetMs)
    private val moving = HashMap<String, MovingMoments>()
    private var style: FloatArray? = null

    /** The frame in a style; a new style, or another tier, begins new statistics. */
    public fun paint(frame: Picture, code: FloatArray, strength: Float): LiveFrame {
        if (style?.contentEquals(code) != true) moving.clear()
        style = code
        val tier = budget.tier
        val started = nowNs()
        val source = if (maxOf(frame.widthPx, frame.heightPx) > tier.maxSidePx) Resize.fitLongestSide(frame.opaque(), tier.maxSidePx) else frame.opaque()
        val lifted = engine.lifted(tier, code, strength)
        val made = if (lifted == null) pipeline.runOnce(source, tier, code, strength).first else steady(lifted, source, tier)
        val spentMs = (nowNs() - started) / 1e6
        budget.add(spentMs)
        if (budget.tier != tier) moving.keys.retainAll(setOf(budget.tier.id))
        return LiveFrame(source, made, tier, spentMs, lifted != null)
    }

    private fun steady(lifted: Lifted, source: Picture, tier: Tier): Picture {
        val covered = Covered(source, tier.maxSidePx, lifted)
        val moments = moving.getOrPut(tier.id) { MovingMoments() }.add(source, Measuring.exact(lifted, listOf(covered)))
        val (down, across) = covered.cover.down.spans.first() to covered.cover.across.spans.first()
        return covered.given(down, across, lifted.render(covered.tile(down, across, lifted.layout), moments), lifted.layout)
    }
}
