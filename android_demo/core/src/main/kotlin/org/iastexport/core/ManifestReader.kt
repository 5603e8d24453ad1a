package org.iastexport.core

private val SHA256 = Regex("[0-9a-f]{64}")
private val ID = Regex("[a-z0-9][a-z0-9_-]*")
private val VERSION = Regex("[0-9]+([.][0-9]+){1,2}")
private const val MULTIPLE = "size_multiple_px_at_least_twice"
private const val STRENGTH = "strength"
private val ACCELERATORS = Accelerator.values().map { it.id }.toSet()

/** Most numbers of a style's code tensor: four megabytes. */
private const val MOST_NUMBERS = 1 shl 20

/** Whether a path of a bundle stays inside it: relative, forward slashes, no `.` or `..`, no `\\`, `:` or control character. */
public fun isSafePath(path: String): Boolean =
    path.split('/').all { it.isNotEmpty() && it != "." && it != ".." } &&
        path.none { it == '\\' || it == ':' || it.isISOControl() }

/** Turns the fields of a manifest into a [Manifest], refusing what is missing, unknown or unsafe. */
internal class ManifestReader(private val root: Fields) {

    fun read(): Manifest {
        checkVersion()
        checkRules()
        val network = root.fields("network")
        val shapes = network.fields("code_shapes")
        val manifest = Manifest(
            name = root.text("name"),
            createdBy = root.text("created_by"),
            tiers = root.list("tiers").map(::tier),
            files = root.list("files").map(::file),
            edges = root.list("io").map(::edge),
            styles = root.list("styles").map(::style),
            goldens = root.list("golden").map(::golden),
            codes = (shapes.keys() - STRENGTH).sorted().map { code(it, shapes) },
            takesStrength = STRENGTH in shapes.keys(),
            sizeMultiplePx = network.int("size_multiple_px", 1..1024),
            styleSidePx = root.fields("preprocess").int("style_side_px", 1..4096),
            notice = if (root.isAbsent("notice")) null else root.fields("notice").let { Notice(path(it, "path"), sha256(it.text("sha256"))) },
        )
        return manifest.also(::check)
    }

    private fun checkVersion() {
        val version = root.int("schema_version")
        need(version == Manifest.SCHEMA_VERSION) {
            "the bundle's schema version is $version, this app reads ${Manifest.SCHEMA_VERSION}: update the " +
                if (version > Manifest.SCHEMA_VERSION) "app" else "bundle"
        }
    }

    /** Every rule of pixels that the core implements, by the name it has in the manifest. */
    private fun checkRules() {
        val before = root.fields("preprocess")
        before.rule("color_order", "RGB")
        before.rule("alpha", "over_white")
        before.rule("level_to_value", "level / 255")
        before.rule("pad_sides", "bottom_right")
        before.rule("pad_mode", "reflect")
        before.rule("pad_mode_one_px", "edge")
        before.rule("style_crop", "center_square")
        before.rule("scaling", "area_down_linear_up")
        before.rule("scaling_rounding", "half_up_exact")
        before.fields("pad_to").rule("litert", "shape_px", MULTIPLE)
        before.fields("pad_to").rule("onnxruntime", MULTIPLE)
        val after = root.fields("postprocess")
        after.rule("value_to_level", "floor(value * 255 + 0.5)")
        after.rule("crop", "top_left")
        need(after.ints("clip") == listOf(0, 255)) { "manifest.json: postprocess.clip is not [0, 255]: update the app" }
        for (side in listOf(before, after)) {
            need(side.floats("value_range") == listOf(0f, 1f)) { "manifest.json: a value range is not [0, 1]: update the app" }
        }
    }

    private fun code(name: String, shapes: Fields): CodeInput {
        val shape = shapes.ints(name)
        need(shape.isNotEmpty() && shape.all { it in 1..MOST_NUMBERS } && shape.fold(1L, Long::times) <= MOST_NUMBERS) {
            "manifest.json: the shape of $name is $shape; build the bundle again"
        }
        return CodeInput(name, shape)
    }

