package org.iastexport.core

import java.io.File

/** Binary PPM (P6, 255 levels): the picture file of the core's command line, which needs no image library. */
public object Ppm {
    /** @throws BundleException it is not such a file. */
    public fun read(file: File): Picture {
        val bytes = file.readBytes()
        var at = 0
        fun word(): String {
            while (at < bytes.size && bytes[at].toInt().toChar().isWhitespace()) at += 1
            val start = at
            while (at < bytes.size && !bytes[at].toInt().toChar().isWhitespace()) at += 1
            return String(bytes, start, at - start, Charsets.US_ASCII)
        }
        val kind = word()
        val width = word().toIntOrNull() ?: 0
        val height = word().toIntOrNull() ?: 0
        val levels = word()
        at += 1
        need(kind == "P6" && levels == "255" && bytes.size - at == 3 * width * height) { "$file is no binary PPM picture" }
        fun byte(i: Int) = bytes[at + i].toInt() and 0xFF
        return Picture(width, height, IntArray(width * height) { rgb(byte(3 * it), byte(3 * it + 1), byte(3 * it + 2)) })
    }

    public fun write(file: File, picture: Picture) {
        val header = "P6\n${picture.widthPx} ${picture.heightPx}\n255\n".toByteArray(Charsets.US_ASCII)
        val body = ByteArray(3 * picture.argb.size) { channel(picture.argb[it / 3], it % 3).toByte() }
        file.writeBytes(header + body)
    }
}
