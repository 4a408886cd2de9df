/*
 * A plugin for QEMU's TCG that counts the instructions which run outside the kernel between two marks.
 *
 * `loops count` (loops.c) runs a program between the marks. They are code at two fixed addresses, which no other
 * program maps. The first mark sets the count to zero. The second appends the count to the file `out` as a line.
 *
 * QEMU calls the plugin before it runs a translated block; the plugin requests only blocks at user addresses. A block
 * that a page fault interrupts counts as a whole, which adds a few instructions for each fault.
 *
 * The declarations repeat those of qemu-plugin.h, which Debian does not ship. They have been the same since QEMU 4.2.
 * QEMU 9.0 and later refuse plugins of version 1, older ones refuse version 2: with-qemu defines VERSION.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "marks.h"

typedef uint64_t plugin_id;
struct tb;
typedef void (*translated)(plugin_id, struct tb *);
typedef void (*executed)(unsigned int, void *);
enum flags { NO_REGISTERS = 0 };
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translated);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *, executed, enum flags, void *);
extern size_t qemu_plugin_tb_n_insns(const struct tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct tb *);

int qemu_plugin_version = VERSION;

static uint64_t count;
static FILE *out;

static void begin(unsigned int cpu, void *unused)
{
    (void)cpu, (void)unused;
    count = 0;
}

static void end(unsigned int cpu, void *unused)
{
    (void)cpu, (void)unused;
    fprintf(out, "%llu\n", (unsigned long long)count);
    fflush(out);
}

static void add(unsigned int cpu, void *instructions)
{
    (void)cpu;
    count += (uintptr_t)instructions;
}

static void block(plugin_id id, struct tb *tb)
{
    uint64_t address = qemu_plugin_tb_vaddr(tb);
    (void)id;
    if (address >> 63)
        return;
    executed callback = address == MARK_BEGIN ? begin : address == MARK_END ? end : add;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, callback, NO_REGISTERS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(plugin_id id, const void *info, int count_of_words, char **words)
{
    (void)info;
    if (count_of_words != 1 || strncmp(words[0], "out=", 4) || !(out = fopen(words[0] + 4, "w")))
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, block);
    return 0;
}
