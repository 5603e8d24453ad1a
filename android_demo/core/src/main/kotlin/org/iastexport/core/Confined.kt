package org.iastexport.core

import java.io.Closeable
import java.util.concurrent.Callable
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors

/** One thread that owns a model: everything that touches the model runs on it, one after the other. */
public class Confined(name: String) : Closeable {
    private val executor = Executors.newSingleThreadExecutor { task -> Thread(task, name) }

    /** Runs [work] on the thread and waits; what it throws is thrown here. */
    public fun <T> call(work: () -> T): T = try {
        executor.submit(Callable { work() }).get()
    } catch (error: ExecutionException) {
        throw error.cause ?: error
    }

    /** Runs [last] on the thread and ends it. */
    public fun close(last: () -> Unit) {
        try {
            call(last)
        } finally {
            close()
        }
    }

    override fun close() = executor.shutdown()
}
