plugins {
    alias(libs.plugins.android.application)
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
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
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

    sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("bundle-assets"))
}

dependencies {
    implementation(project(":engine"))
}

/** Copies a built bundle among the assets: -Pbundle=DIR, default ../dist/demo. */
val copyBundle = tasks.register<Sync>("copyBundle") {
    val folder = file(providers.gradleProperty("bundle").getOrElse("${rootDir.parent}/dist/demo"))
    from(folder) {
        include("manifest.json", "models/*", "styles/*", "golden/*")
        into("bundle")
    }
    into(layout.buildDirectory.dir("bundle-assets"))
    doFirst {
        if (!folder.resolve("manifest.json").isFile) {
            throw GradleException(
                "$folder holds no bundle. Make one with `iast-export build --out dist/demo` " +
                    "(or `make demo`), or name another with -Pbundle=DIR.",
            )
        }
    }
}

tasks.named("preBuild") {
    dependsOn(copyBundle)
}
