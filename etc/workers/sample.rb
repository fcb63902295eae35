# A worker in Ruby. The body is JSON: {"add":[1,2]}, {"fail":"why"}, {"dead":"why"}, {"follow":"topic"}, {"sleep":ms}.
require_relative "troupe"

def sleep_for(job, ms)
  0.step(ms - 1, 10) do |t|
    raise Troupe::Fail.new("stopped when asked", again: false) if job.cancelled?
    job.progress(100 * t / ms, "after #{t} ms")
    sleep 0.01
  end
end

Troupe.run do |job|
  task = job.json
  raise task["fail"] if task.key?("fail")
  raise Troupe::Fail.new(task["dead"], again: false) if task.key?("dead")
  raise Troupe::Release.new(task["later"]) if task.key?("later")
  if task.key?("follow")
    begin
      job.push(task["follow"], {add: [1, 1]})
    rescue Troupe::Fail => why
      raise Troupe::Fail.new(why.message, again: false)
    end
  end
  sleep_for(job, task["sleep"]) if task.key?("sleep")
  puts "attempt #{job.attempt} of #{job.topic}"
  {sum: task.fetch("add", []).sum}
end
