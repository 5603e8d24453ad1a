package org.iastexport.core

import kotlin.math.max
import kotlin.math.min

/** What to do with a picture that is larger than the tier that serves it. */
public enum class Oversize { REFUSE, SCALE_DOWN, TILE }

/** Why a tier serves a picture; the app words it in the person's language. */
public enum class TierReason { SMALLEST_THAT_FITS, CHOSEN_BY_HAND, SCALED_DOWN, TILED }

/** A tier and why it was chosen. */
public data class TierChoice(val tier: Tier, val reason: TierReason)

/** The one selection rule, the same as in Python (`specs.select_tier`), proved on shared cases. */
public object TierRule {
    /**
     * The first tier whose `maxSidePx` is at least the picture's longest side; null beyond the largest.
     *
     * @throws BundleException a side below 1 px.
     */
    public fun select(tiers: List<Tier>, widthPx: Int, heightPx: Int): Tier? {
        need(min(widthPx, heightPx) >= 1) { "a picture of ${widthPx}x$heightPx px is empty; use a real picture" }
        return tiers.firstOrNull { max(widthPx, heightPx) <= it.maxSidePx }
    }

    /**
     * The tier for a picture, with the reason.
     *
     * @param byHand a tier that the person chose, or null.
     * @throws BundleException the picture doesn't fit and [oversize] is REFUSE.
     */
    public fun choose(tiers: List<Tier>, widthPx: Int, heightPx: Int, oversize: Oversize, byHand: Tier? = null): TierChoice {
        val fitting = if (byHand == null) select(tiers, widthPx, heightPx) else select(listOf(byHand), widthPx, heightPx)
        if (fitting != null) {
            return TierChoice(fitting, if (byHand == null) TierReason.SMALLEST_THAT_FITS else TierReason.CHOSEN_BY_HAND)
        }
        val tier = byHand ?: tiers.last()
        return when (oversize) {
            Oversize.REFUSE -> throw BundleException(
                "the picture is ${widthPx}x$heightPx px, the tier ${tier.id} takes ${tier.maxSidePx} px; scale it down or tile it",
            )
            Oversize.SCALE_DOWN -> TierChoice(tier, TierReason.SCALED_DOWN)
            Oversize.TILE -> TierChoice(tier, TierReason.TILED)
        }
    }
}
