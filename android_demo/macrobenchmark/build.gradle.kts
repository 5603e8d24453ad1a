plugins {
    alias(libs.plugins.android.test)
}

android {
    namespace = "org.iastexport.macrobenchmark"
    compileSdk = libs.versions.compileSdk.get().toInt()
    targetProjectPath = ":app"
    // It measures another process, from a process of its own.
    experimentalProperties["android.experimental.self-instrumenting"] = true

    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    // The app's build type of that name: as a release, signed with the debug key.
    buildTypes {
        create("benchmark") {
            isDebuggable = true
            signingConfig = signingConfigs.getByName("debug")
            matchingFallbacks += "release"
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    implementation(libs.junit)
    implementation(libs.test.runner)
    implementation(libs.benchmark.macro)
}

androidComponents {
    beforeVariants { variant ->
        variant.enable = variant.buildType == "benchmark"
    }
}
