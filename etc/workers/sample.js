/* A worker in Node. The body is JSON: {"add":[1,2]}, {"fail":"why"}, {"dead":"why"}, {"follow":"topic"}, {"sleep":ms}. */
'use strict';
const troupe = require('./troupe.js');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

troupe.run(async (job) => {
  const task = job.json();
  if (task.fail) throw new Error(task.fail);
  if (task.dead) throw new troupe.Fail(task.dead, { retry: false });
  if (task.later) throw new troupe.Release(task.later);
  if (task.follow) {
    await job.push(task.follow, { add: [1, 1] }).catch((why) => {
      throw new troupe.Fail(why.message, { retry: false });
    });
  }
  for (let t = 0; t < (task.sleep || 0); t += 10) {
    if (job.cancelled) throw new troupe.Fail('stopped when asked', { retry: false });
    job.progress((100 * t) / task.sleep, `after ${t} ms`);
    await pause(10);
  }
  console.log(`attempt ${job.attempt} of ${job.topic}`);
  return { sum: (task.add || []).reduce((a, b) => a + b, 0) };
});
