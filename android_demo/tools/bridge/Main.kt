package org.iastexport.bridge

import com.google.ai.edge.litert.Player
import java.io.File
import org.iastexport.core.Attempt
import org.iastexport.core.Bundle
import org.iastexport.core.BundleException
import org.iastexport.core.Device
import org.iastexport.core.DeviceBenchmark
import org.iastexport.core.DeviceResult
import org.iastexport.core.DeviceState
import org.iastexport.core.Landmarks
import org.iastexport.core.Lane
import org.iastexport.core.LargePainter
import org.iastexport.core.LivePainter
import org.iastexport.core.Oversize
import org.iastexport.core.Picture
import org.iastexport.core.Ppm
import org.iastexport.core.SelfTest
import org.iastexport.core.Statistics
import org.iastexport.core.StylePipeline
import org.iastexport.core.Way
import org.iastexport.demo.EngineChoice
import org.iastexport.demo.openEngine
import org.iastexport.engine.LandmarkEngine

private const val THREADS = 2

/** How an engine is opened: cpu, gpu (strict), fallback, dispatch; gpu:FOLDER keeps its programs there. */
private fun choice(mode: String): EngineChoice {
    val (kind, folder) = mode.substringBefore(':') to mode.substringAfter(':', "")
    val cache = folder.takeIf { it.isNotEmpty() }?.let(::File)
    return EngineChoice(THREADS, gpu = kind == "gpu" || kind == "fallback", fallback = kind == "fallback", dispatch = kind == "dispatch", cache = cache)
}

private fun lane(bundle: Bundle, name: String): Lane = bundle.manifest.lanes().first { it.toString() == name }

/** stylize BUNDLE LANE MODE STYLE STRENGTH OVERSIZE IN.ppm OUT.ppm; STYLE is an id or an artwork (PPM). */
private fun stylize(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    openEngine(bundle, lane(bundle, args[2]), choice(args[3])).use { engine ->
        val pipeline = StylePipeline(bundle, engine)
        val code = if (File(args[4]).isFile) pipeline.encodeStyle(Ppm.read(File(args[4]))) else bundle.code(args[4])
        val made = pipeline.stylize(Ppm.read(File(args[7])), code, args[5].toFloat(), Oversize.valueOf(args[6]))
        Ppm.write(File(args[8]), made.picture)
        Bridge.say("done ${made.choice.tier.id} ${made.choice.reason} ${made.tiles} ${engine.accelerator}")
    }
}

/** large BUNDLE LANE STYLE STRENGTH WAY STATISTICS IN.ppm OUT.ppm; says the tiles. */
private fun large(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    openEngine(bundle, lane(bundle, args[2]), choice("cpu")).use { engine ->
        val photograph = Ppm.read(File(args[7]))
        val out = IntArray(photograph.argb.size)
        val made = LargePainter(bundle, engine).paint(
            photograph, bundle.code(args[3]), args[4].toFloat(), Way.valueOf(args[5]), Statistics.valueOf(args[6]),
        ) { top, band -> System.arraycopy(band.argb, 0, out, top * band.widthPx, band.argb.size) }
        Ppm.write(File(args[8]), Picture(photograph.widthPx, photograph.heightPx, out))
        Bridge.say("done ${made.tier.id} ${made.tiles} ${made.sharesStatistics}")
    }
}

/** together BUNDLE LANE STYLE TIER OUT IN.ppm...: OUT/0.ppm, ... in one tone. */
private fun together(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    val tier = bundle.manifest.tier(args[4])
    openEngine(bundle, lane(bundle, args[2]), choice("cpu")).use { engine ->
        val (painter, code) = LargePainter(bundle, engine) to bundle.code(args[3])
        val pictures = args.drop(6).map { Ppm.read(File(it)) }
        val moments = painter.together(pictures, code, 1f, tier) ?: return Bridge.say("lifts nothing")
        for ((i, picture) in pictures.withIndex()) {
            val out = IntArray(picture.argb.size)
            painter.paint(picture, code, 1f, tier, moments) { top, band -> System.arraycopy(band.argb, 0, out, top * band.widthPx, band.argb.size) }
            Ppm.write(File(args[5], "$i.ppm"), Picture(picture.widthPx, picture.heightPx, out))
        }
        Bridge.say("done ${pictures.size}")
    }
}

