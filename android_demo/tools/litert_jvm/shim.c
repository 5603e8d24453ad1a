/*
 * The native half of LiteRT's Kotlin API on a desktop JVM, over LiteRT's published C API: those of its
 * functions that the app's engine calls. `litert_on_jvm.py` compiles it. LiteRT's own native half is built
 * for Android alone; this one is ours, and proves nothing of it.
 *
 * The library is opened by the path in LITERT_LIBRARY, since its name is that of this file's own library.
 */
#include <dlfcn.h>
#include <jni.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void* Ref;
typedef int Status; /* LiteRtStatus; 0 is success */

enum { HOST_MEMORY = 1, READ = 0, WRITE = 1, INVALID = 1, UNSUPPORTED = 5, NOT_FOUND = 6 };
/* LiteRtRankedTensorType has 72 bytes; it is handed on unread. */
enum { TENSOR_TYPE_BYTES = 256, MOST_EDGES = 64, NUM_THREADS = 0 };
static const int ACCELERATORS[] = {0, 1, 2, 4}; /* of Kotlin's values, as bits of the C API */

typedef struct {
  Ref environment, model, compiled;
} Model;

/* A function of the library; nothing works without it. */
static void* at(const char* name) {
  static void* library;
  if (!library) library = dlopen(getenv("LITERT_LIBRARY") ? getenv("LITERT_LIBRARY") : "", RTLD_NOW | RTLD_LOCAL);
  void* found = library ? dlsym(library, name) : NULL;
  if (!found) {
    fprintf(stderr, "LITERT_LIBRARY has no %s: %s\n", name, library ? "another version" : dlerror());
    abort();
  }
  return found;
}

#define CALL(name, types, ...) ((Status(*) types)at(#name))(__VA_ARGS__)
#define FREE(name, ref) ((void (*)(Ref))at(#name))(ref)

/* Throws LiteRT's own exception, with the name that its Kotlin has for the status. */
static void throw_status(JNIEnv* env, Status status, const char* what) {
  char words[512];
  jclass enumeration = (*env)->FindClass(env, "com/google/ai/edge/litert/Status");
  jclass companion = (*env)->FindClass(env, "com/google/ai/edge/litert/Status$Companion");
  jfieldID field = (*env)->GetStaticFieldID(env, enumeration, "Companion", "Lcom/google/ai/edge/litert/Status$Companion;");
  jmethodID from = (*env)->GetMethodID(env, companion, "fromCode", "(I)Lcom/google/ai/edge/litert/Status;");
  jobject one = (*env)->CallObjectMethod(env, (*env)->GetStaticObjectField(env, enumeration, field), from, status);
  if (!one) return; /* a status that Kotlin does not know is an exception of its own */
  jmethodID name = (*env)->GetMethodID(env, enumeration, "name", "()Ljava/lang/String;");
  jstring named = (*env)->CallObjectMethod(env, one, name);
  const char* text = (*env)->GetStringUTFChars(env, named, NULL);
  snprintf(words, sizeof words, "%s: %s", what, text);
  (*env)->ReleaseStringUTFChars(env, named, text);
  jclass type = (*env)->FindClass(env, "com/google/ai/edge/litert/LiteRtException");
  jmethodID make = (*env)->GetMethodID(env, type, "<init>", "(ILjava/lang/String;)V");
  (*env)->Throw(env, (*env)->NewObject(env, type, make, status, (*env)->NewStringUTF(env, words)));
}

#define JAVA(type, class, name) JNIEXPORT type JNICALL Java_com_google_ai_edge_litert_##class##_##name

JAVA(jlong, Environment, nativeCreate)(JNIEnv* env, jclass type, jintArray keys, jobjectArray values) {
  Ref made = NULL;
  Status status = (*env)->GetArrayLength(env, keys) ? UNSUPPORTED : CALL(LiteRtCreateEnvironment, (int, Ref, Ref*), 0, NULL, &made);
  if (status) throw_status(env, status, "create an environment");
  return (jlong)made;
}

JAVA(void, Environment, nativeDestroy)(JNIEnv* env, jclass type, jlong handle) {
  FREE(LiteRtDestroyEnvironment, (Ref)handle);
}

