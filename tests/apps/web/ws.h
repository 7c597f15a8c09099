#ifndef WEB_WS_H
#define WEB_WS_H

#include "http.h"

/*
 * Answer an upgrade to websocket (RFC 6455) and echo every message until either side closes. When
 * the server stops it says goodbye with 1001. Without an upgrade the answer is 426.
 */
void ws_serve(struct conn *c, const struct request *r);

#endif
