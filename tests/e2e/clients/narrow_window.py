"""Many small requests with a small window, so that replies are cut where it ends: each has to arrive whole, and in order."""
import struct
import sys
import threading

import paramiko

from packets import FXP_ATTRS, FXP_STAT, begin, framed, packet

REQUESTS, AT_ONCE, NEVER_ADJUSTED = 40_000, 50, 2 << 20

transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
transport.connect(username="alice", password="pw")


# The last one is never adjusted: the server has to find out how much it takes.
for window in (32768, 33000, 70_001, NEVER_ADJUSTED):
    sftp = transport.open_session(window_size=window, timeout=10)
    sftp.settimeout(20)
    if window == NEVER_ADJUSTED:
        sftp.in_window_threshold = 1 << 40
    begin(sftp)

    def ask():
        for first in range(0, REQUESTS, AT_ONCE):
            stats = [framed(FXP_STAT + struct.pack(">II", number, 1) + b"/") for number in range(first, first + AT_ONCE)]
            sftp.sendall(b"".join(stats))

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(REQUESTS):
        reply = packet(sftp)
        assert reply[:5] == FXP_ATTRS + struct.pack(">I", number), (window, number, reply)
    asking.join()
    sftp.close()
transport.close()
