# The sample application of the platform ruby: Rack without a framework.
require 'rack'

run lambda { |env|
  text = env['PATH_INFO'] == '/healthz' ? "ok\n" : "Hello from Beanpod, in Ruby #{RUBY_VERSION}\n"
  [200, { 'content-type' => 'text/plain; charset=utf-8' }, [text]]
}
