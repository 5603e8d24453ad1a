package org.iastexport.core

/**
 * The bundle, a picture or a result is not what the contract says.
 *
 * The message says what was found, what was needed and what to do next, in English words that can be
 * shown to a person as they are; [remedy] says the last in a form that an app can put into its own language.
 */
public class BundleException(message: String, cause: Throwable? = null) : Exception(message, cause) {
    /** What a person can do. */
    public val remedy: Remedy = Remedy.of(message)
}

/** What a person can do about a [BundleException]: the kinds that its messages end with. */
public enum class Remedy(private val words: Regex) {
    /** The bundle is damaged, or not this app's; so is whatever is of no other kind. */
    BUILD_AGAIN(Regex("(build|install|get) (the bundle|it) again")),
    UPDATE_APP(Regex("update the app")),
    FREE_SPACE(Regex("free some space")),
    OTHER_PICTURE(Regex("(use a real|take a larger|choose a smaller|take another) (picture|one)|px are too many|scale (it|the picture) down")),
    CHOOSE_OTHERWISE(Regex("choose|ask for|take the files|paint the pictures"));

    internal companion object {
        fun of(message: String): Remedy = values().firstOrNull { it.words.containsMatchIn(message) } ?: BUILD_AGAIN
    }
}

/** Stops with a [BundleException] unless [condition] holds. */
internal inline fun need(condition: Boolean, message: () -> String) {
    if (!condition) throw BundleException(message())
}
