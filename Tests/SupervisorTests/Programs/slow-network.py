"""A client at the other end of a slow network, played packet by packet over a tun device: slow-network.py PORT
MILLISECONDS. Opens a connection to 10.9.0.1:PORT, says "begun" when the server has answered its first packet, sends the
third one and a request that much later, and says "answered" or "reset". In a network namespace of its own."""
import fcntl, os, select, struct, subprocess, sys, time

port, delay = int(sys.argv[1]), int(sys.argv[2]) / 1000
HERE, THERE, OWN = b"\x0a\x09\x00\x02", b"\x0a\x09\x00\x01", 40000
FIN, SYN, RST, ACK = 1, 2, 4, 16

tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x0001 | 0x1000))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
subprocess.run("ip addr add 10.9.0.1/24 dev tun0 && ip link set tun0 up", shell=True, check=True)


def total(data):
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    number = sum(words)
    while number >> 16: number = (number & 0xFFFF) + (number >> 16)
    return ~number & 0xFFFF


def send(flags, sequence, acknowledged, data=b""):
    segment = struct.pack("!HHIIBBHHH", OWN, port, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0) + data
    check = total(HERE + THERE + struct.pack("!BBH", 0, 6, len(segment)) + segment)
    segment = segment[:16] + struct.pack("!H", check) + segment[18:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, HERE, THERE)
    os.write(tun, header[:10] + struct.pack("!H", total(header)) + header[12:] + segment)


def receive():
    """Flags, sequence number and data of the next segment for us."""
    while True:
        packet = os.read(tun, 65536)
        if packet[0] >> 4 != 4 or packet[9] != 6: continue
        segment = packet[(packet[0] & 15) * 4:]
        source, target, sequence, _, offset, flags = struct.unpack("!HHIIBB", segment[:14])
        if (source, target) == (port, OWN): return flags, sequence, segment[(offset >> 4) * 4:]


send(SYN, 1000, 0)
flags, sequence, _ = receive()
if flags & RST: sys.exit("refused")
print("begun", flush=True)
time.sleep(delay)  # what the network takes
send(ACK, 1001, sequence + 1)
send(ACK, 1001, sequence + 1, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
while True:
    flags, _, data = receive()
    if flags & RST: print("reset", flush=True); break
    if data: print("answered", flush=True); break
