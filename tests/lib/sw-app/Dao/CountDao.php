<?php
namespace Shop\Dao;

class CountDao
{
    private $n = 0;

    public function next()
    {
        return ++$this->n;
    }
}
