/* notify - sd_notify(3) without its library: tells the service manager that started us, if any. */
#pragma once

/* "READY=1", "STOPPING=1", ... */
void notify(const char *state);

/* RELOADING=1 with the time that Type=notify-reload wants; end it with READY=1. */
void notify_reloading(void);
