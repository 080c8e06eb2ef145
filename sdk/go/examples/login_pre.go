// Denies names that no account here has, before any credential is checked.
// Hook point: login-pre. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"strings"

	"tidegate/hook"
	"tidegate/hook/loginpre"
)

func init() { loginpre.Handle(reviewAttempt) }

func reviewAttempt(attempt hook.LoginAttempt) (loginpre.Verdict, error) {
	username := attempt.Username()
	if username == "" || strings.Trim(username, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return loginpre.Deny("not a name of ours"), nil
	}
	return loginpre.Allow(), nil
}
