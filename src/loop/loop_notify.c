/* Messages to the service manager. */
#include "loop/loop_internal.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

void loop_notify(const char *state)
{
#ifdef HAVE_SYSTEMD
    sd_notify(0, state); /* does nothing without NOTIFY_SOCKET */
#endif
    log_debug(&log_loop, "told the service manager", LOG_S("state", state));
}
