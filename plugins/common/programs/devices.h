/* Devices in the place of a container's list of users, from which the engine reads without end. */
#ifndef DEVICES_H
#define DEVICES_H

#include <sys/stat.h>

/*
 * Removes name from the folder etc of a container whose root folder is root. It leads to the device
 * with this status. An engine that has it open is killed, because nothing else ends its reading
 * before the memory of the host is full. systemd starts it again, and its containers go on.
 */
void devices_refuse(int root, const char *name, const struct stat *device);

#endif
