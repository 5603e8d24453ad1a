package org.iastexport.core

import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class ShapeTableTest {
    private val given = SharedCases.read("shape_cases.json").jsonObject
    private val text = given.getValue("table").toString()
    private val model = bytes(given.getValue("model").jsonPrimitive.content)
    private val key = given.getValue("key").jsonPrimitive.content

    private fun bytes(hex: String) =
        ByteArray(hex.length / 2) { hex.substring(2 * it, 2 * it + 2).toInt(16).toByte() }

    private fun hex(bytes: ByteArray) = bytes.joinToString("") { "%02x".format(it) }

    @Test
    fun aModelIsReShapedToTheByte() {
        val table = ShapeTable.parse(text)
        val cases = given.getValue("cases").jsonArray.map { it.jsonObject }
        assertTrue(cases.size > 5)
        for (case in cases) {
            val expect = case.getValue("expect")
            val (height, width) = case.int("height_px") to case.int("width_px")
            val made = { hex(table.reshape(model, key, height, width)) }
            if (expect is JsonNull) {
                refuses("") { made() }
            } else {
                assertEquals(expect.jsonPrimitive.content, made())
            }
        }
    }

    @Test
    fun whatTheTableLacksOrCantMeanIsRefused() {
        refuses("can't be re-shaped") { ShapeTable.parse(text).reshape(model, "d2_64px", 8, 8) }
        val later = text.replace("\"schema_version\":1", "\"schema_version\":2")
        refuses("update the app") { ShapeTable.parse(later) }
        refuses("hexadecimal") { ShapeTable.parse(text.replace("0a0b0c0d", "0a0b0c0g")) }
        refuses("3 factors") { ShapeTable.parse(text.replace("[-8,0,0,0]", "[-8,0,0]")) }
        val beyond = ShapeTable.parse(text.replace("[8,28]", "[8,29]"))
        refuses("beyond its model") { beyond.reshape(model, key, 8, 8) }
    }

    @Test
    fun aTableThatSaysOneThingTwiceIsRefused() {
        val cases = given.getValue("twice").jsonArray.map { it.jsonObject }
        assertTrue(cases.size > 5)
        for (case in cases) {
            val what = case.getValue("what").jsonPrimitive.content
            val words = if ("place" in what) "in one place" else "twice"
            refuses(words) { ShapeTable.parse(case.getValue("table").jsonPrimitive.content) }
        }
    }
}
