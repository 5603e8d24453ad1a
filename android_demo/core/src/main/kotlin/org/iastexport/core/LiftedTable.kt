package org.iastexport.core

/** A signature that a table of statistics adds to its model: what goes in and what comes out. */
public class LiftedProgram(
    public val key: String,
    public val inputs: List<String>,
    public val outputs: List<String>,
)

/**
 * A tier in two sisters over the same weights: [measure], one for each level, and [render].
 *
 * @property multiplePx of which sides and offsets of tiles are multiples.
 * @property haloPx how far from a pixel of the result the network looks.
 */
public class LiftedTier(
    public val signature: String,
    public val multiplePx: Int,
    public val haloPx: Int,
    public val moments: Map<String, Int>,
    public val render: LiftedProgram,
    public val measure: List<LiftedProgram>,
)

/**
 * How a TFLite file is read as further signatures over its own weights, which tell and take the
 * statistics of a picture: with them a tile gives what the whole picture would.
 */
public class LiftedTable private constructor(
    private val before: ByteArray,
    private val behind: ByteArray,
    private val tiers: Map<String, LiftedTier>,
    private val shapes: ShapeTable?,
) {
    /** The tier of that signature; null where its statistics can't be lifted. */
    public fun find(signature: String): LiftedTier? = tiers[signature]

    /**
     * The bytes of [model] with one of the programs, for tiles of [heightPx] x [widthPx].
     *
     * @throws BundleException see [ShapeTable.reshape].
     */
    public fun reshape(
        model: ByteArray,
        program: LiftedProgram,
        heightPx: Int,
        widthPx: Int,
    ): ByteArray {
        val table = shapes
            ?: throw BundleException("${program.key} is in no table of statistics; $REBUILD")
        return table.reshape(before + model + behind, program.key, heightPx, widthPx)
    }

    public companion object {
        private const val VERSION = 1
        private const val REBUILD = "build the bundle again"

        /**
         * Reads a table.
         *
         * @throws BundleException it is no such table, of another version, or says one thing twice.
         */
        public fun parse(text: String): LiftedTable {
            val root = Fields.parse(text)
            need(root.int("schema_version") == VERSION) {
                "a table of statistics is of another version: update the app"
            }
            val shapes = if (root.isAbsent("shapes")) null else ShapeTable.of(root.fields("shapes"))
            val tiers = root.list("tiers").map(::tier)
            val signatures = tiers.map { it.signature } + root.fields("left_out").keys()
            ShapeTable.refuseTwice("the signature", signatures)
            val before = ShapeTable.bytes(root.text("before"))
            val behind = ShapeTable.bytes(root.text("behind"))
            return LiftedTable(before, behind, tiers.associateBy { it.signature }, shapes)
        }

        private fun tier(fields: Fields): LiftedTier {
            val moments = fields.fields("moments")
            val made = LiftedTier(
                signature = fields.text("signature"),
                multiplePx = fields.int("multiple_px", 1..1024),
                haloPx = fields.int("halo_px", 0..65536),
                moments = moments.keys().associateWith { moments.ints(it).fold(1, Int::times) },
                render = program(fields.fields("render")),
                measure = fields.list("measure").map(::program),
            )
            need(made.measure.flatMap { it.outputs }.sorted() == made.moments.keys.sorted()) {
                "moments of ${made.signature} are not measured once each; $REBUILD"
            }
            return made
        }

        private fun program(fields: Fields): LiftedProgram {
            val (inputs, outputs) = fields.texts("inputs") to fields.texts("outputs")
            for (names in listOf(inputs, outputs)) ShapeTable.refuseTwice("the tensor", names)
            return LiftedProgram(fields.text("key"), inputs, outputs)
        }
    }
}
