package org.iastexport.core

import java.io.File
import java.lang.management.ManagementFactory
import java.lang.management.MemoryType

/**
 * Paints a photograph of 12 MP in every way, one after another, as an app does that still shows the
 * painting before. A line per way: the heap's peak in MB, and what of it was alive meanwhile,
 * collected at every eighth band. Run with as large a heap as a phone gives.
 */
object HeapProbe {
    private const val WIDTH = 4032
    private const val HEIGHT = 3024
    private const val BANDS = 8
    private val pools =
        ManagementFactory.getMemoryPoolMXBeans().filter { it.type == MemoryType.HEAP }

    @JvmStatic
    fun main(args: Array<String>) {
        val source = FolderSource(SmallBundle.build(File(args[0], "source")))
        val bundle = BundleStore(File(args[0], "installed")).install(source)
        val tier = Tier("d1-1024px", 1, 1024, 1024, 1024, anyShape = true)
        val levels =
            IntArray(WIDTH * HEIGHT) { rgb(it and 255, it shr 8 and 255, it shr 16 and 255) }
        val photograph = Picture(WIDTH, HEIGHT, levels)
        val heap = java.lang.Runtime.getRuntime().maxMemory() shr 20
        var shown = IntArray(0)
        for (way in Way.values()) {
            pools.forEach { it.resetPeakUsage() }
            var (alive, bands) = 0L to 0
            val next = IntArray(photograph.argb.size)
            val painter = LargePainter(bundle, LocalEngine())
            painter.paint(photograph, FloatArray(4), 1f, way, tier = tier) { top, band ->
                System.arraycopy(band.argb, 0, next, top * band.widthPx, band.argb.size)
                if (bands++ % BANDS == 0) alive = maxOf(alive, collected())
            }
            check(next.last() != 0 && (shown.isEmpty() || shown.size == next.size))
            shown = next
            val peak = pools.sumOf { it.peakUsage.used } shr 20
            println("${way.name.lowercase()}: peak $peak MB, alive ${alive shr 20} MB of $heap")
        }
    }

    /** Bytes in use once nothing is left to collect. */
    private fun collected(): Long {
        System.gc()
        return pools.sumOf { it.usage.used }
    }
}
