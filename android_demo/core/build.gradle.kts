import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
    `maven-publish`
}

kotlin {
    explicitApi()
    compilerOptions {
        jvmTarget = JvmTarget.JVM_11
    }
}

java {
    sourceCompatibility = JavaVersion.VERSION_11
    targetCompatibility = JavaVersion.VERSION_11
    withSourcesJar()
}

dependencies {
    api(libs.coroutines)
    implementation(libs.serialization.json)
    testImplementation(libs.junit)
}

tasks.test {
    systemProperty("testdata", rootDir.resolve("../tests/testdata").path)
}

// `./gradlew publishToMavenLocal`, or to a repository of your own: org.iastexport:core.
publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "core"
            from(components["java"])
            pom {
                name = "iast-export: core"
                description = "Style transfer bundles of iast-export: manifest, pixels, tiers, tiles, self-test"
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
