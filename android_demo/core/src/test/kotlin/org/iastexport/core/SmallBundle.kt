package org.iastexport.core

import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.util.zip.CRC32
import java.util.zip.DeflaterOutputStream

/** An engine that inverts pictures: what is done around a runtime can be told from the result. */
internal class InvertingEngine(override val lane: Lane, private val offset: Float = 0f) : StyleEngine {
    override val accelerator = "test"
    override val layout = if (lane.runtime == Runtime.LITERT) Layout.NHWC else Layout.NCHW
    var closed = false
    val sizes = ArrayList<Pair<Int, Int>>()

    override fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray {
        check(content.size == 3 * heightPx * widthPx && code.size == 4)
        sizes += heightPx to widthPx
        return FloatArray(content.size) { 1f - content[it] + offset }
    }

    override fun encodeStyle(style: FloatArray) = FloatArray(4) { style[it] }

    override fun close() {
        closed = true
    }
}

/** A whole bundle with files of a few bytes and one golden picture: what [InvertingEngine] makes of noise. */
internal object SmallBundle {
    val LITERT = Lane(Runtime.LITERT, Precision.INT8)

    fun hash(bytes: ByteArray) = sha256(ByteArrayInputStream(bytes))

    fun png(picture: Picture, filter: Int = 0): ByteArray {
        val out = ByteArrayOutputStream()
        fun chunk(type: String, body: ByteArray) {
            val data = type.toByteArray() + body
            val crc = CRC32().apply { update(data) }.value
            out.write(int(body.size) + data + int(crc.toInt()))
        }
        out.write(byteArrayOf(-119, 80, 78, 71, 13, 10, 26, 10))
        chunk("IHDR", int(picture.widthPx) + int(picture.heightPx) + byteArrayOf(8, 2, 0, 0, 0))
        val rows = ByteArrayOutputStream()
        for (y in 0 until picture.heightPx) {
            rows.write(filter)
            val above = if (y == 0) List(3 * picture.widthPx) { 0 } else picture.crop(0, y - 1, picture.widthPx, 1).levels()
            rows.write(filtered(filter, picture.crop(0, y, picture.widthPx, 1).levels(), above))
        }
        chunk("IDAT", ByteArrayOutputStream().also { DeflaterOutputStream(it).use { z -> z.write(rows.toByteArray()) } }.toByteArray())
        chunk("IEND", ByteArray(0))
        return out.toByteArray()
    }

    /** A row as PNG's filter of that number stores it. */
    private fun filtered(filter: Int, row: List<Int>, above: List<Int>) = ByteArray(row.size) { i ->
        val left = row.getOrElse(i - 3) { 0 }
        val up = above[i]
        val corner = above.getOrElse(i - 3) { 0 }
        val paeth = listOf(left, up, corner).minByOrNull { Math.abs(left + up - corner - it) }!!
        (row[i] - listOf(0, left, up, (left + up) / 2, paeth)[filter]).toByte()
    }

    private fun int(value: Int) = ByteArray(4) { (value shr (24 - 8 * it)).toByte() }

    fun inverted(picture: Picture) = Picture(picture.widthPx, picture.heightPx, IntArray(picture.argb.size) { picture.argb[it] xor 0xFFFFFF })

    /** Writes the bundle into [source]: the good manifest of the shared cases, with the real hashes. */
    fun build(source: File): File {
        val content = noise(20, 9)
        val files = mapOf(
            "models/a.onnx" to ByteArray(10) { 1 }, "models/a.tflite" to ByteArray(10) { 2 },
            "styles/ink.f32" to ByteArray(16), "styles/ink.png" to png(noise(4, 4)),
            "golden/c.png" to png(content), "golden/o.png" to png(inverted(content)),
        )
        var text = SharedCases.list("manifest_cases.json")[0].getValue("manifest").toString()
        for ((path, bytes) in files) {
            File(source, path).apply { parentFile!!.mkdirs() }.writeBytes(bytes)
            val sha = "ab".repeat(32)
            text = text.replace(Regex("(\"path\":\"$path\"[^}]*?\"sha256\":\")$sha"), "$1${hash(bytes)}")
                .replace(Regex("(\"sha256\":\")$sha(\"[^}]*\"path\":\"$path\")"), "$1${hash(bytes)}$2")
                .replace("\"$path\":\"$sha\"", "\"$path\":\"${hash(bytes)}\"")
                .replace("\"thumbnail\":\"$path\",\"thumbnail_sha256\":\"$sha\"", "\"thumbnail\":\"$path\",\"thumbnail_sha256\":\"${hash(bytes)}\"")
        }
        File(source, Manifest.FILE_NAME).writeText(text)
        return source
    }
}
