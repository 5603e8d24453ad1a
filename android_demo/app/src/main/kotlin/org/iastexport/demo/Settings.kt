package org.iastexport.demo

import android.os.Bundle
import org.iastexport.core.Lane
import org.iastexport.core.Manifest
import org.iastexport.core.Precision
import org.iastexport.core.Role
import org.iastexport.core.Runtime
import org.iastexport.core.Way

/** How an accelerator is chosen. */
enum class Accelerate { CPU, GPU_STRICT, GPU_FALLBACK }

/** What is done with a picture beyond the largest tier: scaled down, or painted at its own size in a [way]. */
enum class Large(val way: Way?) { SCALE_DOWN(null), TILES(Way.TILES), PREVIEW(Way.PREVIEW), GUIDED(Way.GUIDED) }

/** What a person chose; survives rotation and the end of the process. [style] null is the person's own artwork. */
data class Settings(
    val style: String? = null,
    val hasOwnStyle: Boolean = false,
    val strength: Int = FULL,
    val lane: Lane? = null,
    val dispatch: Boolean = false,
    val accelerate: Accelerate = Accelerate.CPU,
    val tier: String? = null,
    val large: Large = Large.SCALE_DOWN,
    val hasPhotograph: Boolean = false,
) {
    /** How the engine is opened: one thread less than the phone has cores, at most four. */
    fun engine(): EngineChoice = EngineChoice(
        threads = (java.lang.Runtime.getRuntime().availableProcessors() - 1).coerceIn(1, 4),
        gpu = accelerate != Accelerate.CPU,
        fallback = accelerate == Accelerate.GPU_FALLBACK,
        dispatch = dispatch,
    )

    /** Fills what was not chosen yet: LiteRT in INT8 where the bundle has it, the first style. */
    fun completed(manifest: Manifest): Settings {
        val lanes = manifest.lanes()
        val kept = (lane to dispatch) in choices(manifest)
        val preferred = Lane(Runtime.LITERT, Precision.INT8)
        val known = style?.takeIf { id -> manifest.styles.any { it.id == id } }
        return copy(
            lane = lane?.takeIf { kept } ?: preferred.takeIf { it in lanes } ?: lanes.first(),
            dispatch = dispatch && kept,
            strength = if (manifest.takesStrength) strength else FULL,
            style = known ?: if (hasOwnStyle) null else manifest.styles.first().id,
            tier = tier?.takeIf { id -> manifest.tiers.any { it.id == id } },
        )
    }

    /** Writes into an activity's saved state. */
    fun save(state: Bundle) {
        state.putString("style", style)
        state.putBoolean("own", hasOwnStyle)
        state.putInt("strength", strength)
        state.putString("runtime", lane?.runtime?.name)
        state.putString("precision", lane?.precision?.name)
        state.putBoolean("dispatch", dispatch)
        state.putString("accelerate", accelerate.name)
        state.putString("tier", tier)
        state.putString("large", large.name)
        state.putBoolean("photograph", hasPhotograph)
    }

    companion object {
        private const val FULL = 100 // per cent

        /** What can compute: every lane with its files per tier, and with its one file for all tiers where there is one. */
        fun choices(manifest: Manifest): List<Pair<Lane, Boolean>> = manifest.lanes().flatMap { lane ->
            val whole = manifest.files.any { it.role == Role.DISPATCH && Lane(it.runtime, it.precision) == lane }
            if (whole) listOf(lane to false, lane to true) else listOf(lane to false)
        }

        /** Reads what [save] wrote. */
        fun of(state: Bundle?): Settings {
            if (state == null) return Settings()
            val runtime = state.getString("runtime")
            val precision = state.getString("precision")
            val lane = if (runtime == null || precision == null) null else Lane(Runtime.valueOf(runtime), Precision.valueOf(precision))
            return Settings(
                style = state.getString("style"),
                hasOwnStyle = state.getBoolean("own"),
                strength = state.getInt("strength", FULL),
                lane = lane,
                dispatch = state.getBoolean("dispatch"),
                accelerate = Accelerate.valueOf(state.getString("accelerate", Accelerate.CPU.name)),
                tier = state.getString("tier"),
                large = Large.valueOf(state.getString("large", Large.SCALE_DOWN.name)),
                hasPhotograph = state.getBoolean("photograph"),
            )
        }
    }
}
