package org.iastexport.core

import java.io.File
import java.lang.management.ManagementFactory
import java.lang.management.MemoryType

/**
 * Paints a photograph of 12 MP in every way, one after another, as an app does that still shows the painting before, and
 * prints the heap's peak in MB. Run with as large a heap as a phone gives.
 */
object HeapProbe {
    @JvmStatic
    fun main(args: Array<String>) {
        val bundle = BundleStore(File(args[0], "installed")).install(FolderSource(SmallBundle.build(File(args[0], "source"))))
        val tier = Tier("d1-1024px", 1, 1024, 1024, 1024, anyShape = true)
        val photograph = Picture(4032, 3024, IntArray(4032 * 3024) { rgb(it and 255, it shr 8 and 255, it shr 16 and 255) })
        var shown = IntArray(0)
        for (way in Way.values()) {
            val next = IntArray(photograph.argb.size)
            LargePainter(bundle, LocalEngine()).paint(photograph, FloatArray(4), 1f, way, tier = tier) { top, band ->
                System.arraycopy(band.argb, 0, next, top * band.widthPx, band.argb.size)
            }
            check(next.last() != 0 && (shown.isEmpty() || shown.size == next.size))
            shown = next
        }
        val peak = ManagementFactory.getMemoryPoolMXBeans().filter { it.type == MemoryType.HEAP }.sumOf { it.peakUsage.used }
        println("peak ${peak shr 20} MB of ${java.lang.Runtime.getRuntime().maxMemory() shr 20}")
    }
}
