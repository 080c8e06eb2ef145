// Refuses names that no account of ours has, before any credential is looked at.
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
