package org.iastexport.core

import java.io.Closeable
import kotlin.math.max

/**
 * A runtime with a model in it. Implementations confine the model to one thread, make their buffers once,
 * and never fall back silently: [accelerator] says what really runs.
 */
public interface StyleEngine : Closeable {
    public val lane: Lane

    /** What computes: `cpu`, `gpu`, ...; where a fallback happened, it is named: `cpu (gpu refused: ...)`. */
    public val accelerator: String

    /** How many of the model's operators run there; null where the runtime doesn't tell. */
    public val operatorsOnAccelerator: Int? get() = null

    /** How image tensors lie. */
    public val layout: Layout

    /**
     * Stylizes a padded picture and reads the result back.
     *
     * @param content in [layout], values in [0, 1], [heightPx] x [widthPx].
     * @param code the style's code.
     * @param strength 0 keeps the photograph, 1 is the full style.
     * @return the picture in the same layout and size.
     */
    public fun run(tier: Tier, content: FloatArray, heightPx: Int, widthPx: Int, code: FloatArray, strength: Float): FloatArray

    /** The code of an artwork [1, 3, side, side] in [layout]; the bundle's style encoder must be there. */
    public fun encodeStyle(style: FloatArray): FloatArray

    /** A tier in a style with its statistics lifted out; null where that can't be. It lives as long as the engine. */
    public fun lifted(tier: Tier, code: FloatArray, strength: Float): Lifted? = null
}

/** A stylized picture and how it came about. [runAndReadBackMs] is the engine's time alone, all tiles together. */
public class Stylized(public val picture: Picture, public val choice: TierChoice, public val tiles: Int, public val runAndReadBackMs: Double)

/** From a photograph to a painting with one engine: choose the tier, pad, run, crop; scale down or tile where asked. */
public class StylePipeline(private val bundle: Bundle, private val engine: StyleEngine) {
    private val manifest = bundle.manifest

    /**
     * The picture in a style.
     *
     * @param photograph any size; transparency is laid over white.
     * @param byHand a tier that the person chose, or null for the rule.
     * @param progress tiles done and tiles in all.
     * @throws BundleException the picture is too large and [oversize] is REFUSE, or a file is altered.
     */
    public fun stylize(
        photograph: Picture,
        code: FloatArray,
        strength: Float,
        oversize: Oversize,
        byHand: Tier? = null,
        progress: (Int, Int) -> Unit = { _, _ -> },
    ): Stylized {
        check(strength)
        val choice = TierRule.choose(manifest.tiers, photograph.widthPx, photograph.heightPx, oversize, byHand)
        val source = photograph.opaque()
        var elapsedNs = 0L
        val one = { picture: Picture ->
            val (made, spentNs) = runOnce(picture, choice.tier, code, strength)
            elapsedNs += spentNs
            made
        }
        var tiles = 1
        val made = when (choice.reason) {
            TierReason.TILED -> {
                val tiling = Tiling(source.widthPx, source.heightPx, choice.tier.maxSidePx, manifest.sizeMultiplePx)
                tiles = tiling.count
                var done = 0
                tiling.run(source) { tile ->
                    progress(done, tiles)
                    one(tile).also { done += 1 }
                }
            }
            TierReason.SCALED_DOWN -> one(Resize.fitLongestSide(source, choice.tier.maxSidePx))
            else -> one(source)
        }
        progress(tiles, tiles)
        return Stylized(made, choice, tiles, elapsedNs / 1e6)
    }

    /** Refuses a strength that the network can't have. */
    internal fun check(strength: Float) {
        need(strength in 0f..1f) { "a strength of $strength is outside 0..1" }
        need(strength == 1f || manifest.takesStrength) { "this bundle's network takes no strength" }
    }

    /** The code of an artwork, by the bundle's style encoder. */
    public fun encodeStyle(artwork: Picture): FloatArray {
        val square = Resize.centerSquare(artwork.opaque(), manifest.styleSidePx)
        val code = engine.encodeStyle(PixelCodec.toTensor(square, engine.layout))
        need(code.size == manifest.codeLength && code.none { it.isNaN() || it.isInfinite() }) {
            "the style encoder returned ${code.size} numbers, ${manifest.codeLength} finite ones were needed"
        }
        return code
    }

    /** What the engine sees of a picture that fits [tier]: padded, as a tensor. */
    public fun prepare(picture: Picture, tier: Tier): Prepared = prepare(picture, tier, manifest, engine.lane.runtime, engine.layout)

    internal fun runOnce(picture: Picture, tier: Tier, code: FloatArray, strength: Float): Pair<Picture, Long> {
        val ready = prepare(picture, tier)
        val started = System.nanoTime()
        val values = engine.run(tier, ready.values, ready.heightPx, ready.widthPx, code, strength)
        val spentNs = System.nanoTime() - started
        val made = PixelCodec.toPicture(values, ready.widthPx, ready.heightPx, engine.layout, picture.widthPx, picture.heightPx)
        return made to spentNs
    }

    /** A padded picture as a tensor. */
    public class Prepared(public val values: FloatArray, public val widthPx: Int, public val heightPx: Int)

    public companion object {
        /** Pads as the manifest says for a runtime: to the tier's fixed shape, or to the next multiple. */
        public fun prepare(picture: Picture, tier: Tier, manifest: Manifest, runtime: Runtime, layout: Layout): Prepared {
            need(max(picture.widthPx, picture.heightPx) <= tier.maxSidePx) {
                "${picture.widthPx}x${picture.heightPx} px don't fit the tier ${tier.id}"
            }
            val fixed = tier.isFixed(runtime)
            val width = if (fixed) tier.widthPx else Padding.roundUp(picture.widthPx, manifest.sizeMultiplePx)
            val height = if (fixed) tier.heightPx else Padding.roundUp(picture.heightPx, manifest.sizeMultiplePx)
            return Prepared(PixelCodec.toTensor(Padding.to(picture, width, height), layout), width, height)
        }
    }
}
