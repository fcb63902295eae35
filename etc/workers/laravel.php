<?php
/**
 * laravel.php - runs the jobs of Laravel's queues on Redis; the application dispatches them as before.
 *
 *     [source laravel]
 *     type = redis
 *     url = redis://127.0.0.1:6379
 *     prefix = laravel_database_
 *     topics = default, mails
 *     payload = laravel
 *
 *     [pool laravel]
 *     command = php /usr/local/share/troupe/workers/laravel.php /srv/app
 *     topics = default, mails
 *
 * prefix: what config/database.php says in redis.options.prefix. The argument is the application's folder, with vendor/ and
 * bootstrap/app.php; or a file that returns its container. In it a job is fired as Laravel's own worker fires it; release()
 * costs a try, fail() and the last try call its failed(). Tries, time-outs, backoff and retryUntil come from the job, what
 * becomes of dead ones from troupe.
 */
require __DIR__ . '/troupe.php';

$at = $argv[1] ?? '.';
if (is_dir($at)) {
    require "$at/vendor/autoload.php";
    $app = require "$at/bootstrap/app.php";
    $app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
} else {
    $app = require $at;
}

class TroupeJob extends Illuminate\Queue\Jobs\Job implements Illuminate\Contracts\Queue\Job
{
    public ?int $after = null;
    public ?Throwable $why = null;
    private Troupe\Job $task;

    public function __construct($container, Troupe\Job $task)
    {
        [$this->container, $this->task, $this->connectionName, $this->queue] = [$container, $task, 'troupe', $task->topic];
    }

    public function getJobId() { return $this->payload()['id'] ?? $this->task->id; }
    public function getRawBody() { return $this->task->body; }
    public function attempts() { return $this->task->attempt; }

    public function release($delay = 0)
    {
        parent::release($delay);
        $this->after = 1000 * ($delay instanceof DateTimeInterface ? max(0, $delay->getTimestamp() - time()) : (int) $delay);
    }

    public function fail($e = null)
    {
        $this->why = $e instanceof Throwable ? $e : new RuntimeException($e ?? 'failed');
        $this->markAsFailed();
        $this->delete();
        $this->failed($this->why);
    }
}

(new Troupe\Worker)->run(function (Troupe\Job $task) use ($app) {
    if (!is_string($task->json()['job'] ?? null))
        throw new Troupe\Fail('a job needs `job`: who runs it', false);
    $job = new TroupeJob($app, $task);
    try {
        $job->fire();
    } catch (Throwable $why) {
        if ($job->maxTries() && $job->attempts() >= $job->maxTries())
            $job->fail($why);
        else
            throw $why;
    }
    if ($job->why)
        throw new Troupe\Fail((string) $job->why, false);
    if ($job->after !== null) // which costs a try, as in Laravel
        throw new Troupe\Fail('released', true, $job->after);
    return null;
});
