<?php
/**
 * swoole-task.php - runs the controllers of a swoole-task application as tasks of troupe, without swoole.
 *
 *     [pool legacy]
 *     command = php /usr/local/share/troupe/workers/swoole-task.php /srv/sw-app
 *     topics = legacy
 *
 * A task's body is the request's parameters as a JSON object, with `op` = "ctrl.action"; without it the task's type, then
 * "index.index". The application's folder is as it was: Ctrl/, Dao/, Helper/, Conf/app.php, Conf/ENV/, vendor/. Where
 * the package itself is in vendor/, its Dao and Helper are used; Ctrl and App are ours, which have the same members.
 *
 *     new NsPre\NsCtrl\UserCtrl($params, $op, $id); ->init(); ->syncAction(); ->done();
 *
 * What an action returns is the task's result. `errno` in it, if not 0, makes the task fail, as an exception does: it is
 * tried again, which swoole-task did not. `finish` = "ctrl.action" is a task that follows, with `data` as its parameters.
 */
namespace {
    require __DIR__ . '/troupe.php';
    defined('DS') || define('DS', DIRECTORY_SEPARATOR);
}

namespace Ping\SwooleTask\Base {
    class App
    {
        public static $env = 'dev', $server, $conf = ['conf' => [], 'app' => []];
        private static $app;
        private $debug = [];

        /** $server->setting: what the package's server would have: app_dir, app_env. */
        public static function getApp($server = null)
        {
            if (self::$app)
                return self::$app;
            self::$server = $server;
            self::$env = $server->setting['app_env'];
            $dir = $server->setting['app_dir'];
            self::$conf['app'] = (is_file("$dir/Conf/app.php") ? include "$dir/Conf/app.php" : []) +
                ['ns_pre' => 'SwTask', 'ns_ctrl' => 'Ctrl', 'ns_dao' => 'Dao', 'ns_helper' => 'Helper'];
            foreach (glob("$dir/Conf/" . self::$env . '/*.php') as $file) // of this environment only
                self::$conf['conf'][basename($file, '.php')] = include $file;
            if (is_file("$dir/vendor/autoload.php"))
                require "$dir/vendor/autoload.php";
            spl_autoload_register(function ($class) use ($dir) {
                $prefix = self::$conf['app']['ns_pre'] . '\\';
                $file = $dir . '/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
                if (strpos($class, $prefix) === 0 && is_file($file))
                    require $file;
            });
            return self::$app = new self();
        }

        public static function getConfig($key = '', $default = '')
        {
            if ($key === '')
                return self::$conf;
            $path = explode('.', $key);
            $at = self::$conf[$path[0]] ?? self::$conf['conf'][$path[0]] ?? [];
            foreach (array_slice($path, 1) as $name)
                if (!isset($at[$name]))
                    return empty($default) ? [] : $default;
                else
                    $at = $at[$name];
            return $at;
        }

        public function getDebug($id)
        {
            return $this->debug[$id] ?? false;
        }

        public function setDebug($id, $on)
        {
            $this->debug = $on === null ? [] : [$id => in_array($on, [true, 'yes', 'true', 1, '1'], true)];
        }

        /** debug, error, warn, info, sql, op: into troupe's log, in place of Runtime/log. */
        public function __call($type, $args)
        {
            $this->logger($args[0] ?? '', $type);
        }

        public function logger($msg, $type = 'debug')
        {
            $level = in_array($type, ['error', 'warn', 'debug'], true) ? $type : 'info';
            foreach (explode("\n", rtrim(is_string($msg) ? $msg : var_export($msg, true))) as $line)
                self::$server->worker->log($level, "$type: $line");
        }
    }

    class Ctrl
    {
        const ERRNO_SUCCESS = 0, ERRNO_PARAM = 1, ERROR_SUCCESS = 'OK', ERROR_PARAM = 'Params invalid';

        public $id = '', $op = '', $date = '', $params = [];
        protected $ret = ['op' => '', 'errno' => self::ERRNO_SUCCESS, 'error' => self::ERROR_SUCCESS, 'finish' => '',
                          'params' => [], 'data' => []];
        private static $daos = []; // a connection each, as long as the process lives

        public function __construct($params, $op, $id)
        {
            [$this->params, $this->op, $this->id] = [$params, $op, $id];
            $this->date = date('Y-m-d', strtotime('-1 day ' . ($params['dt'] ?? '')));
            $this->ret['op'] = $op;
            $this->ret['params'] = $params;
        }

        public function getConfig($key)
        {
            return App::getConfig($key);
        }

        public function getDao($dao)
        {
            $class = App::$conf['app']['ns_pre'] . '\\' . App::$conf['app']['ns_dao'] . '\\' . $dao;
            if (!isset(self::$daos[$class]) && class_exists($class))
                self::$daos[$class] = new $class($this->isDebug());
            return self::$daos[$class] ?? false;
        }

        public function getApp()
        {
            return App::getApp();
        }

        public function isDebug()
        {
            return $this->getApp()->getDebug($this->id);
        }
    }
}

namespace {
    use Ping\SwooleTask\Base\App;
    use Troupe\Fail;

    function run_action(App $app, string $op, array $params, string $id)
    {
        $route = explode('.', $op);
        $class = App::getConfig('app.ns_pre') . '\\' . App::getConfig('app.ns_ctrl') . '\\' . ucfirst($route[0]) . 'Ctrl';
        $action = lcfirst($route[1] ?? '') . 'Action';
        if (count($route) < 2 || !class_exists($class) || !method_exists($class, $action) ||
            !(new ReflectionMethod($class, $action))->isPublic())
            throw new Fail("no such action: $op", false);
        $app->setDebug($id, $params['debug'] ?? App::getConfig('app.debug'));
        $ctrl = new $class($params, $op, $id);
        if (method_exists($ctrl, 'init'))
            $ctrl->init();
        $result = $ctrl->$action();
        if (method_exists($ctrl, 'done'))
            $ctrl->done();
        return $result;
    }

    $worker = new Troupe\Worker();
    $dir = rtrim($argv[1] ?? 'sw-app', '/');
    if (!is_dir($dir))
        exit(print "swoole-task.php: no application in $dir\n"); // status 1
    $server = (object)['worker' => $worker, 'setting' => [
        'app_dir' => realpath($dir), 'app_env' => getenv('APP_ENV') ?: 'dev', 'process_name' => 'swTask']];
    date_default_timezone_set(getenv('APP_TZ') ?: 'Asia/Shanghai');
    $app = App::getApp($server);

    $worker->run(function (Troupe\Job $job) use ($app) {
        $params = $job->body === '' ? [] : $job->json();
        if (!is_array($params))
            throw new Fail('the body is no JSON object', false);
        $op = str_replace('/', '.', trim($params['op'] ?? $job->options['type'] ?? 'index.index', '/'));
        $result = run_action($app, $op, $params, $job->id);
        if (!empty($result['errno']))
            throw new Fail("errno {$result['errno']}: " . ($result['error'] ?? ''));
        if (!empty($result['finish']) && empty($params['isFinish'])) {
            $next = ['op' => $result['finish'], 'pre_op' => $op, 'isFinish' => true] + (array)($result['data'] ?? []);
            if (!$job->push($job->topic, $next, ['type' => $result['finish']], $why))
                throw new Fail("finish: $why");
        }
        return $result;
    });
}
