package org.iastexport.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.ByteArrayInputStream
import java.io.File

class BundleTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val source: File by lazy { SmallBundle.build(temporary.newFolder("source")) }

    private fun install(): Bundle = BundleStore(temporary.root.resolve("installed")).install(FolderSource(source))

    @Test
    fun aBundleIsCopiedAndVerified() {
        val bundle = install()
        bundle.verifyAll()
        assertEquals(4, bundle.code("ink").size)
        assertEquals(SmallBundle.hash(File(source, Manifest.FILE_NAME).readBytes()), bundle.manifestSha256)
        assertTrue(bundle.folder.walk().none { it.name.endsWith(".part") })
    }

    @Test
    fun anAlteredFileIsRefusedAndWhatWasThereStays() {
        val before = install()
        for (path in listOf("models/a.tflite", "styles/ink.f32", "golden/o.png", "styles/ink.png")) {
            val file = File(source, path)
            val bytes = file.readBytes()
            file.writeBytes(bytes.copyOf().also { it[bytes.size - 1] = (it[bytes.size - 1] + 1).toByte() })
            val fresh = BundleStore(temporary.newFolder())
            refuses("was altered or cut short") { fresh.install(FolderSource(source)) }
            file.delete()
            refuses("is missing from the bundle") { fresh.install(FolderSource(source)) }
            file.writeBytes(bytes)
        }
        before.verifyAll()
    }

    @Test
    fun afterInstallationAlterationsAreRefusedAndRepaired() {
        val bundle = install()
        File(bundle.folder, "models/a.tflite").writeBytes(ByteArray(10))
        refuses("was altered") { bundle.file("models/a.tflite") }
        install().verifyAll()
        refuses("not listed") { bundle.file("models/other.tflite") }
    }

    @Test
    fun aFileThatNeverEndsFillsNoStorage() {
        for (endless in listOf("models/a.tflite", "styles/ink.f32", "golden/o.png", Manifest.FILE_NAME)) {
            var read = 0L
            val hostile = object : BundleSource {
                override fun open(path: String) = if (path != endless) File(source, path).inputStream() else object : java.io.InputStream() {
                    override fun read(): Int = 0

                    override fun read(into: ByteArray, from: Int, count: Int): Int = count.also { read += it }
                }
            }
            val root = temporary.newFolder()
            refuses(if (endless == Manifest.FILE_NAME) "is longer than" else "was altered or cut short") { BundleStore(root).install(hostile) }
            val listed = if (endless.startsWith("models")) File(source, endless).length() else 64L shl 20
            assertTrue("$endless: $read bytes read", read <= listed + (1 shl 17))
            assertTrue(root.walk().none { it.name.endsWith(".part") })
        }
    }

    @Test
    fun anInterruptedInstallationLeavesNoManifest() {
        val failing = object : BundleSource {
            override fun open(path: String) = if (path.startsWith("golden")) throw java.io.IOException("gone") else File(source, path).inputStream()
        }
        val root = temporary.newFolder()
        refuses("is missing") { BundleStore(root).install(failing) }
        assertFalse(root.walk().any { it.name == Manifest.FILE_NAME || it.name.endsWith(".part") })
    }

    @Test
    fun olderBundlesGoWhenAsked() {
        val root = temporary.newFolder()
        val store = BundleStore(root)
        val first = store.install(FolderSource(source))
        File(source, Manifest.FILE_NAME).let { it.writeText(it.readText().replace("\"small\"", "\"other\"")) }
        val second = store.install(FolderSource(source))
        first.verifyAll()
        store.prune(second)
        assertEquals(listOf(second.folder.name), root.list()!!.toList())
    }

    @Test
    fun aFullStorageIsNotMistakenForAMissingFile() {
        val full = object : java.io.OutputStream() {
            override fun write(b: Int) = throw java.io.IOException("no space left on device")
        }
        refuses("free some space") { sha256(ByteArrayInputStream(ByteArray(9)), full) }
        val root = temporary.newFile("a-file-where-a-folder-should-be")
        refuses("can't be made; free some space") { BundleStore(root).install(FolderSource(source)) }
    }

    @Test
    fun aFolderWithoutABundleSaysWhatToRun() = refuses("run iast-export build") { Bundle.open(temporary.newFolder()) }

    @Test
    fun aCodeThatIsNoneIsRefused() {
        val file = File(source, "styles/ink.f32")
        for (values in listOf(FloatArray(3), floatArrayOf(0f, Float.NaN, 0f, 0f))) {
            val before = SmallBundle.hash(file.readBytes())
            writeFloats(file, values)
            File(source, Manifest.FILE_NAME).let { it.writeText(it.readText().replace(before, SmallBundle.hash(file.readBytes()))) }
            refuses("no code of 4 finite numbers") { Bundle.open(source).code("ink") }
        }
    }
}
