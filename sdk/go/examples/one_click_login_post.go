// Logs which user was logged in by one click, without the token.
// Hook point: one-click-login-post. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/oneclickloginpost"
)

func init() { oneclickloginpost.Handle(clicked) }

func clicked(token, username, name string) error {
	hook.Infof("%s was logged in at %s", username, name)
	return nil
}
