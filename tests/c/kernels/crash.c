#define _POSIX_C_SOURCE 200809L /* sigaction */
#include "crash.h"

#include <stddef.h>

#if defined(__unix__) || defined(__APPLE__)
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *texts[2];

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        _exit(1);
    }
}

static void explain(void) {
    say("check_kernels: crashed on ");
    say(texts[0]);
    say("\nrepeat: ");
    say(texts[1]);
    say("\n");
}

static void on_signal(int number) {
    say(number == SIGILL ? "an instruction that this processor does not know\n" : "memory that is no buffer's\n");
    explain();
    _exit(1);
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define ON_DEATH(function) __sanitizer_set_death_callback(function)
#else
#define ON_DEATH(function) (void)(function)
#endif

void crash_explain(const char *text, const char *repeat) {
    texts[0] = text;
    texts[1] = repeat;
    ON_DEATH(explain);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
}
#else
void crash_explain(const char *text, const char *repeat) {
    (void)text;
    (void)repeat;
}
#endif
