package org.iastexport.core

/**
 * The bundle, a picture or a result is not what the contract says.
 *
 * The message says what was found, what was needed and what to do next, in words that can be shown
 * to a person as they are.
 */
class BundleException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** Stops with a [BundleException] unless [condition] holds. */
internal inline fun need(condition: Boolean, message: () -> String) {
    if (!condition) throw BundleException(message())
}
