<?php
/**
 * troupe.php - a worker of troupe (TWP/1) in PHP 7.4 or newer. One file; nothing to install.
 *
 *     require 'troupe.php';
 *     (new Troupe\Worker)->run(function (Troupe\Job $job) {
 *         echo "goes into troupe's log\n";
 *         return ['sum' => array_sum($job->json()['numbers'])];      // the result: a string, or anything for json_encode
 *     });
 *
 * A Throwable makes the job fail, to be tried again; Troupe\Fail says more: new Fail('bad input', false) is dead at once.
 */
namespace Troupe;

class Fail extends \Exception
{
    public $retry, $delay;

    /** $delay: milliseconds until the next attempt; null: as the topic says. */
    public function __construct(string $message, bool $retry = true, ?int $delay = null)
    {
        parent::__construct($message);
        [$this->retry, $this->delay] = [$retry, $delay];
    }
}

/** Give the job back, for $delay milliseconds: it costs no attempt. */
class Release extends Fail
{
    public function __construct(int $delay = 0)
    {
        parent::__construct('released', true, $delay);
    }
}

class Job
{
    public $id, $topic, $attempt, $body, $options, $cancelled = false;
    private $worker;

    public function __construct(Worker $worker, array $words, array $options, string $body)
    {
        [$this->worker, $this->options, $this->body] = [$worker, $options, $body];
        [$this->id, $this->topic, $this->attempt] = [$words[1], $words[2], (int)$words[3]];
    }

    public function json() { return json_decode($this->body, true, 512, JSON_THROW_ON_ERROR); }

    /** It goes on: its time-out counts from now, for $ms or as long as it was. */
    public function touch(?int $ms = null): void
    {
        $this->worker->send("TOUCH $this->id" . ($ms === null ? '' : " $ms"));
    }

    public function progress(int $percent, string $text = ''): void
    {
        $this->worker->send("PROGRESS $this->id $percent " . strlen($text), $text);
    }

    /** A part of the answer, for who waits for it. */
    public function data(string $bytes): void
    {
        $this->worker->send("DATA $this->id " . strlen($bytes), $bytes);
    }

    /**
     * A task that follows: it is there exactly when this one has succeeded. $options: delay, prio, uniq, type, after.
     * Returns false, with the reason in $why, when it was refused.
     */
    public function push(string $topic, $body, array $options = [], ?string &$why = null): bool
    {
        return $this->worker->push($topic, $body, $options + ['on' => $this->id], $why) !== null;
    }

    /** Does somebody want it to stop? Looks at what has come in. */
    public function isCancelled(): bool { return $this->worker->look() || $this->cancelled; }
}

class Worker
{
    private $in, $out, $waiting = [], $running = null, $replies = [], $refs = 0, $leaving = false, $max = 1 << 20;

    public function __construct()
    {
        if (getenv('TROUPE_PROTO') !== 'twp/1')
            exit(print "This is a worker: it is started by troupe (try: troupe worker-test php {$GLOBALS['argv'][0]}).\n"); // 1
        $this->in = fopen('php://fd/0', 'r');
        $this->out = fopen('php://fd/' . getenv('TROUPE_FD'), 'w');
        PHP_OS_FAMILY === 'Linux' && @cli_set_process_title('troupe worker ' . getenv('TROUPE_TITLE'));
    }

    /** Runs jobs until troupe wants no more. $handle gets a Job and returns its result. */
    public function run(callable $handle): void
    {
        $this->send('READY ' . getenv('TROUPE_CREDIT') . ' caps=cancel');
        while ($job = $this->next()) {
            $this->running = $job;
            try {
                $result = $handle($job);
                $result = is_string($result) || $result === null ? (string)$result : json_encode($result, JSON_THROW_ON_ERROR);
                if (strlen($result) > $this->max)
                    throw new Fail('a result of ' . strlen($result) . " bytes, $this->max are allowed", false);
                $this->send("ACK $job->id " . strlen($result), $result);
            } catch (Release $e) {
                $this->send("RELEASE $job->id delay=$e->delay");
            } catch (\Throwable $e) {
                $more = $e instanceof Fail ? ($e->retry ? '' : ' retry=no') . ($e->delay === null ? '' : " delay=$e->delay") : '';
                $text = substr($e->getMessage(), 0, 4096);
                if (!$e instanceof Fail)
                    $text = get_class($e) . ": $text in {$e->getFile()}:{$e->getLine()}\n" . substr($e->getTraceAsString(), 0, 4096);
                $this->send("FAIL $job->id " . strlen($text) . $more, $text);
            }
            $this->running = null;
        }
    }

