// Included before everything that Verilator emits: what the hardware prints goes to the harness.
#pragma once
int tw_print(const char* format, ...);
