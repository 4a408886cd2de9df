/*
 * Bare loops: the system calls that a command of ours needs, without the command. `make bench` compares them with our
 * programs, to show the cost of arguments, rule text, comparison and output. The program is static and uses only libc.
 * It allocates nothing and checks only what the loops need; a failed call ends it with status 1.
 *
 *   loops count REPORT PROGRAM [ARG...]   runs a program between the marks of count-user.c; REPORT gets a line:
 *                                         nanoseconds, peak memory in KiB, microseconds of the processor
 *   loops add SERVICES SERVERS            -R: reads standard input to its end, adds a table, 64 commands in a datagram
 *   loops list BYTES                      -Ln: reads /proc/net/ip_vs, dumps the services, writes BYTES
 *   loops save BYTES                      -Sn, --stats: dumps the services and each one's real servers, writes BYTES
 *   loops restore                         an unchanged restore: reads standard input to its end, then the same dumps
 *
 * The tables are those of commands/inputs.rs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "marks.h"

#define COMMANDS_A_DATAGRAM 64
/* The same as in the library (crates/ipvs/src/netlink/transport.rs). */
#define RECEIVE_ROOM 7872

static int netlink;
static uint16_t family;
static uint32_t sequence;
static char out[COMMANDS_A_DATAGRAM * 256];
static char *end = out;
static char in[64 * 1024];

static void must(int is_good, const char *what)
{
    if (!is_good) {
        perror(what);
        exit(1);
    }
}

/* --- Messages: one is open at a time, and its attributes are put at the end of `out`. --- */

static struct nlmsghdr *message(uint16_t type, uint16_t flags, uint8_t command, uint8_t version)
{
    struct nlmsghdr *header = (struct nlmsghdr *)end;
    struct genlmsghdr *generic = NLMSG_DATA(header);
    *header = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++sequence};
    *generic = (struct genlmsghdr){.cmd = command, .version = version};
    end += NLMSG_LENGTH(GENL_HDRLEN);
    return header;
}

static void close_message(struct nlmsghdr *header)
{
    header->nlmsg_len = end - (char *)header;
}

static struct nlattr *put(uint16_t type, const void *value, size_t length)
{
    struct nlattr *attribute = (struct nlattr *)end;
    *attribute = (struct nlattr){.nla_len = NLA_HDRLEN + length, .nla_type = type};
    memcpy(end + NLA_HDRLEN, value, length);
    end += NLA_ALIGN(NLA_HDRLEN + length);
    return attribute;
}

static void close_nest(struct nlattr *nest)
{
    nest->nla_len = end - (char *)nest;
}

static void put_u16(uint16_t type, uint16_t value)
{
    put(type, &value, sizeof value);
}

static void put_u32(uint16_t type, uint32_t value)
{
    put(type, &value, sizeof value);
}

static void send_all(void)
{
    must(send(netlink, out, end - out, 0) == end - out, "send");
    end = out;
}

static ssize_t receive(void)
{
    ssize_t length = recv(netlink, in, RECEIVE_ROOM, 0);
    must(length > 0, "recv");
    return length;
}

static void acknowledged(void)
{
    receive();
    const struct nlmsghdr *answer = (struct nlmsghdr *)in;
    const struct nlmsgerr *error = NLMSG_DATA(answer);
    must(answer->nlmsg_type == NLMSG_ERROR && error->error == 0, "a command was refused");
}

static void open_socket(void)
{
    netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_GENERIC);
    must(netlink >= 0, "socket");
    struct nlmsghdr *header = message(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 2);
    put(CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME, sizeof IPVS_GENL_NAME);
    close_message(header);
    send_all();
    receive();
    const struct nlattr *attribute = (struct nlattr *)(in + NLMSG_LENGTH(GENL_HDRLEN));
    while (attribute->nla_type != CTRL_ATTR_FAMILY_ID)
        attribute = (struct nlattr *)((char *)attribute + NLA_ALIGN(attribute->nla_len));
    memcpy(&family, (char *)attribute + NLA_HDRLEN, sizeof family);
}

/* --- The work --- */

static void put_address(uint16_t type, uint32_t first, uint32_t number)
{
    uint32_t address[4] = {htonl((10u << 24) + ((first + number / 62500) << 16) + ((number / 250 % 250) << 8) +
                                 number % 250 + 1)};
    put(type, address, sizeof address);
}

static void put_service_key(uint32_t number)
{
    put_u16(IPVS_SVC_ATTR_AF, AF_INET);
    put_u16(IPVS_SVC_ATTR_PROTOCOL, IPPROTO_TCP);
    put_address(IPVS_SVC_ATTR_ADDR, 64, number);
    put_u16(IPVS_SVC_ATTR_PORT, htons(80));
}

static void put_service(uint32_t number)
{
    struct ip_vs_flags flags = {.flags = 0, .mask = ~0};
    struct nlattr *nest = put(IPVS_CMD_ATTR_SERVICE | NLA_F_NESTED, "", 0);
    put_service_key(number);
    put(IPVS_SVC_ATTR_SCHED_NAME, "wlc", sizeof "wlc");
    put(IPVS_SVC_ATTR_FLAGS, &flags, sizeof flags);
    put_u32(IPVS_SVC_ATTR_TIMEOUT, 0);
    put_u32(IPVS_SVC_ATTR_NETMASK, ~0);
    close_nest(nest);
}

