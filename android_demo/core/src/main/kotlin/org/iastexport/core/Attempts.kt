package org.iastexport.core

/** Where a lane is asked to compute; [id] as in results. */
public enum class Accelerator(public val id: String) { CPU("cpu"), GPU("gpu") }

/** Which files serve a lane: one per tier (LiteRT: one of all), or ONNX Runtime's that chooses the depth by itself; [id] as in results. */
public enum class Files(public val id: String) { TIERS("tiers"), DISPATCH("dispatch") }

/** What a check opens: a lane, where it is asked to compute, alone, and from which files. */
public data class Attempt(val lane: Lane, val accelerator: Accelerator = Accelerator.CPU, val files: Files = Files.TIERS) {
    override fun toString() = "$lane on the ${accelerator.id}" + if (files == Files.DISPATCH) ", one file" else ""

    public companion object {
        /** Every way to run a bundle: LiteRT's files on the CPU and on the GPU, ONNX Runtime's per tier and as one. */
        public fun all(manifest: Manifest): List<Attempt> = manifest.lanes().flatMap { lane ->
            val dispatches = manifest.files.any { it.role == Role.DISPATCH && it.runtime == lane.runtime && it.precision == lane.precision }
            when (lane.runtime) {
                Runtime.LITERT -> Accelerator.values().map { Attempt(lane, it) }
                Runtime.ONNXRUNTIME -> Files.values().filter { it == Files.TIERS || dispatches }.map { Attempt(lane, files = it) }
            }
        }

        /**
         * Those of [all] that words ask for, by id: accelerators, precisions and files, each as `cpu,gpu` or empty for every one.
         *
         * @throws BundleException a word that names none, or nothing is left.
         */
        public fun chosen(manifest: Manifest, accelerators: String = "", precisions: String = "", files: String = ""): List<Attempt> {
            val where = named(accelerators, Accelerator.values().associateBy { it.id })
            val how = named(precisions, Precision.values().associateBy { it.id })
            val which = named(files, Files.values().associateBy { it.id })
            val found = all(manifest).filter { it.accelerator in where && it.lane.precision in how && it.files in which }
            need(found.isNotEmpty()) { "the bundle has nothing to run of what was asked for: $accelerators $precisions $files; ask for less" }
            return found
        }

        private fun <T> named(words: String, known: Map<String, T>): Collection<T> =
            if (words.isBlank()) known.values else words.split(',').map {
                known[it.trim()] ?: throw BundleException("\"${it.trim()}\" is none of ${known.keys.joinToString()}")
            }
    }
}
