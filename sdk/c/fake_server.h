// A server for tests that run on your own machine: the hook and this are compiled by the ordinary C compiler,
// so a debugger and sanitizers work. It knows what most hooks use; add what yours needs.
#ifndef TIDEGATE_FAKE_SERVER_H
#define TIDEGATE_FAKE_SERVER_H

#include "tidegate_hook.h"

#ifdef __cplusplus
extern "C" {
#endif

// Forgets everything; call it at the start of each test.
void fake_reset(void);
void fake_config(const char *key, const char *value);
// Of a client that sends this password; no password: one that offers a key. `password_matches` says
// yes to the hash "hash of " + password.
login_attempt_t fake_login_attempt(const char *username, const char *password);
connection_t fake_connection(const char *remote_ip);
session_t fake_session(const char *username);

// What the hook did to the latest draft, one setter a line, e.g. "set_home_directory /srv".
const char *fake_draft(void);
// Lines that the hook logged.
const char *fake_log(void);
// Objects that the hook holds or handed to the server: with no accepted draft, 0 when it is over.
int fake_objects_left(void);

#ifdef __cplusplus
}
#endif
#endif
