// A module of Python in C++: calls back, throws inside, has thread-local data and an object with a destructor.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdexcept>
#include <string>
#include <thread>

static thread_local std::string remembered = "nothing";

static PyObject *remember(PyObject *, PyObject *args) {
  const char *text;
  if (!PyArg_ParseTuple(args, "s", &text))
    return nullptr;
  std::string before = remembered;
  remembered = text;
  return PyUnicode_FromString(before.c_str());
}

static PyObject *raise_inside(PyObject *, PyObject *args) {
  int n;
  if (!PyArg_ParseTuple(args, "i", &n))
    return nullptr;
  try {
    if (n > 0)
      throw std::out_of_range("number " + std::to_string(n));
  } catch (const std::exception &e) {
    PyErr_SetString(PyExc_ValueError, e.what());
    return nullptr;
  }
  Py_RETURN_NONE;
}

static PyObject *from_thread(PyObject *, PyObject *function) {
  Py_BEGIN_ALLOW_THREADS;
  std::thread([function] {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallFunction(function, "s", remembered.c_str());
    Py_XDECREF(result);
    PyGILState_Release(state);
  }).join();
  Py_END_ALLOW_THREADS;
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"remember", remember, METH_VARARGS, nullptr},
                                {"raise_inside", raise_inside, METH_VARARGS, nullptr},
                                {"from_thread", from_thread, METH_O, nullptr},
                                {nullptr, nullptr, 0, nullptr}};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "extension", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit_extension() { return PyModule_Create(&definition); }
