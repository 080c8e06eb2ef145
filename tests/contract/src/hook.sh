#!/bin/sh
# Answers as the contract says. The first argument is the hook point; the event is in the
# environment.
kind=$1
address() {
    case $1 in
    192.0.2.2) echo deny ;;
    192.0.2.3) echo fail ;;
    192.0.2.4) echo trap ;;
    192.0.2.5) echo loop ;;
    *) echo allow ;;
    esac
}
user() { # the username in an account document
    printf %s "$1" | sed 's/.*"username":"\([^"]*\)".*/\1/'
}
case $kind in
external-auth | check-password | keyboard-interactive) what=$SFTPGO_AUTHD_USERNAME ;;
pre-login | post-login) what=$(user "$SFTPGO_LOGIND_USER") ;;
connect | disconnect) what=$(address "$SFTPGO_CONNECTION_IP") ;;
login-pre) what=$SFTPGO_LOGIN_USERNAME ;;
session-create | session-destroy) what=$SFTPGO_SESSION_USERNAME ;;
pre-action | post-action) what=${SFTPGO_ACTION_VIRTUAL_PATH##*/} ;;
object-changes) what=$SFTPGO_USER_USERNAME ;;
address-banned) what=$(address "$SFTPGO_BAN_IP") ;;
credential-changed) what=$SFTPGO_CREDENTIAL_USERNAME ;;
password-reset-pre) what=$SFTPGO_RESET_USERNAME ;;
one-click-login-post) what=$SFTPGO_LOGIN_USERNAME ;;
*) what=allow ;;
esac
account='{"status":1,"username":"'$what'","home_dir":"'${CONTRACT_HOME:-/srv/contract}'","permissions":{"/":["*"]}}'
echo "the contract was asked about $what" >&2

case $what in
trap) kill -9 $$ ;;
loop) sleep 600 ;;
garbage) echo '{"username":'; exit 0 ;;
endless) head -c 2000000 /dev/zero; exit 0 ;;
esac
case $kind in
external-auth | pre-login | check-password | keyboard-interactive | post-login | session-destroy | disconnect) ;;
post-action | object-changes | credential-changed | one-click-login-post | address-banned | startup) ;;
*) # says no by its exit status; a failure is something else
    [ "$what" = fail ] && kill -15 $$
    [ "$what" = deny ] && { echo the contract says no; exit 1; }
    exit 0
    ;;
esac
[ "$what" = fail ] && exit 3

case $kind-$what in
external-auth-deny) echo '{"username":""}' ;;
*-empty) ;;
external-auth-*) echo "$account" ;;
pre-login-replace) echo "$account" ;;
pre-login-*) ;;
check-password-deny) echo '{"status":0}' ;;
check-password-verify) echo '{"status":2,"to_verify":"other"}' ;;
check-password-*) echo '{"status":1}' ;;
keyboard-interactive-mismatch) echo '{"questions":["one"],"echos":[]}' ;;
keyboard-interactive-deny) echo '{"auth_result":-1}' ;;
keyboard-interactive-silent) exit 0 ;;
keyboard-interactive-*)
    echo '{"instruction":"the contract asks","questions":["one","two"],"echos":[true,true]}'
    read -r one && read -r two || exit 0
    echo '{"questions":["three"],"echos":[true]}'
    read -r three || exit 0
    [ "$one $two $three" = "1 2 3" ] && echo '{"auth_result":1}' || echo '{"auth_result":-1}'
    ;;
esac
exit 0
