package org.iastexport.core

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.io.File

/** The case files that pytest reads too; the system property `testdata` names their folder. */
internal object SharedCases {
    private val folder = File(requireNotNull(System.getProperty("testdata")) { "run with -Dtestdata=tests/testdata" })

    fun read(name: String): JsonElement = Json.parseToJsonElement(File(folder, name).readText())

    fun list(name: String): List<JsonObject> = read(name).jsonArray.map { it.jsonObject }.also { require(it.isNotEmpty()) }
}

internal fun JsonObject.int(key: String): Int = getValue(key).jsonPrimitive.int

internal fun JsonElement.ints(): List<Int> = jsonArray.map { it.jsonPrimitive.int }

internal fun JsonElement.picture(): Picture {
    val rows = jsonArray.map { it.jsonArray }
    val pixels = rows.flatMap { row -> row.map { it.ints() }.map { (r, g, b) -> rgb(r, g, b) } }
    return Picture(rows[0].size, rows.size, pixels.toIntArray())
}

internal fun Picture.levels(): List<Int> = argb.flatMap { p -> listOf(channel(p, 0), channel(p, 1), channel(p, 2)) }

internal fun JsonElement.levels(): List<Int> = (this as JsonArray).flatMap { row -> row.jsonArray.flatMap { it.ints() } }

/** Pixels from a seed; no two pictures alike. */
internal fun noise(widthPx: Int, heightPx: Int, seed: Int = 1): Picture {
    val random = java.util.Random(seed.toLong())
    return Picture(widthPx, heightPx, IntArray(widthPx * heightPx) { random.nextInt() or (0xFF shl 24) })
}

/** Stops unless [run] throws a [BundleException] whose message holds [words]. */
internal fun refuses(words: String, run: () -> Unit) {
    try {
        run()
    } catch (error: BundleException) {
        check(words in error.message.orEmpty()) { "\"${error.message}\" doesn't say \"$words\"" }
        return
    }
    throw AssertionError("nothing was refused; \"$words\" was expected")
}