    private fun tier(fields: Fields): Tier {
        val shape = fields.ints("shape_px")
        need(shape.size == 2) { "manifest.json: a tier's shape_px is $shape; build the bundle again" }
        val maxSidePx = fields.int("max_side_px", 1..16384)
        need(shape.all { it in maxSidePx..16384 }) {
            "manifest.json: a tier's shape_px $shape doesn't hold its max_side_px $maxSidePx; build the bundle again"
        }
        val anyShape = !fields.isAbsent("any_shape") && fields.flag("any_shape")
        return Tier(fields.text("id"), fields.int("depth", 1..1000), maxSidePx, shape[0], shape[1], anyShape)
    }

    private fun file(fields: Fields) = ModelFile(
        path = path(fields, "path"),
        bytes = fields.bytes("bytes"),
        sha256 = sha256(fields.text("sha256")),
        runtime = runtime(fields.text("runtime")),
        precision = precision(fields.text("precision")),
        role = Role.values().firstOrNull { it.id == fields.text("role") } ?: unknown("role", fields.text("role")),
        signatures = fields.texts("signatures"),
        tier = fields.textOrNull("tier"),
        accelerators = if (fields.isAbsent("accelerators")) emptyMap() else accelerators(fields.fields("accelerators")),
        minimumRuntime = fields.textOrNull("minimum_runtime")?.also {
            need(VERSION.matches(it)) { "manifest.json: \"$it\" is no version of a runtime; build the bundle again" }
        },
        shapes = if (fields.isAbsent("shapes")) null else path(fields, "shapes"),
        shapesSha256 = if (fields.isAbsent("shapes")) null else sha256(fields.text("shapes_sha256")),
        statistics = if (fields.isAbsent("statistics")) null else path(fields, "statistics"),
        statisticsSha256 = if (fields.isAbsent("statistics")) null else sha256(fields.text("statistics_sha256")),
    )

    private fun accelerators(fields: Fields): Map<String, List<String>> = fields.keys().associateWith { signature ->
        fields.texts(signature).onEach { if (it !in ACCELERATORS) unknown("accelerator", it) }
    }

    private fun edge(fields: Fields) = Edge(
        path = path(fields, "path"),
        signature = fields.textOrNull("signature"),
        isInput = fields.text("direction") == "input",
        name = fields.text("name"),
        dtype = fields.text("dtype"),
        layout = fields.text("layout"),
        scale = fields.floatOrNull("scale"),
        zeroPoint = fields.intOrNull("zero_point"),
    ).also {
        val quantized = it.scale != null && it.scale > 0f && it.zeroPoint in -128..127
        need(quantized || it.dtype != "int8") {
            "manifest.json: ${it.name} of ${it.path} is int8 with scale ${it.scale} and zero_point ${it.zeroPoint}; build the bundle again"
        }
    }

    private fun style(fields: Fields): StyleEntry {
        val id = fields.text("id")
        need(ID.matches(id)) { "manifest.json: \"$id\" is no style id; build the bundle again" }
        val thumbnail = if (fields.isAbsent("thumbnail")) null else path(fields, "thumbnail")
        return StyleEntry(
            id = id,
            category = fields.text("category"),
            title = fields.text("title"),
            licence = fields.text("licence"),
            path = path(fields, "path"),
            sha256 = sha256(fields.text("sha256")),
            thumbnail = thumbnail,
            thumbnailSha256 = thumbnail?.let { sha256(fields.text("thumbnail_sha256")) },
        )
    }

