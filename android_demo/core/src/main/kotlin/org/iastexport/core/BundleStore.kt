package org.iastexport.core

import java.io.ByteArrayOutputStream
import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.security.MessageDigest

/** Where a bundle comes from: the app's assets, a folder, a download. */
public interface BundleSource {
    /** Opens a file of the bundle; throws IOException where there is none. */
    public fun open(path: String): InputStream
}

/** A bundle in a folder. */
public class FolderSource(private val folder: File) : BundleSource {
    override fun open(path: String): InputStream = File(folder, path).inputStream()
}

/**
 * Lower-case hexadecimal SHA-256 of a stream, read to its end; [copyTo] receives the same bytes.
 *
 * @param mostBytes where a longer stream is cut off, soon after it; its hash is then that of another file.
 * @throws BundleException the bytes can't be written (reading that fails stays an IOException).
 */
internal fun sha256(input: InputStream, copyTo: OutputStream? = null, mostBytes: Long = Long.MAX_VALUE): String {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(1 shl 16)
    var total = 0L
    while (total <= mostBytes) {
        val count = input.read(buffer)
        if (count < 0) break
        total += count
        digest.update(buffer, 0, count)
        try {
            copyTo?.write(buffer, 0, count)
        } catch (error: IOException) {
            throw BundleException("the bundle can't be copied: ${error.message}; free some space and start again", error)
        }
    }
    return digest.digest().joinToString("") { byte -> (byte.toInt() and 0xFF).toString(16).padStart(2, '0') }
}

/**
 * Installs bundles below [root]: copy aside, verify SHA-256, rename. The manifest is written last, so a
 * bundle is either whole or not there, and one that was there before stays until [prune].
 */
public class BundleStore(private val root: File) {
    /**
     * The bundle of [source], copied and verified; files that are already there and right are kept.
     *
     * @param progress called with files done and files in all.
     * @throws BundleException a file is missing, or not what the manifest says.
     */
    public fun install(source: BundleSource, progress: (Int, Int) -> Unit = { _, _ -> }): Bundle {
        val text = ByteArrayOutputStream().also { read(source, Manifest.FILE_NAME) { input -> sha256(input, it, MOST_BYTES) } }.toByteArray()
        need(text.size <= MOST_BYTES) { "${Manifest.FILE_NAME} is longer than $MOST_BYTES bytes; that is no bundle, get it again" }
        val manifest = Manifest.parse(String(text, Charsets.UTF_8))
        val folder = File(root, sha256(text.inputStream()).take(16))
        val listed = manifest.listed()
        listed.forEachIndexed { i, item ->
            progress(i, listed.size)
            if (!isIntact(File(folder, item.path), item)) copy(source, item, folder)
        }
        progress(listed.size, listed.size)
        val target = File(folder, Manifest.FILE_NAME)
        if (!target.isFile || !target.readBytes().contentEquals(text)) moveInto(target) { it.write(text) }
        return Bundle(folder, manifest, sha256(text.inputStream()))
    }

    /** Deletes every installed bundle but [keep]. */
    public fun prune(keep: Bundle) {
        root.listFiles()?.filter { it.isDirectory && it.name != keep.folder.name }?.forEach { it.deleteRecursively() }
    }

    private fun isIntact(file: File, item: Listed): Boolean =
        file.isFile && (item.bytes == null || file.length() == item.bytes) && file.inputStream().use { sha256(it) } == item.sha256

    private fun copy(source: BundleSource, item: Listed, folder: File) {
        moveInto(File(folder, item.path)) { output ->
            val found = read(source, item.path) { sha256(it, output, item.bytes ?: MOST_BYTES) }
            need(found == item.sha256) {
                "${item.path} was altered or cut short: its SHA-256 is not the manifest's; get the bundle again"
            }
        }
    }

    private fun <T> read(source: BundleSource, path: String, use: (InputStream) -> T): T = try {
        source.open(path).use(use)
    } catch (error: IOException) {
        throw BundleException("$path is missing from the bundle or can't be read; build the bundle again", error)
    }

    private fun moveInto(target: File, write: (FileOutputStream) -> Unit) {
        val folder = target.parentFile!!
        need(folder.isDirectory || folder.mkdirs()) { "the folder $folder can't be made; free some space" }
        val aside = File(folder, ".${target.name}.part")
        try {
            FileOutputStream(aside).use {
                write(it)
                it.fd.sync()
            }
            need(aside.renameTo(target)) { "$target can't be written; free some space" }
        } catch (error: IOException) {
            throw BundleException("$target can't be written; free some space", error)
        } finally {
            aside.delete()
        }
    }

    private companion object {
        /** Of the manifest, and of a file of which it gives the hash alone (codes and pictures): a hostile one ends here. */
        const val MOST_BYTES = 64L shl 20
    }
}

/**
 * An installed bundle. Every file is verified against its SHA-256 the first time it is used.
 *
 * @property manifestSha256 identifies the bundle in results that leave the phone.
 */
public class Bundle(public val folder: File, public val manifest: Manifest, public val manifestSha256: String) {
    private val verified = HashSet<String>()
    private val hashes = manifest.listed().associateBy { it.path }

    /**
     * A file of the manifest, verified.
     *
     * @throws BundleException the manifest doesn't list it, or it is missing or altered.
     */
    @Synchronized
    public fun file(path: String): File {
        val item = hashes[path] ?: throw BundleException("$path is not listed in the manifest")
        val file = File(folder, path)
        if (path !in verified) {
            need(file.isFile) { "$path is missing; install the bundle again" }
            need(file.inputStream().use { sha256(it) } == item.sha256) {
                "$path was altered: its SHA-256 is not the manifest's; install the bundle again"
            }
            verified.add(path)
        }
        return file
    }

    /** Verifies every listed file. */
    public fun verifyAll() = manifest.listed().forEach { file(it.path) }

    /** A style's code: float32, little endian, of the length that the network takes. */
    public fun code(styleId: String): FloatArray {
        val entry = manifest.style(styleId)
        val code = readFloats(file(entry.path))
        need(code.size == manifest.codeLength && code.none { it.isNaN() || it.isInfinite() }) {
            "${entry.path} is no code of ${manifest.codeLength} finite numbers; build the bundle again"
        }
        return code
    }

    public companion object {
        /** A bundle that lies in a folder as it was built, unverified until its files are used. */
        public fun open(folder: File): Bundle {
            val file = File(folder, Manifest.FILE_NAME)
            need(file.isFile) { "$folder holds no bundle: manifest.json is missing; run iast-export build" }
            val text = file.readBytes()
            return Bundle(folder, Manifest.parse(String(text, Charsets.UTF_8)), sha256(text.inputStream()))
        }
    }
}

/** Float32 numbers of a file, little endian. */
internal fun readFloats(file: File): FloatArray {
    val bytes = java.nio.ByteBuffer.wrap(file.readBytes()).order(java.nio.ByteOrder.LITTLE_ENDIAN)
    return FloatArray(bytes.remaining() / 4).also { bytes.asFloatBuffer().get(it) }
}

/** Writes float32 numbers, little endian. */
internal fun writeFloats(file: File, values: FloatArray) {
    val bytes = java.nio.ByteBuffer.allocate(4 * values.size).order(java.nio.ByteOrder.LITTLE_ENDIAN)
    bytes.asFloatBuffer().put(values)
    file.writeBytes(bytes.array())
}
