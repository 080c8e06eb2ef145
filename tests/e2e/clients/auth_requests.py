"""Sends authentication requests as they are named and prints what comes back, a line each.

usage: auth_requests.py PORT USER REQUEST...
requests: none, ask (begins keyboard-interactive), password:TEXT, key:FILE (of an Ed25519 key), answer:TEXT,
code:SECRET (the answer is a one-time code)
"""
import base64
import hashlib
import hmac
import queue
import socket
import struct
import sys
import threading
import time

import paramiko
from paramiko.common import cMSG_USERAUTH_INFO_RESPONSE, cMSG_USERAUTH_REQUEST
from paramiko.message import Message

port, user, *requests = sys.argv[1:]
replies = queue.Queue()


def one_time_code(secret):
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    at = digest[-1] & 15
    return "%06d" % ((struct.unpack(">I", digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000)


def asked(self, message):
    name, instruction, _ = message.get_text(), message.get_text(), message.get_text()
    prompts = [(message.get_text(), message.get_boolean())[0] for _ in range(message.get_int())]
    about = f"name {name} instruction {instruction.replace(chr(10), '/')}: " if name or instruction else ""
    replies.put("ask " + about + "|".join(prompts))


def refused(self, message):
    methods, partial = message.get_text(), message.get_boolean()
    replies.put(("partial " if partial else "failure ") + methods)


def accepted(self, message):
    replies.put("success")


transport = paramiko.ServiceRequestingTransport(socket.create_connection(("127.0.0.1", int(port))))
transport.start_client(timeout=20)
transport.ensure_session()
for handler in (paramiko.auth_handler.AuthHandler, paramiko.auth_handler.AuthOnlyHandler):
    handler._parse_userauth_info_request = asked
    handler._parse_userauth_failure = refused
    handler._parse_userauth_success = accepted
transport.auth_handler = transport.get_auth_handler()


def tell_of_end():
    # The thread of the connection has put all replies before it ends.
    transport.join()
    replies.put("closed")


threading.Thread(target=tell_of_end, daemon=True).start()

for request in requests:
    kind, _, text = request.partition(":")
    message = Message()
    if kind in ("answer", "code"):
        message.add_byte(cMSG_USERAUTH_INFO_RESPONSE)
        message.add_int(1)
        message.add_string(one_time_code(text) if kind == "code" else text)
    else:
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_string(user)
        message.add_string("ssh-connection")
        message.add_string({"ask": "keyboard-interactive", "key": "publickey"}.get(kind, kind))
        if kind == "ask":
            message.add_string("")
            message.add_string("")
        elif kind == "password":
            message.add_boolean(False)
            message.add_string(text)
        elif kind == "key":
            key = paramiko.Ed25519Key.from_private_key_file(text)
            message.add_boolean(True)
            message.add_string("ssh-ed25519")
            message.add_string(key.asbytes())
            # The signature is over the number of the session and what the request says so far (RFC 4252 section 7).
            session = Message()
            session.add_string(transport.session_id)
            message.add_string(key.sign_ssh_data(session.asbytes() + message.asbytes()).asbytes())
    try:
        transport._send_message(message)
    except (OSError, EOFError, paramiko.SSHException):
        pass
    reply = replies.get()
    print(reply, flush=True)
    if reply == "closed":
        break
transport.close()
