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
    fun aManifestThatContradictsItselfIsRefused() {
        val text = cases[0].getValue("manifest").toString()
        val other = "cd".repeat(32)
        val contradictions = listOf(
            Triple("\"shape_px\":[32,32]", "\"shape_px\":[32,16]", "doesn't hold its max_side_px 32"),
            Triple("\"style_code\":[1,4]", "\"style_code\":[1,-4]", "the shape of style_code is [1, -4]"),
            Triple("\"style_code\":[1,4]", "\"style_code\":[65536,65536]", "the shape of style_code"),
            Triple("\"zero_point\":-128", "\"zero_point\":-129", "is int8 with scale"),
            Triple("\"zero_point\":-128", "\"zero_point\":null", "is int8 with scale"),
            Triple("\"scale\":0.00392156862745098", "\"scale\":0.0", "is int8 with scale 0.0"),
            Triple("\"scale\":0.00392156862745098", "\"scale\":NaN", "a finite number was needed"),
            Triple("\"litert\":1,", "", "no tolerance for litert"),
            Triple("\"litert-int8\":", "\"litert-fp16\":", "which the bundle has no model for"),
            Triple("models/a.onnx", "manifest.json", "lists itself"),
            Triple("styles/ink.png", "styles/ink.f32", "gives styles/ink.f32 two hashes"),
        )
        for ((found, wrong, words) in contradictions) {
            check(found in text) { found }
            val altered = text.replace(found, wrong).replace("\"thumbnail_sha256\":\"${"ab".repeat(32)}\"", "\"thumbnail_sha256\":\"$other\"")
            refuses(words) { Manifest.parse(altered) }
        }
        Manifest.parse(text.replace("\"thumbnail_sha256\":\"${"ab".repeat(32)}\"", "\"thumbnail_sha256\":\"$other\""))
    }

    @Test
    fun fieldsOfAnotherTypeAreRefused() {
        val text = cases[0].getValue("manifest").toString()
        val wrong = listOf(
            Triple("\"depth\":2", "\"depth\":\"2\"", "tiers.0.depth is \"2\", a whole number"),
            Triple("\"depth\":2", "\"depth\":2.5", "tiers.0.depth is 2.5, a whole number"),
            Triple("\"bytes\":10", "\"bytes\":-1", "files.0.bytes is -1, a size above 0"),
            Triple("\"shape_px\":[32,32]", "\"shape_px\":[32,\"32\"]", "a list of whole numbers"),
            Triple("\"shape_px\":[32,32]", "\"shape_px\":[32]", "a tier's shape_px is [32]"),
            Triple("\"signatures\":[]", "\"signatures\":[1]", "files.0.signatures is [1], a list of texts"),
            Triple("\"strength\":1.0", "\"strength\":1e999", "a finite number"),
            Triple("\"litert-int8\":", "\"litert-int8-x\":", "is no runtime-precision"),
            Triple("\"clip\":[0,255]", "\"clip\":[0,254]", "postprocess.clip is not [0, 255]: update the app"),
        )
        for ((found, altered, words) in wrong) {
            check(found in text) { found }
            refuses(words) { Manifest.parse(text.replace(found, altered)) }
        }
        refuses("is no object") { Manifest.parse("[]") }
        refuses("is not JSON") { Manifest.parse("") }
    }

    @Test
    fun whatTheManifestLacksIsSaid() {
        refuses("no tier d9") { good.tier("d9") }
        refuses("no style oil") { good.style("oil") }
        refuses("no signature d2_32px") { good.signature(good.files[0], good.tiers[0]) }
        refuses("lists no edge depth") { good.edge(good.files[1], "d2_32px", "depth") }
        refuses("a code of 3 numbers, 4 were needed") { good.split(FloatArray(3)) }
        assertEquals(null, good.transfer(Lane(Runtime.LITERT, Precision.FP16), good.tiers[0]))
        assertEquals(null, good.only(Role.LANDMARKS, Runtime.ONNXRUNTIME))
    }

    @Test
    fun aCodeIsCutByTheNamesOfItsTensors() {
        val two = good.copy(codes = listOf(CodeInput("a", listOf(1, 3)), CodeInput("b", listOf(1, 2, 1))))
        val parts = two.split(floatArrayOf(1f, 2f, 3f, 4f, 5f)).map { it.key.name to it.value.toList() }
        assertEquals(listOf("a" to listOf(1f, 2f, 3f), "b" to listOf(4f, 5f)), parts)
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
