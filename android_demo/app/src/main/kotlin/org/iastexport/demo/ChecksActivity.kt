package org.iastexport.demo

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import org.iastexport.core.Attempt
import org.iastexport.core.BenchmarkSamples
import org.iastexport.core.Bundle as InstalledBundle
import org.iastexport.core.DeviceBenchmark
import org.iastexport.core.DeviceResult
import org.iastexport.core.GoldenOutcome
import org.iastexport.core.SelfTest
import java.io.File

/**
 * Self-test and benchmark. Both write their JSON into the app's own folder on shared storage, from
 * where `iast-export device bench` or `adb pull` fetches it. Started by hand, or over adb:
 *
 *     adb shell am start -n org.iastexport.demo/.ChecksActivity -a org.iastexport.demo.BENCHMARK --ei samples 30 --es accelerators gpu
 */
class ChecksActivity : Activity() {
    private val threads = Settings().engine().threads

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.checks)
        keepClearOfBars(findViewById(R.id.root) as View)
        (findViewById(R.id.selftest) as Button).setOnClickListener { selftest() }
        (findViewById(R.id.benchmark) as Button).setOnClickListener { benchmark(DEFAULT_SAMPLES) }
        if (state == null) obey(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        obey(intent)
    }

    private fun obey(intent: Intent) = when (intent.action) {
        "$PACKAGE.SELFTEST" -> selftest(intent)
        "$PACKAGE.BENCHMARK" -> benchmark(intent.getIntExtra("samples", DEFAULT_SAMPLES).coerceIn(1, 1000), intent)
        else -> Unit
    }

    private fun enable(on: Boolean) {
        for (id in listOf(R.id.selftest, R.id.benchmark)) (findViewById(id) as View).isEnabled = on
    }

    private fun progress(done: Int, all: Int) = demo.onScreen {
        val bar = findViewById(R.id.progress) as ProgressBar
        bar.visibility = if (done < all) View.VISIBLE else View.INVISIBLE
        bar.max = all
        bar.progress = done
        if (done < all) summary(getString(R.string.running, done + 1, all), R.color.ink)
    }

    private fun summary(words: String, color: Int) = (findViewById(R.id.summary) as TextView).run {
        text = words
        setTextColor(getColor(color))
    }

    private fun selftest(asked: Intent? = null) = check("selftest.json", {
        val bundle = demo.bundle()
        val before = DeviceFacts.state(this)
        val outcomes = SelfTest(bundle) { openEngine(bundle, it, threads) }.run(attempts(bundle, asked), ::progress)
        DeviceFacts.result(this, bundle, before, selftest = outcomes)
    }) { result, file ->
        val wrong = result.selftest.count { it.status != "pass" }
        val words = if (wrong == 0) getString(R.string.all_pass, result.selftest.size) else getString(R.string.some_fail, wrong, result.selftest.size)
        summary(words + "\n" + getString(R.string.written, file.path), if (wrong == 0) R.color.good else R.color.bad)
        lines(result.selftest.map(::line))
    }

    private fun benchmark(samples: Int, asked: Intent? = null) = check("benchmark.json", {
        val bundle = demo.bundle()
        val before = DeviceFacts.state(this)
        val measured = DeviceBenchmark(bundle) { openEngine(bundle, it, threads) }
            .run(attempts(bundle, asked), threads, samples = samples, progress = ::progress)
        DeviceFacts.result(this, bundle, before, benchmark = measured)
    }) { result, file ->
        summary(getString(R.string.written, file.path), R.color.good)
        lines(result.benchmark.map(::line))
    }

    /** What an intent asks for in `accelerators`, `precisions` and `files`, words as `cpu,gpu`; all where it names none. */
    private fun attempts(bundle: InstalledBundle, asked: Intent?): List<Attempt> {
        fun words(name: String) = asked?.getStringExtra(name).orEmpty()
        return Attempt.chosen(bundle.manifest, words("accelerators"), words("precisions"), words("files"))
    }

    private fun check(name: String, work: () -> DeviceResult, then: (DeviceResult, File) -> Unit) {
        enable(false)
        lines(emptyList())
        val file = File(getExternalFilesDir(null) ?: filesDir, name)
        file.delete()
        demo.inBackground({
            demo.closeEngine() // two models at once take more memory than need be
            work().also { write(it, file) }
        }) { result ->
            enable(true)
            result.onSuccess { then(it, file) }.onFailure { summary(words(it), R.color.bad) }
        }
    }

    /** The file appears when it is whole: who waits for it never reads half of it. */
    private fun write(result: DeviceResult, file: File) {
        val aside = File(file.path + ".part")
        aside.writeText(result.toJson())
        check(aside.renameTo(file)) { file.path }
    }

    private fun lines(lines: List<String>) {
        (findViewById(R.id.lines) as TextView).text = lines.joinToString("\n")
    }

    private fun line(item: GoldenOutcome) = getString(
        R.string.outcome_line, item.status, item.attempt.toString(), item.tier, item.maxLevelDifference?.toString() ?: "–", item.toleranceLevels, item.message,
    )

    private fun line(item: BenchmarkSamples): String {
        if (item.samplesMs.isEmpty()) return getString(R.string.no_samples_line, item.attempt.toString(), item.tier, item.message)
        val sorted = item.samplesMs.sorted()
        val median = (sorted[(sorted.size - 1) / 2] + sorted[sorted.size / 2]) / 2
        return getString(R.string.samples_line, item.attempt.toString(), item.tier, item.accelerator, median, sorted.size)
    }

    private companion object {
        const val PACKAGE = "org.iastexport.demo"
        const val DEFAULT_SAMPLES = 30
    }
}
