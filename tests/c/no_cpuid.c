/* A kernel that knows NEON and lets no program read the processor's registers: it would end at the first. */
unsigned long getauxval(unsigned long type);

unsigned long getauxval(unsigned long type) { return type == 16 ? 1 << 1 : 0; } /* AT_HWCAP: HWCAP_ASIMD */
