// C++ without its library: objects with constructors, virtual functions, statics and thread-local objects in threads.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

void *operator new(size_t n) { return malloc(n); }
void operator delete(void *p) noexcept { free(p); }
void operator delete(void *p, size_t) noexcept { free(p); }
extern "C" void __cxa_pure_virtual() { abort(); }

struct Shape {
  virtual int area() const = 0;
  virtual ~Shape() {}
};
struct Square : Shape {
  int side;
  explicit Square(int n) : side(n) {}
  int area() const override { return side * side; }
};

struct Teller {
  const char *name;
  explicit Teller(const char *n) : name(n) { printf("made %s\n", name); }
  ~Teller() { printf("gone %s\n", name); }
};

static Teller global("global");
static thread_local int per_thread = 5;

static void *thread(void *arg) {
  per_thread += 1;
  Shape *s = new Square(per_thread);
  *static_cast<int *>(arg) = s->area();
  delete s;
  return nullptr;
}

int main() {
  Teller local("local");
  pthread_t t[4];
  int areas[4], sum = 0;
  for (int i = 0; i < 4; i++)
    pthread_create(&t[i], nullptr, thread, &areas[i]);
  for (int i = 0; i < 4; i++) {
    pthread_join(t[i], nullptr);
    sum += areas[i];
  }
  printf("%d %d\n", sum, per_thread);
  return 0;
}
