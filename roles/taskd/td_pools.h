/* td_pools - the pools of workers, and what they tell. */
#pragma once

struct conf;
struct err;
struct td;

int td_pools_open(struct td *td, const struct conf *conf, struct err *err);
int td_pools_apply(struct td *td, const struct conf *conf, struct err *err);
/* done: td->pools_gone is set, and td_settle called. */
void td_pools_drain(struct td *td);
void td_pools_close(struct td *td);
