package org.iastexport.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import kotlin.concurrent.thread

class LiveTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val tiers = listOf(Tier("d4-256px", 4, 256, 256, 256), Tier("d2-512px", 2, 512, 512, 512), Tier("d1-1024px", 1, 1024, 1024, 1024))

    @Test
    fun theNewestFrameWinsAndOthersAreGivenBack() {
        val given = ArrayList<Int>()
        val slot = NewestFrame<Int> { given += it }
        for (frame in 1..3) assertTrue(slot.offer(frame))
        assertEquals(3, slot.take())
        assertEquals(listOf(1, 2) to 2, given to slot.dropped)
        slot.offer(4)
        slot.close()
        assertFalse(slot.offer(5))
        assertEquals(listOf(1, 2, 4, 5), given)
        assertNull(slot.take())
    }

    @Test
    fun aPainterWaitsForAFrameAndEndsWithTheCamera() {
        val slot = NewestFrame<Int>()
        val painted = ArrayList<Int>()
        val painter = thread { generateSequence { slot.take() }.forEach { painted += it } }
        slot.offer(7)
        while (painter.state != Thread.State.WAITING) Thread.sleep(1)
        slot.close()
        painter.join()
        assertEquals(listOf(7), painted)
    }

    @Test
    fun theLargestTierThatHoldsTheBudgetIsTaken() {
        val budget = FrameBudget(tiers, 60.0)
        val costs = mapOf("d4-256px" to 8.0, "d2-512px" to 25.0, "d1-1024px" to 90.0)
        val seen = (1..40).map { budget.tier.id.also { budget.add(costs.getValue(it)) } }
        assertEquals(listOf("d4-256px", "d2-512px"), seen.distinct()) // the largest is foretold at 100 ms, and never tried
        assertEquals(List(39) { "d2-512px" }, seen.drop(1))
    }

    @Test
    fun aPhoneThatGrowsHotPaintsSmallerAndOneSlowFrameChangesNothing() {
        val budget = FrameBudget(tiers, 60.0)
        budget.add(10.0)
        budget.add(30.0)
        assertEquals("d2-512px", budget.tier.id)
        budget.add(70.0)
        assertEquals("d2-512px", budget.tier.id)
        repeat(12) { if (budget.tier.id == "d2-512px") budget.add(80.0) }
        assertEquals("d4-256px", budget.tier.id)
        repeat(20) { budget.add(15.0) }
        assertEquals("d4-256px", budget.tier.id) // what was slow there is remembered
        repeat(150) { if (budget.tier.id == "d4-256px") budget.add(15.0) }
        assertEquals("d2-512px", budget.tier.id) // for a while
    }

    private fun plane(stride: Int, step: Int, vararg rows: List<Int>): CameraPlane {
        val bytes = ByteArray(stride * rows.size)
        for ((y, row) in rows.withIndex()) for ((x, value) in row.withIndex()) bytes[y * stride + x * step] = value.toByte()
        return CameraPlane(bytes, stride, step)
    }

    @Test
    fun aCamerasFrameBecomesColorsThatStandUpright() {
        val light = plane(6, 1, listOf(76, 76, 150, 150), listOf(76, 76, 29, 255))
        val blue = plane(8, 2, listOf(85, 128))
        val red = plane(8, 2, listOf(255, 128))
        val lying = CameraFrames.picture(light, blue, red, 4, 2, 0)
        assertEquals(listOf(254, 0, 0), lying.crop(0, 0, 1, 1).levels()) // JPEG's red
        assertEquals(listOf(150, 150, 150), lying.crop(2, 0, 1, 1).levels())
        assertEquals(listOf(255, 255, 255), lying.crop(3, 1, 1, 1).levels())
        val upright = CameraFrames.picture(light, blue, red, 4, 2, 90)
        assertEquals(2 to 4, upright.widthPx to upright.heightPx)
        assertEquals(listOf(255, 255, 255), upright.crop(0, 3, 1, 1).levels()) // what was right below is left below
        assertEquals(listOf(255, 255, 255), CameraFrames.picture(light, blue, red, 4, 2, -90).crop(1, 0, 1, 1).levels())
    }

    @Test
    fun aCamerasSmallestSizeThatIsLargeEnoughIsTaken() {
        val offered = listOf(4000 to 3000, 640 to 480, 1280 to 720, 1280 to 960)
        assertEquals(1280 to 720, CameraFrames.size(offered, 1024))
        assertEquals(4000 to 3000, CameraFrames.size(offered, 5000))
        assertNull(CameraFrames.size(emptyList(), 100))
    }

    @Test
    fun framesAreDrawnWithStatisticsThatMove() {
        val bundle = BundleStore(temporary.root.resolve("installed")).install(FolderSource(SmallBundle.build(temporary.newFolder())))
        val painter = LivePainter(bundle, LocalEngine(), budgetMs = 1e9)
        val (dark, light) = Picture(30, 20, IntArray(600) { rgb(100, 100, 100) }) to Picture(30, 20, IntArray(600) { rgb(110, 110, 110) })
        val first = painter.paint(dark, FloatArray(4), 1f)
        assertEquals(rgb(100, 100, 100), first.after.argb[0])
        assertTrue(first.isSteady && first.before.widthPx == 30 && first.spentMs >= 0)
        assertEquals("d2-32px", first.tier.id)
        assertEquals(30, painter.paint(light, FloatArray(4), 1f).after.widthPx) // now in the larger tier, with statistics of its own
        // 110 is drawn toward 0.9 * 100 + 0.1 * 110 = 101 by a share of 0.604
        val steady = LivePainter(bundle, LocalEngine(), budgetMs = 1e-9)
        steady.paint(dark, FloatArray(4), 1f)
        assertEquals(rgb(106, 106, 106), steady.paint(light, FloatArray(4), 1f).after.argb[0])
        assertEquals(rgb(110, 110, 110), steady.paint(light, FloatArray(4) { 1f }, 1f).after.argb[0]) // another style begins anew
    }
}
