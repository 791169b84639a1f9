body = "slot=#{ENV["RELOADERD_SLOT"]} generation=#{ENV["RELOADERD_GENERATION"]} pid=#{Process.pid}\n"
run ->(env) { [200, { "Content-Type" => "text/plain", "Content-Length" => body.bytesize.to_s }, [body]] }
