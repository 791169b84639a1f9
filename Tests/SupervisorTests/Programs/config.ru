# For Puma. Answers what shapes.py asks for.
who = "slot=#{ENV["RELOADERD_SLOT"]} generation=#{ENV["RELOADERD_GENERATION"]} pid=#{Process.pid}\n"

run(lambda do |env|
  query = env["QUERY_STRING"].split("&").to_h { |pair| pair.split("=") }.transform_values(&:to_i)
  if env["PATH_INFO"] == "/stream"
    chunks = Enumerator.new do |out|
      query["n"].times do |number|
        sleep(query["pause"] / 1000.0) if number > 0
        out << "chunk\n"
      end
    end
    next [200, { "Content-Type" => "text/plain" }, chunks]
  end
  sleep(query["ms"] / 1000.0) if env["PATH_INFO"] == "/sleep"
  body = env["PATH_INFO"] == "/upload" ? "#{env["rack.input"].read.bytesize}\n" : who
  [200, { "Content-Type" => "text/plain", "Content-Length" => body.bytesize.to_s }, [body]]
end)
