package org.iastexport.core

import org.junit.Assert.assertEquals
import org.junit.Test

class LiftedTableTest {
    private val program = """{"key":"d1_render","inputs":["content"],"outputs":["stylized"]}"""
    private val level = """{"key":"d1_measure_0","inputs":["content"],"outputs":["moment_0"]}"""

    private fun tier(
        signature: String = "d1_32px",
        render: String = program,
        measure: String = level,
    ): String =
        """{"signature":"$signature","multiple_px":4,"halo_px":24,"moments":{"moment_0":[1,8]},""" +
            """"render":$render,"measure":[$measure]}"""

    private fun table(tiers: String, leftOut: String = "{}"): LiftedTable = LiftedTable.parse(
        """{"schema_version":1,"before":"","behind":"","tiers":[$tiers],"left_out":$leftOut}""",
    )

    @Test
    fun aTierIsFoundByItsSignature() {
        assertEquals(24, table(tier()).find("d1_32px")!!.haloPx)
        assertEquals(null, table(tier()).find("d2_64px"))
    }

    @Test
    fun aTableThatSaysOneThingTwiceIsRefused() {
        refuses("signature d1_32px comes twice") { table(tier() + "," + tier()) }
        refuses("signature d1_32px comes twice") { table(tier(), """{"d1_32px":"no"}""") }
        val named = program.replace("\"content\"", "\"content\",\"content\"")
        refuses("tensor content comes twice") { table(tier(render = named)) }
        refuses("the key \"a\" comes twice") { table(tier(), """{"a":"x","a":"y"}""") }
    }
}
