/** Native methods by System.loadLibrary, from several threads, and what the machine does with signals of its own beside them. */
public class Native {
  static native int add(int a, int b);
  static native int calls();
  static native void fail(String text);
  static native void callBack();
  static native boolean callFromThread();
  static void heard(String text) { System.out.println("heard " + text); }

  static int length(String s) { return s.length(); }

  public static void main(String[] args) throws Exception {
    try {
      System.loadLibrary("absent");
    } catch (UnsatisfiedLinkError e) {
      System.out.println(e.getMessage().replaceAll(":.*", ""));
    }
    try {
      System.load(args[0] + "/damaged.so");
    } catch (UnsatisfiedLinkError e) {
      System.out.println(e.getMessage().replaceAll("^.*/", ""));
    }
    System.loadLibrary("native");
    System.out.println(add(2, 3));
    try {
      fail("from below");
    } catch (IllegalStateException e) {
      System.out.println(e.getMessage() + " " + e.getStackTrace()[0].getMethodName());
    }
    callBack();
    System.out.println(callFromThread());
    int[] sums = new int[4];
    Thread[] threads = new Thread[4];
    for (int t = 0; t < 4; t++) {
      int me = t;
      threads[t] = new Thread(() -> {
        for (int i = 0; i < 50000; i++) sums[me] = add(sums[me], i % 3);
        sums[me] += calls();
      });
      threads[t].start();
    }
    for (Thread t : threads) t.join();
    System.out.println(sums[0] + " " + sums[1] + " " + sums[2] + " " + sums[3]);
    int caught = 0; // after enough rounds the check for null is the machine's signal handler
    for (int i = 0; i < 100000; i++) {
      try {
        caught += length(i % 1000 == 0 ? null : "abc");
      } catch (NullPointerException e) {
        caught += 1000;
      }
    }
    System.out.println(caught);
    try {
      System.out.println(deep(0));
    } catch (StackOverflowError e) {
      System.out.println("too deep");
    }
    System.out.println(add(calls(), 0));
  }

  static int deep(int n) { return add(deep(n + 1), n); }
}