static void put_server(uint32_t service, uint32_t number)
{
    struct nlattr *nest = put(IPVS_CMD_ATTR_SERVICE | NLA_F_NESTED, "", 0);
    put_service_key(service);
    close_nest(nest);
    nest = put(IPVS_CMD_ATTR_DEST | NLA_F_NESTED, "", 0);
    put_u16(IPVS_DEST_ATTR_ADDR_FAMILY, AF_INET);
    put_address(IPVS_DEST_ATTR_ADDR, 128, number);
    put_u16(IPVS_DEST_ATTR_PORT, htons(8080));
    put_u32(IPVS_DEST_ATTR_FWD_METHOD, IP_VS_CONN_F_MASQ);
    put_u32(IPVS_DEST_ATTR_WEIGHT, 1);
    put_u32(IPVS_DEST_ATTR_U_THRESH, 0);
    put_u32(IPVS_DEST_ATTR_L_THRESH, 0);
    close_nest(nest);
}

static void read_to_end(int file)
{
    ssize_t length;
    while ((length = read(file, in, sizeof in)) > 0)
        ;
    must(length == 0, "read");
}

static void write_out(size_t bytes)
{
    while (bytes > 0) {
        ssize_t length = write(1, in, bytes < sizeof in ? bytes : sizeof in);
        must(length > 0, "write");
        bytes -= length;
    }
}

static void add(uint32_t services, uint32_t servers)
{
    uint64_t total = (uint64_t)services * (1 + servers);
    read_to_end(0);
    open_socket();
    for (uint64_t place = 0; place < total; place++) {
        uint32_t service = place / (1 + servers), server = place % (1 + servers);
        int is_last = place + 1 == total || (place + 1) % COMMANDS_A_DATAGRAM == 0;
        uint8_t command = server == 0 ? IPVS_CMD_NEW_SERVICE : IPVS_CMD_NEW_DEST;
        struct nlmsghdr *header = message(family, is_last ? NLM_F_ACK : 0, command, IPVS_GENL_VERSION);
        if (server == 0)
            put_service(service);
        else
            put_server(service, server - 1);
        close_message(header);
        if (is_last) {
            send_all();
            acknowledged();
        }
    }
}

/* The key of each service in the kernel's format: the first four attributes of its answer. */
#define KEY_LENGTH (3 * NLA_ALIGN(NLA_HDRLEN + 2) + NLA_ALIGN(NLA_HDRLEN + 16))
static char keys[100000][KEY_LENGTH];

/* Receives a dump to its end, and keeps the keys if it is a dump of services. */
static size_t dump(int is_of_services)
{
    size_t count = 0;
    for (;;) {
        size_t length = receive();
        const struct nlmsghdr *header = (struct nlmsghdr *)in;
        for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
            must(header->nlmsg_type != NLMSG_ERROR, "a dump was refused");
            if (header->nlmsg_type == NLMSG_DONE)
                return count;
            if (is_of_services && count < sizeof keys / sizeof *keys)
                memcpy(keys[count++], (char *)header + NLMSG_LENGTH(GENL_HDRLEN) + NLA_HDRLEN, KEY_LENGTH);
        }
    }
}

static size_t dump_services(void)
{
    close_message(message(family, NLM_F_DUMP, IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION));
    send_all();
    return dump(1);
}

static void dump_table(void)
{
    size_t services = dump_services();
    for (size_t place = 0; place < services; place++) {
        struct nlmsghdr *header = message(family, NLM_F_DUMP, IPVS_CMD_GET_DEST, IPVS_GENL_VERSION);
        put(IPVS_CMD_ATTR_SERVICE | NLA_F_NESTED, keys[place], KEY_LENGTH);
        close_message(header);
        send_all();
        dump(0);
    }
}

/* --- Measuring --- */

static void (*mark(uintptr_t address))(void)
{
    char *page = mmap((void *)address, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    must(page == (char *)address, "mmap");
    *page = (char)0xc3; /* ret */
    return (void (*)(void))page;
}

static int count(const char *report, char **command)
{
    void (*begin_counting)(void) = mark(MARK_BEGIN), (*end_counting)(void) = mark(MARK_END);
    struct timespec start, stop;
    struct rusage usage;
    int status, file = open(report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(file >= 0, report);
    clock_gettime(CLOCK_MONOTONIC, &start);
    begin_counting();
    pid_t child = vfork();
    if (child == 0) {
        execv(*command, command);
        _exit(127);
    }
    must(child > 0 && wait4(child, &status, 0, &usage) == child, "wait4");
    end_counting();
    clock_gettime(CLOCK_MONOTONIC, &stop);
    dprintf(file, "%lld %ld %lld\n",
            (stop.tv_sec - start.tv_sec) * 1000000000ll + stop.tv_nsec - start.tv_nsec, usage.ru_maxrss,
            (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000ll + usage.ru_utime.tv_usec +
                usage.ru_stime.tv_usec);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int words, char **word)
{
    const char *loop = words > 1 ? word[1] : "";
    if (!strcmp(loop, "count") && words > 3)
        return count(word[2], word + 3);
    if (!strcmp(loop, "add") && words == 4) {
        add(atoi(word[2]), atoi(word[3]));
    } else if (!strcmp(loop, "list") && words == 3) {
        int table = open("/proc/thread-self/net/ip_vs", O_RDONLY | O_CLOEXEC);
        must(table >= 0, "/proc/thread-self/net/ip_vs");
        read_to_end(table);
        open_socket();
        dump_services();
        write_out(atoll(word[2]));
    } else if (!strcmp(loop, "save") && words == 3) {
        open_socket();
        dump_table();
        write_out(atoll(word[2]));
    } else if (!strcmp(loop, "restore") && words == 2) {
        read_to_end(0);
        open_socket();
        dump_table();
    } else {
        fprintf(stderr, "loops: count, add, list, save or restore\n");
        return 2;
    }
    return 0;
}