/* Kotlin's options as the C API's: accelerators, and the CPU's number of threads as the TOML that it reads. */
static Status options_of(JNIEnv* env, jintArray accelerators, jintArray keys, jobjectArray values, Ref* options) {
  int wanted = 0;
  jint* listed = (*env)->GetIntArrayElements(env, accelerators, NULL);
  for (jsize i = 0; i < (*env)->GetArrayLength(env, accelerators); i++) wanted |= ACCELERATORS[listed[i]];
  (*env)->ReleaseIntArrayElements(env, accelerators, listed, JNI_ABORT);
  Status status = CALL(LiteRtCreateOptions, (Ref*), options);
  if (!status) status = CALL(LiteRtSetOptionsHardwareAccelerators, (Ref, int), *options, wanted);
  jint* key = (*env)->GetIntArrayElements(env, keys, NULL);
  for (jsize i = 0; !status && i < (*env)->GetArrayLength(env, keys); i++) {
    if (key[i] != NUM_THREADS) { status = UNSUPPORTED; break; }
    jstring value = (*env)->GetObjectArrayElement(env, values, i);
    const char* text = (*env)->GetStringUTFChars(env, value, NULL);
    char* payload = malloc(64);
    Ref opaque = NULL;
    snprintf(payload, 64, "num_threads = %d\n", atoi(text));
    (*env)->ReleaseStringUTFChars(env, value, text);
    status = CALL(LiteRtCreateOpaqueOptions, (const char*, void*, void (*)(void*), Ref*), "xnnpack", payload, free, &opaque);
    if (!status) status = CALL(LiteRtAddOpaqueOptions, (Ref, Ref), *options, opaque);
  }
  (*env)->ReleaseIntArrayElements(env, keys, key, JNI_ABORT);
  return status;
}

static void destroy(Model* model) {
  if (model->compiled) FREE(LiteRtDestroyCompiledModel, model->compiled);
  if (model->model) FREE(LiteRtDestroyModel, model->model);
  free(model);
}

static Status read_model(Model* model, const char* name) {
#ifdef MODEL_TAKES_ENVIRONMENT /* from 2.1.6 on */
  return CALL(LiteRtCreateModelFromFile, (Ref, const char*, Ref*), model->environment, name, &model->model);
#else
  return CALL(LiteRtCreateModelFromFile, (const char*, Ref*), name, &model->model);
#endif
}

JAVA(jlong, CompiledModel, nativeCreateFromFile)
(JNIEnv* env, jclass type, jlong environment, jstring path, jintArray accelerators, jintArray cpu_keys,
 jobjectArray cpu_values, jintArray gpu_keys, jobjectArray gpu_values, jintArray npu_keys, jobjectArray npu_values) {
  Model* made = calloc(1, sizeof *made);
  Ref options = NULL;
  const char* name = (*env)->GetStringUTFChars(env, path, NULL);
  int other = (*env)->GetArrayLength(env, gpu_keys) + (*env)->GetArrayLength(env, npu_keys);
  const char* doing = other ? "options of a GPU or NPU, which this shim does not know" : "read the model";
  made->environment = (Ref)environment;
  Status status = other ? UNSUPPORTED : read_model(made, name);
  (*env)->ReleaseStringUTFChars(env, path, name);
  if (!status) {
    doing = "set options";
    status = options_of(env, accelerators, cpu_keys, cpu_values, &options);
  }
  if (!status) {
    doing = "compile the model";
    status = CALL(LiteRtCreateCompiledModel, (Ref, Ref, Ref, Ref*), made->environment, made->model, options, &made->compiled);
  }
  if (options) FREE(LiteRtDestroyOptions, options);
  if (!status) return (jlong)made;
  destroy(made);
  throw_status(env, status, doing);
  return 0;
}

JAVA(void, CompiledModel, nativeDestroy)(JNIEnv* env, jclass type, jlong handle) { destroy((Model*)handle); }

