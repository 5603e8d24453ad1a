plugins {
    alias(libs.plugins.android.library)
    `maven-publish`
}

android {
    namespace = "org.iastexport.engine.onnxruntime"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        minSdk = libs.versions.minSdkOnnxRuntime.get().toInt()
        consumerProguardFiles("consumer-rules.pro")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    publishing {
        singleVariant("release") {
            withSourcesJar()
        }
    }
}

kotlin {
    compilerOptions {
        freeCompilerArgs.add("-Xexplicit-api=strict")
    }
}

dependencies {
    api(project(":core"))
    implementation(libs.onnxruntime)
}

// `./gradlew publishToMavenLocal`, or to a repository of your own: org.iastexport:engine-onnxruntime.
publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "engine-onnxruntime"
            afterEvaluate { from(components["release"]) }
            pom {
                name = "iast-export: ONNX Runtime engine"
                description = "Style transfer bundles of iast-export on Android, by ONNX Runtime"
                licenses {
                    license {
                        name = "Apache-2.0"
                        url = "https://www.apache.org/licenses/LICENSE-2.0"
                    }
                }
            }
        }
    }
}
