/* sv_stream - answers that go on: logs as they are written, events as they happen. */
#pragma once

struct control_peer;
struct http_call;
struct sv;

/* what: "NAME", "NAME/stdout", "NAME/stderr", percent-encoded. */
void sv_stream_log(struct sv *sv, struct http_call *call, const char *what);
void sv_stream_main(struct sv *sv, struct http_call *call);
void sv_stream_events(struct sv *sv, struct http_call *call);

/* The same for a peer of the control socket: "/logtail/NAME/stdout?bytes=N", "/mainlogtail",
 * "/events". */
void sv_stream_peer(struct sv *sv, struct control_peer *peer, const char *target);

/* All of them end. */
void sv_stream_close_all(struct sv *sv);
