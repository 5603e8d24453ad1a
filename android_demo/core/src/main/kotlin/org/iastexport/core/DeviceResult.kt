package org.iastexport.core

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.add
import kotlinx.serialization.json.addJsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import kotlinx.serialization.json.putJsonObject

/** The phone, as it describes itself; maker and model of its chip are null where it names none (before Android 12); [emulated] is true on an emulator and on a desktop JVM. */
public data class Device(
    val manufacturer: String,
    val model: String,
    val socMaker: String?,
    val socModel: String?,
    val androidRelease: String,
    val sdkInt: Int,
    val abi: String,
    val cores: Int,
    val emulated: Boolean,
)

/** What else bears on a measurement; null where the phone doesn't say. */
public data class DeviceState(val batteryPercent: Int?, val charging: Boolean?, val thermalStatus: String?, val screenOn: Boolean?)

/** How one golden picture came out. [maxLevelDifference] and [differingShare] are null where it didn't run. */
public data class GoldenOutcome(
    val attempt: Attempt,
    val tier: String,
    val style: String,
    val accelerator: String,
    val operatorsOnAccelerator: Int?,
    val maxLevelDifference: Int?,
    val differingShare: Double?,
    val toleranceLevels: Int,
    val message: String,
) {
    /** `pass` within the tolerance, `fail` beyond it, `error` where it didn't run. */
    val status: String
        get() = when {
            maxLevelDifference == null -> "error"
            maxLevelDifference <= toleranceLevels -> "pass"
            else -> "fail"
        }
}

/** Raw times of one attempt and tier: run plus read-back of one picture, in order; none where [message] says why. */
public data class BenchmarkSamples(
    val attempt: Attempt,
    val tier: String,
    val accelerator: String,
    val operatorsOnAccelerator: Int?,
    val threads: Int,
    val warmupMs: List<Double>,
    val samplesMs: List<Double>,
    val message: String,
)

/**
 * What leaves the phone: the JSON that `iast-export device import` reads.
 *
 * @property createdAt UTC, `2026-11-20T12:00:00Z`.
 * @property before the state when the check began; [state] is that at its end.
 */
public data class DeviceResult(
    val createdBy: String,
    val createdAt: String,
    val bundle: Bundle,
    val device: Device,
    val state: DeviceState,
    val before: DeviceState? = null,
    val selftest: List<GoldenOutcome> = emptyList(),
    val benchmark: List<BenchmarkSamples> = emptyList(),
) {
    init {
        need(selftest.isEmpty() != benchmark.isEmpty()) { "a result holds a self-test or a benchmark, and not nothing" }
    }

    /** The result as JSON of `device_result.schema.json`, version 2. */
    public fun toJson(): String = PRETTY.encodeToString(
        kotlinx.serialization.json.JsonObject.serializer(),
        buildJsonObject {
            put("schema_version", 2)
            put("kind", if (selftest.isEmpty()) "benchmark" else "selftest")
            put("created_by", createdBy)
            put("created_at", createdAt)
            putJsonObject("bundle") {
                put("name", bundle.manifest.name)
                put("manifest_sha256", bundle.manifestSha256)
            }
            putJsonObject("device") { device() }
            putJsonObject("state") { state(state) }
            before?.let { putJsonObject("before") { state(it) } }
            putJsonArray("selftest") { selftest.forEach { addJsonObject { outcome(it) } } }
            putJsonArray("benchmark") { benchmark.forEach { addJsonObject { samples(it) } } }
        },
    ) + "\n"

    private fun JsonObjectBuilder.device() {
        put("manufacturer", device.manufacturer)
        put("model", device.model)
        put("soc", listOfNotNull(device.socMaker, device.socModel).joinToString(" ").ifEmpty { null })
        put("soc_maker", device.socMaker)
        put("soc_model", device.socModel)
        put("android_release", device.androidRelease)
        put("sdk_int", device.sdkInt)
        put("abi", device.abi)
        put("cores", device.cores)
        put("emulated", device.emulated)
    }

    private fun JsonObjectBuilder.state(state: DeviceState) {
        put("battery_percent", state.batteryPercent?.let { JsonPrimitive(it) } ?: JsonNull)
        put("charging", state.charging?.let { JsonPrimitive(it) } ?: JsonNull)
        put("thermal_status", state.thermalStatus)
        put("screen_on", state.screenOn?.let { JsonPrimitive(it) } ?: JsonNull)
    }

    private fun JsonObjectBuilder.outcome(item: GoldenOutcome) {
        attempt(item.attempt)
        put("tier", item.tier)
        put("style", item.style)
        got(item.accelerator, item.operatorsOnAccelerator)
        put("status", item.status)
        put("max_level_difference", item.maxLevelDifference?.let { JsonPrimitive(it) } ?: JsonNull)
        put("differing_share", item.differingShare?.let { JsonPrimitive(it) } ?: JsonNull)
        put("tolerance_levels", item.toleranceLevels)
        put("message", item.message)
    }

    private fun JsonObjectBuilder.samples(item: BenchmarkSamples) {
        attempt(item.attempt)
        put("tier", item.tier)
        got(item.accelerator, item.operatorsOnAccelerator)
        put("threads", item.threads)
        putJsonArray("warmup_ms") { item.warmupMs.forEach { add(it) } }
        putJsonArray("samples_ms") { item.samplesMs.forEach { add(it) } }
        put("message", item.message)
    }

    private fun JsonObjectBuilder.attempt(attempt: Attempt) {
        put("runtime", attempt.lane.runtime.id)
        put("precision", attempt.lane.precision.id)
        put("asked", attempt.accelerator.id)
        put("files", attempt.files.id)
    }

    private fun JsonObjectBuilder.got(accelerator: String, operators: Int?) {
        put("accelerator", accelerator)
        put("operators_on_accelerator", operators?.let { JsonPrimitive(it) } ?: JsonNull)
    }

    private companion object {
        val PRETTY = Json { prettyPrint = true }
    }
}
