"""What a Python program under ldx reads of itself; prints one JSON object."""
import json
import os
import sys
import threading

sys.path.insert(0, sys.argv[1])
import ldx

sys.setswitchinterval(1e-5)
ldx.keep("mapped", "unloaded", "bind", "dlopen", "load_end")
first = ldx.events()


def other():
    import sqlite3  # another thread loads while this one reads
    return sqlite3


t = threading.Thread(target=other)
t.start()
while t.is_alive():
    ldx.events()
t.join()
try:
    import ctypes
    ctypes.CDLL("/nonexistent.so")
except OSError:
    pass
events = ldx.events()
try:
    ldx.keep("dance")
    refused = None
except ldx.Error as e:
    refused = str(e)
maps = {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if ".so" in line}
json.dump({"active": ldx.active(), "before": len(first),
           "numbers": [e.seq for e in events],
           "mapped": [e.path for e in events if e.type == "mapped"],
           "failed": [e.error for e in events if e.type == "load_end" and e.error],
           "dlopen": [e.name for e in events if e.type == "dlopen"],
           "binds": sum(e.type == "bind" for e in events),
           "objects": [o.path for o in ldx.objects()],
           "threads": [x.tid for x in ldx.threads()], "tid": os.getpid(),
           "tools": [x.name for x in ldx.tools()], "refused": refused, "maps": sorted(maps)}, sys.stdout)
