/* td_api - the handlers of td_routes. */
#pragma once

struct td_ask;

/* td_push.c, td_push_batch.c */
void td_push(struct td_ask *ask);
void td_push_raw(struct td_ask *ask);
void td_push_batch(struct td_ask *ask);

/* td_look.c */
void td_task_get(struct td_ask *ask);
void td_task_list(struct td_ask *ask);

/* td_order.c */
void td_task_delete(struct td_ask *ask);
void td_task_retry(struct td_ask *ask);
void td_task_run(struct td_ask *ask);
void td_task_kill(struct td_ask *ask);
void td_task_move(struct td_ask *ask);

/* td_stream.c */
void td_task_events(struct td_ask *ask);
void td_all_events(struct td_ask *ask);

/* td_topics.c, td_patch.c */
void td_topic_list(struct td_ask *ask);
void td_topic_get(struct td_ask *ask);
void td_topic_patch(struct td_ask *ask);
void td_topic_pause(struct td_ask *ask);
void td_topic_resume(struct td_ask *ask);
void td_topic_purge(struct td_ask *ask);
void td_topic_retry(struct td_ask *ask);
void td_topic_drain(struct td_ask *ask);

/* td_schedules.c */
void td_schedule_list(struct td_ask *ask);
void td_schedule_get(struct td_ask *ask);
void td_schedule_post(struct td_ask *ask);
void td_schedule_put(struct td_ask *ask);
void td_schedule_delete(struct td_ask *ask);
void td_schedule_run(struct td_ask *ask);
void td_schedule_pause(struct td_ask *ask);
void td_schedule_resume(struct td_ask *ask);

/* td_batches.c */
void td_batch_post(struct td_ask *ask);
void td_batch_get(struct td_ask *ask);
void td_batch_close(struct td_ask *ask);
void td_batch_cancel(struct td_ask *ask);

/* td_pools.c */
void td_worker_list(struct td_ask *ask);
void td_pool_reload(struct td_ask *ask);
void td_pool_scale(struct td_ask *ask);
void td_pool_recycle(struct td_ask *ask);
void td_rpc(struct td_ask *ask);

/* td_care.c */
void td_store_check(struct td_ask *ask);
void td_store_backup(struct td_ask *ask);
void td_store_compact(struct td_ask *ask);

/* td_page.c */
void td_health(struct td_ask *ask);
void td_ready(struct td_ask *ask);
void td_metrics_get(struct td_ask *ask);
void td_openapi(struct td_ask *ask);
void td_ui(struct td_ask *ask);
