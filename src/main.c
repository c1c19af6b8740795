/*
 * main.c - run the command given on the command line, or the server.
 */
#include <fcntl.h>
#include <unistd.h>

#include "cli/commands.h"
#include "control/supervisor.h"

/*
 * A daemon may be started with its standard descriptors closed. The first sockets would then get
 * their numbers, and log output would be sent to a device.
 */
static void occupy_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    static const struct command_server server = {.run = supervisor_run, .check = supervisor_check};
    occupy_standard_descriptors();
    return commands_run(argc, argv, &server);
}
