/**
 * LiteRT and ONNX Runtime played on a desktop JVM: each call goes over standard input and output to
 * Python, whose real runtimes compute. So the app's engines run here as they are, around real models.
 * It is no part of the Gradle build, and says nothing of a phone's drivers or speed.
 */
package org.iastexport.bridge

import java.io.File
import java.io.PrintStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.atomic.AtomicInteger

/** The wire: a request is a line `> WORD...`, its answer `ok WORD...` or `error MESSAGE`, split by tabs. */
object Bridge {
    private val wire = PrintStream(System.out, true)
    private val folder = File(System.getProperty("bridge"))
    private val calls = AtomicInteger()

    /** What was opened and not closed yet. */
    val open = AtomicInteger()

    /** Asks Python; throws with its words where it refuses. */
    @Synchronized
    fun ask(vararg words: String): List<String> {
        wire.println("> " + words.joinToString("\t"))
        val answer = (readLine() ?: error("Python went away")).split('\t')
        if (answer[0] != "ok") throw IllegalStateException(answer.drop(1).joinToString(" "))
        return answer.drop(1)
    }

    /** A line for whoever started this. */
    @Synchronized
    fun say(line: String) = wire.println("= $line")

    /** A fresh folder for the tensors of one run. */
    fun tensors(): File = File(folder, "${calls.incrementAndGet()}").apply { check(mkdirs()) }

    fun write(file: File, values: FloatArray) {
        val bytes = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
        bytes.asFloatBuffer().put(values)
        file.writeBytes(bytes.array())
    }

    fun read(file: File): FloatArray {
        val bytes = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(bytes.remaining()).also { bytes.get(it) }
    }
}
