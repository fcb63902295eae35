/* handlers - the handlers of api_routes. */
#pragma once

struct api_ask;

/* push.c, push_batch.c */
void api_push(struct api_ask *ask);
void api_push_raw(struct api_ask *ask);
void api_push_batch(struct api_ask *ask);

/* look.c */
void api_task_get(struct api_ask *ask);
void api_task_list(struct api_ask *ask);

/* order.c */
void api_task_delete(struct api_ask *ask);
void api_task_retry(struct api_ask *ask);
void api_task_run(struct api_ask *ask);
void api_task_kill(struct api_ask *ask);
void api_task_move(struct api_ask *ask);

/* stream.c */
void api_task_events(struct api_ask *ask);
void api_all_events(struct api_ask *ask);

/* topics.c, patch.c */
void api_topic_list(struct api_ask *ask);
void api_topic_get(struct api_ask *ask);
void api_topic_patch(struct api_ask *ask);
void api_topic_pause(struct api_ask *ask);
void api_topic_resume(struct api_ask *ask);
void api_topic_purge(struct api_ask *ask);
void api_topic_retry(struct api_ask *ask);
void api_topic_drain(struct api_ask *ask);

/* schedules.c */
void api_schedule_list(struct api_ask *ask);
void api_schedule_get(struct api_ask *ask);
void api_schedule_post(struct api_ask *ask);
void api_schedule_put(struct api_ask *ask);
void api_schedule_delete(struct api_ask *ask);
void api_schedule_run(struct api_ask *ask);
void api_schedule_pause(struct api_ask *ask);
void api_schedule_resume(struct api_ask *ask);

/* batches.c */
void api_batch_post(struct api_ask *ask);
void api_batch_get(struct api_ask *ask);
void api_batch_close(struct api_ask *ask);
void api_batch_cancel(struct api_ask *ask);

/* pools.c */
void api_worker_list(struct api_ask *ask);
void api_pool_reload(struct api_ask *ask);
void api_pool_scale(struct api_ask *ask);
void api_pool_recycle(struct api_ask *ask);
void api_rpc(struct api_ask *ask);

/* care.c */
void api_store_check(struct api_ask *ask);
void api_store_backup(struct api_ask *ask);
void api_store_compact(struct api_ask *ask);

/* page.c */
void api_health(struct api_ask *ask);
void api_ready(struct api_ask *ask);
void api_metrics_get(struct api_ask *ask);
void api_openapi(struct api_ask *ask);
void api_ui(struct api_ask *ask);
