package org.iastexport.demo

import android.graphics.Bitmap
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView
import org.iastexport.core.Bundle
import org.iastexport.core.GoldenPng
import org.iastexport.core.StyleEntry

/** A style's thumbnail, read from the bundle. */
class StyleTile(val entry: StyleEntry, val thumbnail: Bitmap?)

/** The styles of a bundle as a strip of thumbnails, by kind of art, with the person's own artwork at the end. */
class StyleStrip(private val strip: LinearLayout, private val choose: (String?) -> Unit) {
    private val resources = strip.resources
    private val views = HashMap<String?, View>()

    /** Fills the strip. */
    fun show(tiles: List<StyleTile>) {
        strip.removeAllViews()
        views.clear()
        for ((category, members) in tiles.groupBy { it.entry.category }) {
            val group = column()
            group.addView(heading(category))
            val row = LinearLayout(strip.context)
            members.forEach { row.addView(thumbnail(it)) }
            group.addView(row)
            strip.addView(group)
        }
        val own = TextView(strip.context).apply {
            text = resources.getString(R.string.own_style)
            gravity = android.view.Gravity.CENTER
            setTextColor(strip.context.getColor(R.color.accent))
            setBackgroundResource(R.drawable.chosen)
            setOnClickListener { choose(null) }
        }
        strip.addView(own, size())
        views[null] = own
    }

    /** Marks the chosen style; null is the person's own artwork. */
    fun mark(id: String?) = views.forEach { (key, view) -> view.isSelected = key == id }

    private fun thumbnail(tile: StyleTile): View = ImageView(strip.context).apply {
        setImageBitmap(tile.thumbnail)
        scaleType = ImageView.ScaleType.CENTER_CROP
        contentDescription = resources.getString(R.string.style_of, tile.entry.title.ifEmpty { tile.entry.id }, tile.entry.category)
        val inset = resources.getDimensionPixelSize(R.dimen.gap_small) / 2
        setPadding(inset, inset, inset, inset)
        setBackgroundResource(R.drawable.chosen)
        layoutParams = size()
        setOnClickListener { choose(tile.entry.id) }
        views[tile.entry.id] = this
    }

    private fun size(): LinearLayout.LayoutParams {
        val side = resources.getDimensionPixelSize(R.dimen.thumbnail)
        return LinearLayout.LayoutParams(side, side)
    }

    private fun column() = LinearLayout(strip.context).apply {
        orientation = LinearLayout.VERTICAL
        layoutParams = LinearLayout.LayoutParams(ViewGroup.LayoutParams.WRAP_CONTENT, ViewGroup.LayoutParams.WRAP_CONTENT)
    }

    private fun heading(text: String) = TextView(strip.context).apply {
        this.text = text
        setTextColor(strip.context.getColor(R.color.ink_soft))
        textSize = 11f
    }

    companion object {
        /** Reads the thumbnails. On the worker thread. */
        fun tiles(bundle: Bundle): List<StyleTile> = bundle.manifest.styles.map { entry ->
            StyleTile(entry, entry.thumbnail?.let { GoldenPng.read(bundle.file(it)).toBitmap() })
        }
    }
}