    private fun golden(fields: Fields): Golden {
        val outputs = fields.textMap("outputs").mapKeys { lane(it.key) }
        val tolerance = fields.fields("tolerance_levels")
        for (lane in outputs.keys) need(lane.runtime.id in tolerance.keys()) {
            "manifest.json: a golden picture has no tolerance for ${lane.runtime.id}; build the bundle again"
        }
        val hashes = fields.textMap("sha256").mapValues { sha256(it.value) }
        val content = path(fields, "content")
        for (used in outputs.values + content + hashes.keys) {
            need(isSafePath(used)) { unsafe(used) }
            need(used in hashes) { "manifest.json: the golden picture $used has no sha256; build the bundle again" }
        }
        val strength = fields.float("strength")
        need(strength in 0f..1f) { "manifest.json: a golden strength is $strength; build the bundle again" }
        return Golden(
            tier = fields.text("tier"),
            content = content,
            style = fields.text("style"),
            strength = strength,
            outputs = outputs,
            toleranceLevels = tolerance.keys().associate { runtime(it) to tolerance.int(it, 0..255) },
            sha256 = hashes,
            gpuToleranceLevels = if (fields.isAbsent("gpu_tolerance_levels")) emptyMap() else
                fields.fields("gpu_tolerance_levels").let { on -> on.keys().associate { precision(it) to on.int(it, 0..255) } },
        )
    }

    private fun check(manifest: Manifest) {
        val tiers = manifest.tiers
        need(tiers.isNotEmpty() && manifest.files.isNotEmpty()) { "the bundle holds no model; build it again" }
        need(tiers.zipWithNext().all { (a, b) -> a.maxSidePx < b.maxSidePx }) {
            "manifest.json: tiers are not in rising order of max_side_px; build the bundle again"
        }
        unique("tier", tiers.map { it.id })
        unique("style", manifest.styles.map { it.id })
        unique("file", manifest.files.map { it.path })
        for (golden in manifest.goldens) {
            val tier = manifest.tier(golden.tier)
            manifest.style(golden.style)
            for (lane in golden.outputs.keys) need(manifest.transfer(lane, tier) != null) {
                "manifest.json: a golden picture is for $lane at ${tier.id}, which the bundle has no model for; build it again"
            }
        }
        manifest.files.mapNotNull { it.tier }.forEach(manifest::tier)
        for (file in manifest.files.filter { it.role == Role.TRANSFER && it.runtime == Runtime.LITERT }) {
            need(file.shapes != null || manifest.tiers.none { it.anyShape }) {
                "manifest.json: ${file.path} has no table of shapes, which its tiers need; build the bundle again"
            }
        }
        checkListed(manifest.everyListed())
    }

    /** One path, one hash; and none may be the manifest, which is written last as the sign that all is there. */
    private fun checkListed(listed: List<Listed>) {
        for ((path, same) in listed.groupBy { it.path }) {
            need(path != Manifest.FILE_NAME) { "manifest.json lists itself; build the bundle again" }
            need(same.distinctBy { it.sha256 }.size == 1) { "manifest.json gives $path two hashes; build the bundle again" }
        }
    }

    private fun unique(what: String, names: List<String>) {
        val twice = names.groupBy { it }.filterValues { it.size > 1 }.keys
        need(twice.isEmpty()) { "manifest.json lists the $what ${twice.first()} twice; build the bundle again" }
    }

    private fun path(fields: Fields, key: String): String =
        fields.text(key).also { need(isSafePath(it)) { unsafe(it) } }

    private fun unsafe(path: String) = "manifest.json: the path \"$path\" leaves the bundle or is no plain path; don't use this bundle"

    private fun sha256(text: String): String =
        text.also { need(SHA256.matches(it)) { "manifest.json: \"$it\" is no SHA-256; build the bundle again" } }

    private fun lane(text: String): Lane {
        val parts = text.split('-')
        need(parts.size == 2) { "manifest.json: \"$text\" is no runtime-precision; update the app" }
        return Lane(runtime(parts[0]), precision(parts[1]))
    }

    private fun runtime(id: String) = Runtime.values().firstOrNull { it.id == id } ?: unknown("runtime", id)

    private fun precision(id: String) = Precision.values().firstOrNull { it.id == id } ?: unknown("precision", id)

    private fun unknown(what: String, id: String): Nothing =
        throw BundleException("manifest.json names the $what \"$id\", which this app doesn't know: update the app")
}
