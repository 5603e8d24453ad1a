package org.iastexport.core

import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.longOrNull

private const val REBUILD = "build the bundle again, or update the app"

/** A JSON object that knows where it lies, so that refusals name the field: `files.3.sha256`. */
internal class Fields(private val values: JsonObject, private val where: String) {

    private fun path(key: String) = if (where.isEmpty()) key else "$where.$key"

    private fun element(key: String): JsonElement =
        values[key] ?: throw BundleException("manifest.json: ${path(key)} is missing; $REBUILD")

    private fun wrong(key: String, needed: String): Nothing = throw BundleException(
        "manifest.json: ${path(key)} is ${values[key]}, $needed was needed; $REBUILD",
    )

    fun text(key: String): String {
        val value = element(key)
        return if (value is JsonPrimitive && value.isString) value.content else wrong(key, "a text")
    }

    fun textOrNull(key: String): String? = if (isAbsent(key)) null else text(key)

    fun int(key: String, range: IntRange = Int.MIN_VALUE..Int.MAX_VALUE): Int {
        val value = (element(key) as? JsonPrimitive)?.takeUnless { it.isString }?.intOrNull
        return value?.takeIf { it in range } ?: wrong(key, "a whole number in $range")
    }

    fun intOrNull(key: String): Int? = if (isAbsent(key)) null else int(key)

    fun bytes(key: String): Long {
        val value = (element(key) as? JsonPrimitive)?.takeUnless { it.isString }?.longOrNull
        return value?.takeIf { it > 0 } ?: wrong(key, "a size above 0")
    }

    fun float(key: String): Float = number(element(key)) ?: wrong(key, "a finite number")

    fun floatOrNull(key: String): Float? = if (isAbsent(key)) null else float(key)

    fun fields(key: String): Fields =
        Fields(element(key) as? JsonObject ?: wrong(key, "an object"), path(key))

    fun list(key: String): List<Fields> = array(key).mapIndexed { i, item ->
        Fields(item as? JsonObject ?: wrong(key, "a list of objects"), "${path(key)}.$i")
    }

    fun texts(key: String): List<String> = array(key).map {
        if (it is JsonPrimitive && it.isString) it.content else wrong(key, "a list of texts")
    }

    fun ints(key: String): List<Int> = array(key).map {
        (it as? JsonPrimitive)?.takeUnless { p -> p.isString }?.intOrNull
            ?: wrong(key, "a list of whole numbers")
    }

    fun floats(key: String): List<Float> =
        array(key).map { number(it) ?: wrong(key, "a list of finite numbers") }

    fun textMap(key: String): Map<String, String> =
        fields(key).let { inner -> inner.keys().associateWith(inner::text) }

    fun keys(): Set<String> = values.keys

    fun isAbsent(key: String): Boolean = (values[key] ?: JsonNull) === JsonNull

    fun flag(key: String): Boolean =
        (element(key) as? JsonPrimitive)?.takeUnless { it.isString }?.booleanOrNull
            ?: wrong(key, "true or false")

    /** Stops unless the field says one of [known]: rules that this code implements. */
    fun rule(key: String, vararg known: String) {
        val found = text(key)
        need(found in known) {
            val all = known.joinToString("\" and \"")
            val said = "manifest.json: ${path(key)} is \"$found\""
            "$said; this app knows only \"$all\": update the app"
        }
    }

    private fun array(key: String): JsonArray = element(key) as? JsonArray ?: wrong(key, "a list")

    private fun number(value: JsonElement): Float? =
        (value as? JsonPrimitive)?.takeUnless { it.isString }?.doubleOrNull?.toFloat()
            ?.takeUnless { it.isNaN() || it.isInfinite() }

    companion object {
        fun parse(text: String): Fields {
            val root = try {
                Json.parseToJsonElement(text)
            } catch (error: SerializationException) {
                throw BundleException("manifest.json is not JSON; $REBUILD", error)
            }
            refuseKeysTwice(text)
            val values = root as? JsonObject
                ?: throw BundleException("manifest.json is no object; $REBUILD")
            return Fields(values, "")
        }

        /** Refuses an object that names a key twice, of which the parser keeps the last. */
        private fun refuseKeysTwice(text: String) {
            val open = ArrayDeque<MutableSet<String>>()
            var (at, last) = 0 to ""
            while (at < text.length) {
                when (text[at]) {
                    '{', '[' -> open.addLast(mutableSetOf())
                    '}', ']' -> open.removeLast()
                    '"' -> {
                        val end = closing(text, at)
                        last = text.substring(at, end + 1)
                        at = end
                    }
                    ':' -> need(open.last().add(meant(last))) {
                        "manifest.json: the key $last comes twice in one object; $REBUILD"
                    }
                }
                at++
            }
        }

        /** Where a text that is known to be JSON closes the string that begins at [start]. */
        private fun closing(text: String, start: Int): Int {
            var at = start + 1
            while (text[at] != '"') at += if (text[at] == '\\') 2 else 1
            return at
        }

        private fun meant(quoted: String): String =
            if ('\\' in quoted) (Json.parseToJsonElement(quoted) as JsonPrimitive).content
            else quoted.substring(1, quoted.length - 1)
    }
}
