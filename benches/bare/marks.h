/* The addresses of the marks, which `loops count` maps and the plugin looks for. Programs and libraries use others. */
#define MARK_BEGIN 0x4950560000
#define MARK_END 0x4950570000
