#!/bin/sh
# Lets guests in: user names that begin with "guest-" share the password GUEST_PASSWORD and see GUEST_DIRECTORY.
# All other names are refused, so register it with users = ["guest-*"]. Both variables come from the hook's `env`.
# Hook point: external-auth, as a program. Build: none.
refuse() { echo '{"username":""}'; exit 0; }
case $SFTPGO_AUTHD_USERNAME in
guest-*) ;;
*) refuse ;;
esac
# What is put into JSON must not need escaping.
case $SFTPGO_AUTHD_USERNAME in
*[!a-z0-9-]*) refuse ;;
esac
[ -n "$GUEST_PASSWORD" ] && [ "$SFTPGO_AUTHD_PASSWORD" = "$GUEST_PASSWORD" ] || refuse
printf '{"username":"%s","status":1,"home_dir":"%s","permissions":{"/":["list","download"]}}\n' \
    "$SFTPGO_AUTHD_USERNAME" "$GUEST_DIRECTORY"
