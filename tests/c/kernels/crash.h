/* Says what was being tried when a kernel touches memory that it must not. */
#ifndef LNT_TEST_CRASH_H
#define LNT_TEST_CRASH_H

/* text: as it is at the time of the crash; it is printed to standard error before the program ends. */
void crash_explain(const char *text, const char *repeat);

#endif
