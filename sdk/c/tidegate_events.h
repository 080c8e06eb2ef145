// The events of hooks after the login. Part of tidegate_hook.h, which includes it.
#ifndef TIDEGATE_EVENTS_H
#define TIDEGATE_EVENTS_H

#include "tidegate_hook.h"

#ifdef __cplusplus
extern "C" {
#endif

HOOK_TEXT(session, id)
HOOK_OBJECT(session, connection, connection)
HOOK_OBJECT(session, account, account)
HOOK_TEXT(session, username)
HOOK_VARIANT(session, method, login_method_t)
HOOK_VALUE(session, opened_at, timestamp_t)
HOOK_VALUE(session, bytes_received, uint64_t)
HOOK_VALUE(session, bytes_sent, uint64_t)
HOOK_OPTIONAL_TEXT(session, impersonator)
HOOK_OPTIONAL_TEXT(session, login_link)

HOOK_TEXT(file_action, id)
HOOK_OBJECT(file_action, session, session)
HOOK_VARIANT(file_action, protocol, protocol_t)
HOOK_VARIANT(file_action, kind, action_kind_t)
HOOK_TEXT(file_action, virtual_path)
HOOK_OPTIONAL_TEXT(file_action, virtual_target)
HOOK_GRANTED_TEXT(file_action, storage_path)
HOOK_GRANTED_TEXT(file_action, storage_target)
HOOK_TEXT(file_action, storage_kind)
HOOK_OPTIONAL_VALUE(file_action, size, uint64_t)
HOOK_OPTIONAL_VALUE(file_action, open_flags, uint32_t)
HOOK_OPTIONAL_TEXT(file_action, ssh_command)
HOOK_OPTIONAL_VALUE(file_action, status, tidegate_hooks_types_action_status_t)
HOOK_OPTIONAL_TEXT(file_action, error_message)
HOOK_OPTIONAL_VALUE(file_action, elapsed_milliseconds, uint64_t)

HOOK_VARIANT(object_change, kind, tidegate_hooks_types_object_kind_t)
HOOK_VALUE(object_change, change, tidegate_hooks_types_change_kind_t)
HOOK_TEXT(object_change, name)
HOOK_OPTIONAL_TEXT(object_change, actor)
HOOK_OPTIONAL_TEXT(object_change, actor_ip)
HOOK_VALUE(object_change, at, timestamp_t)
HOOK_TEXT(object_change, to_json)

HOOK_TEXT(web_request, username)
HOOK_TEXT(web_request, remote_ip)
HOOK_TEXT(web_request, session_id)
HOOK_TEXT(web_request, referer)
HOOK_TEXT(web_request, user_agent)

HOOK_TEXT(credential_change, name)
HOOK_TEXT(credential_change, username)
HOOK_VALUE(credential_change, is_login_url, bool)
HOOK_VALUE(credential_change, is_modification, bool)
HOOK_OPTIONAL_VALUE(credential_change, expires_at, timestamp_t)
HOOK_VALUE(credential_change, max_uses, uint32_t)
HOOK_TEXTS(credential_change, allowed)
HOOK_TEXTS(credential_change, denied)
HOOK_TEXTS(credential_change, ips)

HOOK_TEXT(address_ban, network)
HOOK_TEXT(address_ban, remote_ip)
HOOK_OPTIONAL_TEXT(address_ban, protocol)
HOOK_VALUE(address_ban, score, uint32_t)
HOOK_VALUE(address_ban, login_failed, uint32_t)
HOOK_VALUE(address_ban, user_not_found, uint32_t)
HOOK_VALUE(address_ban, no_login_tried, uint32_t)
HOOK_VALUE(address_ban, limit_exceeded, uint32_t)
HOOK_VALUE(address_ban, at, timestamp_t)
HOOK_VALUE(address_ban, until, timestamp_t)

#ifdef __cplusplus
}
#endif
#endif
