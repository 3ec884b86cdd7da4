// The entry point of libFuzzer for programs with a main function of their own:
// https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
#ifndef DTRAIN_CFUZZER_H
#define DTRAIN_CFUZZER_H
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*attempt)(const uint8_t *bytes, size_t count));

#endif
