package org.iastexport.core

import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class ContractTest {
    private val cases = SharedCases.list("manifest_cases.json")
    private val good = Manifest.parse(cases.first { it.getValue("wrong") is JsonNull }.getValue("manifest").toString())

    @Test
    fun aGoodManifestIsRead() {
        assertEquals(listOf("d2-32px", "d1-64px"), good.tiers.map { it.id })
        assertEquals(4, good.codeLength)
        assertTrue(good.takesStrength)
        assertEquals(listOf("onnxruntime-int8", "litert-int8"), good.lanes().map { it.toString() })
        assertEquals(6, good.listed().size)
        val file = good.transfer(Lane(Runtime.LITERT, Precision.INT8), good.tiers[0])!!
        assertEquals("d2_32px", good.signature(file, good.tiers[0]))
        assertEquals(-128, good.edge(file, "d2_32px", "content").zeroPoint)
    }

    @Test
    fun everyBadManifestIsRefused() {
        val bad = cases.filter { it.getValue("wrong") !is JsonNull }
        assertTrue(bad.size > 20)
        val accepted = bad.filter { case ->
            runCatching { Manifest.parse(case.getValue("manifest").toString()) }
                .fold({ true }, { error -> if (error is BundleException) false else throw error })
        }
        assertEquals(emptyList<String>(), accepted.map { it.getValue("wrong").jsonPrimitive.content })
    }

    @Test
    fun refusalsNameTheFieldAndTheRemedy() {
        refuses("is not JSON") { Manifest.parse("{") }
        refuses("tiers.0.depth is missing") {
            Manifest.parse(cases[0].getValue("manifest").toString().replace("\"depth\":2,", ""))
        }
        refuses("update the app") {
            Manifest.parse(cases[0].getValue("manifest").toString().replace("\"schema_version\":1", "\"schema_version\":2"))
        }
    }

    @Test
    fun pathsStayInside() {
        assertTrue(isSafePath("models/a-b.c_d.tflite"))
        for (path in listOf("", "/a", "a/", "../a", "a/../b", "a/./b", "a\\b", "c:a", "a//b", "a\nb")) {
            assertFalse(path, isSafePath(path))
        }
    }

    @Test
    fun aPictureGetsTheTierThatTheSharedCasesExpect() {
        val tierCases = SharedCases.list("tier_cases.json")
        assertTrue(tierCases.size > 20)
        for (case in tierCases) {
            val tiers = case.getValue("tiers").jsonArray.map { it.jsonObject }.map {
                val side = it.int("max_side_px")
                Tier("d${it.int("depth")}-${side}px", it.int("depth"), side, side, side)
            }
            val found = try {
                TierRule.select(tiers, case.int("width_px"), case.int("height_px"))?.id ?: "too_large"
            } catch (_: BundleException) {
                "empty"
            }
            assertEquals(case.getValue("expect").jsonPrimitive.content, found)
        }
    }

    @Test
    fun theReasonForATierIsSaid() {
        fun reason(side: Int, oversize: Oversize, byHand: Tier? = null) =
            TierRule.choose(good.tiers, side, 8, oversize, byHand).reason
        assertEquals(TierReason.SMALLEST_THAT_FITS, reason(64, Oversize.REFUSE))
        assertEquals(TierReason.SCALED_DOWN, reason(65, Oversize.SCALE_DOWN))
        assertEquals(TierReason.TILED, reason(65, Oversize.TILE))
        assertEquals(TierReason.CHOSEN_BY_HAND, reason(20, Oversize.REFUSE, good.tiers[1]))
        assertEquals(TierReason.TILED, reason(40, Oversize.TILE, good.tiers[0]))
        refuses("scale it down or tile it") { reason(65, Oversize.REFUSE) }
    }
}
