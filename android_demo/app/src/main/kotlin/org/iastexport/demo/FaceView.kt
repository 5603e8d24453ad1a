package org.iastexport.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.util.AttributeSet
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeProvider
import org.iastexport.core.Landmarks
import org.iastexport.core.Point

/** A picture with the 68 landmarks of a face as handles that a finger moves. */
class FaceView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    /** Called whenever a finger lets go of a handle. */
    var onMoved: () -> Unit = {}

    /** The landmarks, in pixels of the picture. */
    var points: List<Point> = emptyList()
        set(value) {
            field = value
            invalidate()
        }

    /** Whether a drag moves all points together (to put them on the face) or the nearest one. */
    var together = false
    private var picture: Bitmap? = null
    private var held = -1
    private var last = Point(0.0, 0.0)
    private val place = RectF()
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val spoken = FacePoints(this, ::labelled) { index, dx, dy -> nudge(index, dx, dy) }
    private val radius = context.resources.getDimension(R.dimen.handle)
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.accent)
        style = Paint.Style.STROKE
        strokeWidth = context.resources.displayMetrics.density
    }

    /** Shows a picture under the points. */
    fun show(bitmap: Bitmap) {
        picture = bitmap
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val shown = picture ?: return
        val scale = minOf(width / shown.width.toFloat(), height / shown.height.toFloat())
        val w = shown.width * scale
        val h = shown.height * scale
        place.set((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
        canvas.drawBitmap(shown, null, place, smooth)
        if (points.size != Landmarks.COUNT) return
        for ((run, closes) in Landmarks.CONTOURS) {
            for (i in run) {
                if (i != run.last) segment(canvas, i, i + 1) else if (closes) segment(canvas, i, run.first)
            }
        }
        points.forEachIndexed { i, point -> canvas.drawCircle(x(point), y(point), if (i == held) radius else radius / 3, line) }
    }

    private fun segment(canvas: Canvas, a: Int, b: Int) = canvas.drawLine(x(points[a]), y(points[a]), x(points[b]), y(points[b]), line)

    private fun scale() = place.width() / (picture?.width ?: 1)

    private fun x(point: Point) = place.left + (point.x * scale()).toFloat()

    private fun y(point: Point) = place.top + (point.y * scale()).toFloat()

    override fun onTouchEvent(event: MotionEvent): Boolean {
        val shown = picture ?: return false
        if (points.isEmpty() || scale() <= 0f) return false
        val at = Point(((event.x - place.left) / scale()).toDouble(), ((event.y - place.top) / scale()).toDouble())
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> {
                parent.requestDisallowInterceptTouchEvent(true)
                held = points.indices.minByOrNull { squared(points[it], at) } ?: -1
            }
            MotionEvent.ACTION_MOVE -> move(at, shown)
            MotionEvent.ACTION_UP, MotionEvent.ACTION_CANCEL -> {
                held = -1
                onMoved()
            }
        }
        last = at
        invalidate()
        return true
    }

    override fun getAccessibilityNodeProvider(): AccessibilityNodeProvider = spoken

    /** A point's place on the screen and its name. */
    private fun labelled(index: Int): Pair<RectF, String>? {
        val point = points.getOrNull(index) ?: return null
        val around = RectF(x(point) - radius, y(point) - radius, x(point) + radius, y(point) + radius)
        return around to resources.getString(R.string.face_point, index + 1, points.size)
    }

    /** Moves a point, or all together, by hundredths of the picture's width. */
    private fun nudge(index: Int, dx: Int, dy: Int): Boolean {
        val shown = picture ?: return false
        held = index
        last = Point(0.0, 0.0)
        move(Point(dx * shown.width / 100.0, dy * shown.width / 100.0), shown)
        held = -1
        onMoved()
        return true
    }

    private fun move(at: Point, shown: Bitmap) {
        val (dx, dy) = at.x - last.x to at.y - last.y
        points = points.mapIndexed { i, point ->
            if (!together && i != held) point
            else Point((point.x + dx).coerceIn(0.0, shown.width.toDouble()), (point.y + dy).coerceIn(0.0, shown.height.toDouble()))
        }
    }

    private fun squared(a: Point, b: Point) = (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)
}
