<?php
namespace Shop\Ctrl;

use Ping\SwooleTask\Base\Ctrl as BaseCtrl;

class UserCtrl extends BaseCtrl
{
    private $trace = [];

    public function init()
    {
        $this->trace[] = 'init';
    }

    public function helloAction()
    {
        echo "in the action\n";
        $this->getApp()->info('into the log');
        $this->ret['data'] = ['word' => $this->getConfig('words.greeting.en'), 'n' => $this->getDao('CountDao')->next(),
                              'trace' => $this->trace, 'date' => $this->date, 'debug' => $this->isDebug()];
        return $this->ret;
    }

    public function badAction()
    {
        $this->ret['errno'] = self::ERRNO_PARAM;
        $this->ret['error'] = self::ERROR_PARAM;
        return $this->ret;
    }

    public function throwAction()
    {
        throw new \RuntimeException('thrown');
    }

    public function chainAction()
    {
        $this->ret['finish'] = 'user.last';
        $this->ret['data'] = ['sum' => 3];
        return $this->ret;
    }

    public function lastAction()
    {
        $this->ret['data'] = 'after ' . $this->params['pre_op'] . ' ' . $this->params['sum'];
        return $this->ret;
    }

    public function done()
    {
        echo "done\n";
    }
}
