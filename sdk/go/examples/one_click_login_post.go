// Logs whom a click has logged in, and never the token.
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
