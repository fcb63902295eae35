#include "roles/sqlproxy/sp_admin.h"
#include "roles/sqlproxy/sp_show.h"
#include "core/log/log.h"
int sp_admin_start(struct sp_admin **out, struct sp_proxy *p, uv_loop_t *loop, struct err *err){(void)p;(void)loop;(void)err;*out=0;log_info("admin on 127.0.0.1:1");return 0;}
void sp_admin_stop(struct sp_admin *a){(void)a;}
int sp_admin_ctl(void *self, int argc, char **argv, FILE *out, bool json){(void)self;(void)argc;(void)argv;(void)out;(void)json;return 2;}
const char sp_admin_ctl_help[]="";
void sp_show_status(struct sp_proxy *p, struct stat_out *out){(void)p;(void)out;}
