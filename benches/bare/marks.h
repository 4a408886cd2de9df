/* Where `loops count` puts the marks that the plugin looks for. Programs are loaded, and libraries mapped, elsewhere. */
#define MARK_BEGIN 0x4950560000
#define MARK_END 0x4950570000
