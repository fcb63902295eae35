<?php
/**
 * swoole-jobs.php - runs the jobs of a swoole-jobs application, without swoole.
 *
 *     [source legacy]
 *     type = redis
 *     url = redis://127.0.0.1:6379
 *     topics = MyJob
 *     payload = swoole-jobs
 *
 *     [pool legacy]
 *     command = php /usr/local/share/troupe/workers/swoole-jobs.php /srv/app/bootstrap.php
 *     topics = MyJob
 *
 * A job is JSON: jobClass, jobMethod, jobParams; a class::method is called statically. bootstrap.php loads the classes, and
 * may return a callable that runs a job in another way: function (string $class, string $method, array $params, array $job).
 * That is where the six actions of swoole-jobs go:
 *
 *     SwooleJobs   no callable: a new object for each job, its method called with the parameters
 *     Yii2, Yii1   make the application in bootstrap.php; return fn($c, $m, $p) => Yii::$app->runAction("$c/$m", $p)
 *     Phalcon      return fn($c, $m, $p) => $console->handle(['task' => $c, 'action' => $m, 'params' => $p])
 *     Yaf          return fn($c, $m, $p) => $app->getDispatcher()->dispatch(new Yaf_Request_Simple('CLI', '', $c, $m, $p))
 *     ThinkPHP5    return fn($c, $m, $p) => think\App::invokeMethod([$c, $m], $p)
 *
 * An exception makes the job fail: it is tried again, which swoole-jobs did not. What the call returns is its result.
 */
require __DIR__ . '/troupe.php';

$run = isset($argv[1]) ? require $argv[1] : null;
if (!is_callable($run))
    $run = function (string $class, string $method, array $params) {
        $static = strpos($method, '::') === 0 || (new ReflectionMethod($class, ltrim($method, ':')))->isStatic();
        return call_user_func_array([$static ? $class : new $class(), ltrim($method, ':')], $params);
    };

(new Troupe\Worker)->run(function (Troupe\Job $job) use ($run) {
    $task = $job->json();
    $class = $task['jobClass'] ?? '';
    $method = $task['jobMethod'] ?? '';
    $params = $task['jobParams'] ?? [];
    if (!is_string($class) || !is_string($method) || !is_array($params) || $class === '' || $method === '')
        throw new Troupe\Fail('a job needs jobClass, jobMethod and a list jobParams', false);
    return $run($class, $method, array_values($params), $task);
});
