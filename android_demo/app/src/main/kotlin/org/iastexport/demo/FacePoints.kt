package org.iastexport.demo

import android.graphics.Rect
import android.graphics.RectF
import android.os.Bundle
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.view.accessibility.AccessibilityNodeInfo.AccessibilityAction
import android.view.accessibility.AccessibilityNodeProvider
import org.iastexport.core.Landmarks

/**
 * The landmarks of a face as an accessibility service sees them: each with its name, moved without a finger.
 *
 * @param at a point's place in the view and its name; null where there are no points.
 * @param nudge moves a point by hundredths of the picture's width, to the right and down.
 */
class FacePoints(
    private val view: View,
    private val at: (Int) -> Pair<RectF, String>?,
    private val nudge: (index: Int, dx: Int, dy: Int) -> Boolean,
) : AccessibilityNodeProvider() {
    private val moves = mapOf(
        R.id.point_left to Move(R.string.face_left, -1, 0),
        R.id.point_right to Move(R.string.face_right, 1, 0),
        R.id.point_up to Move(R.string.face_up, 0, -1),
        R.id.point_down to Move(R.string.face_down, 0, 1),
    )

    override fun createAccessibilityNodeInfo(index: Int): AccessibilityNodeInfo? = if (index == View.NO_ID) whole() else point(index)

    private fun whole(): AccessibilityNodeInfo {
        val info = AccessibilityNodeInfo.obtain(view)
        view.onInitializeAccessibilityNodeInfo(info)
        for (index in 0 until Landmarks.COUNT) if (at(index) != null) info.addChild(view, index)
        return info
    }

    private fun point(index: Int): AccessibilityNodeInfo? {
        val (place, name) = at(index) ?: return null
        val corner = IntArray(2).also { view.getLocationOnScreen(it) }
        val bounds = Rect().also { place.roundOut(it) }
        return AccessibilityNodeInfo.obtain(view, index).apply {
            packageName = view.context.packageName
            className = View::class.java.name
            contentDescription = name
            setParent(view)
            isVisibleToUser = true
            isEnabled = true
            setBoundsInScreen(Rect(bounds).apply { offset(corner[0], corner[1]) })
            for ((id, move) in moves) addAction(AccessibilityAction(id, view.resources.getString(move.words)))
        }
    }

    override fun performAction(index: Int, action: Int, arguments: Bundle?): Boolean {
        if (index == View.NO_ID) return view.performAccessibilityAction(action, arguments)
        val move = moves[action] ?: return false
        return at(index) != null && nudge(index, move.dx, move.dy)
    }

    private class Move(val words: Int, val dx: Int, val dy: Int)
}