/* The signature of a key, the first one for an empty key, and its number. */
static Status find_signature(JNIEnv* env, Model* model, jstring key, size_t* number, Ref* signature) {
  const char* wanted = (*env)->GetStringUTFChars(env, key, NULL);
  size_t count = 0;
  Status status = CALL(LiteRtGetNumModelSignatures, (Ref, size_t*), model->model, &count), found = NOT_FOUND;
  for (size_t i = 0; !status && found && i < count; i++) {
    const char* name = NULL;
    status = CALL(LiteRtGetModelSignature, (Ref, size_t, Ref*), model->model, i, signature);
    if (!status) status = CALL(LiteRtGetSignatureKey, (Ref, const char**), *signature, &name);
    if (!status && (!*wanted || !strcmp(name, wanted))) {
      *number = i;
      found = 0;
    }
  }
  (*env)->ReleaseStringUTFChars(env, key, wanted);
  return status ? status : found;
}

static Status edge_name(Ref signature, int is_input, size_t i, const char** name) {
  return is_input ? CALL(LiteRtGetSignatureInputName, (Ref, size_t, const char**), signature, i, name)
                  : CALL(LiteRtGetSignatureOutputName, (Ref, size_t, const char**), signature, i, name);
}

static Status edges(Ref signature, int is_input, size_t* count) {
  return is_input ? CALL(LiteRtGetNumSignatureInputs, (Ref, size_t*), signature, count)
                  : CALL(LiteRtGetNumSignatureOutputs, (Ref, size_t*), signature, count);
}

/* Host memory of the size that the compiled model asks for. */
static Status make_buffer(Model* model, Ref signature, size_t number, int is_input, size_t edge, const char* name, Ref* buffer) {
  Ref tensor = NULL, needed = NULL;
  size_t size = 0;
  char of_tensor[TENSOR_TYPE_BYTES];
  Status status = is_input ? CALL(LiteRtGetSignatureInputTensor, (Ref, const char*, Ref*), signature, name, &tensor)
                           : CALL(LiteRtGetSignatureOutputTensor, (Ref, const char*, Ref*), signature, name, &tensor);
  if (!status) status = CALL(LiteRtGetRankedTensorType, (Ref, void*), tensor, of_tensor);
  if (!status)
    status = is_input ? CALL(LiteRtGetCompiledModelInputBufferRequirements, (Ref, size_t, size_t, Ref*), model->compiled, number, edge, &needed)
                      : CALL(LiteRtGetCompiledModelOutputBufferRequirements, (Ref, size_t, size_t, Ref*), model->compiled, number, edge, &needed);
  if (!status) status = CALL(LiteRtGetTensorBufferRequirementsBufferSize, (Ref, size_t*), needed, &size);
  if (!status)
    status = CALL(LiteRtCreateManagedTensorBuffer, (Ref, int, void*, size_t, Ref*), model->environment, HOST_MEMORY, of_tensor, size, buffer);
  return status;
}

static jlong create_buffer(JNIEnv* env, jlong handle, jstring key, jstring named, int is_input) {
  Model* model = (Model*)handle;
  Ref signature = NULL, made = NULL;
  size_t number = 0, count = 0;
  const char *wanted = (*env)->GetStringUTFChars(env, named, NULL), *name = NULL;
  Status status = find_signature(env, model, key, &number, &signature);
  if (!status) status = edges(signature, is_input, &count);
  for (size_t i = 0; !status && !made && i < count; i++) {
    status = edge_name(signature, is_input, i, &name);
    if (!status && !strcmp(name, wanted)) status = make_buffer(model, signature, number, is_input, i, name, &made);
  }
  (*env)->ReleaseStringUTFChars(env, named, wanted);
  if (!status && !made) status = NOT_FOUND;
  if (status) throw_status(env, status, is_input ? "make an input buffer" : "make an output buffer");
  return (jlong)made;
}

JAVA(jlong, CompiledModel, nativeCreateInputBuffer)(JNIEnv* env, jclass type, jlong handle, jstring key, jstring name) {
  return create_buffer(env, handle, key, name, 1);
}

JAVA(jlong, CompiledModel, nativeCreateOutputBuffer)(JNIEnv* env, jclass type, jlong handle, jstring key, jstring name) {
  return create_buffer(env, handle, key, name, 0);
}

