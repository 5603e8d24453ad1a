package org.iastexport.core

/** A runtime that a model file is made for; [id] as in the manifest. */
public enum class Runtime(public val id: String) { LITERT("litert"), ONNXRUNTIME("onnxruntime") }

/** How a model file stores and computes; [id] as in the manifest. */
public enum class Precision(public val id: String) { FP32("fp32"), FP16("fp16"), DYNAMIC_INT8("dynamic_int8"), INT8("int8") }

/** What a model file does; [id] as in the manifest. */
public enum class Role(public val id: String) {
    TRANSFER("transfer"), DISPATCH("dispatch"), STYLE_ENCODER("style_encoder"), LANDMARKS("landmarks")
}

/** A runtime and a precision: one of the columns of a bundle's reports. */
public data class Lane(val runtime: Runtime, val precision: Precision) {
    override fun toString() = "${runtime.id}-${precision.id}"
}

/**
 * A subnetwork: serves pictures whose longest side is at most [maxSidePx]; fixed shapes are [heightPx] x [widthPx].
 * With [anyShape] LiteRT's files take its pictures in any shape, each by its own [ShapeTable].
 */
public data class Tier(
    val id: String,
    val depth: Int,
    val maxSidePx: Int,
    val heightPx: Int,
    val widthPx: Int,
    val anyShape: Boolean = false,
) {
    /** Whether a runtime's files take this tier's pictures in [heightPx] x [widthPx] alone. */
    public fun isFixed(runtime: Runtime): Boolean = runtime == Runtime.LITERT && !anyShape
}

/**
 * A model file with its hash; [signatures] are LiteRT's keys, [tier] is set where the file serves one tier only.
 * [accelerators] are by signature those that run it whole; empty where the bundle doesn't say. [minimumRuntime] is
 * the oldest release of its runtime that takes it, where that is known. [shapes] is the path of its [ShapeTable],
 * [statistics] that of its [LiftedTable].
 */
public data class ModelFile(
    val path: String,
    val bytes: Long,
    val sha256: String,
    val runtime: Runtime,
    val precision: Precision,
    val role: Role,
    val signatures: List<String>,
    val tier: String?,
    val minimumRuntime: String?,
    val accelerators: Map<String, List<String>> = emptyMap(),
    val shapes: String? = null,
    val shapesSha256: String? = null,
    val statistics: String? = null,
    val statisticsSha256: String? = null,
) {
    /** Why an accelerator may not run the file whole, as the bundle tells; null where it promises that. */
    public fun doubt(accelerator: Accelerator): String? {
        if (accelerators.isEmpty()) return "the bundle doesn't say what runs it whole"
        val without = signatures.filter { accelerator.id !in accelerators[it].orEmpty() }
        return if (without.isEmpty()) null else "the bundle promises no ${accelerator.name} for ${without.joinToString()}"
    }
}

/** One edge of a model: its name and how its numbers lie. [scale] and [zeroPoint] are set for int8 edges. */
public data class Edge(
    val path: String,
    val signature: String?,
    val isInput: Boolean,
    val name: String,
    val dtype: String,
    val layout: String,
    val scale: Float?,
    val zeroPoint: Int?,
)

/** A ready-made style: where its code and its thumbnail lie. */
public data class StyleEntry(
    val id: String,
    val category: String,
    val title: String,
    val licence: String,
    val path: String,
    val sha256: String,
    val thumbnail: String?,
    val thumbnailSha256: String?,
)

/**
 * A picture and what each lane must make of it, to within [toleranceLevels] of 8-bit levels on a CPU, and
 * [gpuToleranceLevels] on a GPU, which computes in FP16.
 */
public data class Golden(
    val tier: String,
    val content: String,
    val style: String,
    val strength: Float,
    val outputs: Map<Lane, String>,
    val toleranceLevels: Map<Runtime, Int>,
    val sha256: Map<String, String>,
    val gpuToleranceLevels: Map<Precision, Int> = emptyMap(),
) {
    /** The picture that an attempt is judged by: its lane's own; FP32's for FP16 on a GPU, which its file is made for; null where none is. */
    public fun wanted(attempt: Attempt): String? {
        val halves = attempt.lane.precision == Precision.FP16 && attempt.accelerator == Accelerator.GPU
        return outputs[attempt.lane] ?: if (halves) outputs[attempt.lane.copy(precision = Precision.FP32)] else null
    }

    /** The largest difference that a lane may show on an accelerator, as an engine names it. */
    public fun tolerance(lane: Lane, accelerator: String): Int {
        val judgedAs = if (lane.precision == Precision.FP16) Precision.FP32 else lane.precision
        val onGpu = if (accelerator.startsWith("gpu")) gpuToleranceLevels[judgedAs] else null
        return onGpu ?: toleranceLevels[lane.runtime] ?: 0
    }
}