    /** A task of its own, at once. Returns its id; null, with the reason in $why, when it was refused. */
    public function push(string $topic, $body, array $options = [], ?string &$why = null): ?string
    {
        $body = is_string($body) ? $body : json_encode($body, JSON_THROW_ON_ERROR);
        if (strlen($body) > $this->max && $why = 'a body of ' . strlen($body) . " bytes, $this->max are allowed")
            return null;
        $ref = ++$this->refs;
        $line = "PUSH $topic " . strlen($body) . " ref=$ref";
        foreach ($options as $key => $value)
            $line .= " $key=" . rawurlencode(is_array($value) ? implode(',', $value) : (string)$value);
        $this->send($line, $body);
        while (!isset($this->replies[$ref]) && !feof($this->in))
            $this->take();
        [$ok, $word] = $this->replies[$ref] ?? [false, 'the connection is closed'];
        unset($this->replies[$ref]);
        $why = $ok ? null : $word;
        return $ok ? $word : null;
    }
    /** A line of the log. $level: error, warn, info, debug. */
    public function log(string $level, string $text): void { $this->send("LOG $level " . strlen($text), $text); }

    /** Asks to be replaced, when the jobs that it has are done. */
    public function bye(): void { $this->send('BYE'); }

    /** For Job. Goes out at once: what has been answered is not lost when the next job ends the process. */
    public function send(string $line, ?string $body = null): void
    {
        for ($unsent = $line . "\n" . ($body === null ? '' : $body . "\n"); $unsent !== ''; $unsent = substr($unsent, $n))
            if (!($n = fwrite($this->out, $unsent)))
                exit(1); // troupe is gone
    }

    /** For Job. Takes what has come, and does not wait. */
    public function look(): bool
    {
        for ($read = [$this->in], $none = null; !feof($this->in) && ($this->isBuffered() || stream_select($read, $none, $none, 0));)
            [, $read] = [$this->take(), [$this->in]];
        return false;
    }

    private function isBuffered(): bool { return stream_get_meta_data($this->in)['unread_bytes'] > 0; }

    private function next(): ?Job
    {
        while (!$this->waiting && !$this->leaving && !feof($this->in))
            $this->take();
        return array_shift($this->waiting);
    }

    /** One line, with its body, of what troupe says. */
    private function take(): void
    {
        $words = explode(' ', rtrim((string)fgets($this->in), "\n"));
        if ($words[0] === 'JOB') {
            $options = [];
            foreach (array_slice($words, 5) as $word)
                if (strpos($word, '='))
                    $options[strstr($word, '=', true)] = rawurldecode(substr(strstr($word, '='), 1));
            $body = stream_get_contents($this->in, $words[4] + 1);
            $this->waiting[$words[1]] = new Job($this, $words, $options, substr($body, 0, -1));
        } elseif ($words[0] === 'CANCEL') {
            foreach ([$this->running, $this->waiting[$words[1]] ?? null] as $job)
                if ($job && $job->id === $words[1])
                    $job->cancelled = true;
        } elseif ($words[0] === 'OK' || $words[0] === 'ERR') {
            $this->replies[(int)$words[1]] = [$words[0] === 'OK', implode(' ', array_slice($words, 2))];
        } elseif ($words[0] === 'HELLO') {
            $this->max = preg_match('/ max=(\d+)/', implode(' ', $words), $m) ? (int)$m[1] : $this->max;
        } elseif ($words[0] === 'QUIT') {
            $this->leaving = true;
        }
    }
}
