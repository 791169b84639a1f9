"""A client of one gRPC channel to rpc.py: channel.py PORT makes a call of Slow for each number of milliseconds that it
reads, and prints the status of each."""
import sys
import grpc

call = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}").unary_unary("/Test/Slow")
for line in iter(sys.stdin.readline, ""):
    # Said when the call is done: meanwhile the next line may come.
    call.future(line.strip().encode()).add_done_callback(lambda done: print(done.code().name, flush=True))
