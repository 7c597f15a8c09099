#ifndef WEB_MAIL_H
#define WEB_MAIL_H

#include <stdbool.h>
#include <stdint.h>

/* Greet as a mail server does on this port, in a thread that never ends. False if it cannot. */
bool mail_start(uint16_t port);

#endif
