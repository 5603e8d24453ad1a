package org.iastexport.core

import java.io.File
import java.io.IOException
import kotlin.system.exitProcess

private const val USAGE = """The pixel side of iast-export's Android core, around runtimes that run elsewhere.

  verify   BUNDLE                                      every file against its SHA-256
  install  BUNDLE FOLDER                               copy, verify, rename
  select   BUNDLE WIDTH HEIGHT                         the tier's id
  read     IN.(ppm|png) OUT.ppm
  resize   IN WIDTH HEIGHT OUT.ppm
  fit      IN SIDE OUT.ppm
  square   IN SIDE OUT.ppm
  prepare  BUNDLE RUNTIME TIER IN OUT.f32              padded, as the runtime's tensor; prints height and width
  finish   BUNDLE RUNTIME TIER WIDTH HEIGHT IN.f32 OUT.ppm
  tiles    BUNDLE TIER IN FOLDER                       FOLDER/0.ppm ...: what is stylized tile by tile
  blend    BUNDLE TIER IN FOLDER OUT.ppm               FOLDER/0.ppm ... back into one picture
  selftest BUNDLE FOLDER                               goldens from FOLDER/TIER-LANE.f32, what each runtime returned
  batch    FILE                                        one of the above per line, tab-separated

Exit codes: 0 done, 2 usage, 3 the bundle or a file is not what it should be, 5 a golden picture differs."""

private class Usage : Exception()

/** An engine that returns what a runtime computed elsewhere, from files. */
private class RecordedEngine(override val lane: Lane, private val folder: File) : StyleEngine {
    override val accelerator = "recorded"
    override val layout = layoutOf(lane.runtime)

    override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray {
        val file = File(folder, "${tier.id}-$lane.f32")
        need(file.isFile) { "${file.name} is missing in $folder" }
        return readFloats(file)
    }

    override fun encodeStyle(style: FloatArray): FloatArray = throw BundleException("a recorded engine encodes no style")

    override fun close() = Unit
}

private fun layoutOf(runtime: Runtime) = if (runtime == Runtime.LITERT) Layout.NHWC else Layout.NCHW

private fun runtimeOf(id: String) = Runtime.values().firstOrNull { it.id == id } ?: throw Usage()

private fun picture(path: String): Picture = File(path).let { if (path.endsWith(".png")) GoldenPng.read(it) else Ppm.read(it) }

private fun number(text: String): Int = text.toIntOrNull() ?: throw Usage()

private fun prepare(args: List<String>) {
    val bundle = Bundle.open(File(args[1]))
    val runtime = runtimeOf(args[2])
    val ready = StylePipeline.prepare(picture(args[4]), bundle.manifest.tier(args[3]), bundle.manifest, runtime, layoutOf(runtime))
    writeFloats(File(args[5]), ready.values)
    println("${ready.heightPx} ${ready.widthPx}")
}

private fun finish(args: List<String>) {
    val manifest = Bundle.open(File(args[1])).manifest
    val runtime = runtimeOf(args[2])
    val tier = manifest.tier(args[3])
    val (width, height) = number(args[4]) to number(args[5])
    val fixed = tier.isFixed(runtime)
    val fullWidth = if (fixed) tier.widthPx else Padding.roundUp(width, manifest.sizeMultiplePx)
    val fullHeight = if (fixed) tier.heightPx else Padding.roundUp(height, manifest.sizeMultiplePx)
    val values = readFloats(File(args[6]))
    Ppm.write(File(args[7]), PixelCodec.toPicture(values, fullWidth, fullHeight, layoutOf(runtime), width, height))
}

private fun tiling(args: List<String>, source: Picture): Tiling {
    val manifest = Bundle.open(File(args[1])).manifest
    return Tiling(source.widthPx, source.heightPx, manifest.tier(args[2]).maxSidePx, manifest.sizeMultiplePx)
}

private fun tiles(args: List<String>) {
    val source = picture(args[3])
    var i = 0
    val tiling = tiling(args, source)
    tiling.run(source) { tile -> tile.also { Ppm.write(File(args[4], "${i++}.ppm"), it) } }
    println(tiling.count)
}

private fun blend(args: List<String>) {
    val source = picture(args[3])
    var i = 0
    Ppm.write(File(args[5]), tiling(args, source).run(source) { Ppm.read(File(args[4], "${i++}.ppm")) })
}

private fun selftest(args: List<String>): Int {
    val bundle = Bundle.open(File(args[1]))
    val outcomes = SelfTest(bundle) { RecordedEngine(it.lane, File(args[2])) }.run(bundle.manifest.lanes().map { Attempt(it) })
    val device = Device("desktop", "JVM", null, null, "none", 0, System.getProperty("os.arch") ?: "unknown", cores(), true)
    print(DeviceResult("iast-core", "1970-01-01T00:00:00Z", bundle, device, DeviceState(null, null, null, null), selftest = outcomes).toJson())
    return if (outcomes.all { it.status == "pass" }) 0 else 5
}

private fun cores(): Int = java.lang.Runtime.getRuntime().availableProcessors()

private fun run(args: List<String>): Int {
    val counts = mapOf(
        "verify" to 2, "install" to 3, "select" to 4, "read" to 3, "resize" to 5, "fit" to 4, "square" to 4,
        "prepare" to 6, "finish" to 8, "tiles" to 5, "blend" to 6, "selftest" to 3, "batch" to 2,
    )
    if (args.isEmpty() || counts[args[0]] != args.size) throw Usage()
    when (args[0]) {
        "verify" -> Bundle.open(File(args[1])).verifyAll()
        "install" -> println(BundleStore(File(args[2])).install(FolderSource(File(args[1]))).folder)
        "select" -> println(TierRule.select(Bundle.open(File(args[1])).manifest.tiers, number(args[2]), number(args[3]))?.id ?: "none")
        "read" -> Ppm.write(File(args[2]), picture(args[1]))
        "resize" -> Ppm.write(File(args[4]), Resize.to(picture(args[1]), number(args[2]), number(args[3])))
        "fit" -> Ppm.write(File(args[3]), Resize.fitLongestSide(picture(args[1]), number(args[2])))
        "square" -> Ppm.write(File(args[3]), Resize.centerSquare(picture(args[1]), number(args[2])))
        "prepare" -> prepare(args)
        "finish" -> finish(args)
        "tiles" -> tiles(args)
        "blend" -> blend(args)
        "selftest" -> return selftest(args)
        "batch" -> for (line in File(args[1]).readLines()) run(line.split('\t')).let { if (it != 0) return it }
    }
    return 0
}

/** The command line of the core; see [USAGE]. */
public fun main(args: Array<String>) {
    val code = try {
        run(args.toList())
    } catch (_: Usage) {
        System.err.println(USAGE)
        2
    } catch (error: BundleException) {
        System.err.println("error: ${error.message}")
        3
    } catch (error: IOException) {
        System.err.println("error: ${error.message}; check the path")
        3
    }
    exitProcess(code)
}