/** live BUNDLE LANE STYLE OUT IN.ppm...: frames of one camera, as fast as they come; OUT/0.ppm, ... */
private fun live(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    openEngine(bundle, lane(bundle, args[2]), choice("cpu")).use { engine ->
        var now = 0L // every frame takes just its budget, so that the tier stays
        val painter = LivePainter(bundle, engine, budgetMs = 50.0) { now.also { now += 50_000_000L } }
        for ((i, path) in args.drop(5).withIndex()) {
            val made = painter.paint(Ppm.read(File(path)), bundle.code(args[3]), 1f)
            Ppm.write(File(args[4], "$i.ppm"), made.after)
            Bridge.say("frame ${made.tier.id} ${made.isSteady}")
        }
    }
}

/** A result as the app writes it, of a device that says that it is none. */
private fun result(bundle: Bundle, make: (Device, DeviceState) -> DeviceResult): String {
    val device = Device("bridge", "desktop JVM", null, null, "none", 0, System.getProperty("os.arch"), 2, emulated = true)
    return make(device, DeviceState(null, null, null, null)).toJson().also { check(bundle.manifestSha256 in it) }
}

/** selftest BUNDLE ACCELERATORS OUT.json; ACCELERATORS as `Attempt.chosen` takes them. */
private fun selftest(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    val outcomes = SelfTest(bundle) { openEngine(bundle, it, THREADS) }.run(Attempt.chosen(bundle.manifest, args[2]))
    File(args[3]).writeText(result(bundle) { device, state -> DeviceResult("bridge", "2026-01-01T00:00:00Z", bundle, device, state, selftest = outcomes) })
}

/** benchmark BUNDLE ACCELERATORS SAMPLES OUT.json */
private fun benchmark(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    val samples = DeviceBenchmark(bundle) { openEngine(bundle, it, THREADS) }
        .run(Attempt.chosen(bundle.manifest, args[2]), THREADS, warmup = 1, samples = args[3].toInt())
    File(args[4]).writeText(result(bundle) { device, state -> DeviceResult("bridge", "2026-01-01T00:00:01Z", bundle, device, state, benchmark = samples) })
}

private fun landmarks(args: List<String>) {
    val points = LandmarkEngine.find(Bundle.open(File(args[1])), Ppm.read(File(args[2])))
    Bridge.say(points?.joinToString(" ") { "${it.x},${it.y}" } ?: "none")
}

/** template LEFT TOP SIZE: the plain face that handles start from, as the mock-ups read it. */
private fun template(args: List<String>) {
    val points = Landmarks.template(args[1].toDouble(), args[2].toDouble(), args[3].toDouble())
    val runs = Landmarks.CONTOURS.map { (run, closes) -> "${run.first}-${run.last}" + if (closes) "-closed" else "" }
    Bridge.say((points.map { "${it.x},${it.y}" } + runs).joinToString(" "))
}

/** Runs the commands of a file, a line each, words split by tabs; ends by saying how much was left open. */
fun main(args: Array<String>) {
    Player.current = PlayedLiteRt
    for (line in File(args[0]).readLines()) {
        val words = line.split('\t')
        try {
            when (words[0]) {
                "stylize" -> stylize(words)
                "large" -> large(words)
                "together" -> together(words)
                "live" -> live(words)
                "selftest" -> selftest(words)
                "benchmark" -> benchmark(words)
                "landmarks" -> landmarks(words)
                "template" -> template(words)
                else -> error("no command ${words[0]}")
            }
        } catch (error: BundleException) {
            Bridge.say("refused ${error.message}")
        }
    }
    Bridge.say("open ${Bridge.open.get()}")
}
