package org.iastexport.demo

import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager
import org.iastexport.core.BenchmarkSamples
import org.iastexport.core.Bundle
import org.iastexport.core.Device
import org.iastexport.core.DeviceResult
import org.iastexport.core.DeviceState
import org.iastexport.core.GoldenOutcome
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

/** What the phone says of itself, for results that leave it. No serial number, no account, no place. */
object DeviceFacts {
    private const val CREATED_BY = "iast-demo 0.1.0"

    /** A result of this phone, now. */
    fun result(
        context: Context,
        bundle: Bundle,
        before: DeviceState,
        selftest: List<GoldenOutcome> = emptyList(),
        benchmark: List<BenchmarkSamples> = emptyList(),
    ): DeviceResult {
        val time = SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'Z'", Locale.ROOT).apply { timeZone = TimeZone.getTimeZone("UTC") }
        return DeviceResult(CREATED_BY, time.format(Date()), bundle, device(), state(context), before, selftest, benchmark)
    }

    private fun device() = Device(
        manufacturer = Build.MANUFACTURER,
        model = Build.MODEL,
        socMaker = named("SOC_MANUFACTURER"),
        socModel = named("SOC_MODEL"),
        androidRelease = Build.VERSION.RELEASE,
        sdkInt = Build.VERSION.SDK_INT,
        abi = Build.SUPPORTED_ABIS.firstOrNull() ?: "unknown",
        cores = java.lang.Runtime.getRuntime().availableProcessors(),
        emulated = Build.FINGERPRINT.contains("generic") || Build.HARDWARE in setOf("goldfish", "ranchu"),
    )

    /** What Build says of the chip, by name: it came with Android 12. */
    private fun named(field: String): String? = try {
        (Build::class.java.getField(field).get(null) as String).takeIf { it != Build.UNKNOWN }
    } catch (_: ReflectiveOperationException) {
        null
    }

    /** Battery, heat and screen, now. */
    fun state(context: Context): DeviceState {
        val battery = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        val level = battery?.getIntExtra(BatteryManager.EXTRA_LEVEL, -1) ?: -1
        val scale = battery?.getIntExtra(BatteryManager.EXTRA_SCALE, 0) ?: 0
        val plugged = battery?.getIntExtra(BatteryManager.EXTRA_PLUGGED, -1) ?: -1
        val power = context.getSystemService(Context.POWER_SERVICE) as? PowerManager
        return DeviceState(
            batteryPercent = if (level < 0 || scale <= 0) null else 100 * level / scale,
            charging = if (plugged < 0) null else plugged != 0,
            thermalStatus = thermal(power),
            screenOn = power?.isInteractive,
        )
    }

    /** PowerManager.getCurrentThermalStatus by name: it came with Android 10. */
    private fun thermal(power: PowerManager?): String? {
        if (power == null || Build.VERSION.SDK_INT < 29) return null
        val names = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
        return try {
            names.getOrNull(PowerManager::class.java.getMethod("getCurrentThermalStatus").invoke(power) as Int)
        } catch (_: ReflectiveOperationException) {
            null
        }
    }
}
