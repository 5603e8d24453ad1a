package org.iastexport.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A length, as a function of a picture's height and width in steps of the size multiple. */
private class Length(factors: List<Int>) {
    private val constant: Long
    private val rows: Long
    private val columns: Long
    private val area: Long

    init {
        need(factors.size == 4) {
            "a table of shapes holds a length of ${factors.size} factors; $REBUILD"
        }
        val (a, b, c, d) = factors.map { it.toLong() }
        constant = a
        rows = b
        columns = c
        area = d
    }

    val isConstant = rows == 0L && columns == 0L && area == 0L

    fun at(height: Long, width: Long): Long =
        constant + rows * height + columns * width + area * height * width
}

private const val REBUILD = "build the bundle again"

/**
 * How a TFLite file is re-shaped for pictures of other sizes: which number stands where in its
 * bytes, and what it is for a picture. Changing them changes no length in the file.
 */
public class ShapeTable private constructor(
    private val multiplePx: Int,
    private val signatures: Map<String, Signature>,
) {
    private class Number(val length: Length, val over: Length?, val places: List<Int>)

    private class Signature(
        val before: ByteArray,
        val behind: ByteArray,
        val numbers: List<Number>,
    )

    /**
     * The bytes of [model] with one signature, for pictures of [heightPx] x [widthPx].
     *
     * @throws BundleException the table has no such signature, or the size is no multiple.
     */
    public fun reshape(
        model: ByteArray,
        signature: String,
        heightPx: Int,
        widthPx: Int,
    ): ByteArray {
        val found = signatures[signature]
        val fits = heightPx % multiplePx == 0 && widthPx % multiplePx == 0
        need(found != null && minOf(heightPx, widthPx) >= 1 && fits) {
            "$signature can't be re-shaped to ${widthPx}x$heightPx px; $REBUILD"
        }
        val made = found!!.before + model + found.behind
        val bytes = ByteBuffer.wrap(made).order(ByteOrder.LITTLE_ENDIAN)
        val (height, width) = heightPx.toLong() / multiplePx to widthPx.toLong() / multiplePx
        for (number in found.numbers) {
            val bits = bits(number, height, width)
            for (place in number.places) {
                need(place in 0..made.size - NUMBER_BYTES) {
                    "a table of shapes writes beyond its model; $REBUILD"
                }
                bytes.putInt(place, bits)
            }
        }
        return made
    }

    private fun bits(number: Number, height: Long, width: Long): Int {
        val value = number.length.at(height, width)
        if (number.over == null) {
            need(Math.abs(value) <= Int.MAX_VALUE && (value >= 0 || number.length.isConstant)) {
                val size = "${width * multiplePx}x${height * multiplePx} px"
                "the model has no form for a picture of $size; take another size"
            }
            return value.toInt()
        }
        val over = number.over.at(height, width)
        need(over >= 1) { "the model has no form for so small a picture; take a larger one" }
        return (value.toDouble() / over.toDouble()).toFloat().toRawBits()
    }

    public companion object {
        private const val VERSION = 1
        private const val NUMBER_BYTES = 4

        /**
         * Reads a table.
         *
         * @throws BundleException it is no such table, of another version, or says one thing twice.
         */
        public fun parse(text: String): ShapeTable = of(Fields.parse(text))

        internal fun of(root: Fields): ShapeTable {
            need(root.int("schema_version") == VERSION) {
                "a table of shapes is of another version: update the app"
            }
            val listed = root.list("signatures").map { it.text("key") to signature(it) }
            refuseTwice("the signature", listed.map { it.first } + root.fields("fixed").keys())
            return ShapeTable(root.int("size_multiple_px", 1..1024), listed.toMap())
        }

        private fun signature(fields: Fields): Signature {
            val listed = fields.list("numbers")
            val factors = listed.map { one ->
                one.ints("is") to if (one.isAbsent("over")) null else one.ints("over")
            }
            refuseTwice("the number", factors)
            val numbers = listed.zip(factors) { one, (of, over) ->
                Number(Length(of), over?.let(::Length), one.ints("at"))
            }
            val places = numbers.flatMap { it.places }.sorted()
            need(places.zipWithNext().none { (at, after) -> after - at < NUMBER_BYTES }) {
                "a table of shapes: two numbers are written in one place; $REBUILD"
            }
            return Signature(bytes(fields.text("before")), bytes(fields.text("behind")), numbers)
        }

        /** Holds a list to naming nothing twice: readers could take either. */
        internal fun refuseTwice(what: String, listed: List<Any?>) {
            val seen = mutableSetOf<Any?>()
            val twice = listed.firstOrNull { !seen.add(it) }
            need(twice == null) { "a table: $what $twice comes twice; $REBUILD" }
        }

        internal fun bytes(text: String): ByteArray {
            need(text.length % 2 == 0 && text.all { it in '0'..'9' || it in 'a'..'f' }) {
                "a table holds bytes that are not hexadecimal; $REBUILD"
            }
            return ByteArray(text.length / 2) {
                val (high, low) = text[2 * it] to text[2 * it + 1]
                (Character.digit(high, 16) * 16 + Character.digit(low, 16)).toByte()
            }
        }
    }
}