/** One of the tensors that make up a style's code, in the order in which a code's file holds them. */
public data class CodeInput(val name: String, val shape: List<Int>) {
    val length: Int get() = shape.fold(1, Int::times)
}

/** A file of the bundle that must arrive whole. [bytes] is null where the manifest gives the hash only. */
public data class Listed(val path: String, val sha256: String, val bytes: Long?)

/** The text that says whose work is in the bundle; an app that shows pictures of it shows that, too. */
public data class Notice(val path: String, val sha256: String)

/**
 * The bundle's contract, checked: every path is safe, every reference resolves, every rule is one that
 * this code implements. The app has no number of its own.
 */
public data class Manifest(
    val name: String,
    val createdBy: String,
    val tiers: List<Tier>,
    val files: List<ModelFile>,
    val edges: List<Edge>,
    val styles: List<StyleEntry>,
    val goldens: List<Golden>,
    val codes: List<CodeInput>,
    val takesStrength: Boolean,
    val sizeMultiplePx: Int,
    val styleSidePx: Int,
    val notice: Notice? = null,
) {
    /** Numbers in a style's code. */
    val codeLength: Int get() = codes.sumOf { it.length }

    /** A style's code cut into the tensors that the network takes, by name. */
    public fun split(code: FloatArray): Map<CodeInput, FloatArray> {
        need(code.size == codeLength) { "a code of ${code.size} numbers, $codeLength were needed" }
        var at = 0
        return codes.associateWith { input -> code.copyOfRange(at, at + input.length).also { at += input.length } }
    }

    /** Lanes that can stylize, in the manifest's order. */
    public fun lanes(): List<Lane> =
        files.filter { it.role == Role.TRANSFER }.map { Lane(it.runtime, it.precision) }.distinct()

    /** The transfer model of a lane for a tier; null where the bundle has none. */
    public fun transfer(lane: Lane, tier: Tier): ModelFile? = files.firstOrNull {
        it.role == Role.TRANSFER && it.runtime == lane.runtime && it.precision == lane.precision &&
            (it.tier == null || it.tier == tier.id)
    }

    /** The only file of a role in a runtime; null where the bundle has none. */
    public fun only(role: Role, runtime: Runtime): ModelFile? = files.firstOrNull { it.role == role && it.runtime == runtime }

    /** The edge of a model by name; a LiteRT file has one per signature. */
    public fun edge(file: ModelFile, signature: String?, name: String): Edge =
        edges.firstOrNull { it.path == file.path && it.signature == signature && it.name == name }
            ?: throw BundleException("manifest.json lists no edge $name of ${file.path}; build the bundle again")

    /** Whether a model has an edge of that name. */
    public fun hasEdge(file: ModelFile, signature: String?, name: String): Boolean =
        edges.any { it.path == file.path && it.signature == signature && it.name == name }

    /** LiteRT's signature key of a tier. */
    public fun signature(file: ModelFile, tier: Tier): String {
        val key = tier.id.replace('-', '_')
        need(key in file.signatures) { "${file.path} has no signature $key; build the bundle again" }
        return key
    }

    public fun tier(id: String): Tier =
        tiers.firstOrNull { it.id == id } ?: throw BundleException("the bundle has no tier $id")

    public fun style(id: String): StyleEntry =
        styles.firstOrNull { it.id == id } ?: throw BundleException("the bundle has no style $id")

    /** Everything to copy and to verify, each path once. */
    public fun listed(): List<Listed> = everyListed().distinctBy { it.path }

    /** As [listed], a path as often as the manifest names it. */
    internal fun everyListed(): List<Listed> =
        files.map { Listed(it.path, it.sha256, it.bytes) } +
            files.filter { it.shapes != null }.map { Listed(it.shapes!!, it.shapesSha256!!, null) } +
            files.filter { it.statistics != null }.map { Listed(it.statistics!!, it.statisticsSha256!!, null) } +
            styles.map { Listed(it.path, it.sha256, null) } +
            styles.filter { it.thumbnail != null }.map { Listed(it.thumbnail!!, it.thumbnailSha256!!, null) } +
            goldens.flatMap { golden -> golden.sha256.map { Listed(it.key, it.value, null) } } +
            listOfNotNull(notice?.let { Listed(it.path, it.sha256, null) })

    public companion object {
        /** The schema version that this code reads. */
        public const val SCHEMA_VERSION = 1

        /** Where a bundle keeps it. */
        public const val FILE_NAME = "manifest.json"

        /**
         * Reads and checks a manifest.
         *
         * @throws BundleException it is not JSON, of another schema version, incomplete, or breaks the contract.
         */
        public fun parse(text: String): Manifest = ManifestReader(Fields.parse(text)).read()
    }
}
