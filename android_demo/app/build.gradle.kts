import java.util.Properties
import javax.inject.Inject

plugins {
    alias(libs.plugins.android.application)
}

/** Passwords and place of a release key, in a file that git ignores (README); absent: releases stay unsigned. */
val releaseKey = rootProject.file("keystore.properties").takeIf { it.isFile }?.let { file ->
    Properties().apply { file.inputStream().use { load(it) } }
}

android {
    namespace = "org.iastexport.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "org.iastexport.demo"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1.0"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"

        // Phones and the emulator, which is what LiteRT has; ONNX Runtime alone would bring four, 131 MB together.
        ndk {
            abiFilters += providers.gradleProperty("abis").getOrElse("arm64-v8a,x86_64").split(",")
        }
    }

    signingConfigs {
        releaseKey?.let { key ->
            create("release") {
                storeFile = rootProject.file(key.getProperty("storeFile"))
                storePassword = key.getProperty("storePassword")
                keyAlias = key.getProperty("keyAlias")
                keyPassword = key.getProperty("keyPassword")
            }
        }
    }

    buildTypes {
        release {
            signingConfig = signingConfigs.findByName("release")
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
        // What :macrobenchmark measures: a release that anybody can install.
        create("benchmark") {
            initWith(getByName("release"))
            signingConfig = signingConfigs.getByName("debug")
            matchingFallbacks += "release"
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    // Models are compressed already; stored plain, they are copied and mapped as they are.
    androidResources {
        noCompress += listOf("tflite", "onnx", "f32")
    }

    // Native libraries stay uncompressed in the package, aligned to 16 KB pages.
    packaging {
        jniLibs {
            useLegacyPackaging = false
        }
    }
}

dependencies {
    implementation(project(":engine-litert"))
    implementation(project(":engine-onnxruntime"))
    androidTestImplementation(libs.junit)
    androidTestImplementation(libs.test.runner)
}

/**
 * Copies a built bundle among the generated assets, and fails where there is none.
 *
 * No Copy or Sync: such a task is skipped, first action and all, where its source is empty.
 */
abstract class CopyBundle : DefaultTask() {
    /** The bundle's folder, which may be missing; what is read of it is [content]. */
    @get:Internal
    abstract val folder: DirectoryProperty

    @get:InputFiles
    @get:PathSensitive(PathSensitivity.RELATIVE)
    abstract val content: ConfigurableFileCollection

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @get:Inject
    abstract val files: FileSystemOperations

    @TaskAction
    fun copy() {
        val bundle = folder.get().asFile
        if (!bundle.resolve("manifest.json").isFile || bundle.resolve("models").list().isNullOrEmpty()) {
            throw GradleException(
                "$bundle holds no bundle. Make one with `iast-export build --out dist/demo` " +
                    "(or `make demo`), or name another with -Pbundle=DIR.",
            )
        }
        files.sync {
            from(content.asFileTree)
            into(assets.dir("bundle"))
        }
    }
}

/** The bundle of -Pbundle=DIR, seen from this project's root; default ../dist/demo. */
val copyBundle = tasks.register<CopyBundle>("copyBundle") {
    val bundle = rootDir.resolve(providers.gradleProperty("bundle").getOrElse("../dist/demo"))
    folder.set(bundle)
    content.from(fileTree(bundle) { include("manifest.json", "NOTICE", "models/*", "styles/*", "golden/*") })
}

// The variant API sets the task's output folder and has every variant's assets wait for it.
androidComponents {
    onVariants { variant ->
        variant.sources.assets?.addGeneratedSourceDirectory(copyBundle, CopyBundle::assets)
    }
}
