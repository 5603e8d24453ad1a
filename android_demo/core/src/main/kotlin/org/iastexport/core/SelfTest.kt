package org.iastexport.core

import kotlin.math.abs
import kotlin.math.max

/** Opens an engine of a lane; throws where the phone can't. */
typealias EngineFactory = (Lane) -> StyleEngine

/** Proves that this device computes what was verified: the bundle's goldens through the real runtime. */
class SelfTest(private val bundle: Bundle, private val open: EngineFactory) {
    /**
     * One outcome per golden picture and lane. A lane that can't be opened or run is an `error`, never left out.
     *
     * @param lanes those to test; default: every lane that goldens exist for.
     * @throws BundleException there is nothing to test.
     */
    fun run(lanes: List<Lane> = allLanes(), progress: (Int, Int) -> Unit = { _, _ -> }): List<GoldenOutcome> {
        val work = lanes.map { lane -> lane to bundle.manifest.goldens.filter { lane in it.outputs } }
        val count = work.sumOf { it.second.size }
        need(count > 0) { "the bundle holds no golden picture for ${lanes.joinToString()}; build it again" }
        var done = 0
        return work.flatMap { (lane, goldens) ->
            val engine = runCatching { open(lane) }
            try {
                goldens.map { golden ->
                    progress(done++, count)
                    outcome(golden, lane, engine)
                }
            } finally {
                engine.getOrNull()?.close()
            }
        }.also { progress(count, count) }
    }

    /** Every lane that at least one golden picture exists for. */
    fun allLanes(): List<Lane> = bundle.manifest.goldens.flatMap { it.outputs.keys }.distinct()

    private fun outcome(golden: Golden, lane: Lane, engine: Result<StyleEngine>): GoldenOutcome {
        val accelerator = engine.getOrNull()?.accelerator ?: "none"
        val tolerance = golden.tolerance(lane, accelerator)
        fun result(worst: Int?, share: Double?, message: String) =
            GoldenOutcome(lane, golden.tier, golden.style, accelerator, worst, share, tolerance, message)
        return try {
            val difference = compare(golden, lane, engine.getOrThrow())
            result(difference.worst, difference.share, "")
        } catch (error: Throwable) {
            // A missing native library or too little memory is an Error, and what a phone must report.
            result(null, null, error.message ?: error.javaClass.simpleName)
        }
    }

    private fun compare(golden: Golden, lane: Lane, engine: StyleEngine): LevelDifference {
        val content = GoldenPng.read(bundle.file(golden.content))
        val wanted = GoldenPng.read(bundle.file(golden.outputs.getValue(lane)))
        val made = StylePipeline(bundle, engine).stylize(
            content, bundle.code(golden.style), golden.strength, Oversize.REFUSE, bundle.manifest.tier(golden.tier),
        )
        return LevelDifference.between(made.picture, wanted)
    }
}

/** How far two pictures lie apart: the [worst] difference of a level, and the [share] of levels that differ. */
class LevelDifference(val worst: Int, val share: Double) {
    companion object {
        /** @throws BundleException the pictures differ in size. */
        fun between(a: Picture, b: Picture): LevelDifference {
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

/** Times every lane on every tier: the tier's golden picture, run plus read-back, raw samples kept. */
class DeviceBenchmark(private val bundle: Bundle, private val open: EngineFactory) {
    /**
     * Samples per lane and tier. The lanes of a runtime take turns within each tier, so that heat hits all alike.
     *
     * @param warmup runs before any is counted, kept apart.
     * @param samples runs that count; 29 are the least that a 90th percentile can be told from.
     * @throws BundleException no lane could be opened, or one failed while running.
     */
    fun run(
        lanes: List<Lane>,
        threads: Int,
        warmup: Int = 5,
        samples: Int = 30,
        progress: (Int, Int) -> Unit = { _, _ -> },
    ): List<BenchmarkSamples> {
        need(lanes.isNotEmpty() && samples > 0 && warmup >= 0) { "nothing to measure: choose at least one lane and one sample" }
        val engines = ArrayList<StyleEngine>(lanes.size)
        try {
            lanes.forEach { engines += open(it) }
            val goldens = bundle.manifest.goldens.distinctBy { it.tier }
            need(goldens.isNotEmpty()) { "the bundle holds no golden picture to measure on; build it again" }
            return goldens.flatMapIndexed { i, golden ->
                progress(i, goldens.size)
                measure(golden, engines, threads, warmup, samples)
            }.also { progress(goldens.size, goldens.size) }
        } finally {
            engines.forEach { it.close() }
        }
    }

    private fun measure(golden: Golden, engines: List<StyleEngine>, threads: Int, warmup: Int, samples: Int): List<BenchmarkSamples> {
        val tier = bundle.manifest.tier(golden.tier)
        val code = bundle.code(golden.style)
        val content = GoldenPng.read(bundle.file(golden.content))
        val square = Padding.to(content, tier.widthPx, tier.heightPx)
        val ready = engines.map { StylePipeline(bundle, it).prepare(square, tier) }
        val times = engines.map { ArrayList<Double>(warmup + samples) }
        repeat(warmup + samples) {
            for ((i, engine) in engines.withIndex()) {
                val started = System.nanoTime()
                engine.run(tier, ready[i].values, ready[i].heightPx, ready[i].widthPx, code, golden.strength)
                times[i] += (System.nanoTime() - started) / 1e6
            }
        }
        return engines.mapIndexed { i, engine ->
            BenchmarkSamples(engine.lane, tier.id, engine.accelerator, threads, times[i].take(warmup), times[i].drop(warmup))
        }
    }
}
