<?php
/* A worker in PHP. The body is JSON: {"add":[1,2]}, {"fail":"why"}, {"dead":"why"}, {"follow":"topic"}, {"sleep":ms}. */
require __DIR__ . '/troupe.php';

(new Troupe\Worker)->run(function (Troupe\Job $job) {
    $task = $job->json();
    if (isset($task['fail']))
        throw new RuntimeException($task['fail']);
    if (isset($task['dead']))
        throw new Troupe\Fail($task['dead'], false);
    if (isset($task['later']))
        throw new Troupe\Release($task['later']);
    if (isset($task['follow']) && !$job->push($task['follow'], ['add' => [1, 1]], [], $why))
        throw new Troupe\Fail($why, false);
    for ($t = 0; $t < ($task['sleep'] ?? 0); $t += 10) {
        if ($job->isCancelled())
            throw new Troupe\Fail('stopped when asked', false);
        $job->progress((int)(100 * $t / $task['sleep']), "after $t ms");
        usleep(10000);
    }
    echo "attempt $job->attempt of $job->topic\n";
    return ['sum' => array_sum($task['add'] ?? [])];
});
