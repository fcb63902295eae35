# sidekiq.rb - runs the jobs of Sidekiq's queues, without Sidekiq's server; producers go on as they are.
#
#     [source sidekiq]
#     type = redis
#     url = redis://127.0.0.1:6379
#     topics = default, mailers
#     payload = sidekiq
#
#     [pool sidekiq]
#     command = bundle exec ruby /usr/local/share/troupe/workers/sidekiq.rb ./config/environment.rb
#     topics = default, mailers
#
# The argument is what loads the job classes: for Rails config/environment.rb. A job is {class, args, jid, ...}: a new object of
# the class gets `jid` and its perform the args. What it raises makes it fail, to be tried again as `retry` and the topic say.
require_relative "troupe"
require File.expand_path(ARGV[0]) if ARGV[0]

Troupe.run do |job|
  said = job.json
  name, args = said.is_a?(Hash) ? said.values_at("class", "args") : nil
  raise Troupe::Fail.new("a job needs a class and a list args", again: false) unless name.is_a?(String) && args.is_a?(Array)
  worker = Object.const_get(name).new
  worker.jid = said["jid"] if worker.respond_to?(:jid=)
  worker.perform(*args)
  nil
end
