// Licensed under Apache-2.0.
//
// Makes the library importable. The operators register themselves: loading the
// file is all that is needed. Schemas, gradients and the forms in PyTorch are
// those of `mmwsss/ops/_schema.py`.
#include <Python.h>

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__ext() {
  static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", nullptr, -1,
                               nullptr};
  return PyModule_Create(&module);
}