/* The buffers that were given by name, in the order of the signature. */
static Status in_order(JNIEnv* env, Ref signature, int is_input, jobjectArray keys, jlongArray handles, Ref* ordered, size_t* count) {
  Status status = edges(signature, is_input, count);
  jsize given = (*env)->GetArrayLength(env, keys);
  jlong* buffers = (*env)->GetLongArrayElements(env, handles, NULL);
  if (!status && (*count > MOST_EDGES || (size_t)given != *count)) status = INVALID;
  for (size_t i = 0; !status && i < *count; i++) {
    const char* name = NULL;
    status = edge_name(signature, is_input, i, &name);
    ordered[i] = NULL;
    for (jsize k = 0; !status && k < given; k++) {
      jstring key = (*env)->GetObjectArrayElement(env, keys, k);
      const char* text = (*env)->GetStringUTFChars(env, key, NULL);
      if (!strcmp(text, name)) ordered[i] = (Ref)buffers[k];
      (*env)->ReleaseStringUTFChars(env, key, text);
      (*env)->DeleteLocalRef(env, key);
    }
    if (!status && !ordered[i]) status = NOT_FOUND;
  }
  (*env)->ReleaseLongArrayElements(env, handles, buffers, JNI_ABORT);
  return status;
}

JAVA(void, CompiledModel, nativeRunBySignatureWithMap)
(JNIEnv* env, jclass type, jlong handle, jstring key, jobjectArray input_keys, jlongArray inputs, jobjectArray output_keys, jlongArray outputs) {
  Model* model = (Model*)handle;
  Ref signature = NULL, in[MOST_EDGES], out[MOST_EDGES];
  size_t number = 0, ins = 0, outs = 0;
  Status status = find_signature(env, model, key, &number, &signature);
  if (!status) status = in_order(env, signature, 1, input_keys, inputs, in, &ins);
  if (!status) status = in_order(env, signature, 0, output_keys, outputs, out, &outs);
  if (!status)
    status = CALL(LiteRtRunCompiledModel, (Ref, size_t, size_t, Ref*, size_t, Ref*), model->compiled, number, ins, in, outs, out);
  if (status) throw_status(env, status, "run the model");
}

/* Copies between a buffer and memory of the JVM; `size` 0 asks for the buffer's own. */
static Status move(Ref buffer, void* memory, size_t* size, int mode) {
  void* host = NULL;
  size_t packed = 0;
  Status status = CALL(LiteRtGetTensorBufferPackedSize, (Ref, size_t*), buffer, &packed);
  if (!status && memory && *size != packed) status = INVALID;
  *size = packed;
  if (status || !memory) return status;
  status = CALL(LiteRtLockTensorBuffer, (Ref, void**, int), buffer, &host, mode);
  if (status) return status;
  if (mode == WRITE) memcpy(host, memory, packed);
  else memcpy(memory, host, packed);
  return CALL(LiteRtUnlockTensorBuffer, (Ref), buffer);
}

#define MOVES(Name, Values, Type, type_of)                                                              \
  JAVA(void, TensorBuffer, nativeWrite##Name)(JNIEnv* env, jclass type, jlong handle, Values values) {  \
    size_t size = sizeof(type_of) * (size_t)(*env)->GetArrayLength(env, values);                       \
    type_of* read = (*env)->Get##Type##ArrayElements(env, values, NULL);                               \
    Status status = move((Ref)handle, read, &size, WRITE);                                             \
    (*env)->Release##Type##ArrayElements(env, values, read, JNI_ABORT);                                \
    if (status) throw_status(env, status, "write a buffer");                                           \
  }                                                                                                    \
  JAVA(Values, TensorBuffer, nativeRead##Name)(JNIEnv* env, jclass type, jlong handle) {                \
    size_t size = 0;                                                                                   \
    Status status = move((Ref)handle, NULL, &size, READ);                                              \
    Values made = status ? NULL : (*env)->New##Type##Array(env, (jsize)(size / sizeof(type_of)));       \
    type_of* written = made ? (*env)->Get##Type##ArrayElements(env, made, NULL) : NULL;                \
    if (written) status = move((Ref)handle, written, &size, READ);                                     \
    if (written) (*env)->Release##Type##ArrayElements(env, made, written, 0);                          \
    if (status) throw_status(env, status, "read a buffer");                                            \
    return made;                                                                                       \
  }

MOVES(Float, jfloatArray, Float, jfloat)
MOVES(Int8, jbyteArray, Byte, jbyte)

JAVA(void, TensorBuffer, nativeDestroy)(JNIEnv* env, jclass type, jlong handle) {
  FREE(LiteRtDestroyTensorBuffer, (Ref)handle);
}
