"""A worker in Python. The body is JSON: {"add":[1,2]}, {"fail":"why"}, {"dead":"why"}, {"follow":"topic"}, {"sleep":ms}."""
import time

import troupe


def handle(job):
    task = job.json()
    if "fail" in task:
        raise RuntimeError(task["fail"])
    if "dead" in task:
        raise troupe.Fail(task["dead"], retry=False)
    if "later" in task:
        raise troupe.Release(task["later"])
    if "follow" in task:
        try:
            job.push(task["follow"], {"add": [1, 1]})
        except troupe.Fail as why:
            raise troupe.Fail(str(why), retry=False)
    for t in range(0, task.get("sleep", 0), 10):
        if job.is_cancelled():
            raise troupe.Fail("stopped when asked", retry=False)
        job.progress(100 * t // task["sleep"], f"after {t} ms")
        time.sleep(0.01)
    print(f"attempt {job.attempt} of {job.topic}")
    return {"sum": sum(task.get("add", []))}


troupe.run(handle)
