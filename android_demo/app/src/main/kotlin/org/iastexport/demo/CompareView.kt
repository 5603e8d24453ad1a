package org.iastexport.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Rect
import android.graphics.RectF
import android.os.Bundle
import android.os.Parcelable
import android.util.AttributeSet
import android.view.KeyEvent
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.SeekBar

/** Photograph and painting in one place, with a line between them that a finger moves. */
class CompareView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private var before: Bitmap? = null
    private var after: Bitmap? = null
    private var share = 0.5f
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.accent)
        strokeWidth = 3f * context.resources.displayMetrics.density
    }
    private val place = RectF()

    init {
        isFocusable = true
    }

    /** Shows a photograph, with a painting once there is one. */
    fun show(before: Bitmap?, after: Bitmap?) {
        this.before = before
        this.after = after
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val shown = before ?: return
        fit(shown)
        canvas.drawBitmap(shown, null, place, smooth)
        val painting = after ?: return
        val x = place.left + share * place.width()
        canvas.save()
        canvas.clipRect(x, place.top, place.right, place.bottom)
        canvas.drawBitmap(painting, Rect(0, 0, painting.width, painting.height), place, smooth)
        canvas.restore()
        canvas.drawLine(x, place.top, x, place.bottom, line)
        canvas.drawCircle(x, place.centerY(), 4f * line.strokeWidth, line)
    }

    private fun fit(bitmap: Bitmap) {
        val scale = minOf((width - paddingLeft - paddingRight) / bitmap.width.toFloat(), (height - paddingTop - paddingBottom) / bitmap.height.toFloat())
        val w = bitmap.width * scale
        val h = bitmap.height * scale
        place.set((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (after == null || place.width() <= 0f) return false
        parent.requestDisallowInterceptTouchEvent(true)
        share = ((event.x - place.left) / place.width()).coerceIn(0f, 1f)
        if (event.actionMasked == MotionEvent.ACTION_UP) performClick()
        invalidate()
        return true
    }

    private fun move(by: Float): Boolean {
        if (after == null) return false
        share = (share + by).coerceIn(0f, 1f)
        invalidate()
        return true
    }

    /** Without a finger the line moves by arrow keys, or as a slider of an accessibility service. */
    override fun onKeyDown(keyCode: Int, event: KeyEvent?): Boolean = when (keyCode) {
        KeyEvent.KEYCODE_DPAD_LEFT -> move(-STEP)
        KeyEvent.KEYCODE_DPAD_RIGHT -> move(STEP)
        else -> false
    } || super.onKeyDown(keyCode, event)

    override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
        super.onInitializeAccessibilityNodeInfo(info)
        if (after == null) return
        info.className = SeekBar::class.java.name
        info.rangeInfo = AccessibilityNodeInfo.RangeInfo.obtain(AccessibilityNodeInfo.RangeInfo.RANGE_TYPE_FLOAT, 0f, 1f, share)
        info.addAction(AccessibilityNodeInfo.AccessibilityAction.ACTION_SCROLL_FORWARD)
        info.addAction(AccessibilityNodeInfo.AccessibilityAction.ACTION_SCROLL_BACKWARD)
    }

    override fun performAccessibilityAction(action: Int, arguments: Bundle?): Boolean = when (action) {
        AccessibilityNodeInfo.ACTION_SCROLL_FORWARD -> move(STEP)
        AccessibilityNodeInfo.ACTION_SCROLL_BACKWARD -> move(-STEP)
        else -> super.performAccessibilityAction(action, arguments)
    }

    override fun onSaveInstanceState(): Parcelable = Bundle().apply {
        putParcelable("view", super.onSaveInstanceState())
        putFloat("share", share)
    }

    override fun onRestoreInstanceState(state: Parcelable?) {
        if (state !is Bundle) return super.onRestoreInstanceState(state)
        share = state.getFloat("share", share)
        super.onRestoreInstanceState(state.getParcelable("view"))
    }

    private companion object {
        const val STEP = 0.1f
    }
}
