// Corners of libc that stand on its contract with the loader.
#include <aio.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <libintl.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>
extern char **environ;

static void names(void) {
  struct passwd *root = getpwnam("root");
  struct servent *service = getservbyname("https", "tcp");
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found = NULL;
  printf("names: %s %d %d\n", root ? root->pw_dir : "none", service ? ntohs(service->s_port) : -1,
         getaddrinfo("127.0.0.1", "80", &hints, &found));
}
static void charsets(void) {
  iconv_t conversion = iconv_open("UTF-16LE", "ISO-8859-15");
  char in[] = "\xa4", out[8], *from = in, *to = out;
  size_t left = 1, room = 8;
  iconv(conversion, &from, &left, &to, &room);
  printf("iconv %02x%02x, close %d, bad %d\n", out[1] & 255, out[0] & 255, iconv_close(conversion),
         iconv_open("NO-SUCH", "UTF-8") == (iconv_t)-1);
  printf("locale %s, width %d\n", setlocale(LC_ALL, "C.UTF-8") ? "set" : "missing", wcwidth(0x65e5));
  wchar_t wide[10];
  printf("mbstowcs %zu\n", mbstowcs(wide, "äöü", 10));
}
static jmp_buf jump;
static ucontext_t main_context, other_context;
static void other(void) {
  printf("context\n");
  swapcontext(&other_context, &main_context);
}
static void jumps(void) {
  int value = setjmp(jump);
  if (value < 3)
    longjmp(jump, value + 1);
  static char stack[65536];
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = stack, other_context.uc_stack.ss_size = sizeof stack, other_context.uc_link = NULL;
  makecontext(&other_context, other, 0);
  swapcontext(&main_context, &other_context);
  printf("jumped %d\n", value);
}
static void processes(void) {
  char *words[] = {"sh", "-c", "exit 12", NULL};
  pid_t child;
  int status = 0, failed = posix_spawnp(&child, "sh", NULL, NULL, words, environ);
  waitpid(child, &status, 0);
  FILE *pipe = popen("echo from popen", "r");
  char line[100] = "";
  fgets(line, sizeof line, pipe);
  printf("spawn %d %d, system %d, popen %d %s", failed, WEXITSTATUS(status), WEXITSTATUS(system("exit 3")),
         pclose(pipe), line);
  printf("missing %d\n", posix_spawn(&child, "/no/such", NULL, NULL, words, environ));
}
static volatile int ticks;
static void tick(union sigval value) { ticks = value.sival_int; }
static void timers(void) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick, .sigev_value.sival_int = 8};
  struct itimerspec when = {.it_value.tv_nsec = 1000000};
  timer_t timer;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  timer_settime(timer, 0, &when, NULL);
  while (!ticks)
    usleep(1000);
  char text[20] = "";
  struct aiocb request = {
      .aio_fildes = open("/proc/self/comm", O_RDONLY), .aio_buf = text, .aio_nbytes = sizeof text - 1};
  int queued = aio_read(&request);
  while (aio_error(&request) == EINPROGRESS)
    usleep(1000);
  printf("timer %d, aio %d %d\n", ticks, queued, aio_return(&request) > 0);
}
static void *stack_user(void *size) {
  volatile char block[20000];
  block[0] = 1;
  return (void *)(long)block[0];
}
static void threads(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  size_t size, guard;
  pthread_attr_getstacksize(&attributes, &size), pthread_attr_getguardsize(&attributes, &guard);
  pthread_attr_setstacksize(&attributes, 65536);
  void *result = NULL;
  int made = pthread_create(&thread, &attributes, stack_user, NULL);
  pthread_join(thread, &result);
  printf("stack %zu, guard %zu, small %d %ld\n", size, guard, made, (long)result);
  pthread_key_t keys[100];
  int good = 0;
  for (int i = 0; i < 100; i++)
    good += pthread_key_create(&keys[i], NULL) == 0 && pthread_setspecific(keys[i], &keys[i]) == 0;
  for (int i = 0; i < 100; i++)
    good += pthread_getspecific(keys[i]) == &keys[i];
  printf("keys %d, minimal stack %d, signal stack %d\n", good, sysconf(_SC_THREAD_STACK_MIN) >= 16384,
         sysconf(_SC_MINSIGSTKSZ) >= 1376);
  char name[20];
  pthread_getname_np(pthread_self(), name, sizeof name);
  printf("name %s, rseq %d %d\n", name, __rseq_size > 0, __rseq_offset != 0);
}
static void memory(void) {
  unsigned char *block = malloc(1000);
  printf("perturb %d, arenas %d\n", block[500], mallopt(M_ARENA_MAX, 2));
  free(block);
  void *aligned = NULL;
  printf("aligned %d %d\n", posix_memalign(&aligned, 4096, 100), (unsigned long)aligned % 4096 == 0);
  printf("secure %d, hwcap %d\n", secure_getenv("HOME") != NULL, getauxval(AT_HWCAP2) < 1UL << 32);
}
int main(void) {
  names(), charsets(), jumps(), processes(), timers(), threads(), memory();
  regex_t expression;
  regcomp(&expression, "a+b", REG_EXTENDED);
  printf("regex %d, time %s", regexec(&expression, "xaab", 0, NULL, 0), asctime(gmtime(&(time_t){0})));
  printf("gettext %s, strerror %s, strsignal %s\n", dgettext("libc", "No such file"), strerror(ENOENT),
         strsignal(SIGSEGV));
  printf("version %d\n", dlsym(RTLD_DEFAULT, "gnu_get_libc_version") != NULL);
}
