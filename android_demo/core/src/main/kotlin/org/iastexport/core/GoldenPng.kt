package org.iastexport.core

import java.io.ByteArrayOutputStream
import java.io.File
import java.util.zip.DataFormatException
import java.util.zip.Inflater

/**
 * Reads the PNG files of a bundle exactly: 8-bit RGB, not interlaced, as `iast-export` writes them.
 *
 * A phone's own decoder may convert colors; what proves a bundle must not.
 */
public object GoldenPng {
    private val SIGNATURE = byteArrayOf(-119, 80, 78, 71, 13, 10, 26, 10)

    /**
     * The picture in a file.
     *
     * @throws BundleException it is not a PNG of that kind, or cut short.
     */
    public fun read(file: File): Picture {
        val bytes = file.readBytes()
        need(bytes.size > 33 && bytes.copyOf(8).contentEquals(SIGNATURE)) { wrong(file, "no PNG") }
        val width = int(bytes, 16)
        val height = int(bytes, 20)
        val kind = bytes.copyOfRange(24, 29).toList().map { it.toInt() }
        need(kind == listOf(8, 2, 0, 0, 0)) { wrong(file, "not 8-bit RGB without interlacing") }
        need(width in 1..16384 && height in 1..16384) { wrong(file, "of an impossible size") }
        val rows = inflate(data(bytes, file), height * (3 * width + 1), file)
        return Picture(width, height, unfilter(rows, width, height, file))
    }

    private fun wrong(file: File, what: String) = "${file.name} is $what; build the bundle again"

    private fun int(bytes: ByteArray, at: Int): Int =
        (0..3).fold(0) { value, i -> (value shl 8) or (bytes[at + i].toInt() and 0xFF) }

    private fun data(bytes: ByteArray, file: File): ByteArray {
        val out = ByteArrayOutputStream()
        var at = 8
        while (true) {
            need(at + 12 <= bytes.size) { wrong(file, "cut short") }
            val length = int(bytes, at)
            need(length >= 0 && at + 12 + length <= bytes.size) { wrong(file, "cut short") }
            val type = String(bytes, at + 4, 4, Charsets.US_ASCII)
            if (type == "IEND") return out.toByteArray()
            if (type == "IDAT") out.write(bytes, at + 8, length)
            at += 12 + length
        }
    }

    private fun inflate(packed: ByteArray, size: Int, file: File): ByteArray {
        val inflater = Inflater()
        try {
            inflater.setInput(packed)
            val out = ByteArray(size)
            var done = 0
            while (done < size) {
                val count = inflater.inflate(out, done, size - done)
                need(count > 0) { wrong(file, "cut short") }
                done += count
            }
            return out
        } catch (error: DataFormatException) {
            throw BundleException(wrong(file, "damaged"), error)
        } finally {
            inflater.end()
        }
    }

    /** Undoes the filters of PNG (section 9 of its specification) row by row. */
    private fun unfilter(rows: ByteArray, width: Int, height: Int, file: File): IntArray {
        val stride = 3 * width
        var above = IntArray(stride)
        val out = IntArray(width * height)
        for (y in 0 until height) {
            val start = y * (stride + 1)
            val filter = rows[start].toInt()
            need(filter in 0..4) { wrong(file, "damaged") }
            val row = IntArray(stride)
            for (i in 0 until stride) {
                val left = if (i >= 3) row[i - 3] else 0
                val corner = if (i >= 3) above[i - 3] else 0
                val predicted = predict(filter, left, above[i], corner)
                row[i] = (rows[start + 1 + i].toInt() + predicted) and 0xFF
            }
            for (x in 0 until width) out[y * width + x] = rgb(row[3 * x], row[3 * x + 1], row[3 * x + 2])
            above = row
        }
        return out
    }

    private fun predict(filter: Int, left: Int, up: Int, corner: Int): Int = when (filter) {
        1 -> left
        2 -> up
        3 -> (left + up) / 2
        4 -> {
            val guess = left + up - corner
            val toLeft = Math.abs(guess - left)
            val toUp = Math.abs(guess - up)
            val toCorner = Math.abs(guess - corner)
            if (toLeft <= toUp && toLeft <= toCorner) left else if (toUp <= toCorner) up else corner
        }
        else -> 0
    }
}
