package org.iastexport.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

/** What an app can say in another language: the core's real refusals, by what a person can do. */
class RemedyTest {
    private fun remedy(work: () -> Unit) = assertThrows(BundleException::class.java) { work() }.remedy

    @Test
    fun everyKindOfRefusalHasItsRemedy() {
        val manifest = SharedCases.list("manifest_cases.json")[0].getValue("manifest").toString()
        val newer = manifest.replace("\"schema_version\":1", "\"schema_version\":9")
        assertEquals(Remedy.UPDATE_APP, remedy { Manifest.parse(newer) })
        assertEquals(Remedy.BUILD_AGAIN, remedy { Manifest.parse("{") })
        assertEquals(Remedy.OTHER_PICTURE, remedy { Picture(0, 0, IntArray(0)) })
        val good = Manifest.parse(manifest)
        assertEquals(Remedy.OTHER_PICTURE, remedy { TierRule.choose(good.tiers, 9000, 9000, Oversize.REFUSE, null) })
        assertEquals(Remedy.CHOOSE_OTHERWISE, remedy { Attempt.chosen(good, precisions = "dynamic_int8") })
        assertEquals(Remedy.FREE_SPACE, BundleException("the bundle can't be copied: full; free some space and start again").remedy)
    }
}
