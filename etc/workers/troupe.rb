# troupe.rb - a worker of troupe (TWP/1) in Ruby 3.0 or newer. One file; nothing to install.
#
#     require_relative "troupe"
#
#     Troupe.run do |job|
#       puts "goes into troupe's log"
#       {sum: job.json["numbers"].sum}               # the result: a String, nil, or anything for JSON
#     end
#
# An exception makes the job fail, to be tried again; Troupe::Fail says more: Fail.new("bad input", again: false) is dead at once.
require "erb"
require "json"

module Troupe
  class Fail < StandardError
    attr_reader :again, :delay

    # delay: milliseconds until the next attempt; nil: as the topic says.
    def initialize(message, again: true, delay: nil)
      super(message)
      @again, @delay = again, delay
    end
  end

  # Give the job back: it costs no attempt.
  class Release < StandardError
    attr_reader :delay

    def initialize(delay = 0)
      super("released")
      @delay = delay
    end
  end

  def self.bytes(value)
    (value.nil? ? "" : value.is_a?(String) ? value : JSON.generate(value)).b
  end

  class Job
    attr_reader :id, :topic, :attempt, :options, :body
    attr_accessor :cancelled

    def initialize(worker, words, body)
      @worker, @body, @cancelled = worker, body, false
      @id, @topic, @attempt = words[1], words[2], words[3].to_i
      @options = words.drop(5).to_h { |word| word.split("=", 2).then { |key, value| [key, decode(value)] } }
    end

    def json = JSON.parse(@body)

    # It goes on: its time-out counts from now, for ms or as long as it was.
    def touch(ms = nil) = @worker.send_line(["TOUCH", @id, ms].compact.join(" "))

    def progress(percent, text = "") = @worker.send_line("PROGRESS #{@id} #{percent} #{Troupe.bytes(text).size}", Troupe.bytes(text))

    # A part of the answer, for who waits for it.
    def data(part) = @worker.send_line("DATA #{@id} #{Troupe.bytes(part).size}", Troupe.bytes(part))

    # A task that follows: it is there exactly when this one has succeeded. options: delay, prio, uniq, type, after.
    def push(topic, body, **options) = @worker.push(topic, body, on: @id, **options)

    # Does somebody want it to stop? Looks at what has come in.
    def cancelled?
      @worker.look
      @cancelled
    end

    private

    def decode(text) = text.gsub(/%\h\h/) { |code| code[1, 2].hex.chr }.force_encoding("UTF-8")
  end

  class Worker
    def initialize
      abort "This is a worker: it is started by troupe (try: troupe worker-test ruby #{$0})." if ENV["TROUPE_PROTO"] != "twp/1"
      @out = IO.for_fd(ENV["TROUPE_FD"].to_i, "wb")
      @out.sync = $stdout.sync = true
      @in = IO.for_fd(0, "rb")
      @unread = "".b
      @waiting, @replies, @running = {}, {}, nil
      @refs, @max, @leaving, @closed = 0, 1 << 20, false, false
      File.write("/proc/self/comm", ENV.fetch("TROUPE_TITLE", "worker")) rescue nil # what top and ps -e show
    end

    # Runs jobs until troupe wants no more. The block gets a Job and returns its result.
    def run
      send_line("READY #{ENV["TROUPE_CREDIT"]} caps=cancel")
      loop do
        take while @waiting.empty? && !@leaving && !@closed
        break if @waiting.empty?
        @running = @waiting.shift[1]
        attempt(@running) { |job| yield job }
        @running = nil
      end
    end

    # A task of its own, at once. Returns its id; Fail, when it was refused.
    def push(topic, body, **options)
      body = fits(Troupe.bytes(body), "body")
      ref = @refs += 1
      words = options.map { |key, value| "#{key}=#{ERB::Util.url_encode(Array(value).join(","))}" }
      send_line(["PUSH", topic, body.size, "ref=#{ref}", *words].join(" "), body)
      take until @replies.key?(ref) || @closed
      ok, word = @replies.delete(ref) || [false, "the connection is closed"]
      ok ? word : raise(Fail, word)
    end

    # A line of the log. level: error, warn, info, debug.
    def log(level, text) = send_line("LOG #{level} #{Troupe.bytes(text).size}", Troupe.bytes(text))

    # Asks to be replaced, when the jobs that it has are done.
    def bye = send_line("BYE")

    # Takes what has come, and does not wait.
    def look
      take while !@closed && (@unread.include?("\n") || IO.select([@in], nil, nil, 0))
    end

    # At once: what has been answered is not lost when the next job ends the process.
    def send_line(line, body = nil) = @out.write(body ? "#{line}\n".b + body + "\n" : "#{line}\n")

    private

    def attempt(job)
      result = fits(Troupe.bytes(yield(job)), "result")
      send_line("ACK #{job.id} #{result.size}", result)
    rescue Release => why
      send_line("RELEASE #{job.id} delay=#{why.delay}")
    rescue Fail => why
      fail(job, why.message, (why.again ? "" : " retry=no") + (why.delay ? " delay=#{why.delay}" : ""))
    rescue StandardError, ScriptError, NoMemoryError, SystemStackError => why
      fail(job, why.full_message(highlight: false))
    end

    def fail(job, text, more = "")
      text = text.b
      text = text[0, 4096] + text[-4096, 4096] if text.size > 8192
      send_line("FAIL #{job.id} #{text.size}#{more}", text)
    end

    def fits(data, what)
      raise Fail.new("a #{what} of #{data.size} bytes, #{@max} are allowed", again: false) if data.size > @max
      data
    end

    def more
      @unread << @in.readpartial(65536)
      true
    rescue EOFError
      !(@closed = true)
    end

    def bytes(n)
      nil while @unread.size < n && more
      @unread.slice!(0, n)
    end

    # One line, with its body, of what troupe says.
    def take
      until (stop = @unread.index("\n"))
        return unless more
      end
      words = bytes(stop + 1).chomp.force_encoding("UTF-8").split(" ")
      case words[0]
      when "JOB" then @waiting[words[1]] = Job.new(self, words, bytes(words[4].to_i + 1)[0..-2].force_encoding("UTF-8"))
      when "CANCEL" then [@running, @waiting[words[1]]].each { |job| job.cancelled = true if job && job.id == words[1] }
      when "OK", "ERR" then @replies[words[1].to_i] = [words[0] == "OK", words.drop(2).join(" ")]
      when "HELLO" then @max = (words.drop(2).to_h { |word| word.split("=", 2) }["max"] || @max).to_i
      when "QUIT" then @leaving = true
      end
    end
  end

  def self.run(&block) = Worker.new.run(&block)
end
