# WEBrick as its manual shows it, without the handler for signals.
require "webrick"
body = "slot=#{ENV["RELOADERD_SLOT"]} generation=#{ENV["RELOADERD_GENERATION"]} pid=#{Process.pid}\n"
server = WEBrick::HTTPServer.new(
  BindAddress: "127.0.0.1", Port: ARGV[0].to_i, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
server.mount_proc("/") { |_, response| response.body = body }
server.start
