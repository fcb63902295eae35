/*
 * troupe.js - a worker of troupe (TWP/1) in Node 16 or newer. One file; nothing to install.
 *
 *     const troupe = require('./troupe.js');
 *     troupe.run(async (job) => {
 *         console.log("goes into troupe's log");
 *         return { sum: job.json().numbers.reduce((a, b) => a + b) };   // a string, a Buffer, or anything for JSON
 *     });
 *
 * Up to `credit` jobs run at once. What is thrown makes the job fail, to be tried again; Fail says more:
 * new Fail('bad input', { retry: false }) is dead at once.
 */
'use strict';
const net = require('net');

class Fail extends Error {
  /* delay: milliseconds until the next attempt; none: as the topic says. */
  constructor(message, { retry = true, delay } = {}) {
    super(message);
    Object.assign(this, { retry, delay });
  }
}

/* Give the job back: it costs no attempt. */
class Release extends Error {
  constructor(delay = 0) {
    super('released');
    this.delay = delay;
  }
}

function bytes(value) {
  if (value === undefined || value === null) return Buffer.alloc(0);
  if (Buffer.isBuffer(value)) return value;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

class Job {
  constructor(worker, words, body) {
    Object.assign(this, { worker, body, id: words[1], topic: words[2], attempt: +words[3], options: {} });
    for (const word of words.slice(5)) {
      const eq = word.indexOf('=');
      this.options[word.slice(0, eq)] = decodeURIComponent(word.slice(eq + 1));
    }
    this.abort = new AbortController(); // its signal: somebody wants the job to stop
    this.signal = this.abort.signal;
  }

  get cancelled() {
    return this.signal.aborted;
  }

  json() {
    return JSON.parse(this.body.toString());
  }

  /* It goes on: its time-out counts from now, for ms or as long as it was. */
  touch(ms) {
    this.worker.send(`TOUCH ${this.id}` + (ms === undefined ? '' : ` ${ms}`));
  }

  progress(percent, text = '') {
    const body = bytes(text);
    this.worker.send(`PROGRESS ${this.id} ${Math.floor(percent)} ${body.length}`, body);
  }

  /* A part of the answer, for who waits for it. */
  data(part) {
    const body = bytes(part);
    this.worker.send(`DATA ${this.id} ${body.length}`, body);
  }

  /* A task that follows: it is there exactly when this one has succeeded. Rejects when it is refused. */
  push(topic, body, options = {}) {
    return this.worker.push(topic, body, { ...options, on: this.id });
  }
}

class Worker {
  constructor(handle) {
    Object.assign(this, { handle, unread: Buffer.alloc(0), unsent: [], refs: 0, replies: new Map(), jobs: new Map() });
    this.credit = +process.env.TROUPE_CREDIT || 1;
    this.max = 1 << 20;
    process.title = `troupe worker ${process.env.TROUPE_TITLE}`;
    /* fd 0 and fd 3 are the same socket. */
    this.socket = new net.Socket({ fd: +process.env.TROUPE_FD, readable: true, writable: true });
    this.socket.on('data', (data) => this.take(data));
    this.socket.on('end', () => this.leave());
    this.socket.on('error', () => process.exit(1));
    this.send(`READY ${this.credit} caps=cancel,ping`);
  }

  /* A task of its own, at once: a promise of its id. options: delay, prio, uniq, type, after. */
  async push(topic, body, options = {}) {
    const data = this.fits(bytes(body), 'body');
    const ref = ++this.refs;
    let line = `PUSH ${topic} ${data.length} ref=${ref}`;
    for (const [key, value] of Object.entries(options)) line += ` ${key}=${encodeURIComponent(String(value))}`;
    this.send(line, data);
    return new Promise((resolve, reject) => this.replies.set(ref, { resolve, reject }));
  }

  /* A line of the log. level: error, warn, info, debug. */
  log(level, text) {
    const body = bytes(text);
    this.send(`LOG ${level} ${body.length}`, body);
  }

  /* Asks to be replaced, when the jobs that it has are done. */
  bye() {
    this.send('BYE');
  }

  /* What is said in one turn goes out in one write. */
  send(line, body) {
    if (!this.unsent.length) setImmediate(() => this.flush());
    this.unsent.push(Buffer.from(line + '\n'));
    if (body) this.unsent.push(body, Buffer.from('\n'));
  }

  flush() {
    if (this.unsent.length) this.socket.write(Buffer.concat(this.unsent));
    this.unsent = [];
  }

  fits(data, what) {
    if (data.length <= this.max) return data;
    throw new Fail(`a ${what} of ${data.length} bytes, ${this.max} are allowed`, { retry: false });
  }

  async run(job) {
    this.jobs.set(job.id, job);
    try {
      const result = this.fits(bytes(await this.handle(job, this)), 'result');
      this.send(`ACK ${job.id} ${result.length}`, result);
    } catch (why) {
      if (why instanceof Release) this.send(`RELEASE ${job.id} delay=${why.delay}`);
      else this.fail(job, why);
    }
    this.jobs.delete(job.id);
    if (this.leaving) this.leave();
  }

  fail(job, why) {
    const text = bytes(why instanceof Fail ? why.message : (why && why.stack) || String(why)).subarray(0, 8192);
    let line = `FAIL ${job.id} ${text.length}`;
    if (why && why.retry === false) line += ' retry=no';
    if (why && why.delay !== undefined) line += ` delay=${why.delay}`;
    this.send(line, text);
  }

  leave() {
    this.leaving = true;
    if (this.jobs.size) return;
    this.flush();
    this.socket.end(() => process.exit(0));
  }

  take(data) {
    this.unread = this.unread.length ? Buffer.concat([this.unread, data]) : data;
    for (let end; (end = this.unread.indexOf(10)) >= 0; ) {
      const words = this.unread.toString('utf8', 0, end).split(' ');
      let used = end + 1;
      if (words[0] === 'JOB') {
        used += +words[4] + 1;
        if (this.unread.length < used) return;
        this.run(new Job(this, words, this.unread.subarray(end + 1, used - 1)));
      } else {
        this.heed(words);
      }
      this.unread = this.unread.subarray(used);
    }
  }

  heed([verb, word, ...rest]) {
    if (verb === 'PING') this.send(`PONG ${word}`);
    if (verb === 'CANCEL' && this.jobs.has(word)) this.jobs.get(word).abort.abort();
    if (verb === 'HELLO') this.max = +new URLSearchParams(rest.join('&')).get('max') || this.max;
    if (verb === 'QUIT') this.leave();
    const reply = verb === 'OK' || verb === 'ERR' ? this.replies.get(+word) : undefined;
    if (!reply) return;
    this.replies.delete(+word);
    if (verb === 'OK') reply.resolve(rest[0]);
    else reply.reject(new Fail(rest.join(' ')));
  }
}

function run(handle) {
  if (process.env.TROUPE_PROTO === 'twp/1') return new Worker(handle);
  console.log(`This is a worker: it is started by troupe (try: troupe worker-test node ${process.argv[1]}).`);
  return process.exit(1);
}

module.exports = { run, Fail, Release, Job, Worker };
