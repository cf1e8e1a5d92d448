#include "linnet.h"

const char *lnt_error_text(int code) {
    switch (code) {
    case LNT_OK:
        return "no error";
    case LNT_ERR_ARGUMENT:
        return "a pointer is null or a selector out of range: pass net, model and arena";
    case LNT_ERR_ALIGN:
        return "model or arena is not 16-byte aligned: declare them _Alignas(16)";
    case LNT_ERR_TRUNCATED:
        return "the model file ends too early: copy it again, whole";
    case LNT_ERR_NOT_A_MODEL:
        return "this is no .lnt file (no LNT1 identifier): convert the network with `linnet convert`";
    case LNT_ERR_VERSION:
        return "the model file has another format version: convert it with this library's converter";
    case LNT_ERR_CRC:
        return "the model file is damaged (its CRC differs): copy it again";
    case LNT_ERR_FORMAT:
        return "the model file's structure is broken (an offset leaves it): convert it again";
    case LNT_ERR_TENSOR:
        return "a tensor's shape, type or zero point is out of range: convert the network again";
    case LNT_ERR_OPERATOR:
        return "an operator's shapes or parameters do not agree: convert the network again";
    case LNT_ERR_NO_PLAN:
        return "the model file has no plan for this library's kernels: convert it for this target";
    case LNT_ERR_PLACEMENT:
        return "the plan puts a tensor outside the arena or over another in use: plan the network again";
    case LNT_ERR_STEP:
        return "the plan reads rows that are not there, or leaves some out: plan the network again";
    case LNT_ERR_ARENA:
        return "the arena is too small: give it lnt_least_arena_bytes() or more, or convert with a smaller --ram";
    case LNT_ERR_ORDER:
        return "called out of order: open, then run, or begin, push rows, finish";
    case LNT_ERR_ROWS:
        return "more or fewer rows pushed than the picture has: push exactly its height";
    case LNT_ERR_FAMILY:
        return "no such kernel family on this processor: lnt_family_name() lists those that there are";
    case LNT_ERR_MEMORY:
        return "the memory for packed constants is too small: give it lnt_packed_bytes()";
    case LNT_ERR_THREADS:
        return "the system starts no more threads: ask for fewer";
    default:
        return "unknown error code";
    }
}
