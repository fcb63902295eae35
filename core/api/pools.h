/* api_pools - the pools of workers, and what they tell. */
#pragma once

struct conf;
struct err;
struct api;

int api_pools_open(struct api *api, const struct conf *conf, struct err *err);
int api_pools_apply(struct api *api, const struct conf *conf, struct err *err);
/* done: api->pools_gone is set, and api_settle called. */
void api_pools_drain(struct api *api);
void api_pools_close(struct api *api);
