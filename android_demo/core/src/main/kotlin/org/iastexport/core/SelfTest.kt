package org.iastexport.core

import kotlin.math.abs
import kotlin.math.max

/** Opens an engine as asked, without any fallback; throws where the phone can't. */
public typealias EngineFactory = (Attempt) -> StyleEngine

/** Proves that this device computes what was verified: the bundle's goldens through the real runtime. */
public class SelfTest(private val bundle: Bundle, private val open: EngineFactory) {
    /**
     * One outcome per golden picture and attempt. What can't be opened or run is an `error`, never left out.
     *
     * One engine is open at a time.
     *
     * @param attempts those to test; default: all of the bundle's.
     * @throws BundleException there is nothing to test.
     */
    public fun run(attempts: List<Attempt> = Attempt.all(bundle.manifest), progress: (Int, Int) -> Unit = { _, _ -> }): List<GoldenOutcome> {
        val work = attempts.map { attempt -> attempt to bundle.manifest.goldens.filter { it.wanted(attempt) != null } }
        val count = work.sumOf { it.second.size }
        need(count > 0) { "the bundle holds no golden picture for ${attempts.joinToString()}; build it again" }
        var done = 0
        return work.filter { it.second.isNotEmpty() }.flatMap { (attempt, goldens) ->
            val engine = runCatching { open(attempt) }
            try {
                goldens.map { golden ->
                    progress(done++, count)
                    outcome(golden, attempt, engine)
                }
            } finally {
                engine.getOrNull()?.close()
            }
        }.also { progress(count, count) }
    }

    private fun outcome(golden: Golden, attempt: Attempt, engine: Result<StyleEngine>): GoldenOutcome {
        val accelerator = engine.getOrNull()?.accelerator ?: NOTHING
        val tolerance = golden.tolerance(attempt.lane, attempt.accelerator.id)
        fun result(worst: Int?, share: Double?, message: String) = GoldenOutcome(
            attempt, golden.tier, golden.style, accelerator, engine.getOrNull()?.operatorsOnAccelerator, worst, share, tolerance, message,
        )
        return try {
            val difference = compare(golden, attempt, engine.getOrThrow())
            result(difference.worst, difference.share, "")
        } catch (error: Throwable) {
            // A missing native library or too little memory is an Error, and what a phone must report.
            result(null, null, error.words)
        }
    }

    private fun compare(golden: Golden, attempt: Attempt, engine: StyleEngine): LevelDifference {
        val content = GoldenPng.read(bundle.file(golden.content))
        val wanted = GoldenPng.read(bundle.file(golden.wanted(attempt)!!))
        val made = StylePipeline(bundle, engine).stylize(
            content, bundle.code(golden.style), golden.strength, Oversize.REFUSE, bundle.manifest.tier(golden.tier),
        )
        return LevelDifference.between(made.picture, wanted)
    }
}

/** How far two pictures lie apart: the [worst] difference of a level, and the [share] of levels that differ. */
public class LevelDifference(public val worst: Int, public val share: Double) {
    public companion object {
        /** @throws BundleException the pictures differ in size. */
        public fun between(a: Picture, b: Picture): LevelDifference {
            need(a.widthPx == b.widthPx && a.heightPx == b.heightPx) {
                "${a.widthPx}x${a.heightPx} px were made, ${b.widthPx}x${b.heightPx} px were wanted"
            }
            var worst = 0
            var differing = 0
            for (i in a.argb.indices) for (c in 0..2) {
                val difference = abs(channel(a.argb[i], c) - channel(b.argb[i], c))
                worst = max(worst, difference)
                if (difference > 0) differing += 1
            }
            return LevelDifference(worst, differing / (3.0 * a.argb.size))
        }
    }
}

/** The accelerator of what could not be opened, in results. */
private const val NOTHING = "none"

/** Times every attempt on every tier: the tier's golden picture, run plus read-back, raw samples kept. */
public class DeviceBenchmark(private val bundle: Bundle, private val open: EngineFactory) {
    /**
     * Samples per attempt and tier; none, and the reason, where it can't be opened or run.
     *
     * One engine is open at a time. The attempts are gone through twice, the second time from the last to the
     * first, half of the samples each, so that heat hits all alike.
     *
     * @param warmup runs before any is counted, at each opening, kept apart.
     * @param samples runs that count; 29 are the least that a 90th percentile can be told from.
     * @throws BundleException there is nothing to measure.
     */
    public fun run(
        attempts: List<Attempt>,
        threads: Int,
        warmup: Int = 5,
        samples: Int = 30,
        progress: (Int, Int) -> Unit = { _, _ -> },
    ): List<BenchmarkSamples> {
        need(attempts.isNotEmpty() && samples > 0 && warmup >= 0) { "nothing to measure: choose at least one lane and one sample" }
        val goldens = bundle.manifest.goldens.distinctBy { it.tier }
        need(goldens.isNotEmpty()) { "the bundle holds no golden picture to measure on; build it again" }
        val rows = attempts.associateWith { attempt -> goldens.map { Row(attempt, it) } }
        val passes = listOf(attempts to (samples + 1) / 2, attempts.reversed() to samples / 2).filter { it.second > 0 }
        var done = 0
        for ((order, count) in passes) for (attempt in order) {
            progress(done++, attempts.size * passes.size)
            measure(attempt, rows.getValue(attempt), warmup, count)
        }
        progress(done, done)
        return rows.values.flatten().map { it.samples(threads) }
    }

    private fun measure(attempt: Attempt, rows: List<Row>, warmup: Int, count: Int) {
        if (rows.all { it.message.isNotEmpty() }) return
        try {
            open(attempt).use { engine -> rows.filter { it.message.isEmpty() }.forEach { time(engine, it, warmup, count) } }
        } catch (error: Throwable) {
            rows.filter { it.message.isEmpty() }.forEach { it.fail(error) }
        }
    }

    private fun time(engine: StyleEngine, row: Row, warmup: Int, count: Int) = try {
        row.accelerator = engine.accelerator
        row.operators = engine.operatorsOnAccelerator
        val tier = bundle.manifest.tier(row.golden.tier)
        val code = bundle.code(row.golden.style)
        val square = Padding.to(GoldenPng.read(bundle.file(row.golden.content)), tier.widthPx, tier.heightPx)
        val ready = StylePipeline(bundle, engine).prepare(square, tier)
        repeat(warmup + count) { i ->
            val started = System.nanoTime()
            engine.run(tier, ready.values, ready.heightPx, ready.widthPx, code, row.golden.strength)
            (if (i < warmup) row.warmupMs else row.samplesMs) += (System.nanoTime() - started) / 1e6
        }
    } catch (error: Throwable) {
        row.fail(error)
    }

    /** What came of an attempt at a tier so far. */
    private class Row(val attempt: Attempt, val golden: Golden) {
        var accelerator = NOTHING
        var operators: Int? = null
        var message = ""
        val warmupMs = ArrayList<Double>()
        val samplesMs = ArrayList<Double>()

        /** Half of the samples would be those of another state: none are kept. */
        fun fail(error: Throwable) {
            message = error.words
            warmupMs.clear()
            samplesMs.clear()
        }

        fun samples(threads: Int) =
            BenchmarkSamples(attempt, golden.tier, accelerator, operators, threads, warmupMs, samplesMs, message)
    }
}

private val Throwable.words: String get() = message?.takeIf { it.isNotBlank() } ?: javaClass.simpleName
