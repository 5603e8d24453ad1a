package org.iastexport.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.math.abs

class FaceWarpTest {
    private val face = Landmarks.template(40.0, 40.0, 80.0)

    @Test
    fun theTemplateHasEveryLandmarkInItsBox() {
        assertEquals(Landmarks.COUNT, face.size)
        assertTrue(face.all { it.x in 40.0..120.0 && it.y in 40.0..120.0 })
        assertEquals((0 until Landmarks.COUNT).toList(), Landmarks.CONTOURS.flatMap { it.first }.sorted())
    }

    @Test
    fun nothingMovedGivesTheSamePicture() {
        val picture = noise(160, 160)
        assertSame(picture, FaceWarp(face, face).apply(picture))
    }

    @Test
    fun aMovedPointArrives() {
        val to = face.toMutableList().also { it[30] = Point(it[30].x + 6.0, it[30].y - 4.0) }
        val warp = FaceWarp(face, to)
        for (i in listOf(0, 30, 60)) {
            val from = warp.source(to[i], to, face)
            assertTrue(abs(from.x - face[i].x) < 1e-6 && abs(from.y - face[i].y) < 1e-6)
        }
    }

    @Test
    fun aSimilarityOfAllPointsIsFoundExactly() {
        val to = face.map { Point(0.9 * it.x - 0.2 * it.y + 5.0, 0.2 * it.x + 0.9 * it.y - 3.0) }
        val found = FaceWarp(to, face).source(Point(77.0, 91.0), face, to)
        assertEquals(0.9 * 77 - 0.2 * 91 + 5, found.x, 1e-9)
        assertEquals(0.2 * 77 + 0.9 * 91 - 3, found.y, 1e-9)
    }

    @Test
    fun theBorderStaysAndTheFaceMoves() {
        val smooth = Picture(160, 160, IntArray(160 * 160) { rgb(it % 160, it / 160, 128) })
        val to = face.map { Point(it.x + 5.0, it.y) }
        val made = FaceWarp(face, to).apply(smooth)
        assertArrayEquals(smooth.crop(0, 0, 1, 1).argb, made.crop(0, 0, 1, 1).argb)
        val middle = made.argb[75 * 160 + 80]
        assertNotEquals(smooth.argb[75 * 160 + 80], middle)
        assertEquals(75, channel(middle, 0), 2)
    }

    private fun assertEquals(wanted: Int, found: Int, within: Int) = assertTrue("$found, not $wanted", abs(wanted - found) <= within)

    @Test
    fun unequalListsAreRefused() = refuses("can't move") { FaceWarp(face, face.drop(1)) }

    @Test
    fun aPlaceThatIsNoneIsRefused() = refuses("put the landmarks anew") {
        FaceWarp(face, face.map { Point(Double.NaN, it.y) })
    }

    @Test
    fun picturesOfAnySizeAreWarpedWhole() {
        for ((width, height) in listOf(1 to 1, 7 to 9, 8 to 8, 17 to 3)) {
            val flat = Picture(width, height, IntArray(width * height) { rgb(10, 200, 30) })
            val made = FaceWarp(listOf(Point(1.0, 1.0)), listOf(Point(2.0, 1.5))).apply(flat)
            assertArrayEquals(flat.argb, made.argb)
        }
    }

    @Test
    fun aWarpAndItsOppositeGiveThePictureBackNearly() {
        val smooth = Picture(160, 160, IntArray(160 * 160) { rgb(it % 160, it / 160, (it % 160 + it / 160) / 2) })
        val to = face.mapIndexed { i, p -> if (i in 48..67) Point(p.x, p.y + 3.0) else p }
        val back = FaceWarp(to, face).apply(FaceWarp(face, to).apply(smooth))
        assertTrue(LevelDifference.between(smooth, back).worst in 0..3)
        assertTrue(LevelDifference.between(smooth, FaceWarp(face, to).apply(smooth)).worst >= 2)
    }
}
