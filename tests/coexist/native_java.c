/* The native half of Native.java: calls in both directions, exceptions, a thread that Java did not make, thread-local
 * data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <jni.h>
#include <pthread.h>
#include <stdio.h>

static JavaVM *machine;
static __thread int calls;

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *vm, void *reserved) {
  (void)reserved;
  machine = vm;
  Dl_info info;
  printf("loaded, %s\n", dladdr((void *)JNI_OnLoad, &info) ? info.dli_sname : "?");
  fflush(stdout);
  return JNI_VERSION_1_8;
}

JNIEXPORT jint JNICALL Java_Native_add(JNIEnv *env, jclass class, jint a, jint b) {
  (void)env, (void)class;
  calls++;
  return a + b;
}

JNIEXPORT jint JNICALL Java_Native_calls(JNIEnv *env, jclass class) {
  (void)env, (void)class;
  return calls;
}

JNIEXPORT void JNICALL Java_Native_fail(JNIEnv *env, jclass class, jstring text) {
  (void)class;
  const char *s = (*env)->GetStringUTFChars(env, text, NULL);
  (*env)->ThrowNew(env, (*env)->FindClass(env, "java/lang/IllegalStateException"), s);
  (*env)->ReleaseStringUTFChars(env, text, s);
}

static void call_back(JNIEnv *env, jclass class, const char *text) {
  jmethodID heard = (*env)->GetStaticMethodID(env, class, "heard", "(Ljava/lang/String;)V");
  (*env)->CallStaticVoidMethod(env, class, heard, (*env)->NewStringUTF(env, text));
}

JNIEXPORT void JNICALL Java_Native_callBack(JNIEnv *env, jclass class) { call_back(env, class, "same thread"); }

static void *stranger(void *class) {
  JNIEnv *env;
  if ((*machine)->AttachCurrentThread(machine, (void **)&env, NULL))
    return NULL;
  call_back(env, class, "stranger");
  (*machine)->DetachCurrentThread(machine);
  return class;
}

JNIEXPORT jboolean JNICALL Java_Native_callFromThread(JNIEnv *env, jclass class) {
  jclass global = (*env)->NewGlobalRef(env, class);
  pthread_t thread;
  void *result = NULL;
  if (!pthread_create(&thread, NULL, stranger, global))
    pthread_join(thread, &result);
  (*env)->DeleteGlobalRef(env, global);
  return result != NULL;
}
