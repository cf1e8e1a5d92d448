/* What a kernel is given for one operator, and which kernel that is. */
#include "internal.h"

/* For callers where the compiler finds a call better. */
extern inline uint8_t *lnt_row(const lnt_rows *rows, uint32_t y);
extern inline bool lnt_is_whole(const lnt_net *net, uint32_t tensor);
extern inline uint32_t lnt_used_bytes(const lnt_tensor *tensor);
extern inline uint32_t lnt_element_bytes(const lnt_tensor *tensor);
extern inline lnt_rows lnt_tensor_rows(const lnt_net *net, uint32_t tensor);
extern inline lnt_operands lnt_op_operands(const lnt_net *net, const lnt_op *op, uint8_t *scratch);
extern inline const uint8_t *lnt_packed(const lnt_net *net, const lnt_op *op);
extern inline lnt_params lnt_op_params(const lnt_net *net, const lnt_op *op);
extern inline const lnt_kernel *lnt_choose(const lnt_kernel *const *kernels, const lnt_params *p);
extern inline bool lnt_takes(const lnt_kernel *kernel, const lnt_params *p);
