plugins {
    alias(libs.plugins.android.library)
    `maven-publish`
}

android {
    namespace = "org.iastexport.engine.litert"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        minSdk = libs.versions.minSdkLiteRt.get().toInt()
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
    implementation(libs.litert)
}

// `./gradlew publishToMavenLocal`, or to a repository of your own: org.iastexport:engine-litert.
publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "engine-litert"
            afterEvaluate { from(components["release"]) }
            pom {
                name = "iast-export: LiteRT engine"
                description = "Style transfer bundles of iast-export on Android, by LiteRT"
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
